package app

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/ingest"
	"github.com/backout-dev/backout/internal/respond"
	"github.com/backout-dev/backout/internal/store"
)

// The loops whose turns are watched.
const (
	loopWatch   = "watch"   // measures and finds
	loopWalk    = "walk"    // takes incidents along their path
	loopTell    = "tell"    // drains the outbox
	loopPrepare = "prepare" // keeps a plan ready for each change
	loopLook    = "look"    // looks at backout itself
)

// bounds are how long a loop's turn and pause take at most: its own pause, and the
// timeouts of what it calls.
func (c Config) bounds() map[string]time.Duration {
	return map[string]time.Duration{
		loopWatch:   3*c.Step + 2*time.Minute, // the backend's timeout, and the pause while it fails
		loopWalk:    10*c.Step + 2*time.Minute,
		loopTell:    time.Minute,
		loopPrepare: 5 * time.Minute,
		loopLook:    time.Minute,
	}
}

const (
	lookEvery    = 10 * time.Second
	lookTimeout  = 5 * time.Second
	silenceEvery = 5 * time.Minute     // how often reporters' pace is reckoned
	silenceOver  = 14 * 24 * time.Hour // from how much of the past
	clockShown   = 10 * time.Minute    // how long a clock that jumped is shown
	clockSlack   = 5 * time.Second     // jumps and skews up to this are none
	eventShown   = time.Hour           // how long an event is tried to be told
)

// vitals is what backout knows about itself.
type vitals struct {
	mu     sync.Mutex
	turns  map[string]time.Time           // guarded by mu: when each loop's last turn ended
	bounds map[string]time.Duration       // guarded by mu
	found  []backout.Degradation          // guarded by mu: what the last look found
	untold []string                       // guarded by mu: what nobody acknowledged then
	noted  map[string]backout.Degradation // guarded by mu: what others found, by name
	events []backout.Matter               // guarded by mu: what happened lately, once each

	// The rest belongs to the loop that looks.
	silent    []backout.Degradation
	reckoned  time.Time
	wall      time.Time     // at the last look
	monotonic time.Duration // since the start, at the last look
	jumped    backout.Degradation
	jumpedAt  time.Duration // by the monotonic clock
}

// turned notes that a loop has ended a turn.
func (v *vitals) turned(loop string, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.turns == nil {
		v.turns = map[string]time.Time{}
	}
	v.turns[loop] = now
}

// begin gives every loop a first turn, so that none is stuck before it began.
func (v *vitals) begin(bounds map[string]time.Duration, now time.Time) {
	for loop := range bounds {
		v.turned(loop, now)
	}
	v.mu.Lock()
	v.bounds = bounds
	v.mu.Unlock()
}

// note keeps a degradation under a name until it is over; one that goes on keeps its
// first time.
func (v *vitals) note(name string, d backout.Degradation) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.noted == nil {
		v.noted = map[string]backout.Degradation{}
	}
	if old, known := v.noted[name]; known {
		d.Since = old.Since
	}
	v.noted[name] = d
}

// unnote ends one; ending one that is over is no error.
func (v *vitals) unnote(name string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.noted, name)
}

// skewed notes by how much somebody's clock is ahead of ours; a small skew ends one
// that was noted.
func (v *vitals) skewed(whose string, by time.Duration, now time.Time) {
	name, word := "clock against "+whose, "ahead of"
	if by.Abs() <= clockSlack {
		v.unnote(name)
		return
	}
	if by < 0 {
		word = "behind"
	}
	v.note(name, backout.Degraded(backout.DegradedClock, "against "+whose, now, fmt.Sprintf("the clock of %s is %s %s ours", whose, by.Abs().Round(time.Second), word)))
}

