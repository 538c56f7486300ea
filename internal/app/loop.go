package app

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/watch"
)

// report receives every tick of the watch: findings open or join an incident,
// what could not be measured is remembered for every surface.
func (a *App) report(ctx context.Context, r watch.Report) {
	a.keepMeasured(r)
	degraded := a.Health(ctx).Degraded
	if a.cfg.Heard != nil {
		a.cfg.Heard(r)
	}
	defer func() { a.vitals.turned(loopWatch, time.Now().UTC()) }()
	if !a.has(dutyWatch) {
		a.reloadAlerts(ctx) // they may have come in by another replica
		return
	}
	done, err := a.turn(ctx)
	if err != nil {
		a.cfg.Log.Error("wait to decide", "err", err)
		return
	}
	defer done()
	if _, err := a.responder.Observe(ctx, r.Now, a.environment(), r.Findings, degraded); err != nil {
		a.cfg.Log.Error("observe findings", "err", err)
	}
	a.showDegraded(ctx, r.Now, degraded)
}

// keepMeasured remembers what a tick could not measure, since when, and up to when it
// was measured at all.
func (a *App) keepMeasured(r watch.Report) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.missing = backout.Lasting(a.missing, unseen(r), r.Now)
	if r.Why == "" {
		a.measured = r.Now
	}
}

// showDegraded notes on the open incident what can't be seen or done now: at once when
// it freezes everything or does no more, else at most once a model minute, so that a
// channel that comes and goes does not fill the audit log.
func (a *App) showDegraded(ctx context.Context, now time.Time, degraded []backout.Degradation) {
	_, was := backout.Freezes(a.shown)
	_, is := backout.Freezes(degraded)
	if backout.SameDegraded(a.shown, degraded) || was == is && now.Sub(a.shownAt) < a.cfg.Minute {
		return
	}
	if err := a.responder.See(ctx, now, a.environment(), degraded); err != nil {
		a.cfg.Log.Error("note what can't be seen", "err", err)
		return
	}
	a.shown, a.shownAt = degraded, now
}

// unseen says what a tick could not measure.
func unseen(r watch.Report) []backout.Degradation {
	missing := []backout.Degradation{}
	if r.Why != "" {
		missing = append(missing, backout.Degraded(backout.DegradedMetrics, "", r.DegradedSince, r.Why))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Missing)) {
		missing = append(missing, backout.Degraded(backout.DegradedMetrics, string(name), time.Time{}, r.Missing[name]))
	}
	return missing
}

// walk steps every open incident when it is due. A step that fails is tried again
// with the next tick; the incident's row says where it stands.
func (a *App) walk(ctx context.Context) error {
	wakes := map[backout.IncidentID]time.Time{}
	return every(ctx, max(a.cfg.Step/4, 50*time.Millisecond), func() {
		a.walkOnce(ctx, wakes)
		a.vitals.turned(loopWalk, time.Now().UTC())
	})
}

// every takes turns until ctx ends: the first one at once, each other one after a
// pause since the one before began.
func every(ctx context.Context, pause time.Duration, turn func()) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		turn()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// walkOnce steps the incidents that are due; wakes says when each is.
func (a *App) walkOnce(ctx context.Context, wakes map[backout.IncidentID]time.Time) {
	if !a.has(dutyWalk) {
		clear(wakes) // another replica's decisions made them void
		return
	}
	open, err := a.store.OpenIncidents(ctx)
	if err != nil {
		if ctx.Err() == nil {
			a.cfg.Log.Error("list open incidents", "err", err)
		}
		return
	}
	for _, id := range open {
		if now := time.Now().UTC(); !now.Before(wakes[id]) {
			wakes[id] = a.step(ctx, now, id)
		}
	}
}

// step walks an incident as far as it goes at this moment: between a decision and the
// first effect nobody waits for the next tick.
func (a *App) step(ctx context.Context, now time.Time, id backout.IncidentID) time.Time {
	done, err := a.turn(ctx)
	if err != nil {
		if ctx.Err() == nil {
			a.cfg.Log.Error("wait to decide", "err", err)
		}
		return now
	}
	defer done()
	wake := now
	for range transitions {
		wake, err = a.responder.Step(ctx, now, id)
		if err != nil && ctx.Err() == nil {
			a.cfg.Log.Error("step incident", "incident", id, "err", err)
		}
		if err != nil || wake.IsZero() || wake.After(now) {
			break
		}
	}
	return wake
}

// tellPeople drains the outbox; a message that nobody acknowledged is tried again.
func (a *App) tellPeople(ctx context.Context) error {
	return every(ctx, min(max(a.cfg.Step, 200*time.Millisecond), time.Second), func() {
		if a.has(dutyOutbox) {
			if err := a.notifier.Drain(ctx, time.Now().UTC()); err != nil && ctx.Err() == nil {
				a.cfg.Log.Error("tell people", "err", err)
			}
		}
		a.vitals.turned(loopTell, time.Now().UTC())
	})
}
