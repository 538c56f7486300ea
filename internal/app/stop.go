package app

import (
	"context"
	"errors"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/respond"
	"github.com/backout-dev/backout/internal/store"
)

// Turn turns the kill switch and tells those who follow open incidents. That it is
// turned does not wait for whoever is deciding: runs read it before each effect.
func (a *App) Turn(ctx context.Context, to backout.Stop) (backout.Stop, error) {
	if err := respond.Reasoned(to.Reason); err != nil {
		return backout.Stop{}, err
	}
	to.At = time.Now().UTC()
	if err := a.store.Turn(ctx, to); err != nil {
		return backout.Stop{}, err
	}
	open, err := a.store.Incidents(ctx, store.Query{Open: true})
	if err != nil {
		return to, err
	}
	done, err := a.turn(ctx)
	if err != nil {
		return to, err
	}
	defer done()
	for _, inc := range open {
		err = errors.Join(err, a.responder.Stopped(ctx, to.At, inc.ID, to))
	}
	return to, err
}

// stopped says for every run why everything is stopped, read afresh.
func (a *App) stopped(ctx context.Context) (string, error) {
	s, err := a.store.Stop(ctx)
	if err != nil || s.On {
		return s.Words(), err
	}
	if a.catalog.Policy.KillSwitch {
		return "the kill switch is on in the catalog's Policy (killSwitch)", nil
	}
	return "", nil
}

// controls says what keeps backout from acting, for every surface.
func (a *App) controls(ctx context.Context, w backout.World) (backout.Breakers, []backout.DeployLock, error) {
	locks, err := a.store.Locks(ctx, w.Now)
	return a.rules.Breakers(w), locks, err
}
