package attribute

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestTwiceMills_equalsItsDefinition(t *testing.T) {
	for x := -36.0; x < 24; x += .0137 {
		if got, want := twiceMills(x), exactMills(x); math.Abs(got/want-1) > 2e-7 {
			t.Fatalf("at %v: %v, expected %v", x, got, want)
		}
	}
}

// Gaps, several samples a minute and every shape of shift: the fast way is the long one.
func TestNewFactors_equalsLogarithms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		z := rapid.SliceOfN(rapid.Float64Range(-12, 12), 1, 40).Draw(t, "z")
		each := rapid.SampledFrom([]float64{1, 4}).Draw(t, "samples a minute")
		s := minuteSums{make([]float64, len(z)), slices.Repeat([]float64{each}, len(z))}
		for i := range z {
			if s.sum[i] = each * z[i]; rapid.IntRange(0, 6).Draw(t, "gap") == 0 {
				s.sum[i], s.n[i] = 0, 0
			}
		}
		phi := rapid.Float64Range(0, .9).Draw(t, "phi")
		got, want := newFactors(s, phi, &tails{}).logarithms(), againstOffset(shiftEvidence(s, phi))
		for i := range want {
			if math.Abs(got[i]-want[i]) > 1e-5*(1+math.Abs(want[i])) {
				t.Fatalf("minute %d: %v, expected %v", i, got[i], want[i])
			}
		}
	})
}

func TestAnyFactors_equalsLogarithms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 20).Draw(t, "minutes")
		var metrics []factors
		var logs [][]float64
		for range rapid.IntRange(1, 3).Draw(t, "metrics") {
			lb := rapid.SliceOfN(rapid.Float64Range(-30, 90), n, n).Draw(t, "evidence")
			f := factors{bf: make([]float64, n)}
			for i, x := range lb {
				f.bf[i] = math.Exp(x)
			}
			metrics, logs = append(metrics, f), append(logs, lb)
		}
		got, want := anyFactors(metrics), shrink(anyOf(logs))
		for i := range want {
			if math.Abs(math.Log(got[i])-want[i]) > 1e-6*(1+math.Abs(want[i])) {
				t.Fatalf("minute %d: %v, expected %v", i, math.Log(got[i]), want[i])
			}
		}
	})
}

// The table is read up to the last number below its end, where a difference of floating
// point numbers is already the end itself.
func TestTwiceMills_upToTheEnds(t *testing.T) {
	for _, x := range []float64{deepTail, math.Nextafter(deepTail, 0), math.Nextafter(millsEnd, 0), millsEnd, math.Nextafter(millsEnd, 9)} {
		if got, want := twiceMills(x), exactMills(x); math.Abs(got/want-1) > 1e-6 {
			t.Errorf("at %v: %v, expected %v", x, got, want)
		}
	}
}
