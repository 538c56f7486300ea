package playground

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/catalog"
)

func opened(t *testing.T, scenario string) catalog.Scenario {
	t.Helper()
	s, err := OpenScenario(scenario)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// drawn is a scenario's script and, by the way, that of a shop of its own.
func drawn(t *testing.T, scenario string, blind bool, seed uint64) script {
	t.Helper()
	if scenario == "" {
		scenario = ScenarioPaymentDegraded
	}
	told := opened(t, scenario)
	return draw(spreadFor(told, blind, seed), told, seed)
}

func spreadFor(told catalog.Scenario, blind bool, seed uint64) *topology {
	top := build(seed, blind)
	top.spread(told.Locations)
	return top
}

func compareScripts(a, b script) string {
	return cmp.Diff(a, b, cmp.AllowUnexported(script{}, shipment{}, fault{}, binding{}), cmpopts.EquateEmpty())
}

func TestScenarios_areNine(t *testing.T) {
	want := []string{"bad-migration", "bad-target", "coincidence", "external-outage", "one-client-flag", "one-region", "payment-degraded", "self-healed", "two-releases-contract"}
	if d := cmp.Diff(want, ScenarioNames()); d != "" {
		t.Error(d)
	}
	for _, name := range ScenarioNames() {
		if s := opened(t, name); s.Name != name || s.Comment == "" || s.Sentence == "" {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestDraw_followsTheSeed(t *testing.T) {
	for _, scenario := range ScenarioNames() {
		a, b, c := drawn(t, scenario, false, 4), drawn(t, scenario, false, 4), drawn(t, scenario, false, 5)
		if d := compareScripts(a, b); d != "" {
			t.Errorf("%s: the same seed gives another script:\n%s", scenario, d)
		}
		if compareScripts(a, c) == "" {
			t.Errorf("%s: another seed gives the same script", scenario)
		}
	}
}

func TestDraw_shipsAWorkingDay(t *testing.T) {
	for _, scenario := range ScenarioNames() {
		for seed := range uint64(50) {
			s := drawn(t, scenario, false, seed)
			kinds, seen := map[backout.ComponentKind]int{}, map[backout.ComponentID]bool{}
			for _, sh := range s.shipments {
				kinds[sh.component.Kind()]++
				if seen[sh.component] {
					t.Errorf("%s %d: %s is shipped twice", scenario, seed, sh.component)
				}
				seen[sh.component] = true
				if sh.at < 0 || sh.end() > 24 || len(sh.shares) == 0 || sh.shares[len(sh.shares)-1] < 1 && sh.audiences == nil {
					t.Errorf("%s %d: %s is shipped from %.1f to %.1f in %v", scenario, seed, sh.component, sh.at, sh.end(), sh.shares)
				}
			}
			if n := len(s.shipments); n < 8 || n > 13 || len(kinds) != 5 {
				t.Errorf("%s %d: %d changes of %d kinds", scenario, seed, n, len(kinds))
			}
			if len(s.faults) == 0 || len(s.expect.Outcomes) == 0 {
				t.Errorf("%s %d: faults %v, expected %v", scenario, seed, s.faults, s.expect)
			}
		}
	}
}

// A rehearsal proves little when whatever is near the culprit in time or place is
// guilty: two innocents are on its own service or one next to it, one of them later.
func TestDraw_hasDecoysNearTheCulprit(t *testing.T) {
	for _, scenario := range ScenarioNames() {
		for seed := range uint64(50) {
			told := opened(t, scenario)
			top := spreadFor(told, false, seed)
			s := draw(top, told, seed)
			at, near, later := map[backout.ComponentID]float64{}, 0, 0
			for _, sh := range s.shipments {
				at[sh.component] = sh.at
			}
			for _, id := range s.decoys {
				if !slices.ContainsFunc(s.faults, func(f fault) bool { return top.besides(serviceOf(top, id), f.Service) }) {
					continue
				}
				near++
				if len(s.culprits) == 0 || at[id] > at[s.culprits[0]] {
					later++
				}
			}
			if near < 2 || later < 1 {
				t.Errorf("%s %d: %d decoys near what is bad, %d of them later: %v", scenario, seed, near, later, s.decoys)
			}
		}
	}
}

func serviceOf(top *topology, id backout.ComponentID) string {
	for _, c := range top.settings {
		if c.id() == id {
			return c.service
		}
	}
	return id.Name()
}

// besides says whether two services are the same or one calls the other.
func (t *topology) besides(a, b string) bool {
	calls := func(x, y string) bool {
		return slices.ContainsFunc(t.edges(t.service(x)), func(e edge) bool { return e.to == y })
	}
	return a == b || calls(a, b) || calls(b, a)
}

func TestDraw_degradedHasADecoyAfterAndADemandedFlag(t *testing.T) {
	for seed := range uint64(100) {
		s := drawn(t, ScenarioPaymentDegraded, false, seed)
		at := map[backout.ComponentID]float64{}
		for _, sh := range s.shipments {
			at[sh.component] = sh.at
		}
		after := 0
		for _, d := range s.decoys {
			if at[d] > at[s.culprits[0]] {
				after++
			}
		}
		if after == 0 || len(s.demanded) != 1 || at[s.demanded[0]] < at[s.culprits[0]]+2*stageSpacing {
			t.Errorf("seed %d: culprit at %.1f, others %v, decoys %v, demanded %v", seed, at[s.culprits[0]], at, s.decoys, s.demanded)
		}
		tr := newTruth(s, seed)
		if tr.Expect.Outcomes[0] != "recovered" || len(tr.Culprits) != 1 || !slices.Equal(tr.Expect.Reverted, tr.Culprits) {
			t.Errorf("seed %d: truth %+v", seed, tr)
		}
	}
	if tr := newTruth(drawn(t, ScenarioExternalOutage, false, 1), 1); tr.Expect.Outcomes[0] != "no_action" || len(tr.Culprits)+len(tr.Demanded) != 0 {
		t.Errorf("truth of an outage: %+v", tr)
	}
}

// The outage begins after the callers have begun to ship, as before.
func TestDraw_outageFollowsItsDecoys(t *testing.T) {
	for seed := range uint64(100) {
		s := drawn(t, ScenarioExternalOutage, false, seed)
		for _, sh := range s.shipments {
			if slices.Contains(s.decoys, sh.component) && (sh.at > s.faults[0].at || sh.at < s.faults[0].at-8) {
				t.Errorf("seed %d: %s at %.1f, the outage at %.1f", seed, sh.component, sh.at, s.faults[0].at)
			}
		}
	}
}

func TestDraw_blindLeaksNoName(t *testing.T) {
	names := map[string]bool{}
	for _, n := range tableNames() {
		names[n] = true
	}
	for _, scenario := range ScenarioNames() {
		for seed := range uint64(50) {
			s := drawn(t, scenario, true, seed)
			var words []string
			for _, sh := range s.shipments {
				words = append(words, sh.component.Name(), sh.needs.Name())
				words = append(append(words, strings.Fields(sh.title)...), sh.audiences...)
			}
			for _, f := range s.faults {
				words = append(words, f.Service, f.Client, f.Flag, f.Setting)
			}
			words = append(words, s.expect.Audience)
			for _, w := range words {
				if names[w] {
					t.Errorf("%s %d: %q shows", scenario, seed, w)
				}
			}
		}
	}
}

// What the shop has not is named with its place in the file.
func TestOpenScenario_knowsTheShop(t *testing.T) {
	for name, c := range map[string]struct{ from, to, want string }{
		"service":  {"deployment: payment,", "deployment: paymint,", ":10:ship[0].deployment: no \"paymint\" in the shop: expected one of gateway"},
		"config":   {"config: payment-log-detail", "config: nothing", "ship[3].config"},
		"hurt":     {"service: payment,", "service: ledgers,", "faults[0].service"},
		"other":    {"service: payment,", "service: fraud,", "expected the one service that shipment release releases"},
		"audience": {"flag: express-checkout,", "flag: express-checkout, audiences: [nobody],", "ship[1].audiences"},
		"schema":   {"{config: payment-log-detail,", "{schema: \"2\",", "day.migration: false"},
		"contract": {"expect:", "contracts: [{consumer: release, provider: release2}]\nexpect:", "no shipment \"release2\""},
	} {
		raw, err := os.ReadFile(filepath.Join("..", "..", "testdata", "scenarios", "payment-degraded.txtar"))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "mine.txtar")
		if err := os.WriteFile(file, []byte(strings.Replace(string(raw), c.from, c.to, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		var problems catalog.Problems
		if _, err := OpenScenario(file); !errors.As(err, &problems) || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), file+":") {
			t.Errorf("%s: %v, expected %q", name, err, c.want)
		}
	}
	if _, err := OpenScenario("no-such"); err == nil || !strings.Contains(err.Error(), "one-region") {
		t.Errorf("an unknown name: %v", err)
	}
}
