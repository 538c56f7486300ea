package app

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/store"
	"github.com/backout-dev/backout/internal/watch"
)

// What programs that embed an App read: the same things that its pages show.

// TokenFile is where the token lies.
func (a *App) TokenFile() string { return filepath.Join(a.cfg.Data, "token") }

// Readiness says how much of the series is known well enough to be judged.
func (a *App) Readiness() watch.State { return a.watch.State() }

// Changes lists the recent changes, oldest first.
func (a *App) Changes(ctx context.Context) ([]backout.Change, error) {
	return reading{a}.Changes(ctx)
}

// Incidents lists all incidents, newest first.
func (a *App) Incidents(ctx context.Context) ([]backout.Incident, error) {
	return a.store.Incidents(ctx, store.Query{})
}

// RunOf gives an attempt's journal.
func (a *App) RunOf(ctx context.Context, id backout.AttemptID) (backout.Run, error) {
	return a.executor.Run(ctx, id)
}

// Graph is what the catalog says there is.
func (a *App) Graph() backout.Graph { return a.facts.graph() }

// byHand bounds one move that a person makes.
const byHand = 30 * time.Second

// Move brings a component wholly to a version, as a person would with the tool of
// its kind: nothing is planned, checked or verified. It fails when the move was not
// done or may not have been.
func (a *App) Move(ctx context.Context, id backout.ComponentID, to backout.Version) error {
	ctx, cancel := context.WithTimeout(ctx, byHand)
	defer cancel()
	c, ok := a.facts.graph().Component(id)
	moving := a.facts.actuators[c.Actuator]
	if !ok || moving == nil {
		return fmt.Errorf("move %s: nothing here can move it", id)
	}
	r, err := moving.Probe(ctx, c)
	if err != nil {
		return fmt.Errorf("move %s: %w", id, err)
	}
	out, err := moving.Do(ctx, backout.Effect{Key: fmt.Sprintf("by-hand/%s/%s", id, to), Component: c, From: r.Live.Version(), To: to, Share: 1, IfVersion: r.Version})
	if err != nil {
		return fmt.Errorf("move %s to %s: %w", id, to, err)
	}
	if out != backout.OutcomeDone {
		return fmt.Errorf("move %s to %s: outcome %s", id, to, out)
	}
	return nil
}

// World gives the world as it is now, surveyed.
func (a *App) World(ctx context.Context) (backout.World, error) {
	return a.facts.World(ctx, time.Now().UTC(), true)
}
