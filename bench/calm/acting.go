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

// acting is what backout did by itself in incidents. Shares have 95 % intervals
// (Clopper-Pearson).
type acting struct {
	Cases     int    `json:"cases"`
	Seed      uint64 `json:"seed"`
	Known     int    `json:"known"`     // past incidents
	Incidents int    `json:"incidents"` // cases in which one opened
	// Reversible are the cases that a change caused which can go back without loss, and
	// Resolved those of them that recovered, verified, with the culprit back and no
	// person's yes.
	Reversible      int        `json:"reversible"`
	Resolved        int        `json:"resolved"`
	ResolvedShare   float64    `json:"resolved_share"`
	ResolvedShareCI [2]float64 `json:"resolved_share_ci"`
	// Actions are attempts that began by themselves, Wrong those that did not take the
	// culprit back, Needless the components taken back on suspicion beside or instead.
	Actions      int        `json:"automatic_actions"`
	Wrong        int        `json:"wrong"`
	WrongShare   float64    `json:"wrong_share"`
	WrongShareCI [2]float64 `json:"wrong_share_ci"`
	Needless     int        `json:"needless"`
	// Confident are the cases in which some answer (a change, or none) had .9 when the
	// path first planned, or at the end; Right those of them that were right.
	Confident      int                    `json:"confident"`
	ConfidentShare float64                `json:"confident_share"`
	Right          int                    `json:"confident_right"`
	RightShare     float64                `json:"confident_right_share"`
	RightShareCI   [2]float64             `json:"confident_right_share_ci"`
	Classes        map[simulate.Class]row `json:"classes"`
	Ended          map[backout.State]int  `json:"ended"` // of first incidents
	Why            map[string]int         `json:"why"`   // persons were asked, by reason
	Seconds        float64                `json:"seconds"`
	said           []string
}

// row counts one class of cases.
type row struct {
	N        int `json:"n"`
	Acted    int `json:"acted"`
	Wrong    int `json:"wrong"`
	Resolved int `json:"resolved"`
}

// beyond is how long an incident is played after the end of its case.
const beyond = 75 * time.Minute

// before is how long before the onset backout begins to watch.
const before = 10 * time.Minute

// sure is the confidence that the autonomy bar speaks of.
const sure = .9

// incident is one case as it was played.
type incident struct {
	seed   uint64
	truth  simulate.Truth
	kind   backout.ComponentKind
	result played.Result
}

func measureActing(o options) (acting, error) {
	all, err := played.Each(o.cases, func(i int) (incident, error) {
		seed := o.seed + uint64(i)
		world := simulate.Begin(played.Split(o.shifted, o.train), seed, beyond)
		truth := world.Truth()
		r, err := play(played.Config{World: world, Watched: truth.Onset.Add(-before).Truncate(world.Step()), Answer: -1, Alone: true, Seed: seed,
			PerMinute: backout.Money{Minor: 20_000, Currency: "USD"}, Priors: backout.Priors{Incidents: float64(o.known)}})
		return incident{seed, truth, truth.Component.Kind(), r}, err
	})
	if err != nil {
		return acting{}, err
	}
	out := acting{Cases: len(all), Seed: o.seed, Known: o.known, Classes: map[simulate.Class]row{}, Ended: map[backout.State]int{}, Why: map[string]int{}}
	for _, c := range all {
		out.add(c)
	}
	out.ResolvedShare, out.ResolvedShareCI = share(out.Resolved, out.Reversible)
	out.WrongShare, out.WrongShareCI = share(out.Wrong, out.Actions)
	out.ConfidentShare, _ = share(out.Confident, out.Cases)
	out.RightShare, out.RightShareCI = share(out.Right, out.Confident)
	return out, nil
}

