package main

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/backout-dev/backout/internal/statistics"
)

// scored is one case as a method sees it.
type scored struct {
	pair   string
	half   int
	guilty bool
	score  float64
}

// f1 at a threshold: scores above it say "guilty".
func f1(cases []scored, threshold float64) float64 {
	return smoothF1(cases, threshold, 0)
}

// smoothF1 lets a case close to the threshold count in parts, by a logistic curve of
// this width. The F1 of a few dozen cases is a staircase, whose highest step may be
// one lucky case wide; the smooth one has its top where small moves cost little.
func smoothF1(cases []scored, threshold, width float64) float64 {
	hit, blamed, missed := 0.0, 0.0, 0.0
	for _, c := range cases {
		p := 0.0
		if width > 0 {
			p = 1 / (1 + math.Exp(-(c.score-threshold)/width))
		} else if c.score > threshold {
			p = 1
		}
		if c.guilty {
			hit, missed = hit+p, missed+1-p
		} else {
			blamed += p
		}
	}
	if hit == 0 {
		return 0
	}
	return 2 * hit / (2*hit + blamed + missed)
}

// thresholds are those between neighbouring scores.
func thresholds(cases []scored) []float64 {
	var s []float64
	for _, c := range cases {
		s = append(s, c.score)
	}
	slices.Sort(s)
	var out []float64
	for i := 1; i < len(s); i++ {
		if s[i] > s[i-1] {
			out = append(out, (s[i]+s[i-1])/2)
		}
	}
	return out
}

// fit is the threshold with the best smooth F1; the width is a twelfth of the
// interquartile range of the scores, so that their unit does not matter.
func fit(cases []scored) float64 {
	var s []float64
	for _, c := range cases {
		s = append(s, c.score)
	}
	width := (statistics.Quantile(s, .75) - statistics.Quantile(s, .25)) / 12
	best, at := -1.0, 0.0
	for _, t := range thresholds(cases) {
		if f := smoothF1(cases, t, width); f > best {
			best, at = f, t
		}
	}
	return at
}

func bestF1(cases []scored) float64 {
	best := 0.0
	for _, t := range thresholds(cases) {
		best = max(best, f1(cases, t))
	}
	return best
}

// auc is the chance that a guilty case scores higher than an innocent one.
func auc(cases []scored) float64 {
	var guilty, innocent []float64
	for _, c := range cases {
		if c.guilty {
			guilty = append(guilty, c.score)
		} else {
			innocent = append(innocent, c.score)
		}
	}
	u, _ := statistics.MannWhitney(guilty, innocent)
	return u / float64(len(guilty)*len(innocent))
}

func ofHalf(cases []scored, half int) []scored {
	return slices.DeleteFunc(slices.Clone(cases), func(c scored) bool { return c.half != half })
}

// crossed is the mean F1 of both directions at thresholds fitted on the other half.
func crossed(cases []scored, fitted [2]float64) float64 {
	return (f1(ofHalf(cases, 1), fitted[0]) + f1(ofHalf(cases, 0), fitted[1])) / 2
}

func fitted(cases []scored) [2]float64 {
	return [2]float64{fit(ofHalf(cases, 0)), fit(ofHalf(cases, 1))}
}

const resamples = 10_000

// interval is the 95 % bootstrap interval of a figure: pairs are drawn with
// replacement, since two changes of one KPI are no two independent cases.
func interval(cases []scored, figure func([]scored) float64) [2]float64 {
	byPair := map[string][]scored{}
	var names []string
	for _, c := range cases {
		if byPair[c.pair] == nil {
			names = append(names, c.pair)
		}
		byPair[c.pair] = append(byPair[c.pair], c)
	}
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // repeatable on purpose
	values := make([]float64, resamples)
	drawn := make([]scored, 0, len(cases))
	for i := range values {
		drawn = drawn[:0]
		for range names {
			drawn = append(drawn, byPair[names[rng.IntN(len(names))]]...)
		}
		values[i] = figure(drawn)
	}
	return [2]float64{statistics.Quantile(values, .025), statistics.Quantile(values, .975)}
}

// otherSplits is the mean crossed F1 over a hundred other splits by pair: how much
// of the figure is the luck of one split.
func otherSplits(cases []scored) float64 {
	const splits = 100
	rng := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // repeatable on purpose
	sum := 0.0
	for range splits {
		half := map[string]int{}
		other := slices.Clone(cases)
		for i, c := range other {
			if _, ok := half[c.pair]; !ok {
				half[c.pair] = rng.IntN(2)
			}
			other[i].half = half[c.pair]
		}
		sum += crossed(other, fitted(other))
	}
	return sum / splits
}
