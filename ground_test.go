package backout_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

// A plan that has gone stale can name what moved, from what to what.
func TestMovedBetween_namesWhatMoved(t *testing.T) {
	world := func() backout.World {
		return backout.World{
			Changes:   []backout.Change{{ID: "c1", Component: pay, From: "1", To: "2"}},
			Live:      map[backout.ComponentID]backout.Live{pay: {Shares: map[backout.Version]float64{"2": 1}}},
			Reversals: map[backout.ComponentID]backout.Reversal{pay: {Levels: []backout.Reachable{{Level: 0, Version: "1", Loss: backout.LossNone}}}},
			Contracts: []backout.Contract{{ID: "k", Consumer: "deployment:cart@production/eu", Provider: pay, Rules: []backout.ContractRule{{Needs: backout.VersionRange{From: "1"}}}}},
			Policy:    backout.Policy{Version: "1"},
		}
	}
	touched := []backout.ComponentID{pay}
	before := world().Grounds(touched)
	if moved := backout.MovedBetween(before, world().Grounds(touched)); len(moved) > 0 {
		t.Errorf("nothing moved, it says %v", moved)
	}
	for name, c := range map[string]struct {
		move func(*backout.World)
		want backout.Moved
	}{
		"version": {func(w *backout.World) { w.Live[pay] = backout.Live{Shares: map[backout.Version]float64{"3": 1}} }, backout.Moved{string(pay), "live version", "2", "3"}},
		"change": {func(w *backout.World) {
			w.Changes = append(w.Changes, backout.Change{ID: "c2", Component: pay, To: "3"})
		},
			backout.Moved{string(pay), "change c2", "", "unknown to 3"}},
		"level": {func(w *backout.World) { w.Reversals = nil }, backout.Moved{string(pay), "way back to level 0", "1, lossless", ""}},
		"loss": {func(w *backout.World) { w.Reversals[pay].Levels[0].Loss = backout.LossSome },
			backout.Moved{string(pay), "way back to level 0", "1, lossless", "1, lossy"}},
		"neighbour": {func(w *backout.World) {
			w.Live["deployment:cart@production/eu"] = backout.Live{Shares: map[backout.Version]float64{"7": 1}}
		}, backout.Moved{"deployment:cart@production/eu", "live version", "unknown", "7"}},
		"contract": {func(w *backout.World) { w.Contracts[0].Rules[0].Needs.From = "2" },
			backout.Moved{"contract k", "rules", "deployment:cart@production/eu with " + string(pay) + ": .. needs 1..", "deployment:cart@production/eu with " + string(pay) + ": .. needs 2.."}},
		"hold":   {func(w *backout.World) { w.Holds = []backout.Hold{{Component: pay, Owner: "ann"}} }, backout.Moved{string(pay), "hold by ann", "", "keeps away everything"}},
		"policy": {func(w *backout.World) { w.Policy.KillSwitch = true }, backout.Moved{"policy", "kill switch", "false", "true"}},
	} {
		w := world()
		c.move(&w)
		if diff := cmp.Diff([]backout.Moved{c.want}, backout.MovedBetween(before, w.Grounds(touched))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if backout.FingerprintOf(before) == w.Fingerprint(touched) {
			t.Errorf("%s: the fingerprint stayed", name)
		}
	}
}

func TestFingerprintOf_readsNoOrder(t *testing.T) {
	g := []backout.Ground{{"a", "b", "c"}, {"a", "b c", ""}, {"a", "b", "d"}}
	r := slices.Clone(g)
	slices.Reverse(r)
	if backout.FingerprintOf(g) != backout.FingerprintOf(r) || backout.FingerprintOf(g) == backout.FingerprintOf(g[:2]) || backout.FingerprintOf([]backout.Ground{{"a", "b c", "d"}}) == backout.FingerprintOf([]backout.Ground{{"a b", "c", "d"}}) {
		t.Error("the order counts, or what differs does not")
	}
}

// The flags of a plan file, as Terraform means them.
func TestPlan_applyableAndComplete(t *testing.T) {
	good := func() backout.Plan {
		return backout.Plan{Action: backout.ActionRollBack, Waves: []backout.Wave{{Steps: []backout.Step{{P: .6}}}}, Left: []backout.Left{{P: .3}}, Certificate: backout.Certificate{Safe: true}}
	}
	for name, c := range map[string]struct {
		alter                func(*backout.Plan)
		applyable, completes bool
	}{
		"whole":                       {func(*backout.Plan) {}, true, true},
		"not proven":                  {func(p *backout.Plan) { p.Certificate.Safe = false }, false, true},
		"forbidden":                   {func(p *backout.Plan) { p.Ruling.Forbidden = true }, false, true},
		"likeliest stays":             {func(p *backout.Plan) { p.Left[0].P = .7 }, true, false},
		"nothing to do":               {func(p *backout.Plan) { p.Action, p.Waves, p.Left[0].P = backout.ActionNone, nil, .2 }, false, true},
		"a person must choose by now": {func(p *backout.Plan) { p.Action, p.Waves = backout.ActionAsk, nil }, false, false},
	} {
		p := good()
		c.alter(&p)
		if p.Applyable() != c.applyable || p.Complete() != c.completes {
			t.Errorf("%s: applyable %t, complete %t; want %t, %t", name, p.Applyable(), p.Complete(), c.applyable, c.completes)
		}
	}
}
