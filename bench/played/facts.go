package played

import (
	"context"
	"fmt"
	"slices"
	"testing/fstest"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/catalog"
	"github.com/backout-dev/backout/internal/simulate"
)

const (
	environment = backout.Environment("production")
	actuator    = "simulated"
	remembered  = 90 * time.Minute // how long changes are candidates
	minute      = time.Minute
)

// Policy is the default policy of the catalog for somebody who lets it act by itself:
// every threshold is the program's own.
func Policy() (backout.Policy, error) {
	const doc = "apiVersion: backout.dev/v1alpha1\nkind: Policy\nmetadata: {name: act}\nspec: {autonomy: act, coldStart: act-if-reversible}\n"
	c, err := catalog.Load(fstest.MapFS{"policy.yaml": &fstest.MapFile{Data: []byte(doc)}})
	if err != nil {
		return backout.Policy{}, fmt.Errorf("read the default policy: %w", err)
	}
	return c.Policy, nil
}

// Reversible reports whether a kind of component can go back here without loss, as the
// survey of these worlds says.
func Reversible(k backout.ComponentKind) bool { return k != backout.KindSchema }

// takes is how long one stage of a reversal takes to happen.
var takes = map[backout.ComponentKind]time.Duration{
	backout.KindFlag: 5 * time.Second, backout.KindConfig: 15 * time.Second, backout.KindTraffic: 10 * time.Second,
	backout.KindDeployment: 40 * time.Second, backout.KindInfrastructure: 90 * time.Second, backout.KindSchema: 2 * time.Minute,
}

// Takes is the same for the bench's own reckoning.
func Takes(k backout.ComponentKind) time.Duration { return takes[k] }

// facts are the world as it is known at a moment.
type facts struct {
	play      *simulate.Play
	graph     backout.Graph
	contracts []backout.Contract
	policy    backout.Policy
	kept      *memory
	spent     []backout.Spent
}

func newFacts(p *simulate.Play, policy backout.Policy, perMinute backout.Money, kept *memory) *facts {
	g := p.Graph()
	journey := backout.Journey{ID: "product", Name: "the product", ValuePerMinute: perMinute}
	for _, s := range g.Services {
		if s.Kind != backout.ServiceExternal {
			journey.Services = append(journey.Services, s.ID)
		}
	}
	if perMinute.Minor > 0 {
		g.Journeys = append(g.Journeys, journey)
	}
	f := &facts{play: p, policy: policy, kept: kept}
	for i := range g.Components {
		g.Components[i].Actuator = actuator
	}
	f.graph, f.contracts = g, contractsOf(g)
	return f
}

// contractsOf declares that neighbours get along in all versions.
func contractsOf(g backout.Graph) []backout.Contract {
	near := func(a, b backout.Component) bool {
		return a.Service == b.Service || slices.ContainsFunc(g.Dependencies, func(d backout.Dependency) bool { return d.From == a.Service && d.To == b.Service })
	}
	var out []backout.Contract
	for _, a := range g.Components {
		for _, b := range g.Components {
			if a.ID != b.ID && near(a, b) {
				out = append(out, backout.Contract{ID: fmt.Sprintf("contract-%d", len(out)), Consumer: a.ID, Provider: b.ID, Source: backout.ContractDeclared, Rules: []backout.ContractRule{{}}})
			}
		}
	}
	return out
}

// World implements respond.Facts.
func (f *facts) World(_ context.Context, now time.Time, surveyed bool) (backout.World, error) {
	told := f.play.Told(now)
	recent := slices.DeleteFunc(slices.Clone(told), func(o backout.Observation) bool { return o.At.Before(now.Add(-remembered)) })
	w := backout.World{Now: now, Minute: backout.Duration(minute), Step: backout.Duration(f.play.Step()), Graph: f.graph, Policy: f.policy, Priors: f.kept.priors, Contracts: f.contracts,
		Holds: f.kept.holds, Spent: f.spent, Live: map[backout.ComponentID]backout.Live{}, Reversals: map[backout.ComponentID]backout.Reversal{}}
	w.Changes, w.Responses = backout.Fold(recent)
	for i, c := range w.Changes {
		k, _ := f.graph.Component(c.Component)
		w.Changes[i].Services = []backout.ServiceID{k.Service}
	}
	for _, c := range f.graph.Components {
		if surveyed {
			w.Live[c.ID] = f.live(c.ID, now)
			if stack := w.Stack(c.ID); len(stack) > 0 {
				w.Reversals[c.ID] = f.survey(c, now)
			}
		}
	}
	if !surveyed { // what was surveyed a moment ago still holds
		for _, ch := range w.Changes {
			w.Live[ch.Component] = f.live(ch.Component, now)
		}
	}
	return w, nil
}

func (f *facts) live(id backout.ComponentID, now time.Time) backout.Live {
	from, to, changed := f.play.Versions(id)
	if !changed {
		return backout.Live{Shares: map[backout.Version]float64{"1.0.0": 1}, Healthy: true, At: now}
	}
	share := f.play.Share(id, now)
	out := backout.Live{Shares: map[backout.Version]float64{}, Healthy: true, At: now}
	if share > 0 {
		out.Shares[to] = share
	}
	if share < 1 {
		out.Shares[from] = 1 - share
	}
	return out
}

// survey says what an actuator would: all but schemas go back without loss, code,
// machines and most splits in stages.
func (f *facts) survey(c backout.Component, now time.Time) backout.Reversal {
	from, to, _ := f.play.Versions(c.ID)
	out := backout.Reversal{Component: c.ID, Known: true, Current: from, Shares: []float64{1}, Mixed: true, Takes: backout.Duration(takes[c.Kind]), Headroom: .25, CompareAndSwap: true, At: now, Levels: []backout.Reachable{}}
	if c.Kind == backout.KindDeployment || c.Kind == backout.KindInfrastructure {
		out.Shares = []float64{1. / 3, 1}
	}
	if f.play.Share(c.ID, now) > 0 {
		out.Current = to
		loss := backout.LossNone
		if !Reversible(c.Kind) {
			loss = backout.LossUnknown
		}
		out.Levels = []backout.Reachable{{Level: 0, Version: from, Loss: loss, Verified: true}}
	}
	return out
}
