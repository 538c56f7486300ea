package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/plan/check"
)

// line adds what was inferred about one pair of versions.
func (w *town) line(source backout.ContractSource, consumer backout.ComponentID, cv backout.Version, provider backout.ComponentID, pv backout.Version, allows bool) {
	w.req.World.Lines = append(w.req.World.Lines, backout.Line{
		Consumer: consumer, ConsumerVersion: cv, Provider: provider, ProviderVersion: pv, Allows: allows, Source: source, Confidence: .9, Reason: "field total removed",
	})
}

// callers is payment, suspected, and checkout that calls it and came later: what
// checkout 7.1.0 thinks of payment 2.13.2 is for each test to say.
func callers(t testing.TB) (w *town, checkout, payment backout.ComponentID) {
	t.Helper()
	w = newTown()
	payment = w.part(backout.KindDeployment, "payment", 30*time.Minute, "2.13.2", "2.14.0")
	checkout = w.part(backout.KindDeployment, "checkout", 20*time.Minute, "7.0.0", "7.1.0")
	w.req.World.Graph.Dependencies = []backout.Dependency{{From: "checkout", To: "payment"}}
	w.suspect(payment, "2.14.0", .8)
	return w, checkout, payment
}

func TestMake_theBestSourceDecides(t *testing.T) {
	const spec, migration, observed, skew = backout.ContractSpec, backout.ContractMigration, backout.ContractObserved, backout.ContractSkew
	both := []string{"checkout:7.0.0", "payment:2.13.2"}
	alone := []string{"payment:2.13.2"}
	only := backout.VersionRange{From: "7.1.0", To: "7.1.0"}
	for name, c := range map[string]struct {
		tell   func(w *town, checkout, payment backout.ComponentID)
		want   []string
		source backout.ContractSource // of the ground of 7.1.0 with 2.13.2
		gap    string
	}{
		"nobody knows": {func(*town, backout.ComponentID, backout.ComponentID) {}, alone, "", "no contract, and never seen"},
		"specs allow": {func(w *town, c, p backout.ComponentID) {
			w.line(spec, c, "7.1.0", p, "2.13.2", true)
		}, alone, spec, ""},
		"specs forbid": {func(w *town, c, p backout.ComponentID) {
			w.line(spec, c, "7.1.0", p, "2.13.2", false)
		}, both, "", ""},
		"specs forbid what was observed": {func(w *town, c, p backout.ComponentID) {
			w.line(spec, c, "7.1.0", p, "2.13.2", false)
			w.req.World.Pairs = []backout.Pair{{A: c, AVersion: "7.1.0", B: p, BVersion: "2.13.2", Healthy: true, Times: 9}}
		}, both, "", ""},
		"migrations forbid what specs allow": {func(w *town, c, p backout.ComponentID) {
			w.line(migration, c, "7.1.0", p, "2.13.2", false)
			w.line(spec, c, "7.1.0", p, "2.13.2", true)
		}, alone, spec, ""},
		"of two specs the one that forbids": {func(w *town, c, p backout.ComponentID) {
			w.line(spec, c, "7.1.0", p, "2.13.2", true)
			w.line(spec, c, "7.1.0", p, "2.13.2", false)
		}, both, "", ""},
		"a hand forbids what specs allow": {func(w *town, c, p backout.ComponentID) {
			w.line(spec, c, "7.1.0", p, "2.13.2", true)
			w.needs("C-hand", c, "7.1.0", p, "2.14.0")
		}, both, "", ""},
		"a hand allows what specs forbid": {func(w *town, c, p backout.ComponentID) {
			w.line(spec, c, "7.1.0", p, "2.13.2", false)
			w.needs("C-hand", c, "7.1.0", p, "2.13.0")
		}, alone, backout.ContractDeclared, ""},
		"a hand that asks nothing of the version": {func(w *town, c, p backout.ComponentID) {
			w.line(spec, c, "7.1.0", p, "2.13.2", false)
			w.needs("C-later", c, "8", p, "2.14.0")
		}, both, "", ""},
		"observed": {func(w *town, c, p backout.ComponentID) {
			w.req.World.Pairs = []backout.Pair{{A: p, AVersion: "2.13.2", B: c, BVersion: "7.1.0", Healthy: true, Times: 1, Lasted: backout.Duration(time.Hour)}}
		}, alone, observed, ""},
		"observed for less than the policy trusts": {func(w *town, c, p backout.ComponentID) {
			w.req.World.Pairs = []backout.Pair{{A: p, AVersion: "2.13.2", B: c, BVersion: "7.1.0", Healthy: true, Times: 1, Lasted: backout.Duration(time.Minute)}}
			w.req.World.Policy.Trust = map[backout.ContractSource]float64{observed: .9}
		}, alone, observed, "seen live together (for 1m0s, in 1 spell), confidence 54 %, which the policy does not take for enough"},
		"skew without trust": {func(w *town, _, _ backout.ComponentID) {
			w.req.World.Policy.Skew = 1
		}, alone, skew, "assumed by the policy's skew (N-1), confidence 50 %, which the policy does not"},
		"skew with trust": {func(w *town, _, _ backout.ComponentID) {
			w.req.World.Policy.Skew, w.req.World.Policy.Trust = 1, map[backout.ContractSource]float64{skew: 0}
		}, alone, skew, ""},
		"an allowing line for another version": {func(w *town, c, p backout.ComponentID) {
			w.line(spec, c, "7.0.0", p, "2.13.2", true)
		}, alone, "", "no contract, and never seen"},
		"a rule for this version alone": {func(w *town, c, p backout.ComponentID) {
			w.req.World.Contracts = []backout.Contract{{ID: "C", Consumer: c, Provider: p, Source: backout.ContractDeclared, Rules: []backout.ContractRule{{When: only}}}}
		}, alone, backout.ContractDeclared, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w, checkout, payment := callers(t)
			c.tell(w, checkout, payment)
			p := w.make(t)
			wantShape(t, p, backout.ActionRollBack, c.want...)
			if gaps := strings.Join(p.Gaps, "\n"); c.gap == "" && gaps != "" || !strings.Contains(gaps, c.gap) {
				t.Errorf("gaps %q, want %q", gaps, c.gap)
			}
			var source backout.ContractSource
			for _, g := range p.Meetings {
				if g.AVersion == "7.1.0" && g.BVersion == "2.13.2" {
					source = g.Source
				}
			}
			if source != c.source {
				t.Errorf("7.1.0 with 2.13.2 rests on %q, want %q: %+v", source, c.source, p.Meetings)
			}
			if found := check.Plan(w.req.World, p); len(found) > 0 {
				t.Errorf("the checker: %v", found)
			}
		})
	}
}

