package main

import (
	"math"

	"gonum.org/v1/gonum/mathext"

	"github.com/backout-dev/backout/internal/statistics"
)

// The peers are the tests that canary judges use, each right for one look, and asked
// here at every sample as a gate is.

// mannWhitney ranks the stage's samples against the reference.
func (s stage) mannWhitney(question string, alpha float64) bool {
	now := s.now
	for n := leastSeen; n <= len(now); n++ {
		if ranked(now[:n], s.reference, question == "worse") <= alpha {
			return true
		}
	}
	return false
}

// ranked is the one-sided p-value of "x is not higher", or not lower.
func ranked(x, y []float64, higher bool) float64 {
	u, p := statistics.MannWhitney(x, y)
	if (u > float64(len(x)*len(y))/2) == higher {
		return p / 2
	}
	return 1 - p/2
}

// tTest compares the stage's mean with the margin, or with the mean of the reference
// (Welch).
func (s stage) tTest(question string, alpha float64) bool {
	now := s.now
	for n := leastSeen; n <= len(now); n++ {
		m, v := moments(now[:n])
		t, nu := (s.margin-m)/math.Sqrt(v/float64(n)), float64(n-1)
		if question == "worse" {
			t, nu = welch(now[:n], s.reference)
		}
		if statistics.StudentSurvival(t, nu) <= alpha {
			return true
		}
	}
	return false
}

// welch is the t statistic of mean(x) above mean(y), with its degrees of freedom.
func welch(x, y []float64) (t, nu float64) {
	mx, vx := moments(x)
	my, vy := moments(y)
	a, b := vx/float64(len(x)), vy/float64(len(y))
	return (mx - my) / math.Sqrt(a+b), (a + b) * (a + b) / (a*a/float64(len(x)-1) + b*b/float64(len(y)-1))
}

func moments(xs []float64) (mean, variance float64) {
	for _, x := range xs {
		mean += x / float64(len(xs))
	}
	for _, x := range xs {
		variance += (x - mean) * (x - mean) / float64(len(xs)-1)
	}
	return mean, math.Max(variance, 1e-12)
}

// rate is a share of runs with its 99 % interval.
type rate struct {
	Rate float64 `json:"rate"`
	Low  float64 `json:"low99"`
	High float64 `json:"high99"`
}

// interval is exact: Clopper and Pearson, "The use of confidence or fiducial limits",
// 1934.
func interval(hits, runs int) rate {
	const tail = .005
	x, n := float64(hits), float64(runs)
	r := rate{Rate: x / n, Low: 0, High: 1}
	if hits > 0 {
		r.Low = mathext.InvRegIncBeta(x, n-x+1, tail)
	}
	if hits < runs {
		r.High = mathext.InvRegIncBeta(x+1, n-x, 1-tail)
	}
	return r
}
