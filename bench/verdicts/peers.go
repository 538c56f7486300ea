package main

import (
	"math"

	"github.com/backout-dev/backout/internal/statistics"
)

// peers are what everybody has, by name: a score from two hours before the change
// and two after, the larger the more it looks like the change.
var peers = map[string]func(before, after []float64) float64{
	"k-sigma":      kSigma,
	"max |z|":      maxZ,
	"RobustScorer": robustScorer,
	"Mann-Whitney": mannWhitney,
}

// sides are the samples around the change.
func (s sample) sides() (before, after []float64) {
	q := s.question
	at := min(len(q.Values), int(q.Began.Sub(q.From)/q.Step)+1)
	return q.Values[max(0, at-120):at], q.Values[at:]
}

func meanAndDeviation(x []float64) (mean, sd float64) {
	n := 0.0
	for _, v := range x {
		if !math.IsNaN(v) {
			mean, n = mean+v, n+1
		}
	}
	mean /= n
	for _, v := range x {
		if !math.IsNaN(v) {
			sd += (v - mean) * (v - mean)
		}
	}
	return mean, math.Sqrt(sd/math.Max(1, n-1)) + 1e-9
}

// kSigma is how many standard deviations three samples in a row stayed away.
func kSigma(before, after []float64) float64 {
	mean, sd := meanAndDeviation(before)
	after = measured(after)
	top := 0.0
	for i := 2; i < len(after); i++ {
		least := math.Inf(1)
		for _, v := range after[i-2 : i+1] {
			least = math.Min(least, math.Abs(v-mean)/sd)
		}
		top = math.Max(top, least)
	}
	return math.Log(top + 1e-3)
}

// maxZ is the one sample that is farthest away.
func maxZ(before, after []float64) float64 {
	mean, sd := meanAndDeviation(before)
	return math.Log(farthest(after, mean, sd) + 1e-3)
}

// robustScorer is BARO's: median and interquartile range of the window before, the
// largest after (Pham, Ha and Zhang, FSE 2024).
func robustScorer(before, after []float64) float64 {
	iqr := statistics.Quantile(before, .75) - statistics.Quantile(before, .25)
	return math.Log(farthest(after, statistics.Median(before), iqr+1e-9) + 1e-3)
}

func farthest(x []float64, from, unit float64) float64 {
	top := 0.0
	for _, v := range x {
		if !math.IsNaN(v) {
			top = math.Max(top, math.Abs(v-from)/unit)
		}
	}
	return top
}

// mannWhitney is how far the rank sum is from its expectation, as a share.
func mannWhitney(before, after []float64) float64 {
	u, _ := statistics.MannWhitney(measured(before), measured(after))
	return math.Abs(u/float64(len(measured(before))*len(measured(after))) - .5)
}

func measured(x []float64) []float64 {
	var out []float64
	for _, v := range x {
		if !math.IsNaN(v) {
			out = append(out, v)
		}
	}
	return out
}
