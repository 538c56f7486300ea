package statistics

import (
	"math"
	"testing"
)

// Summed exactly over all outcomes of two stretches with different shares, the mean
// is one at the boundary and below it inside the null.
func TestLogSplitAbove_meanEIsOne(t *testing.T) {
	binomial := func(x, n, p float64) float64 {
		a, _ := math.Lgamma(n + 1)
		b, _ := math.Lgamma(x + 1)
		c, _ := math.Lgamma(n - x + 1)
		return math.Exp(a - b - c + x*math.Log(p) + (n-x)*math.Log(1-p))
	}
	const n, m, first, second = 40.0, 25.0, .1, .6
	mean := func(odds float64) (sum float64) {
		at := func(share float64) float64 { return odds * share / (odds*share + 1 - share) }
		for x := 0.0; x <= n; x++ {
			for y := 0.0; y <= m; y++ {
				e := LogSplitAbove([]Split{{x, n - x, first}, {y, m - y, second}}, 1)
				sum += binomial(x, n, at(first)) * binomial(y, m, at(second)) * math.Exp(e)
			}
		}
		return sum
	}
	within(t, "mean e at the boundary", mean(1), 1, 1e-9)
	if e := mean(.5); e >= 1 {
		t.Errorf("mean e inside the null: %g", e)
	}
	if e := mean(1.5); e <= 2 {
		t.Errorf("mean e outside the null: %g", e)
	}
}

// A rise common to both arms while the share moves from a tenth to a half is no
// difference; pooled over time it looks like one.
func TestLogSplitAbove_commonRiseIsNoDifference(t *testing.T) {
	splits := []Split{{10, 90, .1}, {300, 300, .5}}
	if e := LogSplitAbove(splits, 1); e > 0 {
		t.Errorf("log e %g where each stretch has its fair share", e)
	}
	if pooled := LogBetaBinomialAbove(310, 390, .3, 100); pooled < math.Log(100) {
		t.Errorf("the pooled test says %g: this case does not tell them apart", pooled)
	}
	if e := LogSplitAbove([]Split{{20, 80, .1}, {400, 200, .5}}, 1); e < math.Log(100) {
		t.Errorf("log e %g where the treated arm has far more than its share", e)
	}
	if e := LogSplitAbove(nil, 1); e != 0 {
		t.Errorf("log e %g of nothing", e)
	}
}

func TestSplitDispersion(t *testing.T) {
	var even, bursts []Split
	for range 50 {
		even, bursts = append(even, Split{10, 10, .5}), append(bursts, Split{18, 2, .5}, Split{2, 18, .5})
	}
	if d := SplitDispersion(even); d != 1 {
		t.Errorf("even splits have dispersion %g", d)
	}
	// Pearson: p = 1/2 and each deviation 8 of 20 events, so 64/5 a stretch.
	within(t, "bursts", SplitDispersion(bursts), (100*64.0/5+6)/101, 1e-12)
	for _, none := range [][]Split{nil, {{40, 0, .5}}} {
		if d := SplitDispersion(none); d != 3 {
			t.Errorf("dispersion %g of splits that can't tell", d)
		}
	}
}
