package statistics

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// reference is the part of the golden file that mixture_test.go does not read:
// values of scipy and scikit-learn, and of a numerical integration.
type reference struct {
	MannWhitney struct {
		X, Y []float64
		U    float64 `json:"U"`
		P    float64 `json:"p_asym_cc"`
	} `json:"mannwhitney"`
	Quadrature float64 `json:"log_bf_quadrature_check"`
	MLE        struct {
		Excess    []float64
		Xi, Sigma float64
		LogLik    float64 `json:"loglik"`
	} `json:"gpd_mle"`
	PWM      struct{ Xi, Sigma float64 } `json:"gpd_pwm"`
	Isotonic struct {
		Score, Y, At, Pred []float64
	} `json:"isotonic"`
	VennAbers []struct{ S, P0, P1 float64 } `json:"venn_abers"`
	Pool      struct {
		Success, Trials []float64
		Mu, Kappa       float64
		Mean            []float64 `json:"post_mean"`
		Low             []float64 `json:"q05"`
	} `json:"beta_binomial_map"`
}

func readReference(t *testing.T) reference {
	t.Helper()
	b, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var r reference
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.MannWhitney.X)*len(r.MLE.Excess)*len(r.Isotonic.At)*len(r.VennAbers)*len(r.Pool.Mean) == 0 {
		t.Fatal("the golden file lacks a part")
	}
	return r
}

func within(t *testing.T, name string, got, want, tolerance float64) {
	t.Helper()
	if math.IsNaN(got) || math.Abs(got-want) > tolerance*math.Max(1, math.Abs(want)) {
		t.Errorf("%s = %.9f, want %.9f", name, got, want)
	}
}

func TestGolden_mannWhitney(t *testing.T) {
	r := readReference(t)
	u, p := MannWhitney(r.MannWhitney.X, r.MannWhitney.Y)
	within(t, "U", u, r.MannWhitney.U, 0)
	within(t, "p", p, r.MannWhitney.P, 1e-12)
}

func TestGolden_shiftByQuadrature(t *testing.T) {
	within(t, "log BF", LogBFShift(1, .1, 6), readReference(t).Quadrature, 1e-12)
}

func TestGolden_pareto(t *testing.T) {
	r := readReference(t)
	mle := FitParetoMLE(r.MLE.Excess)
	within(t, "MLE xi", mle.Xi, r.MLE.Xi, 1e-4)
	within(t, "MLE sigma", mle.Sigma, r.MLE.Sigma, 1e-4)
	within(t, "log-likelihood", mle.LogLikelihood(r.MLE.Excess), r.MLE.LogLik, 1e-9)
	pwm := FitParetoPWM(r.MLE.Excess)
	within(t, "PWM xi", pwm.Xi, r.PWM.Xi, 1e-9)
	within(t, "PWM sigma", pwm.Sigma, r.PWM.Sigma, 1e-9)
}

func labels(r reference) []Labelled {
	out := make([]Labelled, len(r.Isotonic.Score))
	for i, s := range r.Isotonic.Score {
		out[i] = Labelled{s, r.Isotonic.Y[i] == 1}
	}
	return out
}

func TestGolden_isotonicAndVennAbers(t *testing.T) {
	r := readReference(t)
	fit := FitIsotonic(labels(r))
	for i, at := range r.Isotonic.At {
		within(t, "isotonic", fit.At(at), r.Isotonic.Pred[i], 1e-12)
	}
	for _, c := range r.VennAbers {
		p0, p1 := VennAbers(labels(r), c.S)
		within(t, "p0", p0, c.P0, 1e-12)
		within(t, "p1", p1, c.P1, 1e-12)
	}
}

func TestGolden_pool(t *testing.T) {
	r := readReference(t)
	groups := make([]Trials, len(r.Pool.Success))
	for i := range groups {
		groups[i] = Trials{r.Pool.Success[i], r.Pool.Trials[i]}
	}
	p := PoolMAP(groups)
	within(t, "mu", p.Mu, r.Pool.Mu, 1e-5)
	within(t, "kappa", p.Kappa, r.Pool.Kappa, 1e-4)
	for i := range groups {
		within(t, "mean", p.Mean[i], r.Pool.Mean[i], 1e-5)
		within(t, "5 % quantile", p.Low[i], r.Pool.Low[i], 1e-4)
	}
}

// One-sided reference values of the confseq library at rho tuned for v = 100,
// alpha = .05; a one-sided rho is a two-sided one at twice the alpha.
func TestGolden_oneSidedMixture(t *testing.T) {
	rho := MixtureRho(100, .1)
	within(t, "log e", LogMixtureOneSided(10, 100, rho), -.06502391, 1e-7)
	within(t, "log e at the bound", LogMixtureOneSided(27.66071, 100, rho), math.Log(20), 1e-6)
}

// The confseq library's beta-binomial mixture with g = .2, h = .8 counts in
// another way: s and v become x = v/h + s treated and y = v/g - s control events.
func TestGolden_betaBinomialMixture(t *testing.T) {
	const g, h, s, v = .2, .8, 10.0, 100.0
	k := MixtureRho(100, .05)/(g*h) - 1
	within(t, "log e", LogBetaBinomial(v/h+s, v/g-s, g, k), -.6941012, 1e-7)
	within(t, "log e at the bound", LogBetaBinomial(v/h+31.4308, v/g-31.4308, g, k), math.Log(20), 1e-5)
}

// Closed forms of Student's t with 1, 2 and 3 degrees of freedom.
func TestStudent_tails(t *testing.T) {
	for _, c := range []struct{ t, nu, want float64 }{
		{0, 5, math.Log(.5)},
		{1, 1, math.Log(.25)},                              // Cauchy: 1/2 - atan(1)/pi
		{1e3, 1, math.Log(math.Atan(1e-3) / math.Pi)},      // Cauchy again
		{-1, 1, math.Log(.75)},                             //
		{2, 2, math.Log(.5 * (1 - 2/math.Sqrt(6)))},        // closed form for nu = 2
		{1e200, 1, math.Log(1/math.Pi) - 200*math.Log(10)}, // still representable
		{1e200, 2, -math.Log(2) - 400*math.Log(10)},        // underflows: 1/(2 t^2)
		{1e150, 2, -math.Log(2) - 300*math.Log(10)},        // at the seam
		{1e100, 3, math.Log(2*math.Sqrt(3)/math.Pi) - 300*math.Log(10)},
	} {
		within(t, "log survival", StudentLogSurvival(c.t, c.nu), c.want, 1e-9)
	}
	for x := -5.0; x < 1e6; x = x*1.3 + 10 {
		if !(StudentLogSurvival(x+1, 40) < StudentLogSurvival(x, 40)) {
			t.Fatalf("the tail does not fall at %g", x)
		}
	}
	for x := 30.0; x < 60; x += .01 { // across the seam where the probability underflows
		if !(StudentLogSurvival(x+.01, 1e4) < StudentLogSurvival(x, 1e4)) {
			t.Fatalf("the tail does not fall at %g", x)
		}
	}
}
