package statistics

import (
	"math"
	"slices"
)

// Quantile is the q-quantile by linear interpolation between order statistics
// (type 7). NaN is skipped; an empty sample gives NaN.
func Quantile(xs []float64, q float64) float64 { return quantileSorted(sorted(xs), q) }

// Median is the middle of the sample. NaN is skipped; empty gives NaN.
func Median(xs []float64) float64 { return Quantile(xs, 0.5) }

// Scale is the median absolute deviation times 1.4826, which estimates the
// standard deviation of normal data and ignores up to half of wild samples. It
// is 0 when more than half of the samples are equal: callers need a floor.
func Scale(xs []float64) float64 {
	m := Median(xs)
	d := make([]float64, 0, len(xs))
	for _, x := range xs {
		d = append(d, math.Abs(x-m))
	}
	return 1.4826022185056018 * Median(d)
}

func sorted(xs []float64) []float64 {
	s := slices.DeleteFunc(slices.Clone(xs), math.IsNaN)
	slices.Sort(s)
	return s
}

func quantileSorted(s []float64, q float64) float64 {
	if len(s) == 0 || math.IsNaN(q) {
		return math.NaN()
	}
	h := math.Min(math.Max(q, 0), 1) * float64(len(s)-1)
	i := int(h)
	if i+1 >= len(s) {
		return s[len(s)-1]
	}
	return s[i] + (h-float64(i))*(s[i+1]-s[i])
}

// MannWhitney compares two samples by ranks. U counts pairs in which x is the
// larger (ties half); P is the two-sided p-value by the normal approximation
// with continuity and tie correction. It is valid for one look only.
func MannWhitney(x, y []float64) (u, p float64) {
	n, m := float64(len(x)), float64(len(y))
	if n == 0 || m == 0 {
		return math.NaN(), math.NaN()
	}
	type member struct {
		v float64
		x bool
	}
	all := make([]member, 0, len(x)+len(y))
	for _, v := range x {
		all = append(all, member{v, true})
	}
	for _, v := range y {
		all = append(all, member{v, false})
	}
	slices.SortFunc(all, func(a, b member) int { return cmpFloat(a.v, b.v) })
	rank, ties := 0.0, 0.0
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].v == all[i].v {
			j++
		}
		for _, a := range all[i:max(j, i+1)] {
			if a.x {
				rank += float64(i+1+max(j, i+1)) / 2
			}
		}
		t := float64(max(j, i+1) - i)
		ties += t*t*t - t
		i = max(j, i+1)
	}
	u = rank - n*(n+1)/2
	sd := math.Sqrt(n * m / 12 * (n + m + 1 - ties/((n+m)*(n+m-1))))
	z := (math.Abs(u-n*m/2) - 0.5) / sd
	return u, math.Min(1, math.Erfc(z/math.Sqrt2))
}

func cmpFloat(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// AR1 is how much a sample remembers of the one before.
type AR1 struct {
	Phi   float64 // lag-one coefficient, corrected for bias, in [0, 0.95]
	Upper float64 // its one-sided 90 % upper bound, in [0, 0.95]
	N     int     // neighbouring pairs behind it
}

const mostPhi = 0.95 // beyond it a series is a random walk and has no level to test

// FitAR1 estimates the AR(1) coefficient of residuals about zero mean or any
// other level. Pairs with a gap (NaN) are left out. Kendall's bias (1+3phi)/n is
// added back, since a phi too small voids every guarantee that rests on it;
// for the same reason tests should use Upper. Fewer than 3 pairs, or no
// variance, say nothing: Phi 0 and the largest Upper.
func FitAR1(xs []float64) AR1 {
	mean, n := 0.0, 0.0
	for _, x := range xs {
		if !math.IsNaN(x) {
			mean, n = mean+x, n+1
		}
	}
	mean /= math.Max(n, 1)
	cross, past, pairs := 0.0, 0.0, 0
	for i := 1; i < len(xs); i++ {
		if math.IsNaN(xs[i]) || math.IsNaN(xs[i-1]) {
			continue
		}
		a, b := xs[i-1]-mean, xs[i]-mean
		cross, past, pairs = cross+a*b, past+(a*a+b*b)/2, pairs+1
	}
	if pairs < 3 || past <= 0 {
		return AR1{0, mostPhi, pairs}
	}
	raw, k := cross/past, float64(pairs)
	phi := math.Min(1, raw+(1+3*raw)/k)
	upper := phi + 1.2815515655446004*math.Sqrt(math.Max(0, 1-phi*phi)/k)
	clip := func(v float64) float64 { return math.Min(math.Max(v, 0), mostPhi) }
	return AR1{clip(phi), clip(upper), pairs}
}
