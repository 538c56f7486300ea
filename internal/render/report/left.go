package report

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/render"
)

// left is what stays: changes, what could not go back, and what may not be shipped.
func (f Facts) left(d *document) {
	d.begin("What was left, and what is held")
	items := []string{}
	if p := f.newest(); p != nil {
		for _, l := range p.Left {
			items = append(items, fmt.Sprintf("%s stays (%s): %s", render.What(l.Component, l.To), render.Percent(l.P), render.Readable(l.Why)))
		}
		for _, x := range p.Impossible {
			items = append(items, fmt.Sprintf("%s could not go back: %s", render.What(x.Component, x.To), render.Readable(x.Why)))
		}
	}
	for _, h := range f.Holds {
		items = append(items, fmt.Sprintf("%s is held until %s, or until %s", render.What(h.Component, h.BadTo), day(h.Until), cmp.Or(h.Release, "a person releases it")))
	}
	if len(items) == 0 {
		d.say("No other change was left, and nothing is held.")
	}
	d.list(items)
}

// followUps are what the facts leave to be done; none is invented.
func (f Facts) followUps(d *document) {
	items := []string{}
	for _, h := range f.Holds {
		items = append(items, fmt.Sprintf("Ship a version of %s other than %s, or release its hold.", render.ShortName(h.Component), h.BadTo))
	}
	if p := f.newest(); p != nil {
		for _, g := range p.Gaps {
			items = append(items, "Prove or write down: "+render.Readable(g)+".")
		}
		for _, x := range p.Impossible {
			for i, w := range x.WaysOut {
				if i == 0 {
					items = append(items, fmt.Sprintf("Make %s able to go back: %s", render.ShortName(x.Component), w.Words))
				}
			}
		}
	}
	for _, m := range f.Messages {
		if m.At.IsZero() && m.Tries > 0 {
			items = append(items, fmt.Sprintf("Find out why %s could not be told by %s: %s.", m.Message.Audience, m.Channel, m.Note))
		}
	}
	for _, x := range f.Incident.Degraded {
		items = append(items, fmt.Sprintf("Bring back %s: %s", x.What(), x.Remedy))
	}
	if f.unknown() {
		items = append(items, "Look at the components whose move may or may not have happened.")
	}
	if !f.Check.Whole {
		items = append(items, "Find out who changed the records, and when: see Records.")
	}
	if !f.Incident.State.Terminal() {
		items = append(items, "It is not over.")
	}
	d.begin("Follow-ups")
	if len(items) == 0 {
		d.say("The facts leave nothing to be done.")
	}
	slices.Sort(items)
	d.list(slices.Compact(items))
}

// unknown reports whether an effect was never cleared up.
func (f Facts) unknown() bool {
	last := map[string]backout.Outcome{}
	for _, r := range f.Runs {
		for _, e := range r.Entries {
			if e.Outcome != "" {
				last[string(e.Attempt)+e.Step] = e.Outcome
			}
		}
	}
	for _, o := range last {
		if o == backout.OutcomeUnknown {
			return true
		}
	}
	return false
}
