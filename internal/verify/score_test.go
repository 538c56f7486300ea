package verify

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/backout-dev/backout"
)

func named(i int, r backout.Residuals) backout.Residuals {
	r.ID.Signal = backout.SignalName(fmt.Sprint("signal-", i))
	return r
}

// weighed asks about metrics that are healthy again (true) or still ill, each with what
// it counts for.
func weighed(n int, pass, warning float64, healthy []bool, count []Objective) Question {
	q := ask(n)
	q.Pass, q.Warning, q.Objectives = pass, warning, map[backout.SeriesID]Objective{}
	for i, well := range healthy {
		level := 8.0
		if well {
			level = 0
		}
		m := named(i, metric(0, 8, flat(n, level)...))
		q.Primary, q.Objectives[m.ID] = append(q.Primary, m), count[i]
	}
	return q
}

func TestJudge_scores(t *testing.T) {
	key, much, little, none := Objective{Weight: 5, Key: true}, Objective{Weight: 9}, Objective{Weight: 1}, Objective{}
	for name, c := range map[string]struct {
		q       Question
		want    backout.VerdictValue
		score   float64
		warning bool
	}{
		"enough of the weight":            {weighed(40, .9, .8, []bool{true, false}, []Objective{much, little}), backout.VerdictRecovered, .9, true},
		"the heavy one is still ill":      {weighed(40, .9, .8, []bool{false, true}, []Objective{much, little}), backout.VerdictInconclusive, .1, false},
		"a warning":                       {weighed(40, .95, .85, []bool{true, false}, []Objective{much, little}), backout.VerdictInconclusive, .9, true},
		"a light key one decides":         {weighed(40, .5, .4, []bool{true, false}, []Objective{much, {Weight: 1, Key: true}}), backout.VerdictInconclusive, .9, false},
		"a key one alone is not enough":   {weighed(40, .5, .4, []bool{true, false}, []Objective{key, much}), backout.VerdictInconclusive, 5.0 / 14, false},
		"what counts for nothing is free": {weighed(40, 1, 1, []bool{true, false}, []Objective{key, none}), backout.VerdictRecovered, 1, true},
		"nothing counts":                  {weighed(40, 1, 1, []bool{true, true}, []Objective{none, none}), backout.VerdictInconclusive, 0, false},
	} {
		v := Judge(c.q)
		if v.Value != c.want || math.Abs(v.Score-c.score) > 1e-9 || v.Warning != c.warning {
			t.Errorf("%s: %s, score %.3f, warning %t; want %s, %.3f, %t", name, v.Value, v.Score, v.Warning, c.want, c.score, c.warning)
		}
	}
	// One left out asks for twice the odds of the other: more samples.
	first := func(second bool) int {
		n := 5
		for Judge(weighed(n, .5, .5, []bool{true, second}, []Objective{much, little})).Value != backout.VerdictRecovered {
			n++
		}
		return n
	}
	if all, left := first(true), first(false); left <= all || left > 2*all {
		t.Errorf("both are proven after %d samples, and one without the other after %d", all, left)
	}
	gone := weighed(40, .9, .8, []bool{true, false}, []Objective{much, little})
	gone.Primary[1].Levels = flat(len(gone.Primary[1].Levels), math.NaN())
	if v := Judge(gone); v.Value != backout.VerdictRecovered || v.Blind {
		t.Errorf("a light one that is not measured: %+v", v)
	}
	gone.Primary[0], gone.Primary[1] = gone.Primary[1], gone.Primary[0]
	gone.Objectives[gone.Primary[0].ID] = key
	if v := Judge(gone); v.Value != backout.VerdictInconclusive {
		t.Errorf("a key one that is not measured: %+v", v)
	}
}

// Half of what was ill must be proven back before an action counts as one that helped,
// and each of them harder the more are left out; what was mildly ill is not let off.
func TestJudge_mostly(t *testing.T) {
	for name, c := range map[string]struct {
		healthy []bool
		want    bool
	}{
		"all":              {[]bool{true, true}, true},
		"half":             {[]bool{true, false}, true},
		"one of three":     {[]bool{false, true, false}, false},
		"none":             {[]bool{false}, false},
		"nothing measured": {nil, false},
	} {
		q := weighed(40, 1, 1, c.healthy, make([]Objective, len(c.healthy)))
		if v := Judge(q); v.Mostly != c.want {
			t.Errorf("%s: %t, want %t", name, v.Mostly, c.want)
		}
	}
	q := Question{AlphaRecovered: .05, AlphaMild: .5, MinSamples: 5, mild: []bool{true, true}}
	for odds, want := range map[float64]bool{39: false, 41: true} { // one of two is left out: twice 1:20
		reasons := []backout.VerdictReason{{Samples: 9, LogERecovered: math.Log(odds)}, {Samples: 9}}
		if got := q.mostly(reasons); got != want {
			t.Errorf("odds of %g: %t, want %t", odds, got, want)
		}
	}
}

// Leaving out the worst after looking keeps the promise. 21 of 40 are still ill with a
// pass mark of a half, so one of them proven by chance would be enough. Their e-values
// are the sharpest that are allowed: all of their mean of 1 in one place.
func TestScored_isHonestAboutWhatIsLeftOut(t *testing.T) {
	const runs, ill, all, alpha = 500, 21, 40, .05
	for _, at := range []float64{1, 2, 5, ill} {
		r := rand.New(rand.NewPCG(11, uint64(at)))
		q := Question{Pass: .5, AlphaRecovered: alpha, MinSamples: 5, Objectives: map[backout.SeriesID]Objective{}}
		reasons := make([]backout.VerdictReason, all)
		for i := range reasons {
			m := named(i, metric(0, 0))
			q.Primary, q.Objectives[m.ID] = append(q.Primary, m), Objective{Weight: 1}
			reasons[i] = backout.VerdictReason{Series: m.ID, Samples: 10, LogERecovered: 50}
		}
		wrong, naive := 0, 0
		for range runs {
			for i := range ill {
				reasons[i].LogERecovered = math.Inf(-1)
				if r.Float64() < alpha/at {
					reasons[i].LogERecovered = math.Log(at/alpha) + 1e-9
				}
			}
			v := backout.Verdict{Reasons: reasons}
			if q.scored(&v) {
				wrong++
			}
			if v.Score >= .5 {
				naive++
			}
		}
		if limit := alpha + 2.58*math.Sqrt(alpha*(1-alpha)/runs); float64(wrong)/runs > limit {
			t.Errorf("e-values of %g to alpha: false recovered in %.3f of runs, at most %.3f", at, float64(wrong)/runs, limit)
		}
		if at == 1 && float64(naive)/runs < .5 {
			t.Errorf("counting what is proven one by one is wrong in %.3f only: this case shows nothing", float64(naive)/runs)
		}
	}
}
