package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/backout-dev/backout"
)

const (
	services   = 18
	layers     = 3
	changes    = 9
	replacing  = 20 * time.Second // from a deployment's order until the new instances serve
	draining   = 20 * time.Second // until what the old ones left behind is gone
	environ    = backout.Environment("production")
	place      = backout.Location("eu-1")
	sourceName = "ci"
)

// move is one step in the life of a component: from At on, Share of it is at To.
type move struct {
	at      time.Time
	to      backout.Version
	share   float64
	attempt backout.AttemptID
}

// product is the simulated product: what is live, what it does to the metrics, and an
// actuator over it.
type product struct {
	graph  backout.Graph
	onset  time.Time
	guilty backout.ComponentID
	bad    backout.Version
	slow   float64 // the harm on affected instances: latency factor less 1
	fail   float64 // and share of failures
	ramp   time.Duration
	reach  map[backout.ServiceID]harm
	record func(context.Context, ...backout.Observation) error

	mu    sync.Mutex
	moves map[backout.ComponentID][]move // guarded by mu; in order of time
	reals []backout.Observation
}

// harm is how a service suffers from the guilty one.
type harm struct {
	strength float64
	lag      time.Duration
}

func serviceName(i int) backout.ServiceID { return backout.ServiceID(fmt.Sprintf("s%02d", i)) }

func componentOf(i int) backout.ComponentID {
	return backout.NewComponentID(backout.KindDeployment, string(serviceName(i)), environ, place)
}

// newProduct draws a product whose harm begins at onset.
func newProduct(seed uint64, onset time.Time) *product {
	r := rand.New(rand.NewPCG(seed, 17))
	p := &product{onset: onset, reach: map[backout.ServiceID]harm{}, moves: map[backout.ComponentID][]move{}}
	for i := range services {
		p.graph.Services = append(p.graph.Services, backout.Service{ID: serviceName(i), Kind: backout.ServiceOwn, Tier: backout.Tier(min(3, i/6+1))})
		p.graph.Components = append(p.graph.Components, backout.Component{
			ID: componentOf(i), Kind: backout.KindDeployment, Name: string(serviceName(i)), Service: serviceName(i), Environment: environ, Location: place, Actuator: "simulated", Instances: 6,
		})
		for range 2 {
			if lower := (i/(services/layers) + 1) * (services / layers); lower < services {
				to := serviceName(lower + r.IntN(services/layers))
				p.graph.Dependencies = append(p.graph.Dependencies, backout.Dependency{From: serviceName(i), To: to, Hard: true, Source: "declared", Confidence: 1})
			}
		}
	}
	for i := range services / layers { // every entry serves a journey
		p.graph.Journeys = append(p.graph.Journeys, backout.Journey{
			ID: backout.JourneyID("journey-" + serviceName(i)), Name: "journey " + string(serviceName(i)), Services: []backout.ServiceID{serviceName(i)},
			ValuePerMinute: backout.Money{Minor: 100_000, Currency: "EUR"},
		})
	}
	p.misfortune(r)
	return p
}

// misfortune draws who is guilty, how bad it is, whom it reaches, and the other changes.
func (p *product) misfortune(r *rand.Rand) {
	culprit := services/layers + r.IntN(services-services/layers) // somebody calls it
	p.guilty, p.bad = componentOf(culprit), "2.0.0"
	p.slow, p.fail = 0, .03+.25*r.Float64()
	if r.Float64() < .6 {
		p.slow = .5 + 2*r.Float64()
	}
	p.ramp = time.Duration(r.IntN(90)) * time.Second
	p.suffer(r, serviceName(culprit), harm{strength: 1})
	p.release(r, culprit, p.onset)
	for n := 1; n < changes; {
		i := r.IntN(services)
		if len(p.moves[componentOf(i)]) > 0 {
			continue
		}
		p.release(r, i, p.onset.Add(-time.Duration(float64(55*time.Minute)*r.Float64())))
		n++
	}
}

// suffer lets the harm travel from callee to caller.
func (p *product) suffer(r *rand.Rand, s backout.ServiceID, h harm) {
	if old, ok := p.reach[s]; ok && old.strength >= h.strength {
		return
	}
	p.reach[s] = h
	for _, d := range p.graph.Dependencies {
		if d.To == s && r.Float64() < .8 {
			p.suffer(r, d.From, harm{h.strength * (.4 + .4*r.Float64()), h.lag + time.Duration(5+r.IntN(40))*time.Second})
		}
	}
}

