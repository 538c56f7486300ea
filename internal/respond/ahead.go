package respond

import (
	"slices"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/plan"
	"github.com/backout-dev/backout/internal/plan/check"
)

// Ready gives what lies prepared for every change of a world: plan, check and
// permit on the path that an incident would take if that change were its cause.
func Ready(w backout.World, rules Permit) []backout.Prepared {
	return certified(w, plan.Prepare(w, rules.PerAction(w)))
}

// Ahead says whether releases could be undone, in a world in which they are out:
// see [plan.Released].
func Ahead(w backout.World, releases []backout.Release, rules Permit) backout.ReleaseCheck {
	c := plan.Check(w, releases, rules.PerAction(w))
	c.Releases = certified(w, c.Releases)
	c.Reversible = !slices.ContainsFunc(c.Releases, func(p backout.Prepared) bool { return !p.Verdict.Reversible() })
	return c
}

// certified lets the independent checker look at what was prepared. A plan that it
// refuses is none.
func certified(w backout.World, all []backout.Prepared) []backout.Prepared {
	for i := range all {
		p := &all[i]
		if len(p.Plan.Waves) == 0 {
			continue
		}
		proof, violations := check.Certify(w, p.Plan)
		p.Plan.Certificate.Safe, p.Plan.Certificate.Checks = proof.Safe, proof.Checks
		if len(violations) > 0 {
			p.Verdict, p.Until = backout.RollbackBlocked, time.Time{}
			p.Reasons = append(p.Reasons, "the checker refuses the prepared plan: "+violations[0].String())
		}
	}
	return all
}
