package respond

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

// Deploys is how others' deployments are kept away from what an attempt moves. Every
// method may be called again after a restart and does no more then.
type Deploys interface {
	// TakeOver takes the deploy locks of components for an attempt, whoever has them,
	// says who lost theirs, and notes it in the incident's audit log.
	TakeOver(ctx context.Context, at backout.AttemptID, components []backout.ComponentID, now, until time.Time) ([]backout.DeployLock, error)
	KeepLocks(ctx context.Context, at backout.AttemptID, until time.Time) error
	FreeLocks(ctx context.Context, at backout.AttemptID) error
	// Lift ends the holds of a component and owner, with their audit entries.
	Lift(ctx context.Context, id backout.ComponentID, owner, by, reason string, at time.Time) ([]backout.Hold, error)
}

// How long an attempt keeps others away should backout not come back: the locks of what
// runs are kept with every look at it.
const (
	lockFor = 6 * time.Hour
	holdFor = 24 * time.Hour
)

// seize keeps others from deploying to what the attempt moves and to the rest of those
// services. What is taken back is held as bad before the locks are, so that no moment
// is left in which it could be shipped again.
func (r *Responder) seize(ctx context.Context, now time.Time, w backout.World, inc backout.Incident) error {
	if err := r.hold(ctx, now, w, inc); err != nil || r.cfg.Deploys == nil {
		return err
	}
	at := inc.Attempts[len(inc.Attempts)-1]
	if _, err := r.cfg.Deploys.TakeOver(ctx, at.ID, keptAway(w.Graph, at.Plan), now, now.Add(lockFor)); err != nil {
		return fmt.Errorf("take deploy locks for %s: %w", at.ID, err)
	}
	return nil
}

// keptAway lists what nobody else deploys to while a plan runs: what it moves, and the
// other components of those services in the same environment.
func keptAway(g backout.Graph, p backout.Plan) []backout.ComponentID {
	out := slices.Clone(p.Touched())
	type place struct {
		service     backout.ServiceID
		environment backout.Environment
	}
	near := map[place]bool{}
	for _, id := range out {
		if c, _ := g.Component(id); c.Service != "" {
			near[place{c.Service, c.Environment}] = true
		}
	}
	for _, c := range g.Components {
		if near[place{c.Service, c.Environment}] {
			out = append(out, c.ID)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// hold marks what is taken back as bad, so that it is not shipped again.
func (r *Responder) hold(ctx context.Context, now time.Time, w backout.World, inc backout.Incident) error {
	for _, s := range inc.Attempts[len(inc.Attempts)-1].Plan.Steps() {
		h := backout.Hold{
			Component: s.Component, Owner: holder(inc), Reason: s.Why, BadTo: s.From, At: now, Incident: inc.ID,
			Until: now.Add(holdFor), Rule: backout.ReleaseNewVersion, Release: "a version other than " + string(s.From) + ", or a person",
		}
		for _, c := range w.Stack(s.Component) {
			if c.To == s.From && c.Digest != "" {
				h.BadDigest, h.Rule, h.Release = c.Digest, backout.ReleaseNewDigest, "an artifact with another digest, or a person"
			}
		}
		if err := r.cfg.Learner.SaveHold(ctx, h); err != nil {
			return fmt.Errorf("hold %s: %w", s.Component, err)
		}
	}
	return nil
}

// keepLocks lets the locks of a run that goes on run out later.
func (r *Responder) keepLocks(ctx context.Context, now time.Time, at backout.AttemptID) error {
	if r.cfg.Deploys == nil {
		return nil
	}
	return r.cfg.Deploys.KeepLocks(ctx, at, now.Add(lockFor))
}

// holder is whom the holds of an incident belong to.
func holder(inc backout.Incident) string { return "backout " + string(inc.ID) }

// release ends what kept others away, at the end of a run: the deploy locks go, and
// with them the holds on what no attempt of the incident has left at an earlier
// version. Where nobody knows what became of an effect the hold stays.
func (r *Responder) release(ctx context.Context, now time.Time, inc backout.Incident, run backout.Run) error {
	if r.cfg.Deploys == nil {
		return nil
	}
	at := inc.Attempts[len(inc.Attempts)-1]
	if err := r.cfg.Deploys.FreeLocks(ctx, at.ID); err != nil {
		return fmt.Errorf("give deploy locks of %s back: %w", at.ID, err)
	}
	for _, s := range at.Plan.Steps() {
		if stays(s, run) || slices.ContainsFunc(inc.Attempts, func(a backout.Attempt) bool {
			return slices.ContainsFunc(a.TakenBack, func(t backout.TakenBack) bool { return t.Component == s.Component })
		}) {
			continue
		}
		if _, err := r.cfg.Deploys.Lift(ctx, s.Component, holder(inc), "backout", "nothing of it was left taken back", now); err != nil {
			return fmt.Errorf("end the hold of %s: %w", s.Component, err)
		}
	}
	return nil
}

// stays reports whether a run may have left a step's component at the target.
func stays(s backout.Step, run backout.Run) bool {
	moved := false
	for _, e := range run.Entries {
		switch {
		case e.Step != s.ID:
		case e.Kind == backout.EntryEffect && e.Outcome != backout.OutcomeNotDone, e.Kind == backout.EntrySkipped:
			moved = true
		case e.Kind == backout.EntryReversed && e.Outcome == backout.OutcomeDone:
			moved = false
		}
	}
	return moved
}
