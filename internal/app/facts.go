package app

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/catalog"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/execute/kubernetes"
)

// window is how far back changes are suspects, in model minutes.
const window = 90

// surveyTimeout bounds what one actuator may take to say what it sees.
const surveyTimeout = 3 * time.Second

// known is what was written down of the past: the store, or a recording.
type known interface {
	Observations(ctx context.Context, since time.Time) ([]backout.Observation, error)
	Priors(ctx context.Context) (backout.Priors, error)
	Holds(ctx context.Context, now time.Time) ([]backout.Hold, error)
	Attached(ctx context.Context) ([]backout.Attached, error)
	AttachedState(ctx context.Context) (string, error)
}

// facts loads the world: the catalog, the observations in the store, and what
// the actuators see.
type facts struct {
	catalog   catalog.Catalog
	store     known
	actuators map[string]execute.Actuator
	// troubles says when something was wrong; nil = nobody knows, so never.
	troubles func(ctx context.Context, since time.Time) ([]backout.Period, error)
	ours     ours // nil = we did nothing, as in a recording
	minute   time.Duration
	step     time.Duration
	sampler  sampler // nil = nobody to ask
	// found gives what clusters consist of; nil = nothing is found.
	found func() ([]backout.Service, []backout.Component)

	mu       sync.Mutex
	degraded []backout.Degradation // guarded by mu: what the last survey could not see

	inferred inferred
}

// World gives the world at a moment. Without a survey it costs one read of the
// store; with one it asks the actuators about every component that changed
// recently and about those that contracts tie to them.
func (f *facts) World(ctx context.Context, now time.Time, surveyed bool) (backout.World, error) {
	since, err := f.since(ctx, now)
	if err != nil {
		return backout.World{}, fmt.Errorf("load world: %w", err)
	}
	obs, err := f.store.Observations(ctx, since)
	if err != nil {
		return backout.World{}, fmt.Errorf("load world: %w", err)
	}
	priors, err := f.store.Priors(ctx)
	if err != nil {
		return backout.World{}, fmt.Errorf("load world: %w", err)
	}
	holds, err := f.store.Holds(ctx, now)
	if err != nil {
		return backout.World{}, fmt.Errorf("load world: %w", err)
	}
	w := backout.World{
		Now: now, Minute: backout.Duration(f.minute), Step: backout.Duration(f.step), Graph: perModelMinute(f.graph(), f.minute), Contracts: f.catalog.Contracts, Policy: f.catalog.Policy,
		Live: map[backout.ComponentID]backout.Live{}, Reversals: map[backout.ComponentID]backout.Reversal{}, Holds: holds, Priors: priors,
	}
	if obs, err = f.own(ctx, &w, obs, since); err != nil {
		return backout.World{}, fmt.Errorf("load world: %w", err)
	}
	w.Changes, w.Responses = backout.Fold(obs)
	for i, c := range w.Changes {
		w.Changes[i].Services = servicesOf(w.Graph, c.Component)
	}
	if w.Lines, _, err = f.lines(ctx, w); err != nil {
		return backout.World{}, fmt.Errorf("load world: %w", err)
	}
	if surveyed {
		f.unseen(now, append(f.survey(ctx, &w, matter(w)), f.consumers(ctx, &w)...))
		f.loads(ctx, &w)
	}
	if w.Pairs, err = f.seen(ctx, w, w.Changes, window); err != nil {
		return backout.World{}, fmt.Errorf("load world: %w", err)
	}
	return w, nil
}

// graph is the catalog's, with what was found in clusters: what is declared counts
// where both know something.
func (f *facts) graph() backout.Graph {
	g := f.catalog.Graph
	if f.found == nil {
		return g
	}
	services, components := f.found()
	return withFound(g, services, components)
}

func withFound(g backout.Graph, services []backout.Service, components []backout.Component) backout.Graph {
	knownServices, knownComponents := map[backout.ServiceID]bool{}, map[backout.ComponentID]bool{}
	for _, s := range g.Services {
		knownServices[s.ID] = true
	}
	for _, c := range g.Components {
		knownComponents[c.ID] = true
	}
	g.Services, g.Components = slices.Clone(g.Services), slices.Clone(g.Components)
	for _, s := range services {
		if !knownServices[s.ID] {
			knownServices[s.ID] = true
			g.Services = append(g.Services, s)
		}
	}
	for _, c := range components {
		if !knownComponents[c.ID] {
			knownComponents[c.ID] = true
			g.Components = append(g.Components, c)
		}
	}
	return g
}

