package check

import (
	"slices"
	"testing"

	"github.com/backout-dev/backout"
)

// moved is the world after the first n waves of good().
func moved(n int) backout.World {
	w := world()
	for _, id := range []backout.ComponentID{checkout, payment}[:n] {
		w.Live[id] = backout.Live{Shares: map[backout.Version]float64{"1": 1}}
	}
	return w
}

func TestBack_isProvenOrRefused(t *testing.T) {
	tests := map[string]struct {
		step   string
		moved  int
		change func(*backout.World, *backout.Plan)
		want   Reason // empty = safe
	}{
		"the first wave":                         {"1.1", 1, nil, ""},
		"the second wave, its consumer is moved": {"2.1", 2, nil, ""},
		// checkout 2 relies on payment 2, and payment is at 1 by now.
		"the first after the second": {"1.1", 2, nil, ReasonIncompatible},
		// half moved: both versions are live and stay so at worst.
		"half of a forbidden return": {"1.1", 2, func(w *backout.World, _ *backout.Plan) {
			w.Live[checkout] = backout.Live{Shares: map[backout.Version]float64{"1": .5, "2": .5}}
		}, ""},
		"its neighbour moved to a stranger": {"1.1", 1, func(w *backout.World, _ *backout.Plan) {
			w.Live[payment] = backout.Live{Shares: map[backout.Version]float64{"1.9": 1}}
		}, ReasonIncompatible},
		"nobody knows what the neighbour runs": {"1.1", 1, func(w *backout.World, _ *backout.Plan) {
			delete(w.Live, payment)
			w.Changes = w.Changes[1:]
		}, ReasonUnproven},
		"somebody brought a third version": {"1.1", 1, func(w *backout.World, _ *backout.Plan) {
			w.Live[checkout] = backout.Live{Shares: map[backout.Version]float64{"9": 1}}
		}, ReasonWorldMoved},
		"not of this plan":     {"7.7", 1, nil, ReasonShape},
		"altered since it ran": {"1.1", 1, func(_ *backout.World, p *backout.Plan) { p.Digest = "other" }, ReasonDigest},
		"too many out of service": {"1.1", 1, func(w *backout.World, _ *backout.Plan) {
			w.Graph.Components[1].Instances, w.Graph.Components[1].MinAvailable = 4, 3
		}, ReasonCapacity},
		"a quarter moved, three stay": {"1.1", 1, func(w *backout.World, _ *backout.Plan) {
			w.Graph.Components[1].Instances, w.Graph.Components[1].MinAvailable = 4, 3
			w.Live[checkout] = backout.Live{Shares: map[backout.Version]float64{"1": .25, "2": .75}}
		}, ""},
		"old and new may not mix": {"1.1", 1, func(w *backout.World, _ *backout.Plan) {
			w.Contracts = append(w.Contracts, backout.Contract{ID: "S", Consumer: checkout, Provider: checkout,
				Rules: []backout.ContractRule{{When: backout.VersionRange{From: "2"}, Needs: backout.VersionRange{From: "2"}}}})
		}, ReasonIncompatible},
	}
	for name, tt := range tests {
		w, p := moved(tt.moved), seal(world(), good())
		if tt.change != nil {
			tt.change(&w, &p)
		}
		found := Back(w, p, tt.step)
		if tt.want == "" && len(found) > 0 || tt.want != "" && !slices.ContainsFunc(found, func(v Violation) bool { return v.Reason == tt.want }) {
			t.Errorf("%s: violations %v, want %q", name, found, tt.want)
		}
	}
}
