package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/bench/played"
	"github.com/backout-dev/backout/internal/simulate"
)

// calm is what backout did on days without a guilty change.
type calm struct {
	Days int    `json:"days"`
	Seed uint64 `json:"seed"`
	// Changes and Troubles are what the days had; Troubles by class.
	Changes  int                    `json:"changes"`
	Troubles map[simulate.Class]int `json:"troubles"`
	// Incidents that opened, and how many of them while there was a trouble.
	Incidents int `json:"incidents"`
	Founded   int `json:"founded"`
	// Noticed is how many troubles had an incident while they lasted.
	Noticed map[simulate.Class]int `json:"noticed"`
	// AutomaticActions must be 0. AtMost is the upper end of the exact 95 % interval for
	// the actions of a thousand such days.
	AutomaticActions int     `json:"automatic_actions"`
	AtMost           float64 `json:"automatic_actions_1000_days_at_most"`
	// Proposed is how many incidents asked a person for a rollback.
	Proposed int `json:"proposed"`
	// OverloadsBlamed are overloads in whose incident a change was likelier than none
	// when it was decided, OverloadsProposed those in which its reversal was proposed.
	OverloadsBlamed   int                   `json:"overloads_blamed"`
	OverloadsProposed int                   `json:"overloads_proposed"`
	Ended             map[backout.State]int `json:"ended"`
	Seconds           float64               `json:"seconds"`
	said              []string
}

// day is one of them.
type day struct {
	seed    uint64
	events  []simulate.Event
	changes int
	result  played.Result
}

// warm is how much of a day's beginning the detector only learns from.
const warm = 200 * time.Minute

// late is how long after its end a trouble is still the reason for an incident.
const late = 10 * time.Minute

func measureCalm(o options) (calm, error) {
	days, err := played.Each(o.days, func(i int) (day, error) {
		seed := o.seed + uint64(i)
		world, events := simulate.Day(played.Split(o.shifted, o.train), seed)
		shipped, _ := backout.Fold(world.Told(world.End()))
		r, err := play(played.Config{World: world, Watched: world.Start().Add(warm), Answer: -1, Seed: seed})
		return day{seed, events, len(shipped), r}, err
	})
	if err != nil {
		return calm{}, err
	}
	out := calm{Days: len(days), Seed: o.seed, Troubles: map[simulate.Class]int{}, Noticed: map[simulate.Class]int{}, Ended: map[backout.State]int{}}
	for _, d := range days {
		out.add(d)
	}
	out.AtMost = 1000 * upper(out.AutomaticActions, out.Days)
	return out, nil
}

func (c *calm) add(d day) {
	c.Changes += d.changes
	for _, e := range d.events {
		c.Troubles[e.Class]++
		if slices.ContainsFunc(d.result.Incidents, func(inc backout.Incident) bool { return during(inc, e) }) {
			c.Noticed[e.Class]++
		}
	}
	for _, inc := range d.result.Incidents {
		c.Incidents++
		c.Ended[inc.State]++
		overload := false
		founded := slices.ContainsFunc(d.events, func(e simulate.Event) bool {
			overload = overload || during(inc, e) && e.Class == simulate.ClassSurge
			return during(inc, e)
		})
		if founded {
			c.Founded++
		}
		c.judge(d, inc, overload)
	}
}

// judge counts what was said and done in one incident.
func (c *calm) judge(d day, inc backout.Incident, overload bool) {
	proposed := inc.Plan != nil && len(inc.Plan.Waves) > 0
	blamed := inc.Attribution != nil && len(inc.Attribution.Suspects) > 0 && inc.Attribution.Suspects[0].P > inc.Attribution.PNone
	for _, a := range inc.Attempts {
		if a.ByItself() {
			c.AutomaticActions++
			c.said = append(c.said, fmt.Sprintf("day %d: took back %v by itself: %s", d.seed, a.Plan.Touched(), a.Plan.Summary))
		}
	}
	if proposed {
		c.Proposed++
	}
	if overload && blamed {
		c.OverloadsBlamed++
		c.said = append(c.said, fmt.Sprintf("day %d: overload blamed on %s with %.2f, none %.2f (%s)", d.seed, inc.Attribution.Suspects[0].Component, inc.Attribution.Suspects[0].P, inc.Attribution.PNone, inc.State))
	}
	if overload && proposed {
		c.OverloadsProposed++
	}
}

func during(inc backout.Incident, e simulate.Event) bool {
	return !inc.OpenedAt.Before(e.From) && inc.OpenedAt.Before(e.Until.Add(late))
}

func (c calm) show(out io.Writer, verbose bool) {
	fmt.Fprintf(out, "%d calm days from seed %d, %d changes, in %.0f s\n", c.Days, c.Seed, c.Changes, c.Seconds)
	for _, class := range slices.Sorted(maps.Keys(c.Troubles)) {
		fmt.Fprintf(out, "  %-12s %5d, %d noticed\n", class, c.Troubles[class], c.Noticed[class])
	}
	fmt.Fprintf(out, "incidents %d, %d of them while something was wrong; ended %v\n", c.Incidents, c.Founded, c.Ended)
	fmt.Fprintf(out, "automatic actions %d (at most %.1f in 1000 days, 95 %%)\n", c.AutomaticActions, c.AtMost)
	fmt.Fprintf(out, "asked a person for a rollback: %d; overloads blamed on a change: %d, its reversal proposed: %d\n", c.Proposed, c.OverloadsBlamed, c.OverloadsProposed)
	if verbose {
		for _, s := range c.said {
			fmt.Fprintln(out, s)
		}
	}
}
