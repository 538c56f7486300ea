package app

import (
	"context"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/watch"
)

// What a [Recorded] answers; nothing here changes an incident.

// Incident gives one incident as it stands.
func (r *Recorded) Incident(ctx context.Context, id backout.IncidentID) (backout.Incident, error) {
	return r.store.Incident(ctx, id)
}

// Attribute and Prepare answer as of a moment, as the responder does; nothing is
// saved.
func (r *Recorded) Attribute(ctx context.Context, now time.Time, inc backout.Incident) (backout.Attribution, error) {
	return r.responder.Attribute(ctx, now, inc)
}

// Prepare decides as of a moment.
func (r *Recorded) Prepare(ctx context.Context, now time.Time, inc backout.Incident) (backout.Incident, error) {
	return r.responder.Prepare(ctx, now, inc)
}

// Ruling says what the policy would have made of an incident's plan at a moment if
// it had been asked outside of shadow mode.
func (r *Recorded) Ruling(ctx context.Context, now time.Time, inc backout.Incident) (backout.Ruling, error) {
	w, err := r.facts.World(ctx, now, true)
	if err != nil {
		return backout.Ruling{}, err
	}
	w.Policy = r.cfg.Ruled
	return r.permit.Whole(w, *inc.Plan, *inc.Attribution, inc), nil
}

// Imagined is an incident that nobody opened, about what is off its baseline now:
// for a decision at a moment that was given from outside.
func (r *Recorded) Imagined(now time.Time) backout.Incident {
	found := r.watch.Standing()
	ids := make([]backout.SeriesID, len(found))
	for i, f := range found {
		ids[i] = f.ID
	}
	inc := backout.Incident{
		Format: 1, ID: backout.IncidentID("AT-" + now.UTC().Format("20060102-150405.000")), Key: string(r.cfg.Environment), Environment: r.cfg.Environment,
		State: backout.StateDetected, Why: "asked for this moment", OpenedAt: now, UpdatedAt: now, Onset: now,
		Findings: found, Baselines: []backout.Baseline{}, Attempts: []backout.Attempt{}, Tried: []backout.Tried{}, Degraded: unseen(r.report),
	}
	if len(ids) > 0 { // none named would be all
		inc.Baselines = r.watch.Baselines(ids)
	}
	return inc
}

// Readiness says how much of the series is known well enough to be judged.
func (r *Recorded) Readiness() watch.State { return r.watch.State() }

// nobody meets respond's port of a runner and carries out nothing.
type nobody struct{}

var errActs = &backout.Error{Code: backout.CodeForbidden, Message: "a replay acts on nothing"}

func (nobody) Start(context.Context, backout.Attempt, map[backout.ComponentID]backout.Component) error {
	return errActs
}
func (nobody) Run(context.Context, backout.AttemptID) (backout.Run, error) {
	return backout.Run{}, errActs
}
func (nobody) Pause(context.Context, backout.AttemptID, string) error  { return errActs }
func (nobody) Resume(context.Context, backout.AttemptID, string) error { return errActs }
func (nobody) Abort(context.Context, backout.AttemptID, string) error  { return errActs }
