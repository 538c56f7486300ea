package app

import (
	"context"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/planfile"
	"github.com/backout-dev/backout/internal/web"
)

// Propose gives the way back of an open incident as a file. That no plan could be
// made is an answer too, unless there is nothing to plan for.
func (a *App) Propose(ctx context.Context, id backout.IncidentID) (backout.PlanFile, error) {
	p, err := a.responder.Propose(ctx, time.Now().UTC(), id)
	degraded := a.Health(ctx).Degraded
	switch backout.CodeOf(err) {
	case "":
		return planfile.Make(p, degraded...), nil
	case backout.CodeConflict, backout.CodeNotFound, backout.CodeUnavailable:
		return backout.PlanFile{}, err
	}
	return planfile.Errored(p, err, degraded...), nil
}

// Apply reads a plan file as it came and passes it to the responder with the
// person's yes.
func (a *App) Apply(ctx context.Context, d web.Application) (backout.Incident, error) {
	f, err := planfile.Read("plan file", d.File)
	if err != nil {
		return backout.Incident{}, err
	}
	if f.Errored {
		return backout.Incident{}, &backout.Error{Code: backout.CodeInvalid, Message: "plan file: errored: this plan could not be made and can't be applied: " + f.Error}
	}
	done, err := a.turn(ctx)
	if err != nil {
		return backout.Incident{}, err
	}
	defer done()
	return a.responder.Apply(ctx, time.Now().UTC(), d.Incident, d.By, f.Plan, d.Reason)
}
