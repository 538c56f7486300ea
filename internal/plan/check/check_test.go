package check

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

const (
	payment  = backout.ComponentID("deployment:payment@production/eu-1")
	checkout = backout.ComponentID("deployment:checkout@production/eu-1")
	mobile   = backout.ComponentID("deployment:mobile@production/eu-1")
)

// world has checkout 2 relying on payment 2, both new, and an app that nobody can move.
func world() backout.World {
	w := backout.World{
		Now: noon, Live: map[backout.ComponentID]backout.Live{}, Reversals: map[backout.ComponentID]backout.Reversal{},
		Contracts: []backout.Contract{{
			ID: "C1", Consumer: checkout, Provider: payment, Source: backout.ContractDeclared,
			Rules: []backout.ContractRule{{When: backout.VersionRange{From: "2"}, Needs: backout.VersionRange{From: "2"}}},
		}, {
			ID: "C0", Consumer: checkout, Provider: payment, Source: backout.ContractSpec, // worse source: does not count
			Rules: []backout.ContractRule{{When: backout.VersionRange{From: "2"}, Needs: backout.VersionRange{From: "3"}}},
		}},
	}
	for k, id := range []backout.ComponentID{payment, checkout, mobile} {
		w.Graph.Components = append(w.Graph.Components, backout.Component{
			ID: id, Kind: id.Kind(), Name: id.Name(), Service: backout.ServiceID(id.Name()), Environment: "production", Location: "eu-1", Immovable: id == mobile,
		})
		w.Live[id] = backout.Live{Shares: map[backout.Version]float64{"2": 1}}
		w.Changes = append(w.Changes, backout.Change{
			ID: backout.ChangeID(id), Component: id, Kind: id.Kind(), From: "1", To: "2", Digest: "new",
			Exposure: backout.Exposure{Stages: []backout.ExposureStage{{At: noon.Add(time.Duration(k-30) * time.Minute), Share: 1}}},
		})
		w.Reversals[id] = backout.Reversal{
			Component: id, Known: true, Current: "2", Mixed: true, Shares: []float64{.5, 1},
			Levels: []backout.Reachable{{Level: 0, Version: "1", Loss: backout.LossNone, Verified: true}},
		}
	}
	return w
}

func step(id string, c backout.ComponentID, start time.Duration) backout.Step {
	return backout.Step{
		ID: id, Component: c, Service: backout.ServiceID(c.Name()), Kind: c.Kind(), From: "2", To: "1", FromLevel: 1, ToLevel: 0,
		Reverts: []backout.ChangeID{backout.ChangeID(c)}, Loss: backout.LossNone,
		Stages: []backout.Stage{{Share: .5, Bake: backout.Duration(time.Minute)}, {Share: 1, Bake: backout.Duration(time.Minute)}},
		Start:  backout.Duration(start), Takes: backout.Duration(2 * time.Minute),
	}
}

// good takes checkout back, then payment.
func good() backout.Plan {
	return backout.Plan{Format: 1, Action: backout.ActionRollBack, Waves: []backout.Wave{
		{Steps: []backout.Step{step("1.1", checkout, 0)}},
		{Steps: []backout.Step{step("2.1", payment, 2*time.Minute)}},
	}}
}

// seal does what an honest planner does last.
func seal(w backout.World, p backout.Plan) backout.Plan {
	p.Fingerprint = w.Fingerprint(p.Touched())
	p.Digest = p.ExecutableDigest()
	return p
}

func TestPlan_good(t *testing.T) {
	w := world()
	cert, found := Certify(w, seal(w, good()))
	if len(found) > 0 || !cert.Safe || len(cert.Checks) == 0 {
		t.Errorf("certificate %+v, violations %v", cert, found)
	}
}

