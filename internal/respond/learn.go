package respond

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/learn"
)

// learn writes the review of a recovered incident and folds it into the priors:
// recovery after taking a change back, verified, is the label. What stayed ill is another
// trouble and teaches nothing about this one.
func (r *Responder) learn(ctx context.Context, now time.Time, inc backout.Incident, run backout.Run) error {
	w, err := r.cfg.Facts.World(ctx, now, false)
	if err != nil {
		return err
	}
	at, mended := inc.Attempts[len(inc.Attempts)-1], inc
	mended.Findings = slices.DeleteFunc(slices.Clone(inc.Findings), func(f backout.Finding) bool { return slices.Contains(at.Unproven, f.ID) })
	review := reviewOf(now, w, mended, run)
	review.Hits = missed(mended, r.cfg.Minute)
	if len(at.Unproven) == 0 {
		review.Recovery = overdue(inc, at.EndedAt)
	}
	r.remember(ctx, inc, &review)
	if err := r.cfg.Learner.SaveReview(ctx, review); err != nil {
		return fmt.Errorf("save review of %s: %w", inc.ID, err)
	}
	priors, err := r.cfg.Learner.Priors(ctx)
	if err != nil {
		return fmt.Errorf("read priors: %w", err)
	}
	return r.cfg.Learner.SavePriors(ctx, learn.Update(priors, learn.Lesson{Review: review, Shipped: w.Changes, Minute: r.cfg.Minute}))
}

// reviewOf labels an incident by what its last attempt did. Steps that an early stop
// left out teach nothing.
func reviewOf(now time.Time, w backout.World, inc backout.Incident, run backout.Run) backout.Review {
	at := inc.Attempts[len(inc.Attempts)-1]
	rev := backout.Review{
		Incident: inc.ID, At: now, Culprits: []backout.ChangeID{}, Label: backout.LabelChange, By: "verified recovery",
		Actions: []backout.ReviewAction{}, Delays: []backout.ReviewDelay{}, EffectLag: backout.Duration(at.EndedAt.Sub(at.StartedAt)),
	}
	if len(at.Unproven) > 0 { // it ended when the gate's time was over, not when it was felt
		rev.EffectLag = 0
	}
	changes := map[backout.ChangeID]backout.Change{}
	for _, c := range w.Changes {
		changes[c.ID] = c
		rev.Simulated = rev.Simulated || c.Simulated
	}
	for _, s := range at.Plan.Steps() {
		if !carriedOut(run, s) {
			continue
		}
		rev.Actions = append(rev.Actions, backout.ReviewAction{Component: s.Component, Kind: s.Kind, Service: s.Service, Worked: true, Took: s.Takes})
		if s.Demanded {
			continue
		}
		for _, id := range s.Reverts {
			rev.Culprits = append(rev.Culprits, id)
			rev.Delays = append(rev.Delays, backout.ReviewDelay{Kind: s.Kind, Delay: backout.Duration(inc.Onset.Sub(changes[id].Exposure.Start()))})
		}
	}
	rev.Spread = spreads(w, inc, rev.Culprits)
	return rev
}

// carriedOut reports whether the journal shows a step as done, or as done before.
func carriedOut(run backout.Run, s backout.Step) bool {
	return slices.ContainsFunc(run.Entries, func(e backout.Entry) bool {
		return e.Step == s.ID && (e.Kind == backout.EntryEffect && e.Outcome == backout.OutcomeDone || e.Kind == backout.EntrySkipped)
	})
}

// spreads says for each way trouble could travel from an ill service whether it
// did, how long it took, and whether the incident began there: at a service of what
// was to blame.
func spreads(w backout.World, inc backout.Incident, culprits []backout.ChangeID) []backout.ReviewSpread {
	began := map[backout.ServiceID]bool{}
	for _, c := range w.Changes {
		for _, s := range c.Services {
			began[s] = began[s] || slices.Contains(culprits, c.ID)
		}
	}
	ill := map[backout.ServiceID]time.Time{}
	for _, f := range inc.Findings {
		s := f.ID.Subject.Service
		if at, ok := ill[s]; s != "" && (!ok || f.Onset.Before(at)) {
			ill[s] = f.Onset
		}
	}
	out := []backout.ReviewSpread{}
	for _, way := range w.Graph.Spreads() {
		from, sick := ill[way.Cause]
		if !sick {
			continue
		}
		to, followed := ill[way.Victim]
		followed = followed && !to.Before(from)
		sp := backout.ReviewSpread{Cause: way.Cause, Victim: way.Victim, Followed: followed, Began: began[way.Cause]}
		if followed {
			sp.Delay = backout.Duration(to.Sub(from))
		}
		out = append(out, sp)
	}
	return out
}
