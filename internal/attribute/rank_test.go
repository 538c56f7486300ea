package attribute

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	backout "github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/statistics"
)

// randomScene draws changes and a fault in the shop.
func randomScene(t *rapid.T) *scene {
	s := newScene()
	services := []backout.ServiceID{"web", "catalog", "checkout", "payment", "fraud", "refund", "subscription", "ledger"}
	kinds := []backout.ComponentKind{backout.KindDeployment, backout.KindConfig, backout.KindFlag, backout.KindSchema}
	for i := range rapid.IntRange(0, 8).Draw(t, "changes") {
		at := rapid.Float64Range(-20, 62).Draw(t, "at")
		stages := []float64{at, 1}
		if rapid.Bool().Draw(t, "staged") {
			stages = []float64{at, 0.3, at + 2, 0.6, at + 5, 1}
		}
		s.ship(rapid.SampledFrom(kinds).Draw(t, "kind"), fmt.Sprintf("x%d", i), rapid.SampledFrom(services).Draw(t, "service"), stages...)
	}
	ill := levels{}
	for range rapid.IntRange(0, 3).Draw(t, "ill") {
		ill[string(rapid.SampledFrom(services).Draw(t, "where"))] = ramp(rapid.IntRange(20, 58).Draw(t, "from"), rapid.IntRange(1, 8).Draw(t, "ramp"), rapid.Float64Range(1, 15).Draw(t, "size"))
	}
	s.measure(ill, nil)
	return s
}

func TestRank_probabilitiesSumToOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := Rank(randomScene(t).q)
		sum, origins := a.PNone, 0.0
		for _, s := range a.Suspects {
			if !(s.P >= 0 && s.P <= 1) || s.For == nil || s.Against == nil {
				t.Fatalf("suspect %+v is not well formed", s)
			}
			sum += s.P
		}
		for _, o := range a.Origins {
			origins += o.P
		}
		if math.Abs(sum-1) > 1e-9 || math.Abs(origins-a.PNone) > 1e-9 {
			t.Fatalf("sum %v, origins %v of %v", sum, origins, a.PNone)
		}
	})
}

func TestRank_emptyQuestion(t *testing.T) {
	a := Rank(Question{})
	if a.PNone != 1 || a.Suspects == nil || a.Origins == nil {
		t.Errorf("got %+v, expected certainty of nothing", a)
	}
}

func TestRank_orderOfInputDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := randomScene(t)
		a := Rank(s.q)
		s.q.World.Changes = rapid.Permutation(s.q.World.Changes).Draw(t, "changes")
		s.q.Residuals = rapid.Permutation(s.q.Residuals).Draw(t, "residuals")
		b := Rank(s.q)
		for _, x := range a.Suspects {
			if d := math.Abs(x.P - probability(b, x.Change)); d > 1e-9 {
				t.Fatalf("%s moved by %v", x.Change, d)
			}
		}
	})
}

func TestRank_sameQuestionSameAnswer(t *testing.T) {
	s, _ := slowPayment(true)
	if d := cmp.Diff(Rank(s.q), Rank(s.q)); d != "" {
		t.Error(d)
	}
}

func TestPosterior_constantEvidenceChangesNothing(t *testing.T) {
	s, _ := slowPayment(true)
	tr := newTrial(s.q)
	before, _ := tr.posterior()
	for i := range tr.causes {
		for k := range tr.causes[i].weight {
			tr.causes[i].weight[k] += 1234
		}
	}
	after, _ := tr.posterior()
	for i := range before {
		if math.Abs(before[i]-after[i]) > 1e-9 {
			t.Errorf("cause %d moved from %v to %v", i, before[i], after[i])
		}
	}
}

func TestPosterior_withoutEvidenceIsPriorTimesDelay(t *testing.T) {
	s := newScene()
	s.ship(backout.KindDeployment, "a", "payment", 10, 1)
	s.ship(backout.KindSchema, "b", "fraud", 50, 1)
	s.ship(backout.KindFlag, "c", "web", 40, 0.25, 55, 1)
	tr := newTrial(s.q)
	p, _ := tr.posterior()
	want, sum := make([]float64, len(p)), 0.0
	for i, c := range tr.causes {
		want[i] = c.prior * total(c.delay)
		sum += want[i]
	}
	for i := range p {
		if math.Abs(p[i]-want[i]/sum) > 1e-9 {
			t.Errorf("cause %d has %.6f, prior times delay is %.6f", i, p[i], want[i]/sum)
		}
	}
}