// Skew reaches as far as it says and no farther.
func TestMake_skewIsCounted(t *testing.T) {
	for n, want := range map[int]bool{1: true, 2: false} {
		w := newTown()
		versions := []backout.Version{"1", "2", "3"}[2-n:]
		payment := w.part(backout.KindDeployment, "payment", 30*time.Minute, versions...)
		w.part(backout.KindDeployment, "checkout", 10*time.Minute, "7", "8", "9")
		w.req.World.Graph.Dependencies = []backout.Dependency{{From: "checkout", To: "payment"}}
		w.req.World.Policy.Skew, w.req.World.Policy.Trust = 1, map[backout.ContractSource]float64{backout.ContractSkew: 0}
		w.suspect(payment, versions[1], .9)
		p := w.make(t)
		wantShape(t, p, backout.ActionRollBack, "payment:"+string(versions[0]))
		if (len(p.Gaps) == 0) != want {
			t.Errorf("%d releases back under N-1: gaps %q", n, p.Gaps)
		}
		if found := check.Plan(w.req.World, p); len(found) > 0 {
			t.Errorf("the checker: %v", found)
		}
	}
}

func TestMake_saysWhereTheOrderIsKnownFrom(t *testing.T) {
	w, checkout, payment := callers(t)
	w.line(backout.ContractSpec, checkout, "7.1.0", payment, "2.13.2", false)
	p := w.make(t)
	want := "checkout goes back before payment: contract inferred from API specs (90 %) forbids checkout 7.1.0 with payment 2.13.2: field total removed"
	if !slices.Equal(p.OrderReasons, []string{want}) {
		t.Errorf("order %q\nwant %q", p.OrderReasons, want)
	}
}

