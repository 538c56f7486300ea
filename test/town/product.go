package town

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
)

// Harm is what a version does to the product while it is live: the errors that it
// adds to each service's requests when it has everything, as a share of them in
// [0,1]; with half of the instances it does half of that.
type Harm struct {
	Component backout.ComponentID
	Version   backout.Version
	Services  map[backout.ServiceID]float64
	From      time.Time // when it sets in, as a leak or an expiring cache does; zero = at once
}

// Trouble hurts services for a time, and nobody's change did it.
type Trouble struct {
	From, To time.Time // zero To = for ever
	Services map[backout.ServiceID]float64
}

// Move is one change of what is live.
type Move struct {
	At        time.Time
	Component backout.ComponentID
	Shares    map[backout.Version]float64
	By        string // an effect's key, or who it was
}

// Product is the product to be saved: what is live, what that does to its users,
// and the actuator that moves it. It is safe for concurrent use.
type Product struct {
	Graph   backout.Graph
	Signals []backout.Signal
	Harms   []Harm
	Seed    uint64
	// Requests a minute that each service serves; 0 = 600.
	Requests float64
	// Fault misbehaves in Do's place when it is set: it is given the real deed.
	Fault func(ctx context.Context, e backout.Effect, do func() (backout.Outcome, error)) (backout.Outcome, error)
	// Moved hears of every move, after it, one at a time.
	Moved func(Move)

	mu       sync.Mutex
	parts    map[backout.ComponentID]*part // guarded by mu, as all that follows
	order    []Move
	troubles []Trouble
	blind    []backout.Period
	hidden   func(c backout.ComponentID) error
	together []string // calls of Do that met another one, not yet given up, on their component
	gone     map[backout.ComponentID]string
}

type part struct {
	shares  map[backout.Version]float64
	writes  int
	ill     bool              // reports that it is not ready
	busy    []context.Context // of the calls of Do under way
	history []Move
}

// NewProduct makes a product with every component of the graph wholly at a version
// since ever.
func NewProduct(g backout.Graph, live map[backout.ComponentID]backout.Version) *Product {
	p := &Product{Graph: g, Signals: Signals(), parts: map[backout.ComponentID]*part{}, gone: map[backout.ComponentID]string{}}
	for id, v := range live {
		shares := map[backout.Version]float64{v: 1}
		p.parts[id] = &part{shares: shares, history: []Move{{Component: id, Shares: shares}}}
	}
	return p
}

// Signals are what a town measures: errors and latency of each service.
func Signals() []backout.Signal {
	return []backout.Signal{
		{Name: "errors", Kind: backout.SignalErrors, Direction: backout.WorseUp, Query: "errors", Total: "requests", Opens: true},
		{Name: "latency", Kind: backout.SignalLatency, Direction: backout.WorseUp, Query: "seconds", Total: "requests", Opens: true},
	}
}

// Set moves a component as somebody outside would, wholly to a version.
func (p *Product) Set(id backout.ComponentID, v backout.Version, by string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.move(id, map[backout.Version]float64{v: 1}, by)
}

// move writes what is live. The caller holds mu.
func (p *Product) move(id backout.ComponentID, shares map[backout.Version]float64, by string) {
	t := p.parts[id]
	m := Move{At: time.Now().UTC(), Component: id, Shares: shares, By: by}
	t.shares, t.writes, t.history = shares, t.writes+1, append(t.history, m)
	p.order = append(p.order, m)
	if p.Moved != nil {
		p.Moved(m)
	}
}

// SetHealthy says whether a component reports that it is ready.
func (p *Product) SetHealthy(id backout.ComponentID, healthy bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.parts[id].ill = !healthy
}

// Lose makes a component's earlier versions unreachable, for a reason.
func (p *Product) Lose(id backout.ComponentID, why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone[id] = why
}

// Hurt adds trouble that is nobody's change.
func (p *Product) Hurt(t Trouble) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.troubles = append(p.troubles, t)
}

