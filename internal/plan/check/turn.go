package check

import (
	"slices"

	"github.com/backout-dev/backout"
)

// turns checks the steps that a switch turns at once: that there is such a switch,
// that they are its members and at least two, and that nothing sets them apart.
func (c *checker) turns() {
	by := map[string][]backout.Step{}
	var names []string
	for _, s := range c.steps {
		if s.Switch != "" {
			if by[s.Switch] == nil {
				names = append(names, s.Switch)
			}
			by[s.Switch] = append(by[s.Switch], s)
		}
	}
	for _, name := range names {
		k := slices.IndexFunc(c.w.Graph.Switches, func(w backout.Switch) bool { return w.ID == name })
		if k < 0 {
			c.report(ReasonSwitch, by[name][0].ID, "no switch %s is known", name)
			continue
		}
		for _, s := range by[name] {
			first := by[name][0]
			switch {
			case !slices.Contains(c.w.Graph.Switches[k].Members, s.Component):
				c.report(ReasonSwitch, s.ID, "%s is no member of switch %s", s.Component, name)
			case len(by[name]) < 2:
				c.report(ReasonSwitch, s.ID, "it is alone on switch %s", name)
			case c.wave[s.ID] != c.wave[first.ID] || s.Start != first.Start:
				c.report(ReasonSwitch, s.ID, "it is not turned at the same time as step %s, on switch %s", first.ID, name)
			case len(s.Stages) != 1 || forOne(s):
				c.report(ReasonSwitch, s.ID, "switch %s turns everything at once, and the step has stages", name)
			}
		}
	}
}

// atOnce reports whether two courses are turned by one switch, so that no mixed state
// of them is ever live.
func atOnce(a, b course) bool {
	return a.moves && b.moves && a.turn != "" && a.turn == b.turn && a.wave == b.wave && a.start == b.start
}