// Health is how backout is at this moment. It takes no lock that a stuck loop may hold.
func (a *App) Health(context.Context) backout.Health {
	now := time.Now().UTC()
	h := backout.Health{Format: 1, At: now, StartedAt: a.started, Environment: a.environment(), Loops: []backout.Loop{}, Degraded: a.degraded()}
	a.vitals.mu.Lock()
	for name, last := range a.vitals.turns {
		h.Loops = append(h.Loops, backout.Loop{Name: name, Last: last, Bound: backout.Duration(a.vitals.bounds[name])})
	}
	h.Undelivered = slices.Clone(a.vitals.untold)
	a.vitals.mu.Unlock()
	slices.SortFunc(h.Loops, func(x, y backout.Loop) int { return cmp.Compare(x.Name, y.Name) })
	return h.Judge()
}

// Diagnose says besides how ready the series of each service are to be judged.
func (a *App) Diagnose(ctx context.Context) backout.Diagnosis {
	for _, c := range a.clusters {
		c.Ask() // who looks into what is missing may just have granted it
	}
	d := backout.Diagnosis{Format: 1, Health: a.Health(ctx), Services: a.watch.Services(), PastLearnt: a.watch.State().PastRatio, Unmeasured: []backout.ServiceID{}}
	slices.SortFunc(d.Services, func(x, y backout.Readiness) int { return cmp.Compare(x.Name(), y.Name()) })
	for _, s := range a.catalog.Graph.Services {
		seen := slices.ContainsFunc(d.Services, func(r backout.Readiness) bool { return r.Service == s.ID })
		if s.Kind == backout.ServiceOwn && !seen {
			d.Unmeasured = append(d.Unmeasured, s.ID)
		}
	}
	return d
}

// degraded is everything that can't be seen or done now but stuck loops: what the last
// tick could not measure, what the last survey and the last look found.
func (a *App) degraded() []backout.Degradation {
	a.mu.Lock()
	out := slices.Clone(a.missing)
	a.mu.Unlock()
	out = slices.Concat(out, a.facts.blind(), a.anchors.told())
	a.vitals.mu.Lock()
	defer a.vitals.mu.Unlock()
	out = append(out, a.vitals.found...)
	for _, name := range slices.Sorted(maps.Keys(a.vitals.noted)) {
		out = append(out, a.vitals.noted[name])
	}
	return out
}

// look looks at backout itself from time to time.
func (a *App) look(ctx context.Context) error {
	return every(ctx, min(max(a.cfg.Step, 2*time.Second), lookEvery), func() {
		a.lookOnce(ctx, time.Now())
		a.tellOfItself(ctx, time.Now().UTC())
		if ctx.Err() == nil {
			a.vitals.turned(loopLook, time.Now().UTC())
		}
	})
}

