package statistics

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The mean of an e-value under its null is one: summed exactly over all outcomes
// of a binomial and of a Poisson count.
func TestCounts_meanEIsOne(t *testing.T) {
	for _, theta := range []float64{.05, .1, .5} {
		sum, n := 0.0, 200.0
		for x := 0.0; x <= n; x++ {
			a, _ := math.Lgamma(n + 1)
			b, _ := math.Lgamma(x + 1)
			c, _ := math.Lgamma(n - x + 1)
			sum += math.Exp(a - b - c + x*math.Log(theta) + (n-x)*math.Log(1-theta) + LogBetaBinomial(x, n-x, theta, 100))
		}
		within(t, "binomial mean e", sum, 1, 1e-9)
		above, lower := 0.0, 0.0
		for x := 0.0; x <= n; x++ {
			a, _ := math.Lgamma(n + 1)
			b, _ := math.Lgamma(x + 1)
			c, _ := math.Lgamma(n - x + 1)
			e := a - b - c + LogBetaBinomialAbove(x, n-x, theta, 100)
			above += math.Exp(e + x*math.Log(theta) + (n-x)*math.Log(1-theta))
			lower += math.Exp(e + x*math.Log(theta/2) + (n-x)*math.Log(1-theta/2))
		}
		within(t, "one-sided mean e at the boundary", above, 1, 1e-9)
		if lower > 1 {
			t.Errorf("one-sided mean e inside the null: %g", lower)
		}
	}
	sum := 0.0
	for x := 0.0; x <= 400; x++ {
		f, _ := math.Lgamma(x + 1)
		sum += math.Exp(x*math.Log(20) - 20 - f + LogGammaPoisson(x, 20, 50))
	}
	within(t, "Poisson mean e", sum, 1, 1e-9)
}

func TestLogBetaBinomialAbove_directions(t *testing.T) {
	if e := LogBetaBinomialAbove(0, 1e5, .5, 100); !(e < 0) {
		t.Errorf("no treated event at all speaks for too many: %g", e)
	}
	if e := LogBetaBinomialAbove(80, 20, .5, 100); e < math.Log(100) {
		t.Errorf("80 of 100 at a share of a half: log e %g", e)
	}
}

func TestPowers_meanEIsOne(t *testing.T) {
	// Integrals over p by substituting p = exp(-u).
	mean := func(e func(p float64) float64) float64 {
		sum, du := 0.0, 1e-3
		for u := du / 2; u < 700; u += du {
			sum += e(math.Exp(-u)) * math.Exp(-u) * du
		}
		return sum
	}
	for _, k := range []float64{.15, .5, .9} {
		within(t, "power", mean(func(p float64) float64 { return PowerE(p, k) }), 1, 1e-4)
	}
	// The tail beyond u of the mixture is 1/u: 700 leaves 1/700.
	within(t, "mixture", mean(PowerMixture), 1-1.0/700, 1e-4)
	within(t, "mixture near one", PowerMixture(.99995), .5+5e-5/6, 1e-8)
	within(t, "mixture across the seam", PowerMixture(math.Exp(-.9999e-4)), PowerMixture(math.Exp(-1.0001e-4)), 1e-7)
	for p := 1e-9; p < .999; p *= 1.1 {
		if !(PowerMixture(p) > PowerMixture(p*1.05)) && p < .9 {
			t.Fatalf("a smaller p-value must be stronger evidence: at %g", p)
		}
	}
}

// An e-process on the treated share stays honest when looked at after each event.
func TestCounts_honestUnderPeeking(t *testing.T) {
	const runs, events, alpha, theta = 2000, 600, .05, .1
	r := rand.New(rand.NewPCG(11, 1))
	alarms := 0
	for range runs {
		x, y := 0.0, 0.0
		for range events {
			if r.Float64() < theta {
				x++
			} else {
				y++
			}
			if LogBetaBinomial(x, y, theta, 100) >= math.Log(1/alpha) {
				alarms++
				break
			}
		}
	}
	if limit := alpha + 2.58*math.Sqrt(alpha*(1-alpha)/runs); float64(alarms)/runs > limit {
		t.Errorf("false alarms %.4f, at most %.4f", float64(alarms)/runs, limit)
	}
}

func TestLogMeanExp_isAMean(t *testing.T) {
	within(t, "plain", LogMeanExp([]float64{math.Log(1), math.Log(3)}), math.Log(2), 1e-12)
	within(t, "huge", LogMeanExp([]float64{2000, 0}), 2000-math.Ln2, 1e-12)
	if !math.IsNaN(LogMeanExp(nil)) {
		t.Error("the mean of nothing must be NaN")
	}
}

func TestDescribe_edges(t *testing.T) {
	nan := math.NaN()
	within(t, "median", Median([]float64{3, nan, 1, 2}), 2, 0)
	within(t, "quantile", Quantile([]float64{1, 2, 3, 4}, .25), 1.75, 1e-12)
	within(t, "scale", Scale([]float64{-1, 0, 1, nan, 1e9}), 1.4826022185056018, 1e-12)
	within(t, "scale of a constant", Scale([]float64{5, 5, 5}), 0, 0)
	if !math.IsNaN(Median(nil)) || !math.IsNaN(Scale([]float64{nan})) {
		t.Error("nothing has a median")
	}
	if _, p := MannWhitney([]float64{1, 1}, []float64{1, 1, 1}); !(p >= .99 || math.IsNaN(p)) {
		t.Errorf("equal samples differ: p = %g", p)
	}
	within(t, "no dispersion", Dispersion([]float64{4, 4, 4}), 1, 0)
	within(t, "dispersion", Dispersion([]float64{0, 8, nan}), 8, 1e-12)
}

