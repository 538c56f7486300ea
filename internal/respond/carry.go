package respond

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

// start hands the approved plan to execute, once. The row is saved first: should
// the program die in between, the next call starts the same attempt again, and
// starting is idempotent.
func (r *Responder) start(ctx context.Context, now time.Time, inc backout.Incident) (time.Time, error) {
	w, err := r.cfg.Facts.World(ctx, now, true)
	if err != nil {
		return time.Time{}, err
	}
	if grounds := w.Grounds(inc.Plan.Touched()); backout.FingerprintOf(grounds) != inc.Plan.Fingerprint {
		_, err := r.move(ctx, now, inc, backout.StateAttributed, "the world moved since the plan was made, so it is planned again: "+movedWords(inc.Plan.Grounds, grounds))
		return now, err
	}
	inc.Attempts = withAttempt(inc)
	n := len(inc.Attempts)
	inc.Attempts[n-1].StartedAt = now
	inc.Attempts[n-1].Plan = *inc.Plan
	inc.ETA = r.foresee(now, w, inc, *inc.Plan, nil)
	inc.FirstETA = inc.ETA
	inc, err = r.move(ctx, now, inc, backout.StateExecuting, inc.Plan.Summary)
	if err != nil {
		return time.Time{}, err
	}
	return now.Add(r.cfg.Step), r.launch(ctx, now, w, inc)
}

// launch keeps others away from what the attempt moves and starts it. Both may be done
// again, should we have died in between.
func (r *Responder) launch(ctx context.Context, now time.Time, w backout.World, inc backout.Incident) error {
	if err := r.seize(ctx, now, w, inc); err != nil {
		return err
	}
	at := inc.Attempts[len(inc.Attempts)-1]
	return r.cfg.Runner.Start(ctx, at, components(w, at.Plan))
}

func components(w backout.World, p backout.Plan) map[backout.ComponentID]backout.Component {
	out := map[backout.ComponentID]backout.Component{}
	for _, id := range p.Touched() {
		out[id], _ = w.Graph.Component(id)
	}
	return out
}

// follow reads the attempt's journal and draws the conclusion when it ended.
func (r *Responder) follow(ctx context.Context, now time.Time, inc backout.Incident) (time.Time, error) {
	at := &inc.Attempts[len(inc.Attempts)-1]
	run, err := r.cfg.Runner.Run(ctx, at.ID)
	if backout.CodeOf(err) == backout.CodeNotFound && inc.TakeOver != nil { // and it never will be started
		if err := r.release(ctx, now, inc, run); err != nil {
			return time.Time{}, err
		}
		return r.concludeTakeOver(ctx, now, inc, run)
	}
	if backout.CodeOf(err) == backout.CodeNotFound { // saved, but not started: we died in between
		w, werr := r.cfg.Facts.World(ctx, now, false)
		if werr != nil {
			return time.Time{}, errors.Join(err, werr)
		}
		return now.Add(r.cfg.Step), r.launch(ctx, now, w, inc)
	}
	if err != nil {
		return time.Time{}, err
	}
	if messages := r.tellWaiting(now, &inc, run); len(messages) > 0 {
		_, err := r.save(ctx, now, inc, "told for whom the run waits", messages)
		return now, err
	}
	// A parked run was told to abort as well, and does so once it goes on.
	if gone := run.Parked && inc.TakeOver != nil; !run.State.Terminal() && !gone {
		locks := r.keepLocks(ctx, now, at.ID)
		if told, err := r.expect(ctx, now, inc, run); told || err != nil {
			return now.Add(r.cfg.Step), errors.Join(err, locks)
		}
		return now.Add(r.cfg.Step), errors.Join(locks, r.followFreeze(ctx, now, inc, run))
	}
	w, err := r.cfg.Facts.World(ctx, now, false)
	if err != nil {
		return time.Time{}, err
	}
	at.EndedAt, at.Result, at.Why, at.TakenBack = now, run.State, run.Why, returned(*at, run, w.Changes)
	at.Unproven = leftIll(run)
	seal, err := run.Seal()
	if err != nil {
		return time.Time{}, fmt.Errorf("seal journal of %s: %w", at.ID, err)
	}
	at.Journal = &seal
	if err := r.release(ctx, now, inc, run); err != nil {
		return time.Time{}, err
	}
	return r.conclude(ctx, now, inc, run)
}

// followFreeze mirrors a frozen run in the incident's state, so that every
// surface says that backout can't see.
func (r *Responder) followFreeze(ctx context.Context, now time.Time, inc backout.Incident, run backout.Run) error {
	switch {
	case run.State == backout.RunFrozen && inc.State != backout.StateFrozen:
		_, err := r.move(ctx, now, inc, backout.StateFrozen, run.Why)
		return err
	case run.State != backout.RunFrozen && inc.State == backout.StateFrozen:
		_, err := r.move(ctx, now, inc, backout.StateExecuting, "it can see again")
		return err
	}
	return r.keepTelling(ctx, now, inc, &run)
}

// conclude ends an attempt: recovered, aborted, or another look at who did it
// with what was learnt from trying.
func (r *Responder) conclude(ctx context.Context, now time.Time, inc backout.Incident, run backout.Run) (time.Time, error) {
	if won := run.State == backout.RunCompleted || run.State == backout.RunStopped; inc.TakeOver != nil && !won {
		return r.concludeTakeOver(ctx, now, inc, run)
	}
	switch run.State {
	case backout.RunCompleted, backout.RunStopped:
		inc, err := r.move(ctx, now, inc, backout.StateRecovered, run.Why)
		if err != nil {
			return time.Time{}, err
		}
		return time.Time{}, r.learn(ctx, now, inc, run)
	case backout.RunAborted:
		_, err := r.move(ctx, now, inc, backout.StateAborted, run.Why)
		return time.Time{}, err
	}
	at := inc.Attempts[len(inc.Attempts)-1]
	inc.Tried = append(inc.Tried, tried(now, at, run))
	w, err := r.cfg.Facts.World(ctx, now, false)
	if err != nil {
		return time.Time{}, err
	}
	if len(inc.Attempts) >= max(1, w.Policy.MaxAttempts) {
		_, err := r.move(ctx, now, inc, backout.StateHalted, "stopped safely: "+run.Why+"; a person decides what is next")
		return time.Time{}, err
	}
	_, err = r.move(ctx, now, inc, backout.StateAttributed, "the attempt ended without recovery ("+run.Why+"): looking again")
	return now.Add(r.cfg.Step), err
}

// tried says what an attempt that did not bring recovery teaches: which changes
// were taken back, how far, and whether it got worse.
func tried(now time.Time, at backout.Attempt, run backout.Run) backout.Tried {
	t := backout.Tried{Changes: []backout.ChangeID{}, At: now, Result: backout.VerdictInconclusive}
	for _, e := range run.Entries {
		switch {
		case e.Kind == backout.EntryGate && e.Verdict == backout.VerdictWorse:
			t.Result = backout.VerdictWorse
		case e.Kind == backout.EntryGate && len(e.Unproven) > 0:
			t.Result = backout.VerdictRecovered // most of it; what is left has another cause
		}
		if e.Kind == backout.EntryEffect && e.Outcome == backout.OutcomeDone {
			t.Share = max(t.Share, e.Share)
			for _, s := range at.Plan.Steps() {
				if s.ID != e.Step {
					continue
				}
				for _, c := range s.Reverts { // each stage of a step has an entry
					if !slices.Contains(t.Changes, c) {
						t.Changes = append(t.Changes, c)
					}
				}
			}
		}
	}
	return t
}