func TestPlan_violations(t *testing.T) {
	first := func(p *backout.Plan) *backout.Step { return &p.Waves[0].Steps[0] }
	tests := map[string]struct {
		want   Reason
		change func(w *backout.World, p *backout.Plan)
	}{
		"provider before consumer": {ReasonIncompatible, func(_ *backout.World, p *backout.Plan) {
			p.Waves = []backout.Wave{{Steps: []backout.Step{step("a", payment, 0)}}, {Steps: []backout.Step{step("b", checkout, 2*time.Minute)}}}
		}},
		"one audience off, all others still rely on it": {ReasonIncompatible, func(_ *backout.World, p *backout.Plan) {
			first(p).Stages = []backout.Stage{{Share: 1, Audience: "acme", Bake: backout.Duration(time.Minute)}}
		}},
		"side by side": {ReasonIncompatible, func(_ *backout.World, p *backout.Plan) {
			p.Waves = []backout.Wave{{Steps: []backout.Step{step("a", payment, 0), step("b", checkout, 0)}}}
		}},
		"consumer left behind": {ReasonIncompatible, func(_ *backout.World, p *backout.Plan) { p.Waves = p.Waves[1:] }},
		"overlap in time":      {ReasonOrder, func(_ *backout.World, p *backout.Plan) { p.Waves[1].Steps[0].Start = backout.Duration(time.Minute) }},
		"overlap brings strangers together": {ReasonIncompatible, func(_ *backout.World, p *backout.Plan) {
			p.Waves[0].Steps = append(p.Waves[0].Steps[:0:0], step("1.1", checkout, 3*time.Minute))
		}},
		"two waves, at once in time": {ReasonIncompatible, func(_ *backout.World, p *backout.Plan) { p.Waves[1].Steps[0].Start = 0 }},
		"one wave, apart in time": {ReasonIncompatible, func(_ *backout.World, p *backout.Plan) {
			p.Waves = []backout.Wave{{Steps: p.Steps()}}
		}},
		"twice": {ReasonTwice, func(_ *backout.World, p *backout.Plan) {
			p.Waves = append(p.Waves, backout.Wave{Steps: []backout.Step{step("3.1", payment, 4*time.Minute)}})
		}},
		"repeated id":     {ReasonShape, func(_ *backout.World, p *backout.Plan) { p.Waves[1].Steps[0].ID = "1.1" }},
		"no steps":        {ReasonShape, func(_ *backout.World, p *backout.Plan) { p.Waves = nil }},
		"steps of no act": {ReasonShape, func(_ *backout.World, p *backout.Plan) { p.Action = backout.ActionNone }},
		"empty wave":      {ReasonShape, func(_ *backout.World, p *backout.Plan) { p.Waves = append(p.Waves, backout.Wave{}) }},
		"other target":    {ReasonTarget, func(_ *backout.World, p *backout.Plan) { first(p).To = "0" }},
		"other level":     {ReasonTarget, func(_ *backout.World, p *backout.Plan) { first(p).ToLevel = 1 }},
		"other reverts":   {ReasonTarget, func(_ *backout.World, p *backout.Plan) { first(p).Reverts = nil }},
		"other start":     {ReasonWorldMoved, func(_ *backout.World, p *backout.Plan) { first(p).From = "3" }},
		"immovable": {ReasonTarget, func(_ *backout.World, p *backout.Plan) {
			p.Waves[0].Steps = append(p.Waves[0].Steps, step("1.2", mobile, 0))
		}},
		"not in the graph": {ReasonTarget, func(w *backout.World, _ *backout.Plan) { w.Graph.Components = w.Graph.Components[1:] }},
		"unreachable": {ReasonTarget, func(w *backout.World, _ *backout.Plan) {
			w.Reversals[payment] = backout.Reversal{Component: payment}
		}},
		"one way": {ReasonTarget, func(w *backout.World, _ *backout.Plan) { w.Reversals[payment].Levels[0].Loss = backout.LossOneWay }},
		"unverified, not admitted": {ReasonUnproven, func(w *backout.World, _ *backout.Plan) {
			w.Reversals[payment].Levels[0].Verified = false
		}},
		"stages fall":      {ReasonStages, func(_ *backout.World, p *backout.Plan) { first(p).Stages[0].Share = 1 }},
		"stages end early": {ReasonStages, func(_ *backout.World, p *backout.Plan) { first(p).Stages[1].Share = .9 }},
		"no stages":        {ReasonStages, func(_ *backout.World, p *backout.Plan) { first(p).Stages = nil }},
		"no time":          {ReasonStages, func(_ *backout.World, p *backout.Plan) { first(p).Takes = 0 }},
		"marked bad": {ReasonHold, func(w *backout.World, _ *backout.Plan) {
			w.Holds = []backout.Hold{{Component: payment, BadTo: "1", Until: noon.Add(time.Hour)}}
		}},
		"frozen": {ReasonFreeze, func(w *backout.World, _ *backout.Plan) {
			w.Policy.Freezes = []backout.Freeze{{From: noon, To: noon.Add(time.Hour)}}
		}},
		"cannot mix": {ReasonIncompatible, func(w *backout.World, _ *backout.Plan) {
			w.Contracts = append(w.Contracts, backout.Contract{ID: "S", Consumer: payment, Provider: payment,
				Rules: []backout.ContractRule{{When: backout.VersionRange{From: "2"}, Needs: backout.VersionRange{From: "2"}}}})
		}},
		"strangers": {ReasonUnproven, func(w *backout.World, _ *backout.Plan) {
			w.Graph.Dependencies = []backout.Dependency{{From: "mobile", To: "payment"}}
		}},
		"blind neighbour": {ReasonUnproven, func(w *backout.World, _ *backout.Plan) {
			gone := backout.ComponentID("deployment:gone@production/eu-1")
			w.Contracts = append(w.Contracts, backout.Contract{ID: "G", Consumer: gone, Provider: payment})
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w, p := world(), good()
			tt.change(&w, &p)
			found := Plan(w, seal(w, p))
			if !slices.ContainsFunc(found, func(v Violation) bool { return v.Reason == tt.want }) {
				t.Errorf("violations %v, want one of %s", found, tt.want)
			}
		})
	}
}