func TestRank_lateOrUnreachableNeverBeatsTheSameChangeInPlaceAndTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		onset := rapid.IntRange(30, 50).Draw(t, "onset")
		size := rapid.Float64Range(4, 15).Draw(t, "size")
		before := float64(onset) - rapid.Float64Range(0.1, 8).Draw(t, "before")
		s := newScene()
		in := s.ship(backout.KindDeployment, "in", "payment", before, 1)
		late := s.ship(backout.KindDeployment, "late", "payment", float64(onset)+rapid.Float64Range(1.5, 9).Draw(t, "after"), 1)
		away := s.ship(backout.KindDeployment, "away", "catalog", before, 1)
		s.measure(levels{"payment": step(onset, size), "checkout>payment": step(onset, size), "checkout": step(onset+1, size/2)}, nil)
		a := Rank(s.q)
		if probability(a, late) > probability(a, in) || probability(a, away) > probability(a, in) {
			t.Fatalf("a late or unreachable change wins:\n%s", describe(a))
		}
	})
}

func TestRank_largerDifferenceOfArmsNeverLowers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		diff := rapid.Float64Range(0, 2.5).Draw(t, "difference") // four of it stay below where residuals are clipped
		last := -1.0
		for _, k := range []float64{1, 2, 4} {
			s, id := slowPayment(false)
			s.arms("payment", 40, 60, step(40, k*diff))
			p := probability(Rank(s.q), id)
			if p < last-5e-4 { // a fiftieth of the answer is about when it began, of which a larger difference tells more
				t.Fatalf("difference %v x %v: %.6f after %.6f", diff, k, p, last)
			}
			last = p
		}
	})
}

func TestRank_equalArmsAcquit(t *testing.T) {
	s, id := slowPayment(false)
	without := probability(Rank(s.q), id)
	s.arms("payment", 40, 60, nil)
	a := Rank(s.q)
	if with := probability(a, id); with > without/1.5 {
		t.Errorf("equal arms leave %.2f of %.2f\n%s", with, without, describe(a))
	}
}

func TestRank_gapsAndForeignSeriesAreIgnored(t *testing.T) {
	s, id := slowPayment(false)
	want := probability(Rank(s.q), id)
	all := make([]float64, 60)
	for i := range all {
		all[i] = math.NaN()
	}
	s.q.Residuals = append(s.q.Residuals,
		backout.Residuals{ID: backout.SeriesID{Subject: backout.Subject{Service: "fraud"}}, Kind: backout.SignalSaturation, From: s.at(1), Step: time.Second, Levels: all},
		backout.Residuals{ID: backout.SeriesID{Subject: backout.Subject{Service: "fraud", Client: "acme"}}, Kind: backout.SignalErrors, From: s.at(1), Step: time.Second, Levels: slices.Repeat([]float64{9}, 60)},
		backout.Residuals{ID: backout.SeriesID{Subject: backout.Subject{Service: "fraud"}}, Kind: backout.SignalErrors, Mode: backout.ModeWarming, From: s.at(1), Step: time.Second, Levels: slices.Repeat([]float64{9}, 60)},
		backout.Residuals{ID: backout.SeriesID{Subject: backout.Subject{Service: "fraud"}}, Kind: backout.SignalErrors, Levels: slices.Repeat([]float64{9}, 60)})
	if got := probability(Rank(s.q), id); math.Abs(got-want) > 1e-12 {
		t.Errorf("%.4f, expected %.4f as without them", got, want)
	}
}

func TestShiftEvidence_findsTheOnset(t *testing.T) {
	for _, c := range []struct{ from, ramp int }{{45, 1}, {30, 1}, {40, 8}, {44, 4}} {
		s := minuteSums{make([]float64, 60), slices.Repeat([]float64{1}, 60)}
		for i := range s.sum {
			s.sum[i] = 0.3*math.Sin(float64(7*i)) + ramp(c.from, c.ramp, 8)(i)
		}
		lb := shrink(shiftEvidence(s, 0.3))
		best := 0
		for i := range lb {
			if lb[i] > lb[best] {
				best = i
			}
		}
		if d := best - c.from; d < -1 || d > 1+c.ramp/4 || lb[best] > capLogBF+1e-9 {
			t.Errorf("shift at %d over %d minutes: found at %d with %.1f", c.from, c.ramp, best, lb[best])
		}
	}
}