// Heal ends all trouble that is nobody's change.
func (p *Product) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, t := range p.troubles {
		if t.To.IsZero() {
			p.troubles[i].To = time.Now().UTC()
		}
	}
}

// Blind lets nothing be measured for a time.
func (p *Product) Blind(from, to time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.blind = append(p.blind, backout.Period{From: from, To: to})
}

// Hide has Probe fail as why says, from now on; nil ends it. Where why gives nil a
// component can be seen.
func (p *Product) Hide(why func(c backout.ComponentID) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hidden = why
}

// Live is what runs of a component.
func (p *Product) Live(id backout.ComponentID) map[backout.Version]float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.parts[id].shares)
}

// Moves lists every change of what is live, in order.
func (p *Product) Moves() []Move {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.order)
}

// Together names the calls of Do that met another one on their component which its
// caller had not given up.
func (p *Product) Together() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.together)
}

// Survey answers that every earlier version can be reached without loss, unless it
// was lost. Deployments and traffic move in shares, all else whole.
func (p *Product) Survey(_ context.Context, c backout.Component, stack []backout.Change) (backout.Reversal, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.parts[c.ID]
	if t == nil {
		return backout.Reversal{Component: c.ID, Why: "there is no such target"}, nil
	}
	rev := backout.Reversal{
		Component: c.ID, Known: true, Current: backout.Live{Shares: t.shares}.Version(), Levels: []backout.Reachable{},
		Shares: []float64{1}, CompareAndSwap: true, Takes: backout.Duration(10 * time.Second), At: time.Now().UTC(),
	}
	if c.Kind == backout.KindDeployment || c.Kind == backout.KindTraffic {
		rev.Shares, rev.Mixed = []float64{1. / 3, 1}, true
	}
	if why := p.gone[c.ID]; why != "" {
		rev.Why = why
		return rev, nil
	}
	for l, ch := range stack {
		rev.Levels = append(rev.Levels, backout.Reachable{Level: backout.Level(l), Version: ch.From, Loss: backout.LossNone, Verified: true})
	}
	return rev, nil
}

// Probe reads what is live.
func (p *Product) Probe(_ context.Context, c backout.Component) (backout.Reality, error) {
	p.mu.Lock()
	hidden := p.hidden
	p.mu.Unlock()
	if hidden != nil {
		if err := hidden(c.ID); err != nil {
			return backout.Reality{}, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.parts[c.ID]
	if t == nil {
		return backout.Reality{}, &backout.Error{Code: backout.CodeNotFound, Message: fmt.Sprintf("probe %s: there is no such target", c.ID)}
	}
	now := time.Now().UTC()
	return backout.Reality{Live: backout.Live{Shares: maps.Clone(t.shares), Healthy: !t.ill, At: now}, Version: strconv.Itoa(t.writes), At: now}, nil
}

// Do moves a component, or does what Fault makes of it.
func (p *Product) Do(ctx context.Context, e backout.Effect) (backout.Outcome, error) {
	p.enter(ctx, e)
	defer p.leave(ctx, e)
	do := func() (backout.Outcome, error) { return p.do(e) }
	if p.Fault != nil {
		return p.Fault(ctx, e, do)
	}
	return do()
}

func (p *Product) enter(ctx context.Context, e backout.Effect) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.parts[e.Component.ID]
	if slices.ContainsFunc(t.busy, func(c context.Context) bool { return c.Err() == nil }) {
		p.together = append(p.together, e.Key)
	}
	t.busy = append(t.busy, ctx)
}

func (p *Product) leave(ctx context.Context, e backout.Effect) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.parts[e.Component.ID]
	t.busy = slices.DeleteFunc(t.busy, func(c context.Context) bool { return c == ctx })
}