func TestPlan_tamperedAfterwards(t *testing.T) {
	w := world()
	for name, change := range map[string]func(p *backout.Plan){
		"digest":      func(p *backout.Plan) { p.Digest = strings.Repeat("0", 64) },
		"bake":        func(p *backout.Plan) { p.Waves[0].Steps[0].Stages[0].Bake++ },
		"fingerprint": func(p *backout.Plan) { p.Fingerprint = "other" },
	} {
		p := seal(w, good())
		change(&p)
		if found := Plan(w, p); len(found) == 0 || found[len(found)-1].String() == "" {
			t.Errorf("%s: not noticed", name)
		}
	}
}

func TestPlan_admittedGapsPass(t *testing.T) {
	w, p := world(), good()
	w.Graph.Dependencies = []backout.Dependency{{From: "mobile", To: "payment"}}
	p.Gaps = []string{string(payment) + " 1 with " + string(mobile) + " 2: no contract"}
	if found := Plan(w, seal(w, p)); len(found) > 0 {
		t.Errorf("violations %v although the gap is admitted", found)
	}
	p.Gaps = []string{string(payment) + " 1 with " + string(mobile) + " 2.5: no contract"}
	if found := Plan(w, seal(w, p)); len(found) == 0 {
		t.Error("a gap about another version admits nothing")
	}
	p.Gaps = nil
	w.Pairs = []backout.Pair{{A: mobile, B: payment, AVersion: "2", BVersion: "1", Healthy: true}}
	if found := Plan(w, seal(w, p)); len(found) > 0 {
		t.Errorf("violations %v although the pair was seen healthy", found)
	}
}

func TestPlan_presentTroubleIsNotHeldAgainstIt(t *testing.T) {
	w, p := world(), good()
	w.Contracts[0].Rules = append(w.Contracts[0].Rules, backout.ContractRule{
		When: backout.VersionRange{From: "2"}, Needs: backout.VersionRange{From: "3"},
	})
	if found := Plan(w, seal(w, p)); len(found) > 0 {
		t.Errorf("violations %v: the pair at the start is not the plan's doing", found)
	}
}

func TestRemaining_strangerVersion(t *testing.T) {
	w := world()
	p := seal(w, good())
	w.Live[checkout] = backout.Live{Shares: map[backout.Version]float64{"9": 1}}
	if found := Remaining(w, p); !slices.ContainsFunc(found, func(v Violation) bool { return v.Reason == ReasonWorldMoved }) {
		t.Errorf("violations %v, want the moved world", found)
	}
}