func TestShiftEvidence_golden(t *testing.T) {
	// The closed form agrees with quadrature at m = 1, v = 0.1, λ = 6.
	if got := statistics.LogBFShift(1, 0.1, 6); math.Abs(got-2.734062905406) > 1e-9 {
		t.Errorf("log BF %v, expected 2.734062905406", got)
	}
	// Of the last minute alone: every ramp sees one sample z of weight 1/r, which
	// is a mean of rz with variance r²k.
	z, phi := 4.0, 0.4
	s := minuteSums{make([]float64, 3), []float64{1, 1, 1}}
	s.sum[2] = z
	k := (1 + phi) / (1 - phi)
	var want []float64
	for _, r := range s.shapes() {
		want = append(want, statistics.LogBFShift(float64(r)*z, float64(r*r)*k, shiftSD))
	}
	if d := shiftEvidence(s, phi)[2] - (logSum(want) - math.Log(float64(len(want)))); math.Abs(d) > 1e-9 {
		t.Errorf("last minute is off by %v", d)
	}
}

// raw is the shift evidence of step shapes and ramps computed the long way.
func raw(s minuteSums, phi float64) []float64 {
	k := (1 + phi) / (1 - phi)
	out := make([]float64, len(s.sum))
	for tau := range out {
		var shapes []float64
		for _, r := range s.shapes() {
			wz, ww := 0.0, 0.0
			for i := tau; i < len(s.sum); i++ {
				w := min(1, float64(i-tau+1)/float64(r))
				wz, ww = wz+w*s.sum[i], ww+w*w*s.n[i]
			}
			shapes = append(shapes, statistics.LogBFShift(wz/ww, k/ww, shiftSD))
		}
		out[tau] = logSum(shapes) - math.Log(float64(len(shapes)))
	}
	return out
}

func TestShiftEvidence_equalsTheLongWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		z := rapid.SliceOfN(rapid.Float64Range(-12, 12), 1, 30).Draw(t, "z")
		s := minuteSums{z, slices.Repeat([]float64{rapid.SampledFrom([]float64{1, 4}).Draw(t, "samples a minute")}, len(z))}
		want := raw(s, 0.2)
		for i, got := range shiftEvidence(s, 0.2) {
			if math.Abs(got-want[i]) > 1e-6*(1+math.Abs(want[i])) {
				t.Fatalf("minute %d: %v, expected %v", i, got, want[i])
			}
		}
	})
}

// A quiet metric leads nobody: that it may have turned by a trifle at any time says
// nothing about when the other one did.
func TestAnyOf_aQuietMetricDoesNotLead(t *testing.T) {
	quiet, ill := slices.Repeat([]float64{-1}, 30), slices.Repeat([]float64{-40}, 30)
	ill[20] = 40
	got := anyOf([][]float64{quiet, ill})
	if d := got[20] - got[10]; d < 5 {
		t.Errorf("minute 20, in which the only ill metric turned, leads minute 10 by %.1f", d)
	}
}

// What begins in the middle of a minute is found in that minute where samples are dense.
func TestShiftEvidence_insideAMinute(t *testing.T) {
	s := minuteSums{make([]float64, 30), slices.Repeat([]float64{4}, 30)}
	for i := 20; i < 30; i++ {
		s.sum[i] = 4 * 5 * min(1, .5+float64(i-20))
	}
	if lb := shiftEvidence(s, .1); bestOf(lb) != 20 || lb[20]-lb[19] < 5 {
		t.Errorf("found in minute %d, ahead of 19 by %.1f", bestOf(lb), lb[20]-lb[19])
	}
}

func TestAnyOf_theFirstMetricSaysWhen(t *testing.T) {
	early, late := make([]float64, 30), make([]float64, 30)
	for i := range early {
		early[i], late[i] = -3*math.Abs(float64(i-5)), 40-3*math.Abs(float64(i-20))
		early[i] += 40
	}
	got := anyOf([][]float64{early, late})
	best := 0
	for i := range got {
		if got[i] > got[best] {
			best = i
		}
	}
	if best != 5 {
		t.Errorf("the onset is put at minute %d, expected 5, where the first metric turned", best)
	}
}

func TestTogether_twoMetrics(t *testing.T) {
	a, b := 3.0, -1.0
	want := math.Log((math.Exp(a) + math.Exp(b) + math.Exp(a+b)) / 3)
	if got := together([][]float64{{a}, {b}})[0]; math.Abs(got-want) > 1e-9 {
		t.Errorf("%v, expected log[(A+B+AB)/3] = %v", got, want)
	}
	if got := together([][]float64{{0}, {0}, {0}})[0]; math.Abs(got) > 1e-9 {
		t.Errorf("no evidence in three metrics gives %v, expected 0", got)
	}
}

