package verify

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

var start = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)

const step = time.Second

// metric makes residuals with some samples before the stage at level was.
func metric(phi, was float64, levels ...float64) backout.Residuals {
	r := backout.Residuals{ID: backout.SeriesID{Signal: "errors", Subject: backout.Subject{Service: "pay"}}, From: start.Add(-5 * step), Step: step, Phi: phi}
	for range 6 {
		r.Levels = append(r.Levels, was)
	}
	r.Levels = append(r.Levels, levels...)
	return r
}

func ask(n int, primary ...backout.Residuals) Question {
	return Question{Primary: primary, Since: start, Now: start.Add(time.Duration(n) * step), Last: true}
}

func noise(r *rand.Rand, n int, phi, mean float64) []float64 {
	out, x := make([]float64, n), r.NormFloat64()
	for i := range out {
		x = phi*x + math.Sqrt(1-phi*phi)*r.NormFloat64()
		out[i] = mean + x
	}
	return out
}

func flat(n int, v float64) []float64 { return slices.Repeat([]float64{v}, n) }

func TestJudge_verdicts(t *testing.T) {
	nan := math.NaN()
	healthy, ill := flat(20, 0), flat(20, 8)
	late := append(flat(8, 9), flat(22, 0)...)
	watched := func(levels ...float64) Question {
		q := ask(len(levels), metric(0, 5, flat(len(levels), 5)...))
		q.Watched = []backout.Residuals{metric(0, 0, levels...)}
		return q
	}
	arms := func(treated, control float64) Question {
		q := ask(20)
		q.Arms = []Arm{{Treated: metric(0, 5, flat(20, treated)...), Control: metric(0, 5, flat(20, control)...)}}
		return q
	}
	events := func(worse backout.Direction, treated, control, share float64) Question {
		q := ask(20)
		q.Counts = []Counts{{Worse: worse, Splits: []Split{{X: treated, Y: control, Share: share}}}}
		return q
	}
	middle := ask(20, metric(0, 8, healthy...))
	middle.Last = false
	cases := map[string]struct {
		q     Question
		want  backout.VerdictValue
		blind bool
	}{
		"healthy again":             {ask(20, metric(0, 8, healthy...)), backout.VerdictRecovered, false},
		"still ill":                 {ask(20, metric(0, 8, ill...)), backout.VerdictInconclusive, false},
		"the effect came late":      {ask(30, metric(0, 8, late...)), backout.VerdictRecovered, false},
		"one of two is still ill":   {ask(20, metric(0, 8, healthy...), metric(0, 8, ill...)), backout.VerdictInconclusive, false},
		"too few samples":           {ask(4, metric(0, 8, flat(4, -12)...)), backout.VerdictInconclusive, false},
		"an intermediate stage":     {middle, backout.VerdictInconclusive, false},
		"nothing measured":          {ask(20, metric(0, 8, flat(20, nan)...)), backout.VerdictInconclusive, true},
		"no metric at all":          {ask(20), backout.VerdictInconclusive, false},
		"it vanished at the end":    {ask(30, metric(0, 8, append(flat(12, 0), flat(18, nan)...)...)), backout.VerdictInconclusive, true},
		"one of three unmeasured":   {ask(20, metric(0, 8, healthy...), metric(0, 8, healthy...), metric(0, 8, flat(20, nan)...)), backout.VerdictInconclusive, false},
		"a healthy one turned ill":  {watched(flat(20, 6)...), backout.VerdictWorse, false},
		"a healthy one stays":       {watched(flat(20, .2)...), backout.VerdictInconclusive, false},
		"moved is worse":            {arms(11, 3), backout.VerdictWorse, false},
		"moved is better":           {arms(0, 8), backout.VerdictInconclusive, false},
		"more errors where moved":   {events(backout.WorseUp, 60, 140, .1), backout.VerdictWorse, false},
		"fewer errors where moved":  {events(backout.WorseUp, 2, 400, .5), backout.VerdictInconclusive, false},
		"a fair share of errors":    {events(backout.WorseUp, 21, 180, .1), backout.VerdictInconclusive, false},
		"fewer orders where moved":  {events(backout.WorseDown, 40, 160, .5), backout.VerdictWorse, false},
		"more orders where moved":   {events(backout.WorseDown, 160, 40, .5), backout.VerdictInconclusive, false},
		"no event at all":           {events(backout.WorseUp, 0, 0, .5), backout.VerdictInconclusive, false},
		"everything was moved":      {events(backout.WorseUp, 9, 0, 1), backout.VerdictInconclusive, true},
		"counts that are no number": {events(backout.WorseUp, nan, 9, .5), backout.VerdictInconclusive, true},
		"watched, not measured":     {watched(flat(20, nan)...), backout.VerdictInconclusive, false},
	}
	for name, c := range cases {
		v := Judge(c.q)
		if v.Value != c.want || v.Blind != c.blind {
			t.Errorf("%s: %s (blind %t), want %s (blind %t): %+v", name, v.Value, v.Blind, c.want, c.blind, v.Reasons)
		}
		for _, r := range v.Reasons {
			if r.Text == "" || math.IsNaN(r.LogERecovered) || math.IsNaN(r.LogEWorse) {
				t.Errorf("%s: a reason without words or with NaN: %+v", name, r)
			}
		}
	}
}