// inferences draws lines of all sources, sightings and a policy.
func (w *town) inferences(r *rand.Rand) {
	parts := w.req.World.Graph.Components
	sources := []backout.ContractSource{backout.ContractSpec, backout.ContractMigration, backout.ContractObserved}
	version := func() backout.Version { return backout.Version(fmt.Sprint(1 + r.IntN(3))) }
	for range 3 * len(parts) {
		a, b := parts[r.IntN(len(parts))].ID, parts[r.IntN(len(parts))].ID
		if a == b {
			continue
		}
		if r.IntN(2) == 0 {
			w.req.World.Graph.Dependencies = append(w.req.World.Graph.Dependencies, backout.Dependency{From: backout.ServiceID(a.Name()), To: backout.ServiceID(b.Name())})
		}
		for range 4 {
			w.line(sources[r.IntN(3)], a, version(), b, version(), r.IntN(4) > 0)
		}
		w.req.World.Pairs = append(w.req.World.Pairs, backout.Pair{A: a, AVersion: version(), B: b, BVersion: version(),
			Healthy: r.IntN(4) > 0, Times: r.IntN(3), Lasted: backout.Duration(time.Duration(r.IntN(60)) * time.Minute)})
	}
	if r.IntN(2) == 0 {
		w.req.Attribution.Onset = noon.Add(-time.Duration(r.IntN(60)) * time.Minute)
	}
	w.req.World.Policy.Skew = r.IntN(3)
	w.req.World.Policy.Trust = map[backout.ContractSource]float64{}
	for _, s := range append(sources, backout.ContractSkew) {
		if r.IntN(2) == 0 {
			w.req.World.Policy.Trust[s] = r.Float64()
		}
	}
}

// The checker reads contracts, lines, sightings and skew by code of its own, and
// agrees with every plan made from them.
func TestMake_inferencesPassTheChecker(t *testing.T) {
	acts, resting, gaps := 0, map[backout.ContractSource]int{}, 0
	for seed := range uint64(600) {
		w := randomTown(seed, 4+int(seed%7))
		w.inferences(rand.New(rand.NewPCG(seed, 7)))
		p := w.make(t)
		if found := append(check.Plan(w.req.World, p), check.Values(w.req.World, w.req.Attribution, p)...); len(found) > 0 {
			t.Fatalf("seed %d: %v\nwaves %q\ngaps %q\ngrounds %+v", seed, found, shapeOf(p), p.Gaps, p.Meetings)
		}
		if len(p.Waves) > 0 {
			acts++
		}
		gaps += len(p.Gaps)
		for _, g := range p.Meetings {
			resting[g.Source]++
		}
	}
	for _, s := range []backout.ContractSource{backout.ContractDeclared, backout.ContractSpec, backout.ContractMigration, backout.ContractObserved, backout.ContractSkew} {
		if resting[s] < 20 {
			t.Errorf("%d of the plans' grounds are %s: too few to mean anything (%v)", resting[s], s, resting)
		}
	}
	if acts < 150 || gaps < 50 {
		t.Errorf("%d plans act, with %d gaps: too few to mean anything", acts, gaps)
	}
}

// What somebody forbids by hand never makes a plan possible that was not.
func TestMake_aForbidAllowsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		w := randomTown(seed, rapid.IntRange(3, 9).Draw(t, "parts"))
		w.inferences(rand.New(rand.NewPCG(seed, 7)))
		loose := w.req.World
		parts := loose.Graph.Components
		a := rapid.SampledFrom(parts).Draw(t, "consumer").ID
		b := rapid.SampledFrom(parts).Draw(t, "provider").ID
		v := rapid.SampledFrom([]backout.Version{"1", "2", "3"}).Draw(t, "version")
		w.req.World.Contracts = append(slices.Clone(loose.Contracts), backout.Contract{
			ID: "C-never", Consumer: a, Provider: b, Source: backout.ContractDeclared,
			Rules: []backout.ContractRule{{When: backout.VersionRange{From: v, To: v}, Needs: backout.VersionRange{From: "2", To: "1"}}},
		})
		if a == b {
			return
		}
		w.req.Attribution.PNone = 0
		total := 0.0
		for _, s := range w.req.Attribution.Suspects {
			total += s.P
		}
		w.req.Attribution.PNone = max(0, 1-total)
		p, err := Make(w.req)
		if err != nil {
			t.Fatal(err)
		}
		p.Fingerprint = loose.Fingerprint(p.Touched())
		p.Digest = p.ExecutableDigest()
		for _, v := range check.Plan(loose, p) {
			if v.Reason == check.ReasonIncompatible {
				t.Fatalf("with one thing more forbidden the plan does what was forbidden before: %s", v)
			}
		}
	})
}
