package app

import (
	"context"
	"time"

	"github.com/backout-dev/backout"
)

// ours is what is known of our own doing. What the journals say counts whether or not a
// source reports it, so that cooldowns and budgets hold across incidents and restarts.
type ours interface {
	Stop(ctx context.Context) (backout.Stop, error)
	Spent(ctx context.Context, since time.Time) ([]backout.Spent, error)
	Effects(ctx context.Context, since time.Time) ([]backout.OwnEffect, error)
}

// own puts into a world what we did ourselves, and the kill switch as it is now, and
// gives the observations with our effects marked as such.
func (f *facts) own(ctx context.Context, w *backout.World, obs []backout.Observation, since time.Time) ([]backout.Observation, error) {
	if f.ours == nil {
		return obs, nil
	}
	var err error
	if w.Stop, err = f.ours.Stop(ctx); err != nil {
		return nil, err
	}
	w.Policy.KillSwitch = w.Policy.KillSwitch || w.Stop.On
	if w.Spent, err = f.ours.Spent(ctx, w.Now.Add(-24*60*f.minute)); err != nil {
		return nil, err
	}
	back := max(w.Now.Sub(since), w.Policy.Cooldown.Std(), time.Duration(float64(w.Policy.Settle)*f.minute.Minutes()))
	did, err := f.ours.Effects(ctx, w.Now.Add(-back))
	return backout.Recognized(obs, did, f.minute), err
}