// False verdicts under peeking at every sample stay below their alpha, also on
// correlated samples and exactly at the boundary of each null.
func TestJudge_isHonestUnderPeeking(t *testing.T) {
	const runs, samples = 1500, 40
	for _, phi := range []float64{0, .4, .7} {
		r := rand.New(rand.NewPCG(uint64(phi*10), 3))
		recovered, worse := 0, 0
		for range runs {
			at := metric(phi, 1, noise(r, samples, phi, 1)...)
			harmed := metric(phi, 0, noise(r, samples, phi, 1)...)
			rec, bad := false, false
			for n := 5; n <= samples; n += 3 {
				q := ask(n, at)
				rec = rec || Judge(q).Value == backout.VerdictRecovered
				q = ask(n)
				q.Watched = []backout.Residuals{harmed}
				bad = bad || Judge(q).Value == backout.VerdictWorse
			}
			if rec {
				recovered++
			}
			if bad {
				worse++
			}
		}
		for name, c := range map[string]struct {
			n     int
			alpha float64
		}{"recovered": {recovered, .05}, "worse": {worse, .01}} {
			limit := c.alpha + 2.58*math.Sqrt(c.alpha*(1-c.alpha)/runs)
			if rate := float64(c.n) / runs; rate > limit {
				t.Errorf("phi %.1f: false %s in %.4f of runs, at most %.4f", phi, name, rate, limit)
			}
		}
	}
}

// The level before the stage is measured, not known: while nothing changed, false
// alarms stay rare in spite of it.
func TestJudge_unchangedIsNotWorse(t *testing.T) {
	const runs, samples, alpha = 1000, 40, .01
	for _, phi := range []float64{0, .4, .7} {
		r := rand.New(rand.NewPCG(uint64(phi*10), 4))
		alarms := 0
		for range runs {
			m := metric(phi, 0)
			m.Levels = noise(r, samples+6, phi, 3)
			for n := 1; n <= samples; n += 3 {
				q := ask(n)
				q.Watched = []backout.Residuals{m}
				if Judge(q).Value == backout.VerdictWorse {
					alarms++
					break
				}
			}
		}
		limit := alpha + 2.58*math.Sqrt(alpha*(1-alpha)/runs)
		if rate := float64(alarms) / runs; rate > limit {
			t.Errorf("phi %.1f: %.4f of unchanged metrics were called worse, at most %.4f", phi, rate, limit)
		}
	}
}

