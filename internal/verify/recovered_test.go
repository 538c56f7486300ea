package verify

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/backout-dev/backout/internal/statistics"
)

// walk draws levels around a mean that depends on the sample, AR(phi), unit variance.
func walk(seed uint64, phi float64, n int, mean func(int) float64) []float64 {
	r := rand.New(rand.NewPCG(seed, 3))
	x, out := r.NormFloat64(), make([]float64, n)
	for i := range out {
		x = phi*x + math.Sqrt(1-phi*phi)*r.NormFloat64()
		out[i] = x + mean(i)
	}
	return out
}

// A process that bets on what it has seen already would gain at the margin itself.
func TestLogRecovered_isAnEValueAtTheMargin(t *testing.T) {
	for _, phi := range []float64{0, .4, .7} {
		for _, n := range []int{8, 20, 40} {
			const draws = 20000
			sum, squares := 0.0, 0.0
			for k := range uint64(draws) {
				e := math.Exp(logRecovered(stretch{levels: walk(k, phi, n, func(int) float64 { return 1 }), warm: 4}, phi, 1))
				sum, squares = sum+e, squares+e*e
			}
			mean := sum / draws
			if sd := math.Sqrt((squares/draws - mean*mean) / draws); mean-2.58*sd > 1 {
				t.Errorf("phi %.1f, %d samples: the mean e-value is %.3f +- %.3f, more than 1", phi, n, mean, sd)
			}
		}
	}
}

// What was ill for a while after the warm-up costs hardly more samples than what was
// well at once.
func TestLogRecovered_lateEffects(t *testing.T) {
	for _, tt := range []struct {
		ill      int     // samples in which nothing shows yet
		phi, bar float64 // median samples from then on
	}{{4, 0, 10}, {10, 0, 10}, {20, 0, 10}, {4, .4, 17}, {10, .4, 17}, {20, .4, 17}} {
		var took []float64
		for k := range uint64(400) {
			levels := walk(k, tt.phi, 100, func(i int) float64 {
				if i < tt.ill {
					return 6
				}
				return 0
			})
			n := tt.ill
			for n < len(levels) && logRecovered(stretch{levels: levels[:n], warm: 4}, tt.phi, 1) < math.Log(20) {
				n++
			}
			took = append(took, float64(n-tt.ill))
		}
		if m := statistics.Median(took); m > tt.bar {
			t.Errorf("ill for %d samples, phi %.1f: proven %.0f samples later, want at most %.0f", tt.ill, tt.phi, m, tt.bar)
		}
	}
}

// In heavy tails one sample far below normal must not prove what others don't show.
func TestLogRecovered_oneLuckySampleProvesNothing(t *testing.T) {
	levels := []float64{6, 6, 6, 6, .5, -12}
	if e := logRecovered(stretch{levels: levels, warm: 2}, 0, 1); e >= math.Log(20) {
		t.Errorf("odds of %.0f after one sample that looks recovered and a lucky one", math.Exp(e))
	}
}
