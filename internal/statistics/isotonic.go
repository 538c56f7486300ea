package statistics

import (
	"math"
	"slices"
)

// Labelled is a score with what came true.
type Labelled struct {
	Score float64
	True  bool
}

// Isotonic is a rising step-wise linear map from scores to probabilities.
type Isotonic struct {
	X, Y []float64 // X strictly rising, Y never falling
}

// FitIsotonic is the least-squares rising fit, by pooling adjacent violators;
// equal scores are one point.
func FitIsotonic(data []Labelled) Isotonic {
	s := slices.Clone(data)
	slices.SortFunc(s, func(a, b Labelled) int { return cmpFloat(a.Score, b.Score) })
	type block struct {
		sum, n float64
		xs     []float64
	}
	var blocks []block
	for i, d := range s {
		y := 0.0
		if d.True {
			y = 1
		}
		if i > 0 && s[i-1].Score == d.Score {
			last := &blocks[len(blocks)-1]
			last.sum, last.n = last.sum+y, last.n+1
		} else {
			blocks = append(blocks, block{y, 1, []float64{d.Score}})
		}
	}
	pooled := blocks[:0:0]
	for _, b := range blocks {
		for len(pooled) > 0 && pooled[len(pooled)-1].sum*b.n >= b.sum*pooled[len(pooled)-1].n {
			p := pooled[len(pooled)-1]
			b = block{p.sum + b.sum, p.n + b.n, append(p.xs, b.xs...)}
			pooled = pooled[:len(pooled)-1]
		}
		pooled = append(pooled, b)
	}
	fit := Isotonic{}
	for _, b := range pooled {
		for _, x := range b.xs {
			fit.X, fit.Y = append(fit.X, x), append(fit.Y, b.sum/b.n)
		}
	}
	return fit
}

// At maps a score, straight between points and flat beyond the ends. NaN when
// nothing was fitted.
func (f Isotonic) At(x float64) float64 {
	n := len(f.X)
	if n == 0 || math.IsNaN(x) {
		return math.NaN()
	}
	i, found := slices.BinarySearch(f.X, x)
	switch {
	case found:
		return f.Y[i]
	case i == 0:
		return f.Y[0]
	case i == n:
		return f.Y[n-1]
	}
	return f.Y[i-1] + (f.Y[i]-f.Y[i-1])*(x-f.X[i-1])/(f.X[i]-f.X[i-1])
}

// VennAbers calibrates a score on past labels (Vovk & Petej 2014): p0 and p1 are
// isotonic fits with the new score labelled false and true, and one of the two is
// perfectly calibrated. Show p1/(1-p0+p1); act on p0, the cautious one. Without
// labels the answer is [0,1].
func VennAbers(past []Labelled, score float64) (p0, p1 float64) {
	with := func(label bool) float64 {
		return FitIsotonic(append(slices.Clone(past), Labelled{score, label})).At(score)
	}
	return with(false), with(true)
}
