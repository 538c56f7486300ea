package demo

import (
	"context"
	"fmt"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/permit"
	"github.com/backout-dev/backout/internal/web"
)

// reads is how long the person on call reads before answering, in model minutes.
const reads = 2

// enough is a history that is long enough to judge by.
const enough = 100

// onCall answers for the person on call where nobody sits in front of the terminal. It
// says yes to what the policy would let run by itself if backout had a history: a
// person knows of earlier incidents, and backout has been here for a minute. A Deployment
// is moved whole, and without a history backout asks before it does that.
func (s *show) onCall(ctx context.Context, inc backout.Incident) error {
	if inc.Plan == nil || inc.Attribution == nil {
		return nil
	}
	w, err := s.app.World(ctx)
	if err != nil {
		return err
	}
	if yes, err := sensible(w, inc); err != nil || !yes {
		return err
	}
	if !s.rest(ctx, reads) {
		return ctx.Err()
	}
	_, err = s.app.Decide(ctx, web.Decision{
		Incident: inc.ID, Verb: "approve", Digest: inc.Plan.Digest, Reason: "proven safe, nothing is lost, and a release is the likeliest cause",
		By: backout.Principal{Name: "on-call", Role: backout.RoleApprover},
	})
	if backout.CodeOf(err) == backout.CodeConflict {
		return nil // there is another plan by now, which is read anew
	}
	if err == nil {
		s.story.approved()
	}
	return err
}

// sensible reports whether the policy would let an incident's plan run by itself if the
// history was long enough.
func sensible(w backout.World, inc backout.Incident) (bool, error) {
	rules, err := permit.Compile(w.Policy)
	if err != nil {
		return false, fmt.Errorf("read the policy: %w", err)
	}
	w.Priors.Incidents = max(w.Priors.Incidents, enough)
	return rules.Whole(w, *inc.Plan, *inc.Attribution, inc).Automatic, nil
}
