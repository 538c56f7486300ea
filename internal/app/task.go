package app

import (
	"context"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/web"
)

// Waiting lists what an incident's run waits for people to do.
func (a *App) Waiting(ctx context.Context, id backout.IncidentID) ([]backout.Task, error) {
	inc, err := a.store.Incident(ctx, id)
	if err != nil {
		return nil, err
	}
	return a.responder.Waiting(ctx, time.Now().UTC(), inc)
}

// Answer passes on what a person says of a step that waits for one.
func (a *App) Answer(ctx context.Context, w web.Answer) (backout.Task, error) {
	done, err := a.turn(ctx)
	if err != nil {
		return backout.Task{}, err
	}
	defer done()
	return a.responder.Answer(ctx, time.Now().UTC(), w.Incident, w.By, w.Step, w.Done, w.Reason)
}
