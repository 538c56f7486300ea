package playground

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

func compareScripts(a, b script) string {
	return cmp.Diff(a, b, cmp.AllowUnexported(script{}, shipment{}))
}

func TestDraw_followsTheSeed(t *testing.T) {
	for _, scenario := range []string{ScenarioPaymentDegraded, ScenarioExternalOutage} {
		a, b, c := draw(build(4, false), scenario, 4), draw(build(4, false), scenario, 4), draw(build(4, false), scenario, 5)
		if d := compareScripts(a, b); d != "" {
			t.Errorf("%s: the same seed gives another script:\n%s", scenario, d)
		}
		if compareScripts(a, c) == "" {
			t.Errorf("%s: another seed gives the same script", scenario)
		}
	}
}

func TestDraw_shipsAWorkingDay(t *testing.T) {
	for seed := range uint64(200) {
		for _, scenario := range []string{ScenarioPaymentDegraded, ScenarioExternalOutage} {
			s := draw(build(seed, false), scenario, seed)
			kinds, seen := map[backout.ComponentKind]int{}, map[backout.ComponentID]bool{}
			for _, sh := range s.shipments {
				kinds[sh.component.Kind()]++
				if seen[sh.component] {
					t.Errorf("%s %d: %s is shipped twice", scenario, seed, sh.component)
				}
				seen[sh.component] = true
				if end := sh.at + float64(stageSpacing*(len(sh.shares)-1)); sh.at < 0 || end > 24 {
					t.Errorf("%s %d: %s is shipped from %.1f to %.1f", scenario, seed, sh.component, sh.at, end)
				}
			}
			if n := len(s.shipments); n < 9 || n > 13 || len(kinds) != 5 {
				t.Errorf("%s %d: %d changes of %d kinds", scenario, seed, n, len(kinds))
			}
			if len(s.decoys) < 2 {
				t.Errorf("%s %d: decoys %v", scenario, seed, s.decoys)
			}
		}
	}
}

func TestDraw_degradedHasADecoyAfterAndADemandedFlag(t *testing.T) {
	for seed := range uint64(100) {
		s := draw(build(seed, false), ScenarioPaymentDegraded, seed)
		at := map[backout.ComponentID]float64{}
		for _, sh := range s.shipments {
			at[sh.component] = sh.at
		}
		after := 0
		for _, d := range s.decoys {
			if at[d] > at[s.culprit] {
				after++
			}
		}
		if after == 0 || len(s.demanded) != 1 || at[s.demanded[0]] < at[s.culprit]+2*stageSpacing {
			t.Errorf("seed %d: culprit at %.1f, others %v, decoys %v, demanded %v", seed, at[s.culprit], at, s.decoys, s.demanded)
		}
		tr := newTruth(s, seed)
		if tr.Expected != "recovered" || len(tr.Culprits) != 1 {
			t.Errorf("seed %d: truth %+v", seed, tr)
		}
	}
	if tr := newTruth(draw(build(1, false), ScenarioExternalOutage, 1), 1); tr.Expected != "no_action" || len(tr.Culprits)+len(tr.Demanded) != 0 {
		t.Errorf("truth of an outage: %+v", tr)
	}
}