// lookOnce asks the database for a write, and finds clocks that jumped, runs that are
// parked, channels that are away, and reporters that fell silent. at has its
// monotonic part.
func (a *App) lookOnce(ctx context.Context, at time.Time) {
	v, now := &a.vitals, at.UTC()
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	found := v.clock(now.Round(0), at.Sub(a.started))
	untold := []string{}
	if err := a.store.SaveDocument(ctx, store.Document{Name: "alive", Format: store.Format, At: now, Body: []byte("{}")}); err != nil {
		found = append(found, backout.Degraded(backout.DegradedDatabase, "", time.Time{}, err.Error()))
	} else {
		var channels []backout.Degradation
		untold, channels = a.undelivered(ctx, now)
		if a.replica != nil && a.replica.Held() != nil {
			found = append(found, backout.Degraded(backout.DegradedReplicas, "this one", time.Time{}, a.replica.Held().Error()))
		}
		found = append(found, slices.Concat(channels, a.parked(ctx), a.silent(ctx, now))...)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.found, v.untold = backout.Lasting(v.found, found, now), untold
}

// tellOfItself tells people what they must know of backout itself. Without a database
// nobody can be told either: then the heartbeat stays away.
func (a *App) tellOfItself(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if !a.has(dutyWatch) {
		if err := a.responder.Happened(ctx, now, a.environment(), mailbox{a.store, a.channels}, a.vitals.recent(now)); err != nil && ctx.Err() == nil {
			a.cfg.Log.Error("tell about backout itself", "err", err)
		}
		return
	}
	matters, err := a.matters(ctx, now)
	if err == nil {
		err = a.responder.Itself(ctx, now, a.environment(), mailbox{a.store, a.channels}, matters)
	}
	if err != nil && ctx.Err() == nil {
		a.cfg.Log.Error("tell about backout itself", "err", err)
	}
}

// matters are what people must know of backout itself now.
func (a *App) matters(ctx context.Context, now time.Time) ([]backout.Matter, error) {
	out := respond.Matters(a.Health(ctx).Degraded)
	stop, err := a.store.Stop(ctx)
	if err != nil {
		return nil, err
	}
	m := backout.Matter{Key: "kill-switch", Since: stop.At, Sudden: true, Text: stop.Words(), Plain: "it was switched off by hand"}
	switch {
	case stop.On:
		out = append(out, m)
	case a.catalog.Policy.KillSwitch:
		m.Since, m.Text = a.started, "the policy's kill switch is on: nothing is changed until the policy says killSwitch: false and backout is started again"
		out = append(out, m)
	}
	return append(out, a.vitals.recent(now)...), nil
}

// happened has people told of an event about backout itself, such as that a replica
// has taken over from another.
func (v *vitals) happened(m backout.Matter) {
	v.mu.Lock()
	defer v.mu.Unlock()
	m.Once = true
	v.events = append(v.events, m)
}

// recent are the events that may not have been told yet.
func (v *vitals) recent(now time.Time) []backout.Matter {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.events = slices.DeleteFunc(v.events, func(m backout.Matter) bool { return now.Sub(m.Since) > eventShown })
	return slices.Clone(v.events)
}

// clock notices that the clock jumped: the wall's time and the monotonic one went
// apart since the last look.
func (v *vitals) clock(wall time.Time, monotonic time.Duration) []backout.Degradation {
	if !v.wall.IsZero() {
		if jump := wall.Sub(v.wall) - (monotonic - v.monotonic); jump.Abs() > clockSlack {
			v.jumped = backout.Degraded(backout.DegradedClock, "", wall, fmt.Sprintf("it jumped by %s", jump.Round(time.Second)))
			v.jumpedAt = monotonic
		}
	}
	v.wall, v.monotonic = wall, monotonic
	if v.jumped.Why == "" || monotonic-v.jumpedAt > clockShown {
		return nil
	}
	return []backout.Degradation{v.jumped}
}

// parked names the runs that do nothing for now.
func (a *App) parked(ctx context.Context) []backout.Degradation {
	open, err := a.store.Incidents(ctx, store.Query{Open: true})
	if err != nil {
		return []backout.Degradation{backout.Degraded(backout.DegradedDatabase, "", time.Time{}, err.Error())}
	}
	return parkedRuns(open, a.executor.Parked)
}

// parkedRuns names those among the newest attempts of incidents whose run is parked;
// parked says why one is.
func parkedRuns(open []backout.Incident, parked func(backout.AttemptID) error) []backout.Degradation {
	var out []backout.Degradation
	for _, inc := range open {
		n := len(inc.Attempts)
		if n == 0 || inc.Attempts[n-1].StartedAt.IsZero() {
			continue
		}
		if why := parked(inc.Attempts[n-1].ID); why != nil {
			out = append(out, backout.Degraded(backout.DegradedEngine, "run "+string(inc.Attempts[n-1].ID), time.Time{}, why.Error()))
		}
	}
	return out
}

// silent names who reported changes regularly and does not any more.
func (a *App) silent(ctx context.Context, now time.Time) []backout.Degradation {
	v := &a.vitals
	if now.Sub(v.reckoned) < silenceEvery {
		return v.silent
	}
	obs, err := a.store.Observations(ctx, now.Add(-silenceOver))
	if err != nil {
		return []backout.Degradation{backout.Degraded(backout.DegradedChanges, "", time.Time{}, err.Error())}
	}
	v.silent, v.reckoned = ingest.Silent(obs, now), now
	return v.silent
}