func (a *acting) add(c incident) {
	row := a.Classes[c.truth.Class]
	row.N++
	reversible := c.truth.Culprit != "" && played.Reversible(c.kind)
	if reversible {
		a.Reversible++
	}
	if len(c.result.Incidents) > 0 {
		a.Incidents++
		a.Ended[c.result.Incidents[0].State]++
	}
	resolved := false
	for _, inc := range c.result.Incidents {
		for _, at := range inc.Attempts {
			if !at.ByItself() {
				continue
			}
			right := slices.Contains(at.Plan.Touched(), c.truth.Component)
			a.Actions++
			row.Acted++
			if !right {
				a.Wrong++
				row.Wrong++
				a.said = append(a.said, fmt.Sprintf("seed %d, %s: took back %v by itself, not %s (%s)", c.seed, c.truth.Class, at.Plan.Touched(), c.truth.Component, inc.State))
			}
			for _, s := range at.Plan.Steps() {
				if !s.Demanded && s.Component != c.truth.Component {
					a.Needless++
				}
			}
			resolved = resolved || right && inc.State == backout.StateRecovered
		}
	}
	if resolved {
		row.Resolved++
	}
	if resolved && reversible {
		a.Resolved++
	} else if reversible {
		a.asked(c)
	}
	a.Classes[c.truth.Class] = row
	a.trust(c)
}

// asked notes why a reversible case was not resolved.
func (a *acting) asked(c incident) {
	if len(c.result.Incidents) == 0 {
		a.Why["no incident opened"]++
		return
	}
	inc := c.result.Incidents[0]
	why := string(inc.State)
	if inc.Plan != nil && len(inc.Plan.Ruling.Reasons) > 0 {
		why += ", policy: " + group(inc.Plan.Ruling.Reasons[0])
	}
	a.Why[why]++
	top := "nobody"
	if at := c.result.Planned; at != nil && len(at.Suspects) > 0 {
		top = fmt.Sprintf("%s %.2f, none %.2f", at.Suspects[0].Component, at.Suspects[0].P, at.PNone)
	}
	a.said = append(a.said, fmt.Sprintf("seed %d, %s of %s: not resolved: %s; suspected %s; %s", c.seed, c.truth.Class, c.truth.Component, why, top, inc.Why))
}

// trust counts confident answers.
func (a *acting) trust(c incident) {
	att := c.result.Planned
	if att == nil && len(c.result.Incidents) > 0 {
		att = c.result.Incidents[0].Attribution
	}
	if att == nil {
		return
	}
	change := backout.ChangeID("")
	p := att.PNone
	if len(att.Suspects) > 0 && att.Suspects[0].P > p {
		change, p = att.Suspects[0].Change, att.Suspects[0].P
	}
	if p < sure {
		return
	}
	a.Confident++
	if change == c.truth.Culprit {
		a.Right++
	}
}

func (a acting) show(out io.Writer, verbose bool) {
	fmt.Fprintf(out, "%d incidents from seed %d (opened in %d), in %.0f s\n", a.Cases, a.Seed, a.Incidents, a.Seconds)
	fmt.Fprintf(out, "resolved without a person: %d of %d reversible: %.3f [%.3f, %.3f] (at least .60)\n", a.Resolved, a.Reversible, a.ResolvedShare, a.ResolvedShareCI[0], a.ResolvedShareCI[1])
	fmt.Fprintf(out, "wrong automatic actions: %d of %d: %.3f [%.3f, %.3f] (at most .02); %d components in vain\n", a.Wrong, a.Actions, a.WrongShare, a.WrongShareCI[0], a.WrongShareCI[1], a.Needless)
	fmt.Fprintf(out, "sure by .9: %d of %d: %.3f (at least .40), right %.3f [%.3f, %.3f]\n", a.Confident, a.Cases, a.ConfidentShare, a.RightShare, a.RightShareCI[0], a.RightShareCI[1])
	for _, class := range slices.Sorted(maps.Keys(a.Classes)) {
		r := a.Classes[class]
		fmt.Fprintf(out, "  %-12s %4d, acted %4d, wrong %3d, resolved %4d\n", class, r.N, r.Acted, r.Wrong, r.Resolved)
	}
	fmt.Fprintf(out, "ended %v\n", a.Ended)
	for _, why := range slices.Sorted(maps.Keys(a.Why)) {
		fmt.Fprintf(out, "  not resolved, %3d: %s\n", a.Why[why], why)
	}
	if verbose {
		for _, s := range a.said {
			fmt.Fprintln(out, s)
		}
	}
}