// since is from when on changes are known. While an incident is open that is so long
// before it, however late it is now: a plan that waited for hours at a gate or for a
// person still is about the change that it takes back.
func (f *facts) since(ctx context.Context, now time.Time) (time.Time, error) {
	from := now
	if f.troubles != nil {
		all, err := f.troubles(ctx, now)
		if err != nil {
			return now, err
		}
		for _, p := range all {
			if p.To.IsZero() && p.From.Before(from) {
				from = p.From
			}
		}
	}
	return from.Add(-window * f.minute), nil
}

// seen are the pairs that were live together while nothing was wrong, by changes of
// so many model minutes.
func (f *facts) seen(ctx context.Context, w backout.World, changes []backout.Change, back time.Duration) ([]backout.Pair, error) {
	var trouble []backout.Period
	if f.troubles != nil {
		var err error
		if trouble, err = f.troubles(ctx, w.Now.Add(-back*f.minute)); err != nil {
			return nil, err
		}
	}
	return backout.SeenTogether(w.Graph, changes, w.Live, w.Now, 2*f.step, trouble...), nil
}

// perModelMinute restates what things are worth a minute, and how long going back
// takes by itself, in model minutes, so that a rehearsal that runs fast does not
// lose an hour's money in a minute and does not wait for caches all day.
func perModelMinute(g backout.Graph, minute time.Duration) backout.Graph {
	scale := float64(minute) / float64(time.Minute)
	g.Journeys, g.Features, g.Clients = slices.Clone(g.Journeys), slices.Clone(g.Features), slices.Clone(g.Clients)
	g.Components = slices.Clone(g.Components)
	for i, c := range g.Components {
		if c.Rollback != nil {
			r := *c.Rollback
			r.Startup, r.CacheWarmup = backout.Duration(float64(r.Startup)*scale), backout.Duration(float64(r.CacheWarmup)*scale)
			g.Components[i].Rollback = &r
		}
	}
	for i := range g.Journeys {
		g.Journeys[i].ValuePerMinute = g.Journeys[i].ValuePerMinute.Times(scale)
	}
	for i := range g.Features {
		g.Features[i].ValuePerMinute = g.Features[i].ValuePerMinute.Times(scale)
	}
	for i := range g.Clients {
		g.Clients[i].Penalty = g.Clients[i].Penalty.Times(scale)
	}
	return g
}

// servicesOf lists whom a change of this component touches first.
func servicesOf(g backout.Graph, id backout.ComponentID) []backout.ServiceID {
	c, ok := g.Component(id)
	if !ok || c.Service == "" {
		return []backout.ServiceID{}
	}
	return []backout.ServiceID{c.Service}
}

// survey asks the actuators, side by side, about components. A silent actuator leaves
// its component unknown, and its silence is given back.
func (f *facts) survey(ctx context.Context, w *backout.World, about []backout.ComponentID) []backout.Degradation {
	ctx = kubernetes.Moment(ctx)
	var mu sync.Mutex
	var silent []backout.Degradation
	var g errgroup.Group
	g.SetLimit(8)
	for _, id := range about {
		c, ok := w.Graph.Component(id)
		a := f.actuators[c.Actuator]
		if !ok || a == nil {
			continue
		}
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, surveyTimeout)
			defer cancel()
			reality, perr := a.Probe(ctx, c)
			rev, serr := a.Survey(ctx, c, w.Stack(id))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case perr != nil:
				silent = append(silent, backout.Degraded(backout.DegradedActuators, string(id), time.Time{}, perr.Error()))
			default:
				w.Live[id] = reality.Live
			}
			if serr != nil {
				rev = backout.Reversal{Component: id, Why: serr.Error(), At: w.Now}
			}
			w.Reversals[id] = rev
			return nil
		})
	}
	_ = g.Wait() // the functions never fail: silence is an answer
	return silent
}

// matter lists the components that changed recently and those that a contract or a
// forbidding line ties to them.
func matter(w backout.World) []backout.ComponentID {
	in := map[backout.ComponentID]bool{}
	for _, c := range w.Changes {
		in[c.Component] = true
	}
	out := []backout.ComponentID{}
	for _, c := range w.Contracts {
		if in[c.Consumer] || in[c.Provider] {
			out = append(out, c.Consumer, c.Provider)
		}
	}
	for _, l := range w.Lines {
		if !l.Allows && (in[l.Consumer] || in[l.Provider]) {
			out = append(out, l.Consumer, l.Provider)
		}
	}
	for id := range in {
		out = append(out, id)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// blind says what the last survey could not see.
func (f *facts) blind() []backout.Degradation {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.degraded)
}