func TestJudge_saysWhatWasNotMeasured(t *testing.T) {
	gone := metric(0, 0, flat(20, math.NaN())...)
	q := ask(20, gone)
	q.Watched, q.Arms, q.Counts = []backout.Residuals{gone}, []Arm{{Treated: gone, Control: gone}}, []Counts{{}}
	v := Judge(q)
	if len(v.Reasons) != 4 || !v.Blind {
		t.Fatalf("want four reasons and a blind verdict: %+v", v)
	}
	for _, r := range v.Reasons {
		if !r.Unmeasured || r.Value != backout.VerdictInconclusive {
			t.Errorf("%+v", r)
		}
	}
}

// How many samples a healthy level needs to be recognised, as a median.
func TestJudge_power(t *testing.T) {
	for _, c := range []struct {
		phi   float64
		limit int
	}{{0, 22}, {.4, 34}} {
		r := rand.New(rand.NewPCG(5, uint64(c.phi*10)))
		var took []int
		for range 301 {
			m := metric(c.phi, 8, noise(r, 80, c.phi, 0)...)
			n := 5
			for n < 80 && Judge(ask(n, m)).Value != backout.VerdictRecovered {
				n++
			}
			took = append(took, n)
		}
		slices.Sort(took)
		if median := took[len(took)/2]; median > c.limit {
			t.Errorf("phi %.1f: recovery recognised after %d samples (median), want at most %d", c.phi, median, c.limit)
		}
	}
}

func TestJudge_samplesAfterNowDontCount(t *testing.T) {
	long := append(flat(10, 8), flat(20, 0)...)
	got, want := Judge(ask(10, metric(0, 8, long...))), Judge(ask(10, metric(0, 8, long[:10]...)))
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("a verdict depends on the future: %+v, want %+v", got, want)
	}
}

func TestJudge_warmUpIsNoRecovery(t *testing.T) {
	q := ask(20, metric(0, 8, flat(20, 0)...))
	if v := Judge(q); v.Value != backout.VerdictRecovered {
		t.Fatalf("without warm-up: %s", v.Value)
	}
	q.WarmUp = 17 * step
	if v := Judge(q); v.Value == backout.VerdictRecovered {
		t.Error("samples inside the warm-up proved recovery")
	}
}

func BenchmarkJudge(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	q := ask(60)
	for range 20 {
		q.Primary = append(q.Primary, metric(.4, 8, noise(r, 60, .4, 0)...))
	}
	for b.Loop() {
		Judge(q)
	}
}

func TestRecovered_mostOfALargeExcessGone(t *testing.T) {
	// Twelve standard deviations off before the run; since then at a level that is
	// below two and a half but not below one.
	levels := slices.Repeat([]float64{12}, 10)
	levels = append(levels, slices.Repeat([]float64{1.2, .8}, 20)...)
	start := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	q := Question{
		Primary: []backout.Residuals{{ID: backout.SeriesID{Signal: "errors"}, From: start, Step: time.Minute, Levels: levels}},
		Since:   start.Add(9 * time.Minute), Now: start.Add(49 * time.Minute), Last: true,
	}
	if v := Judge(q); v.Value == backout.VerdictRecovered {
		t.Errorf("recovered at one standard deviation when less than one was asked: %+v", v.Reasons)
	}
	q.Began = q.Since
	if v := Judge(q); v.Value != backout.VerdictRecovered || v.Reasons[0].Target != mostMargin {
		t.Errorf("not recovered with nine tenths of the excess gone: %+v", v)
	}
	for excess, want := range map[float64]float64{.5: 1, 2.4: 1.2, 3: 1.5, 4.5: 1.5, 7: 2.1, 12: 2.5} {
		asked := Question{Margin: 1, Gone: .7, Began: q.Began, Now: q.Now}
		r := q.Primary[0]
		if r.Levels = slices.Repeat([]float64{excess}, 50); math.Abs(asked.margin(r)-want) > 1e-9 {
			t.Errorf("margin %v after an excess of %v, want %v", asked.margin(r), excess, want)
		}
	}
	q.Primary[0].Levels = append(slices.Repeat([]float64{12}, 10), slices.Repeat([]float64{2.4, 2.8}, 20)...)
	if v := Judge(q); v.Value == backout.VerdictRecovered {
		t.Errorf("recovered above %v sd: %+v", mostMargin, v.Reasons)
	}
}

