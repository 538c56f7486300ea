package main

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app/wire"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/execute/engine"
	"github.com/backout-dev/backout/internal/permit"
	"github.com/backout-dev/backout/internal/respond"
	"github.com/backout-dev/backout/internal/store"
	"github.com/backout-dev/backout/internal/watch"
)

// policy lets it act by itself, as the demo's does.
var policy = backout.Policy{
	Version: "bench", Autonomy: backout.AutonomyAct, ColdStart: backout.ColdStartActIfReversible, MinConfidence: .7, MaxPNone: .2,
	MaxSteps: 6, MaxServices: 6, FourEyesTier: -1, MaxAttempts: 2,
}

// Times are the seconds from the onset of one run; negative = it did not come to that.
type Times struct {
	Seed     uint64        `json:"seed"`
	Detected float64       `json:"detected_s"`
	Effect   float64       `json:"first_effect_s"`
	Verified float64       `json:"verified_s"`
	State    backout.State `json:"state"`
	Right    bool          `json:"right"` // the guilty change was taken back
	Needless int           `json:"needless"`
}

// facts loads the world from the store and the simulated product.
type facts struct {
	p     *product
	store *store.Store
	step  time.Duration
}

func (f facts) World(ctx context.Context, now time.Time, surveyed bool) (backout.World, error) {
	obs, err := f.store.Observations(ctx, now.Add(-90*time.Minute))
	if err != nil {
		return backout.World{}, err
	}
	priors, err := f.store.Priors(ctx)
	if err != nil {
		return backout.World{}, err
	}
	w := backout.World{Now: now, Minute: backout.Duration(time.Minute), Step: backout.Duration(f.step), Graph: f.p.graph, Policy: policy, Priors: priors,
		Live: map[backout.ComponentID]backout.Live{}, Reversals: map[backout.ComponentID]backout.Reversal{}}
	w.Changes, w.Responses = backout.Fold(obs)
	for i, c := range w.Changes {
		w.Changes[i].Services = []backout.ServiceID{backout.ServiceID(c.Component.Name())}
	}
	for _, c := range f.p.graph.Components {
		if !surveyed {
			break
		}
		reality, _ := f.p.Probe(ctx, c)
		w.Live[c.ID] = reality.Live
		w.Reversals[c.ID], _ = f.p.Survey(ctx, c, w.Stack(c.ID))
	}
	w.Pairs = backout.SeenTogether(w.Graph, w.Changes, w.Live, now, 2*f.step)
	return w, nil
}

const longest = 60 * time.Minute

// simulate runs one seed inside a synctest bubble.
func simulate(t *testing.T, seed uint64, scrape time.Duration) Times {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	began := time.Now().UTC()
	onset := began.Add(61 * time.Minute)
	p := newProduct(seed, onset)
	db := must(engine.Open(ctx, filepath.Join(t.TempDir(), "response.db")))
	kept := must(store.New(ctx, db.DB))
	p.record = func(ctx context.Context, obs ...backout.Observation) error {
		_, err := kept.Observe(ctx, obs)
		return err
	}
	rules := must(permit.Compile(policy))
	world := facts{p: p, store: kept, step: scrape}
	var deciding sync.Mutex
	var r *respond.Responder
	eyes := must(watch.New(watch.Config{Sampler: newSampler(p, seed, began.Add(-48*time.Hour), scrape), Signals: signals, Step: scrape, Report: func(ctx context.Context, rep watch.Report) {
		deciding.Lock()
		defer deciding.Unlock()
		err := p.record(ctx, p.reported(rep.Now)...)
		if err == nil {
			_, err = r.Observe(ctx, rep.Now, environ, rep.Findings, nil)
		}
		if ctx.Err() == nil { // else the run is over
			must(0, err)
		}
	}}))
	flows := must(engine.New(ctx, engine.Config{Database: db}))
	x := must(execute.New(ctx, execute.Config{
		Engine: flows, Actuators: map[string]execute.Actuator{"simulated": p},
		Guard: &respond.Guard{Facts: world, Permit: rules, Now: func() time.Time { return time.Now().UTC() }},
		Gate:  &respond.Gate{Store: wire.Incidents{Store: kept}, Signals: eyes, Minute: time.Minute},
		Tick:  scrape / 2, MaxTick: scrape,
	}))
	r = must(respond.New(respond.Config{Store: wire.Incidents{Store: kept}, Learner: wire.Learner{Store: kept}, Facts: world, Signals: eyes, Runner: wire.Runner{Executor: x}, Permit: rules, Step: scrape, Minute: time.Minute, Seed: seed}))
	must(0, flows.Launch())
	var loops sync.WaitGroup
	time.Sleep(time.Until(onset.Add(-20 * time.Minute))) // the past is the backend's to tell
	loops.Go(func() { _ = eyes.Run(ctx) })
	out := walk(ctx, p, kept, r, &deciding, scrape)
	out.Seed = seed
	cancel()
	loops.Wait()
	must(0, flows.Close(time.Minute))
	must(0, db.Close())
	return out
}

// walk steps open incidents as the server does, until one that the onset opened has
// ended, and notes the times.
func walk(ctx context.Context, p *product, kept *store.Store, r *respond.Responder, deciding *sync.Mutex, scrape time.Duration) Times {
	wakes := map[backout.IncidentID]time.Time{}
	var last backout.Incident
	for time.Now().Before(p.onset.Add(longest)) {
		time.Sleep(scrape / 4)
		for _, inc := range must(kept.Incidents(ctx, store.Query{Open: true})) {
			if now := time.Now().UTC(); !now.Before(wakes[inc.ID]) {
				deciding.Lock()
				for range 8 { // as far as it goes at this moment
					wake, err := r.Step(ctx, now, inc.ID)
					if wakes[inc.ID] = wake; err != nil || wake.IsZero() || wake.After(now) {
						break // a step that fails is tried again
					}
				}
				deciding.Unlock()
			}
		}
		all := must(kept.Incidents(ctx, store.Query{Limit: 1}))
		if len(all) > 0 && all[0].OpenedAt.After(p.onset) {
			if last = all[0]; last.State.Terminal() {
				break
			}
		}
	}
	return p.times(last)
}

// times reads what became of it.
func (p *product) times(inc backout.Incident) Times {
	out := Times{Detected: -1, Effect: -1, Verified: -1, State: inc.State}
	if inc.ID == "" {
		return out
	}
	out.Detected = inc.OpenedAt.Sub(p.onset).Seconds()
	if inc.State == backout.StateRecovered {
		out.Verified = inc.UpdatedAt.Sub(p.onset).Seconds()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	first := time.Time{}
	for id, ms := range p.moves {
		ours := false
		for _, m := range ms {
			if m.attempt != "" && (first.IsZero() || m.at.Before(first)) {
				first = m.at
			}
			ours = ours || m.attempt != ""
		}
		switch {
		case ours && id == p.guilty:
			out.Right = true
		case ours:
			out.Needless++
		}
	}
	if !first.IsZero() {
		out.Effect = first.Sub(p.onset).Seconds()
	}
	return out
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(fmt.Errorf("simulate: %w", err))
	}
	return v
}
