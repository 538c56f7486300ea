package app

import (
	"context"
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
func (a *App) Graph() backout.Graph { return a.catalog.Graph }

// World gives the world as it is now, surveyed.
func (a *App) World(ctx context.Context) (backout.World, error) {
	return a.facts.World(ctx, time.Now().UTC(), true)
}