// Beside what was clearly ill, what was mildly ill is proven sooner; by itself, and where
// objectives say what counts, it is not.
func TestJudge_mildBesideClear(t *testing.T) {
	nan := math.NaN()
	ask := func(n int, levels ...[]float64) Question {
		q := ask(n)
		q.Began = q.Since
		for i, l := range levels {
			q.Primary = append(q.Primary, named(i, metric(0, l[0], flat(n, l[1])...)))
		}
		return q
	}
	first := func(change func(*Question), levels ...[]float64) int {
		for n := 5; n < 60; n++ {
			q := ask(n, levels...)
			change(&q)
			if Judge(q).Value == backout.VerdictRecovered {
				return n
			}
		}
		return 60
	}
	as, mild, clear := func(*Question) {}, []float64{2, .2}, []float64{8, .2}
	alone, beside := first(as, mild), first(as, clear, mild)
	if all := first(as, clear); !(all <= beside && beside < alone && alone < 60) {
		t.Errorf("clear alone %d samples, mild beside it %d, mild alone %d", all, beside, alone)
	}
	counted := first(func(q *Question) {
		q.Objectives = map[backout.SeriesID]Objective{q.Primary[0].ID: {Weight: 1}, q.Primary[1].ID: {Weight: 1}}
	}, clear, mild)
	unseen := first(func(q *Question) {
		for i := range 6 {
			q.Primary[1].Levels[i] = nan
		}
	}, clear, mild)
	if counted != alone || unseen != alone {
		t.Errorf("where it counts %d samples, where it was not measured before %d; want %d", counted, unseen, alone)
	}
	hidden := func(q *Question) { // how ill the first was nobody knows
		for i := range 6 {
			q.Primary[0].Levels[i] = nan
		}
	}
	if n := first(hidden, []float64{8, -3}, mild); n != alone {
		t.Errorf("beside what was never measured before it takes %d samples, want %d as alone", n, alone)
	}
	if n := first(as, clear, []float64{2, 2}); n != 60 {
		t.Errorf("recovered after %d samples while a mild one is as ill as before", n)
	}
}

// A baseline of few samples is not taken at its word: it has to be further below the
// margin, the more so the fewer and the more correlated its samples are.
func TestCertain_trustsAShortBaselineLess(t *testing.T) {
	at := func(n int, phi float64) float64 { return certain(2.5, backout.Residuals{N: n, Phi: phi}) }
	if at(0, .4) != 2.5 {
		t.Errorf("margin %g where the baseline is exact", at(0, .4))
	}
	if !(at(60, .4) < at(240, .4) && at(240, .4) < at(1700, .4) && at(1700, .4) < 2.5 && at(60, .7) < at(60, .4)) {
		t.Errorf("margins %g, %g, %g; correlated %g", at(60, .4), at(240, .4), at(1700, .4), at(60, .7))
	}
	near := metric(0, 8, flat(20, 1.6)...) // proven to be below 2.5, and not below what 30 samples make of it
	q := ask(20, near)
	q.Margin = 2.5
	if v := Judge(q); v.Value != backout.VerdictRecovered {
		t.Fatalf("exact baseline: %s", v.Value)
	}
	q.Primary[0].N = 30
	if v := Judge(q); v.Value != backout.VerdictInconclusive {
		t.Errorf("30 samples behind the baseline: %s", v.Value)
	}
}

// A small arm is a noisy one: what would be a difference between halves is none
// between two hundredths and the rest.
func TestJudge_smallArmsAreNoisy(t *testing.T) {
	q := ask(20)
	q.Arms = []Arm{{Treated: metric(0, 5, flat(20, 6)...), Control: metric(0, 5, flat(20, 2)...), Share: .5}}
	if v := Judge(q); v.Value != backout.VerdictWorse {
		t.Errorf("halves: %s", v.Value)
	}
	q.Arms[0].Share = .02
	if v := Judge(q); v.Value != backout.VerdictInconclusive {
		t.Errorf("two hundredths: %s", v.Value)
	}
}
