package app

import (
	"context"
	"fmt"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/fleet"
	"github.com/backout-dev/backout/internal/render"
	"github.com/backout-dev/backout/internal/store"
)

// What one replica does for all. Every replica measures and prepares plans, since
// it judges gates and serves pages from that.
const (
	dutyWatch  = "watch"  // open incidents for findings, save what the detector learnt
	dutyWalk   = "walk"   // step open incidents
	dutyOutbox = "outbox" // deliver messages
	dutyPrune  = "prune"  // remove what is of no more use
)

// openReplica joins the fleet where the database is shared.
func (a *App) openReplica(ctx context.Context) (err error) {
	if !a.database.Shared() {
		return nil
	}
	a.replica, err = fleet.Join(ctx, fleet.Config{
		Leases: a.store, Flows: a.engine, Duties: []string{dutyWatch, dutyWalk, dutyOutbox, dutyPrune}, Log: a.cfg.Log,
		// Closing the engine cancels every step under way and records none of them.
		Took: a.tookOver,
		Lost: func() { _ = a.engine.Close(engineTimeout) },
	})
	return err
}

// tookOver has people told that a replica died and what becomes of its runs.
func (a *App) tookOver(dead string, runs int) {
	a.vitals.happened(backout.Matter{
		Key: "take-over/" + dead, Since: time.Now().UTC(),
		Text: fmt.Sprintf("replica %s gave no sign of life any more, and what it was carrying out (%s) was taken over and goes on from its journal. Look at why it is gone", dead, render.Plural(runs, "run")),
	})
}

// engineTimeout is how long steps under way get to return when the engine closes.
const engineTimeout = 5 * time.Second

// has says whether a duty is this process's now.
func (a *App) has(duty string) bool { return a.replica == nil || a.replica.Has(duty) }

// place is this replica's lease, which its writes carry.
func (a *App) place() store.Lease {
	if a.replica == nil {
		return store.Lease{}
	}
	return a.replica.Lease()
}

// turn waits until nobody else decides anything, here or at another replica.
func (a *App) turn(ctx context.Context) (done func(), err error) {
	a.deciding.Lock()
	unlock, err := a.database.Lock(ctx, "deciding")
	if err != nil {
		a.deciding.Unlock()
		return nil, &backout.Error{Code: backout.CodeUnavailable, Message: "wait for others to decide", Err: err}
	}
	return func() {
		unlock()
		a.deciding.Unlock()
	}, nil
}

// fence is nil where the database is this process's own.
func (a *App) fence() execute.Fence {
	if a.replica == nil {
		return nil
	}
	return a.replica
}

// reloadAlerts reads what other replicas have heard.
func (a *App) reloadAlerts(ctx context.Context) {
	if err := a.alerts.reload(ctx); err != nil && ctx.Err() == nil {
		a.cfg.Log.Error("read alerts", "err", err)
	}
}

// What is kept how long: see store.Prune for what never goes.
const (
	keep       = 90 * 24 * time.Hour
	forgetEach = time.Hour
)

// forget removes what happened long ago.
func (a *App) forget(ctx context.Context) error {
	return every(ctx, forgetEach, func() {
		if !a.has(dutyPrune) {
			return
		}
		p, err := a.store.Prune(ctx, time.Now().Add(-keep))
		if err != nil && ctx.Err() == nil {
			a.cfg.Log.Error("remove what is old", "err", err)
		} else if err == nil && p != (store.Pruned{}) {
			a.cfg.Log.Info("removed what is old", "observations", p.Observations, "messages", p.Messages)
		}
	})
}