// Uniform p-values under the null, and a bound that holds as often as it says.
func TestMannWhitney_uniformUnderNull(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	const runs = 2000
	small := 0
	for range runs {
		x, y := make([]float64, 20), make([]float64, 30)
		for i := range x {
			x[i] = r.NormFloat64()
		}
		for i := range y {
			y[i] = r.NormFloat64()
		}
		if _, p := MannWhitney(x, y); p < .1 {
			small++
		}
	}
	if rate := float64(small) / runs; rate < .07 || rate > .12 {
		t.Errorf("P(p < .1) = %.3f", rate)
	}
}

func TestFitAR1_estimateAndBound(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for _, phi := range []float64{0, .4, .7} {
		var estimates []float64
		covered := 0
		for range 400 {
			xs, x := make([]float64, 120), r.NormFloat64()
			for i := range xs {
				x = phi*x + math.Sqrt(1-phi*phi)*r.NormFloat64()
				xs[i] = 7 + x
			}
			xs[40] = math.NaN()
			fit := FitAR1(xs)
			estimates = append(estimates, fit.Phi)
			if fit.Upper >= phi {
				covered++
			}
		}
		if m := Median(estimates); math.Abs(m-phi) > .02 {
			t.Errorf("phi %.1f is estimated as %.3f", phi, m)
		}
		if rate := float64(covered) / 400; rate < .86 {
			t.Errorf("phi %.1f: the 90 %% bound held in %.3f", phi, rate)
		}
	}
	for _, xs := range [][]float64{nil, {1, 2}, {5, 5, 5, 5, 5}, {1, math.NaN(), 2, math.NaN(), 3}} {
		if fit := FitAR1(xs); fit.Phi != 0 || fit.Upper != mostPhi {
			t.Errorf("%v says nothing of memory, got %+v", xs, fit)
		}
	}
}

func TestPareto_edges(t *testing.T) {
	for _, xs := range [][]float64{nil, {1}, {0, 0, 0}, {math.NaN()}} {
		if a, b := FitParetoPWM(xs), FitParetoMLE(xs); !math.IsNaN(a.Xi) || !math.IsNaN(b.Xi) {
			t.Errorf("%v can't be fitted: %+v %+v", xs, a, b)
		}
	}
	within(t, "exponential", Pareto{0, 2}.Survival(2), math.Exp(-1), 1e-12)
	within(t, "seam to exponential", Pareto{2e-9, 2}.Survival(2), math.Exp(-1), 1e-6)
	within(t, "bounded", Pareto{-.5, 1}.Survival(3), 0, 0)
}

func TestIsotonic_properties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		past := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Labelled {
			return Labelled{float64(rapid.IntRange(0, 20).Draw(t, "score")), rapid.Bool().Draw(t, "true")}
		}), 0, 40).Draw(t, "past")
		before := slices.Clone(past)
		fit := FitIsotonic(past)
		if !slices.IsSorted(fit.X) || !slices.IsSorted(fit.Y) {
			t.Fatalf("not rising: %+v", fit)
		}
		s := rapid.Float64Range(-1, 21).Draw(t, "s")
		p0, p1 := VennAbers(past, s)
		if !(0 <= p0 && p0 <= p1 && p1 <= 1) {
			t.Fatalf("p0 %g, p1 %g", p0, p1)
		}
		if !slices.Equal(before, past) {
			t.Fatal("the labels given were reordered")
		}
	})
	if p0, p1 := VennAbers(nil, .5); p0 != 0 || p1 != 1 {
		t.Errorf("without labels: [%g, %g], want [0, 1]", p0, p1)
	}
}

func TestPool_sharesStrength(t *testing.T) {
	groups := []Trials{{18, 20}, {7, 9}, {2, 4}, {30, 31}, {1, 1}}
	grid, point := Pool(groups), PoolMAP(groups)
	for i := range groups {
		if math.Abs(grid.Mean[i]-point.Mean[i]) > .06 {
			t.Errorf("group %d: grid %.3f, MAP %.3f", i, grid.Mean[i], point.Mean[i])
		}
		if raw := groups[i].Worked / groups[i].Tried; (grid.Mean[i]-raw)*(grid.Mean[i]-grid.Mu) > 1e-9 {
			t.Errorf("group %d: %.3f is not between its own rate %.3f and the mean %.3f", i, grid.Mean[i], raw, grid.Mu)
		}
		if !(grid.Low[i] < grid.Mean[i] && grid.Low[i] > 0) {
			t.Errorf("group %d: 5 %% quantile %.3f, mean %.3f", i, grid.Low[i], grid.Mean[i])
		}
	}
	within(t, "mean of a group without trials", Pool(append(groups, Trials{})).Mean[5], grid.Mu, 1e-9)
	if p := PoolMAP(nil); p.Mu != .5 || p.Kappa != 10 {
		t.Errorf("nothing learnt: %+v", p)
	}
}
