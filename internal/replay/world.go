package replay

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/backout-dev/backout"
)

// World is what was known at one moment of a recording. It is safe for use by
// several goroutines.
type World struct {
	observations []backout.Observation // by time
	by           map[backout.ComponentID][]backout.Observation
	declared     map[backout.ComponentID]Declared
	minute       time.Duration

	mu  sync.RWMutex // guards now
	now time.Time
}

// NewWorld makes the world of a recording. Nothing is known before [World.Set].
func NewWorld(f Folder) *World {
	w := &World{observations: f.Observations, by: map[backout.ComponentID][]backout.Observation{}, declared: map[backout.ComponentID]Declared{}, minute: f.Settings.MinuteOr()}
	for _, o := range f.Observations {
		w.by[o.Component] = append(w.by[o.Component], o)
	}
	for _, d := range f.Settings.Reversals {
		w.declared[d.Component] = d
	}
	return w
}

// Set moves to a moment.
func (w *World) Set(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = now
}

// Now is the moment.
func (w *World) Now() time.Time {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.now
}

// known is the part of some observations that has happened.
func (w *World) known(all []backout.Observation) []backout.Observation {
	now := w.Now()
	n, _ := slices.BinarySearchFunc(all, now, func(o backout.Observation, t time.Time) int {
		if o.At.After(t) {
			return 1
		}
		return -1
	})
	return all[:n]
}

// Observations since a time and up to the moment, oldest first.
func (w *World) Observations(_ context.Context, since time.Time) ([]backout.Observation, error) {
	all := w.known(w.observations)
	n, _ := slices.BinarySearchFunc(all, since, func(o backout.Observation, t time.Time) int { return o.At.Compare(t) })
	return slices.Clone(all[n:]), nil
}

// Attached are the attachments of what was reported up to the moment.
func (w *World) Attached(context.Context) ([]backout.Attached, error) {
	out := []backout.Attached{}
	for _, o := range w.known(w.observations) {
		for _, a := range o.Attachments {
			out = append(out, backout.Attached{Attachment: a, Component: o.Component, Version: o.To, At: o.At})
		}
	}
	return out, nil
}

// AttachedState changes when attachments do; "" when there are none.
func (w *World) AttachedState(ctx context.Context) (string, error) {
	all, err := w.Attached(ctx)
	if err != nil || len(all) == 0 {
		return "", err
	}
	return fmt.Sprint(len(all)), nil
}

// Priors says that nothing was learnt before.
func (w *World) Priors(context.Context) (backout.Priors, error) { return backout.Priors{}, nil }

// Holds says that nothing is held.
func (w *World) Holds(context.Context, time.Time) ([]backout.Hold, error) {
	return []backout.Hold{}, nil
}

// Probe tells what runs, as the changes up to the moment say. A component of
// which nothing is known yet is an error of code not_found.
func (w *World) Probe(_ context.Context, c backout.Component) (backout.Reality, error) {
	live, ok := w.live(c.ID)
	if !ok {
		return backout.Reality{}, &backout.Error{Code: backout.CodeNotFound, Message: "nothing was recorded of it until then"}
	}
	return backout.Reality{Live: live, Version: fmt.Sprintf("%d", len(w.known(w.by[c.ID]))), At: live.At}, nil
}

func (w *World) live(id backout.ComponentID) (backout.Live, bool) {
	now := w.Now()
	changes, responses := backout.Fold(w.known(w.by[id]))
	if len(changes) == 0 && len(responses) == 0 {
		return backout.Live{}, false
	}
	out := backout.Live{Shares: map[backout.Version]float64{}, Healthy: true, At: now}
	if n := len(responses); n > 0 && (len(changes) == 0 || !changes[len(changes)-1].Exposure.Start().After(responses[n-1].At)) {
		out.Shares[responses[n-1].To] = 1
		return out, true
	}
	last := changes[len(changes)-1]
	before := last.From
	if n := len(changes); before == "" && n > 1 {
		before = changes[n-2].To
	}
	share := last.Exposure.Share(now)
	if before == "" {
		share = 1 // nobody said what the rest runs
	}
	out.Shares[last.To] = share
	if share < 1 {
		out.Shares[before] += 1 - share
	}
	return out, true
}

// Survey says what could be taken back. Code, configuration, flags and splits
// are taken to lose nothing; of a schema that is unknown unless the recording's
// settings declare it.
func (w *World) Survey(_ context.Context, c backout.Component, stack []backout.Change) (backout.Reversal, error) {
	rev := backout.Reversal{Component: c.ID, Levels: []backout.Reachable{}, Shares: []float64{1}, At: w.Now()}
	d, declared := w.declared[c.ID]
	live, seen := w.live(c.ID)
	switch {
	case !seen:
		rev.Why = "nothing was recorded of it until then"
		return rev, nil
	case !declared && (c.Kind == backout.KindSchema || c.Kind == backout.KindInfrastructure):
		rev.Why = fmt.Sprintf("a recording can't tell what taking a %s back loses", c.Kind)
		return rev, nil
	}
	loss := backout.LossNone
	if declared {
		loss = d.Loss
	}
	rev.Known, rev.Current, rev.CompareAndSwap, rev.Headroom = true, live.Version(), true, 1
	rev.Shares, rev.Mixed, rev.Takes = w.moves(c)
	for l, ch := range stack {
		v := ch.From
		if l > 0 {
			v = stack[l-1].To
		}
		if v != "" {
			rev.Levels = append(rev.Levels, backout.Reachable{Level: backout.Level(l), Version: v, Loss: loss, Lost: d.Lost, Until: d.Until, Verified: lived(stack, l)})
		}
	}
	return rev, nil
}

// moves says in which shares a component can be moved, whether old and new then
// live side by side, and how long a stage takes.
func (w *World) moves(c backout.Component) (shares []float64, mixed bool, takes backout.Duration) {
	switch c.Kind {
	case backout.KindDeployment:
		return stages(c.Instances), true, backout.Duration(w.minute)
	case backout.KindFlag:
		return []float64{0.1, 0.5, 1}, true, backout.Duration(w.minute / 2)
	}
	return []float64{1}, false, backout.Duration(w.minute / 2)
}

// lived reports whether level l was live everywhere before something newer came.
func lived(stack []backout.Change, l int) bool {
	return l == 0 || stack[l-1].Exposure.Share(stack[l].Exposure.Start()) >= 1
}

// stages offers one instance first; with many or an unknown number, a tenth and
// a half.
func stages(instances int) []float64 {
	switch {
	case instances == 1:
		return []float64{1}
	case instances > 1 && instances <= 6:
		return []float64{1 / float64(instances), 1}
	}
	return []float64{0.1, 0.5, 1}
}

// Do refuses: a recording can't be acted on.
func (w *World) Do(_ context.Context, e backout.Effect) (backout.Outcome, error) {
	return backout.OutcomeNotDone, &backout.Error{Code: backout.CodeForbidden, Message: fmt.Sprintf("move %s: a replay acts on nothing", e.Component.ID)}
}

// OutOfShadow is a policy as it would rule if plans were not only recorded: what a
// backtest is asked. Other autonomies stay.
func OutOfShadow(p backout.Policy) backout.Policy {
	if p.Autonomy == backout.AutonomyShadow {
		p.Autonomy = backout.AutonomyAsk
	}
	return p
}