func (p *Product) do(e backout.Effect) (backout.Outcome, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.parts[e.Component.ID]
	if execute.Reached(backout.Reality{Live: backout.Live{Shares: t.shares}}, e) {
		return backout.OutcomeDone, nil
	}
	if v := strconv.Itoa(t.writes); e.IfVersion != "" && e.IfVersion != v {
		return backout.OutcomeNotDone, &backout.Error{Code: backout.CodeConflict, Message: fmt.Sprintf("do %s: the target is at write %s, not %s", e.Key, v, e.IfVersion)}
	}
	shares := map[backout.Version]float64{e.To: e.Share}
	if e.Share < 1 {
		shares[e.From] += 1 - e.Share
	}
	p.move(e.Component.ID, shares, e.Key)
	return backout.OutcomeDone, nil
}

// Sample measures. The same moment gives the same sample however often it is asked
// for, as long as what was live then stays written.
func (p *Product) Sample(_ context.Context, signals []backout.Signal, from, to time.Time, step time.Duration) (backout.Window, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if slices.ContainsFunc(p.blind, func(b backout.Period) bool { return !to.Before(b.From) && to.Before(b.To) }) {
		return backout.Window{}, &backout.Error{Code: backout.CodeUnavailable, Message: "the metrics backend does not answer"}
	}
	w := backout.Window{From: from, Now: to, Step: step}
	for _, sig := range signals {
		for _, s := range p.Graph.Services {
			out := backout.Series{ID: backout.SeriesID{Signal: sig.Name, Subject: backout.Subject{Service: s.ID}}, Kind: sig.Kind, Worse: sig.Direction, Opens: sig.Opens}
			for at := from.Add(step); !at.After(to); at = at.Add(step) {
				if !slices.ContainsFunc(p.blind, func(b backout.Period) bool { return !at.Before(b.From) && at.Before(b.To) }) {
					out.Samples = append(out.Samples, p.sample(sig, s.ID, at, step))
				}
			}
			w.Series = append(w.Series, out)
		}
	}
	return w, nil
}

const (
	requests = 600.0 // a minute, of each service
	base     = .01   // share of requests that fail while all is well
	seconds  = .1    // a request takes
)

// sample draws what was measured in the step that ends at a time.
func (p *Product) sample(sig backout.Signal, s backout.ServiceID, at time.Time, step time.Duration) backout.Sample {
	h := uint64(len(s)) + 131*uint64(len(sig.Name))
	for _, b := range string(s) {
		h = h*31 + uint64(b)
	}
	r := rand.New(rand.NewPCG(p.Seed^h, uint64(at.UnixMilli())))
	n := cmp.Or(p.Requests, requests) * step.Minutes()
	harm := p.harm(s, at.Add(-step/2))
	out := backout.Sample{At: at, Total: math.Round(n + math.Sqrt(n)*r.NormFloat64())}
	if sig.Kind == backout.SignalErrors {
		q := min(base+harm, 1)
		out.Value = min(math.Round(max(0, out.Total*q+math.Sqrt(out.Total*q*(1-q))*r.NormFloat64())), out.Total)
		return out
	}
	out.Value = out.Total * seconds * (1 + harm) * math.Exp(.05*r.NormFloat64())
	return out
}

// harm is the share of a service's requests that were hurt at a time.
func (p *Product) harm(s backout.ServiceID, at time.Time) float64 {
	sum := 0.0
	for _, h := range p.Harms {
		if at.Before(h.From) {
			continue
		}
		sum += h.Services[s] * p.parts[h.Component].at(at)[h.Version]
	}
	for _, t := range p.troubles {
		if !at.Before(t.From) && (t.To.IsZero() || at.Before(t.To)) {
			sum += t.Services[s]
		}
	}
	return sum
}

// at is what was live at a time.
func (t *part) at(at time.Time) map[backout.Version]float64 {
	for _, m := range slices.Backward(t.history) {
		if !m.At.After(at) {
			return m.Shares
		}
	}
	return nil
}
