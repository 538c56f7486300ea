// Package executetest serves tests of what meets execute's ports: an actuator
// in memory, a wrapper that fails on demand, and the conformance suite that
// every real actuator must pass.
package executetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
)

// Fake is an actuator whose targets are in memory. It moves at once, refuses
// stale pictures, and remembers what it did.
type Fake struct {
	mu      sync.Mutex
	targets map[backout.ComponentID]*target // guarded by mu
	done    []backout.Effect                // guarded by mu; effects that changed something, in order
}

type target struct {
	shares    map[backout.Version]float64
	audiences map[string]backout.Live
	unhealthy bool
	writes    int
}

// NewFake makes an actuator with each component wholly at a version.
func NewFake(at map[backout.ComponentID]backout.Version) *Fake {
	f := &Fake{targets: map[backout.ComponentID]*target{}}
	for id, v := range at {
		f.Set(id, map[backout.Version]float64{v: 1})
	}
	return f
}

// Set moves a component behind the actuator's back, as another writer would.
func (f *Fake) Set(id backout.ComponentID, shares map[backout.Version]float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.targets[id]
	if t == nil {
		t = &target{}
		f.targets[id] = t
	}
	t.shares, t.audiences = maps.Clone(shares), map[string]backout.Live{}
	t.writes++
}

// SetHealthy says whether a component reports that it is ready.
func (f *Fake) SetHealthy(id backout.ComponentID, healthy bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.targets[id].unhealthy = !healthy
}

// Done lists the effects that changed something, in order.
func (f *Fake) Done() []backout.Effect {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.done)
}

// Keys lists the keys of Done.
func (f *Fake) Keys() []string {
	out := []string{}
	for _, e := range f.Done() {
		out = append(out, e.Key)
	}
	return out
}

// Survey answers that every earlier version can be reached without loss.
func (f *Fake) Survey(_ context.Context, c backout.Component, stack []backout.Change) (backout.Reversal, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	rev := backout.Reversal{Component: c.ID, Levels: []backout.Reachable{}, Shares: []float64{0.1, 0.5, 1}, Mixed: true, CompareAndSwap: true, At: time.Now().UTC()}
	t := f.targets[c.ID]
	if t == nil {
		rev.Why = "there is no such target"
		return rev, nil
	}
	rev.Known, rev.Current = true, backout.Live{Shares: t.shares}.Version()
	for l, ch := range stack {
		rev.Levels = append(rev.Levels, backout.Reachable{Level: backout.Level(l), Version: ch.From, Loss: backout.LossNone})
	}
	return rev, nil
}

// Probe reads a target.
func (f *Fake) Probe(_ context.Context, c backout.Component) (backout.Reality, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.targets[c.ID]
	if t == nil {
		return backout.Reality{}, &backout.Error{Code: backout.CodeNotFound, Message: fmt.Sprintf("probe %s: there is no such target", c.ID)}
	}
	now := time.Now().UTC()
	return backout.Reality{
		Live:      backout.Live{Shares: maps.Clone(t.shares), Healthy: !t.unhealthy, At: now},
		Audiences: maps.Clone(t.audiences), Version: strconv.Itoa(t.writes), At: now,
	}, nil
}

// Do moves a target.
func (f *Fake) Do(ctx context.Context, e backout.Effect) (backout.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return backout.OutcomeNotDone, fmt.Errorf("do %s: %w", e.Key, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.targets[e.Component.ID]
	if t == nil {
		return backout.OutcomeNotDone, &backout.Error{Code: backout.CodeNotFound, Message: fmt.Sprintf("do %s: there is no such target", e.Key)}
	}
	now := backout.Reality{Live: backout.Live{Shares: t.shares}, Audiences: t.audiences}
	if execute.Reached(now, e) {
		return backout.OutcomeDone, nil
	}
	if v := strconv.Itoa(t.writes); e.IfVersion != "" && e.IfVersion != v {
		return backout.OutcomeNotDone, &backout.Error{Code: backout.CodeConflict, Message: fmt.Sprintf("do %s: the target is at write %s, not %s", e.Key, v, e.IfVersion)}
	}
	t.move(e)
	t.writes++
	f.done = append(f.done, e)
	return backout.OutcomeDone, nil
}

func (t *target) move(e backout.Effect) {
	shares := map[backout.Version]float64{e.To: e.Share}
	if e.Share < 1 {
		shares[e.From] += 1 - e.Share
	}
	if e.Audience != "" {
		t.audiences[e.Audience] = backout.Live{Shares: shares, Healthy: true, At: time.Now().UTC()}
		return
	}
	t.shares = shares
}

// Failing wraps an actuator. Each hook that is set is asked before the real
// thing, and may answer in its place.
type Failing struct {
	execute.Actuator
	// OnProbe answers instead of the actuator when its error is not nil.
	OnProbe func(backout.Component) error
	// OnDo is given the real Do and answers for it: call it, don't, or lie.
	OnDo func(ctx context.Context, e backout.Effect, do func(context.Context) (backout.Outcome, error)) (backout.Outcome, error)
}

// Probe asks OnProbe, then the actuator.
func (f *Failing) Probe(ctx context.Context, c backout.Component) (backout.Reality, error) {
	if f.OnProbe != nil {
		if err := f.OnProbe(c); err != nil {
			return backout.Reality{}, err
		}
	}
	return f.Actuator.Probe(ctx, c)
}

// Do asks OnDo, or the actuator where there is none.
func (f *Failing) Do(ctx context.Context, e backout.Effect) (backout.Outcome, error) {
	if f.OnDo == nil {
		return f.Actuator.Do(ctx, e)
	}
	return f.OnDo(ctx, e, func(ctx context.Context) (backout.Outcome, error) { return f.Actuator.Do(ctx, e) })
}