func TestDelays_learntBinsKeepTheSum(t *testing.T) {
	for _, counts := range [][]float64{nil, {1, 2, 3, 4, 5, 6, 7}, {100}} {
		d := newDelays(counts)
		if got := d.before(horizon); math.Abs(got-delayBefore(horizon)) > 1e-9 && counts == nil {
			t.Errorf("formula sums to %v", got)
		}
		if got := d.before(horizon); got > 1+1e-9 || got < 0.9 {
			t.Errorf("counts %v: delays sum to %v", counts, got)
		}
	}
	if fast, plain := newDelays([]float64{200}), newDelays(nil); fast.before(1) < 3*plain.before(1) {
		t.Error("two hundred fast culprits teach nothing")
	}
}

func TestKindRisk_isCapped(t *testing.T) {
	pr := backout.Priors{Culprit: map[backout.ComponentKind]float64{backout.KindFlag: 1000, backout.KindDeployment: 1},
		Shipped: map[backout.ComponentKind]float64{backout.KindFlag: 1000, backout.KindDeployment: 100000, backout.KindConfig: 100000}}
	if got := kindRisk(backout.KindFlag, pr); got > 5*0.8+1e-9 || got < 4*0.8 {
		t.Errorf("flags have %v, expected the cap of five times their prior", got)
	}
	if got := kindRisk(backout.KindDeployment, pr); got < 0.2-1e-9 || got > 1 {
		t.Errorf("deployments have %v, expected between a fifth and one", got)
	}
	if got := kindRisk(backout.KindSchema, backout.Priors{}); got != 1.6 {
		t.Errorf("schema has %v without history, expected 1.6", got)
	}
}

func TestReach_noisyOr(t *testing.T) {
	g := backout.Graph{Dependencies: []backout.Dependency{{From: "b", To: "a", Hard: true}, {From: "c", To: "a", Hard: true}, {From: "d", To: "b", Hard: true}, {From: "d", To: "c", Hard: true}}}
	got := reach{at: map[backout.ServiceID]int{}}
	newRoads(g, backout.Priors{}, []call{{caller: "d", callee: "b"}, {caller: "e", callee: "d"}}).spread([]backout.ServiceID{"a"}, &got)
	want := map[backout.ServiceID]grasp{"a": {1, 0}, "b": {0.65, 1}, "c": {0.65, 1}, "d": {1 - math.Pow(1-0.65*0.65, 2), 2}, "e": {0.65 * (1 - math.Pow(1-0.65*0.65, 2)), 3}}
	reached := map[backout.ServiceID]grasp{}
	for _, s := range got.stops {
		reached[s.service] = s.grasp
	}
	if d := cmp.Diff(want, reached, cmp.AllowUnexported(grasp{}), cmp.Comparer(func(x, y float64) bool { return math.Abs(x-y) < 1e-12 })); d != "" {
		t.Error(d)
	}
}

// Most trouble is noticed soon after it began, some late, and what was noticed may have
// been another story: no minute is ruled out.
func TestNoticing_rulesNothingOut(t *testing.T) {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	c := clock{from: noon.Add(-time.Hour), minute: time.Minute, n: 70}
	at := noticing(Question{Noticed: noon}, c)
	if soon, late, after := at[58], at[10], at[65]; !(soon > late+2 && late > after+1 && after > math.Log(1e-4)) {
		t.Errorf("log likelihood of an onset just before the notice %.1f, long before %.1f, after it %.1f", soon, late, after)
	}
	if at := noticing(Question{}, c); at[0] != at[69] {
		t.Error("a notice that nobody told says when it began")
	}
}

func TestClock_sumsLeavesOutWhatIsNotAskedAbout(t *testing.T) {
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	c := clock{from: from, minute: time.Minute, n: 3, until: from.Add(2*time.Minute + 30*time.Second)}
	r := backout.Residuals{From: from.Add(-30 * time.Second), Step: 30 * time.Second, Levels: []float64{90, 70, 1, 2, math.NaN(), 3, 4, 50, 60}}
	got := c.sums(r) // -30 s and 0 are before the window, 180 and 210 s are not looked at
	want := minuteSums{sum: []float64{3, 3, 4}, n: []float64{2, 1, 1}}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(minuteSums{})); d != "" {
		t.Error(d)
	}
}
