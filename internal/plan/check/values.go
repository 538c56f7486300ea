package check

import (
	"math"

	"github.com/backout-dev/backout"
)

// near is how much a probability may differ by rounding.
const near = 1e-6

// Values lists what is wrong with what a policy reads of a plan beside its safety:
// whose step it is, of what kind, the probability that it takes back the cause, and
// the chance that the plan ends the trouble. They are reckoned anew from the world
// and the attribution, so that no ruling rests on the planner's word.
func Values(w backout.World, att backout.Attribution, p backout.Plan) []Violation {
	c := &checker{w: w, p: p, steps: p.Steps()}
	parts := map[backout.ComponentID]backout.Component{}
	for _, part := range w.Graph.Components {
		parts[part.ID] = part
	}
	suspicion := map[backout.ChangeID]float64{}
	for _, s := range att.Suspects {
		suspicion[s.Change] = s.P
	}
	total := 0.0
	for _, s := range c.steps {
		if part := parts[s.Component]; part.Service != s.Service || part.Kind != s.Kind {
			c.report(ReasonValues, s.ID, "%s is a %s of %s, the plan says a %s of %s", s.Component, part.Kind, part.Service, s.Kind, s.Service)
		}
		sum := 0.0
		for _, id := range s.Reverts {
			sum += suspicion[id]
		}
		if total += sum; math.Abs(s.P-min(sum, 1)) > near || math.IsNaN(s.P) {
			c.report(ReasonValues, s.ID, "what it takes back is the cause with %.4f, the plan says %.4f", min(sum, 1), s.P)
		}
	}
	if !(p.Success >= 0 && p.Success <= min(total, 1)+near) {
		c.report(ReasonValues, "", "the plan says that it ends the trouble with %.4f, what it takes back is the cause with %.4f", p.Success, min(total, 1))
	}
	return c.found
}
