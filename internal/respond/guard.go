package respond

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/plan/check"
)

// Guard answers execute's question before every effect: is it still right to do
// this, in the world as it is at this moment? Now gives the time.
type Guard struct {
	Facts  Facts
	Permit Permit
	Now    func() time.Time
}

// Permit says what the policy forbids now.
type Permit interface {
	PerAction(w backout.World) map[backout.ComponentID]string
}

// Allow loads the world afresh and lets the checker look at what is left of the
// plan: what is done already is part of the world. A world that can't be loaded
// is an error: nothing is done then.
func (g *Guard) Allow(ctx context.Context, p execute.Proposal) (execute.Permission, error) {
	w, err := g.Facts.World(ctx, g.Now(), true)
	if err != nil {
		return execute.Permission{}, fmt.Errorf("guard %s: %w", p.Step.Component, err)
	}
	if w.Policy.KillSwitch {
		return execute.Permission{Wait: true, Why: cmp.Or(w.Stop.Words(), "the kill switch is on in the policy")}, nil
	}
	if why, forbidden := g.Permit.PerAction(w)[p.Step.Component]; forbidden && !p.Reverse {
		return execute.Permission{Why: why}, nil
	}
	if p.Step.Switch != "" { // one after the other they would meet in a state that is not safe
		return execute.Permission{Why: fmt.Sprintf("switch %s turns it together with others, and only there", p.Step.Switch)}, nil
	}
	if moved := forwardMoves(w, p); moved != "" {
		return execute.Permission{Why: moved}, nil
	}
	if p.Reverse {
		return goForward(w, p), nil
	}
	if bad := check.Remaining(w, p.Attempt.Plan); len(bad) > 0 {
		return execute.Permission{Why: "the rest of the plan is not safe any more: " + bad[0].String()}, nil
	}
	return execute.Permission{Yes: true, Why: "still safe"}, nil
}

// goForward lets a step be taken back after a halt where the checker proves the
// state that comes of it: that it was live a moment ago is no proof, since others
// of the plan have moved since.
func goForward(w backout.World, p execute.Proposal) execute.Permission {
	if bad := check.Back(w, p.Attempt.Plan, p.Step.ID); len(bad) > 0 {
		return execute.Permission{Why: "taking it back is not safe: " + bad[0].String()}
	}
	return execute.Permission{Yes: true, Why: "the state after it is proven safe"}
}

// forwardMoves says when somebody else moved a component of the plan since the
// attempt began: two hands on one wheel.
func forwardMoves(w backout.World, p execute.Proposal) string {
	touched := p.Attempt.Plan.Touched()
	for _, c := range w.Changes {
		if slices.Contains(touched, c.Component) && c.Exposure.Start().After(p.Attempt.StartedAt) {
			return fmt.Sprintf("somebody moved %s to %s since the plan began", c.Component, c.To)
		}
	}
	return ""
}
