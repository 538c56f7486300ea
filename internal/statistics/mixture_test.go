package statistics

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"testing"
)

type golden struct {
	Mixture struct {
		V     float64 `json:"v_opt"`
		Alpha float64 `json:"alpha"`
		Rho   float64 `json:"rho"`
		LogE  float64 `json:"log_e_s10_v100"`
		Bound float64 `json:"bound_v100"`
	} `json:"normal_mixture_two_sided"`
	BetaBinomial []struct {
		X, Y, Theta0, K float64
		LogE            float64 `json:"log_e"`
	} `json:"beta_binomial_log_e"`
	Shift []struct {
		Mean, V, Lam float64
		LogBF        float64 `json:"log_bf"`
	} `json:"log_bf_shift_halfnormal"`
}

func read(t *testing.T) golden {
	t.Helper()
	b, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

func near(t *testing.T, name string, got, want float64) {
	t.Helper()
	if math.IsNaN(got) || math.Abs(got-want) > 1e-6*math.Max(1, math.Abs(want)) {
		t.Errorf("%s = %.9f, want %.9f", name, got, want)
	}
}

func TestGolden_values(t *testing.T) {
	g := read(t)
	near(t, "rho", MixtureRho(g.Mixture.V, g.Mixture.Alpha), g.Mixture.Rho)
	near(t, "two-sided log e", LogMixtureTwoSided(10, 100, g.Mixture.Rho), g.Mixture.LogE)
	near(t, "two-sided bound", MixtureBound(100, g.Mixture.Rho, g.Mixture.Alpha), g.Mixture.Bound)
	for _, c := range g.BetaBinomial {
		near(t, "beta-binomial", LogBetaBinomial(c.X, c.Y, c.Theta0, c.K), c.LogE)
	}
	if len(g.Shift) == 0 || len(g.BetaBinomial) == 0 {
		t.Fatal("the golden file holds no cases")
	}
	for _, c := range g.Shift {
		near(t, "shift", LogBFShift(c.Mean, c.V, c.Lam), c.LogBF)
	}
	near(t, "gamma-Poisson", LogGammaPoisson(30, 20, 50), 0.446884612)
}

func TestLogNDTR_joinsItsTail(t *testing.T) {
	for _, x := range []float64{-9.999999, -10.000001} {
		near(t, "near -10", LogNDTR(x), -53.231285+(x+10)*10.098)
	}
	near(t, "at 0", LogNDTR(0), math.Log(.5))
	if v := LogNDTR(-40); math.IsInf(v, 0) || math.Abs(v+804.608442) > 1e-5 {
		t.Errorf("LogNDTR(-40) = %v, want -804.608442", v)
	}
}

// An e-process must stay below 1/alpha with probability at least 1-alpha however
// often one looks, also where its null just holds.
func TestMixture_isHonestUnderPeeking(t *testing.T) {
	const runs, samples, alpha = 4000, 150, .05
	r := rand.New(rand.NewPCG(7, 1))
	false_, sum := 0, 0.0
	for range runs {
		s, crossed := 0.0, false
		for n := 1; n <= samples; n++ {
			s += r.NormFloat64()
			e := LogMixtureOneSided(s, float64(n), 10)
			crossed = crossed || e >= math.Log(1/alpha)
			if n == 20 {
				sum += math.Exp(e)
			}
		}
		if crossed {
			false_++
		}
	}
	limit := alpha + 2.58*math.Sqrt(alpha*(1-alpha)/runs)
	if rate := float64(false_) / runs; rate > limit {
		t.Errorf("false alarms under peeking: %.4f, at most %.4f", rate, limit)
	}
	if mean := sum / runs; mean > 1.25 {
		t.Errorf("mean e-value at a fixed time is %.3f, want about 1", mean)
	}
}
