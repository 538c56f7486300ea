package app

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/respond"
)

// ready is what lies prepared for the changes that are known.
type ready struct {
	mu   sync.Mutex
	all  []backout.Prepared // guarded by mu, oldest change first
	at   time.Time          // guarded by mu: when the world of all was loaded
	seen uint64             // of the reports and holds that all was made from; prepareChanges' own
	rest time.Time          // no look before this; prepareChanges' own
}

// freshFor is how long what is prepared stands without another look: what actuators
// see may move without a change being reported.
const freshFor = 10 * time.Second

// restAfter is how often the time that a look took passes until the next begins, so
// that preparing never takes more than a fifth of what actuators and we can bear.
const restAfter = 5

// prepareChanges keeps a plan and a verdict ready for each change: soon after it
// arrives, and again from time to time.
func (a *App) prepareChanges(ctx context.Context) error {
	return every(ctx, min(max(a.cfg.Step, 500*time.Millisecond), 2*time.Second), func() {
		if now := time.Now().UTC(); now.After(a.ready.rest) {
			if err := a.prepareOnce(ctx, now); err != nil && ctx.Err() == nil {
				a.cfg.Log.Error("prepare plans", "err", err)
			}
			a.ready.rest = now.Add(restAfter * time.Since(now))
		}
		a.vitals.turned(loopPrepare, time.Now().UTC())
	})
}

// prepareOnce does so if something arrived or what there is has aged.
func (a *App) prepareOnce(ctx context.Context, now time.Time) error {
	obs, err := a.store.Observations(ctx, now.Add(-window*a.cfg.Minute))
	if err != nil {
		return err
	}
	holds, err := a.store.Holds(ctx, now)
	if err != nil {
		return err
	}
	seen := arrived(obs, holds)
	a.ready.mu.Lock()
	fresh := seen == a.ready.seen && now.Sub(a.ready.at) < max(freshFor, a.cfg.Minute)
	a.ready.mu.Unlock()
	if fresh {
		return nil
	}
	w, err := a.facts.World(ctx, now, true)
	if err != nil {
		return err
	}
	a.suspect(w)
	all := respond.Ready(w, a.rules)
	a.ready.mu.Lock()
	defer a.ready.mu.Unlock()
	a.ready.all, a.ready.at, a.ready.seen = all, now, seen
	return nil
}

// suspect tells the watch which services a change has wholly reached.
func (a *App) suspect(w backout.World) {
	for _, c := range w.Changes {
		component, ok := w.Graph.Component(c.Component)
		for _, s := range c.Exposure.Stages {
			if ok && a.watch != nil && s.Share >= 1 && component.Service != "" {
				a.watch.Exposed(component.Service, s.At)
				break
			}
		}
	}
}

// arrived hashes what was reported and is held.
func arrived(obs []backout.Observation, holds []backout.Hold) uint64 {
	h := fnv.New64a()
	for _, o := range obs {
		fmt.Fprintf(h, "%q %q;", o.Source, o.NativeID)
	}
	for _, hold := range holds {
		fmt.Fprintf(h, "%q %q %q;", hold.Component, hold.Owner, hold.BadTo)
	}
	return h.Sum64()
}

// Prepared gives what lies ready, oldest change first, and as of when.
func (a *App) Prepared(context.Context) ([]backout.Prepared, time.Time) {
	a.ready.mu.Lock()
	defer a.ready.mu.Unlock()
	return slices.Clone(a.ready.all), a.ready.at
}