// release rolls version 2.0.0 out from a moment on: most are rolling updates of 40
// seconds, the others canaries with 90 seconds a stage.
func (p *product) release(r *rand.Rand, i int, at time.Time) {
	gap := 20 * time.Second
	if r.Float64() < .3 {
		gap = 90 * time.Second
	}
	for k, s := range []float64{1. / 3, 2. / 3, 1} {
		p.set(componentOf(i), move{at: at.Add(time.Duration(k) * gap), to: "2.0.0", share: s})
	}
}

// set appends a move and remembers what a pipeline would report of it.
func (p *product) set(id backout.ComponentID, m move) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.moves[id] = append(p.moves[id], m)
	from := backout.Version("1.0.0")
	if m.to == from {
		from = "2.0.0"
	}
	p.reals = append(p.reals, backout.Observation{
		Source: sourceName, NativeID: fmt.Sprintf("%s/%d", id, len(p.moves[id])), At: m.at, Component: id, From: from, To: m.to, Share: m.share, Attempt: m.attempt,
	})
}

// reported are the observations of what has happened by a moment.
func (p *product) reported(now time.Time) []backout.Observation {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []backout.Observation
	for _, o := range p.reals {
		if !o.At.After(now) {
			out = append(out, o)
		}
	}
	return out
}

// share is how much of a component is at version 2.0.0 at a moment.
func (p *product) share(id backout.ComponentID, at time.Time) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := 0.0
	for _, m := range p.moves[id] {
		if m.at.After(at) {
			break
		}
		if s = m.share; m.to != "2.0.0" {
			s = 1 - m.share
		}
	}
	return s
}

// hurt is how strongly a service suffers at a moment, 1 being the guilty one with all
// its instances bad.
func (p *product) hurt(s backout.ServiceID, at time.Time) float64 {
	h, ok := p.reach[s]
	at = at.Add(-h.lag)
	if !ok || !at.After(p.onset) {
		return 0
	}
	grown := 1.0
	if p.ramp > 0 {
		grown = min(1, float64(at.Sub(p.onset))/float64(p.ramp))
	}
	now, then := p.share(p.guilty, at), p.share(p.guilty, at.Add(-draining))
	return h.strength * grown * max(now, then) // what was half done is finished badly
}

// Survey says that the version before can be reached in stages.
func (p *product) Survey(_ context.Context, c backout.Component, stack []backout.Change) (backout.Reversal, error) {
	now := time.Now()
	rev := backout.Reversal{Component: c.ID, Known: true, Current: "1.0.0", Shares: []float64{.25, 1}, Mixed: true, Takes: backout.Duration(replacing), Headroom: .25, CompareAndSwap: true, At: now}
	if p.share(c.ID, now) > 0 {
		rev.Current = "2.0.0"
		rev.Levels = []backout.Reachable{{Level: 0, Version: "1.0.0", Loss: backout.LossNone, Verified: true}}
	}
	if len(stack) == 0 {
		rev.Levels = nil
	}
	return rev, nil
}

// Probe reads what is live.
func (p *product) Probe(_ context.Context, c backout.Component) (backout.Reality, error) {
	now := time.Now().UTC()
	s := p.share(c.ID, now)
	p.mu.Lock()
	version := fmt.Sprint(len(p.moves[c.ID]))
	p.mu.Unlock()
	return backout.Reality{Version: version, At: now, Live: backout.Live{At: now, Healthy: true, Shares: map[backout.Version]float64{"2.0.0": s, "1.0.0": 1 - s}}}, nil
}

// Do replaces instances, which takes its time.
func (p *product) Do(ctx context.Context, e backout.Effect) (backout.Outcome, error) {
	t := time.NewTimer(replacing)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return backout.OutcomeUnknown, ctx.Err()
	case <-t.C:
	}
	p.set(e.Component.ID, move{at: time.Now(), to: e.To, share: e.Share, attempt: e.Attempt})
	return backout.OutcomeDone, p.record(ctx, p.reported(time.Now())...)
}

// noise is AR(1) with unit variance, by step, the same at each call.
type noise struct {
	r   *rand.Rand
	phi float64
	xs  []float64
}

func (n *noise) at(i int) float64 {
	for len(n.xs) <= i {
		x := n.r.NormFloat64()
		if k := len(n.xs); k > 0 {
			x = n.phi*n.xs[k-1] + math.Sqrt(1-n.phi*n.phi)*x
		}
		n.xs = append(n.xs, x)
	}
	return n.xs[i]
}
