package main

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/backout-dev/backout"
)

// rule is what "three samples in a row beyond three standard deviations of the
// first samples" reaches on the same noise.
type rule struct {
	Noise    string  `json:"noise"`
	Measured float64 `json:"arl_measured"`
	Delays   []int   `json:"median_steps"` // at 1, 2, 4, 6 sd; -1: not within 200
}

func measureRule(s source, warm int, seed uint64) rule {
	out := rule{Noise: s.name}
	alarms, samples := 0, 0
	for i := range uint64(200) {
		n := ruleRun(s, seed, i, warm, 1000, 0)
		samples += min(n, 1000)
		if n <= 1000 {
			alarms++
		}
	}
	out.Measured = float64(samples) / math.Max(1, float64(alarms))
	for _, size := range []float64{1, 2, 4, 6} {
		var d []int
		for i := range uint64(200) {
			d = append(d, ruleRun(s, seed, 1000+i, warm, 200, size))
		}
		slices.Sort(d)
		m := d[len(d)/2]
		if m > 200 {
			m = -1
		}
		out.Delays = append(out.Delays, m)
	}
	return out
}

// ruleRun is the step of the first alarm, patience+1 when there is none.
func ruleRun(s source, seed, stream uint64, warm, patience int, shift float64) int {
	next := s.make(rand.New(rand.NewPCG(seed, stream)))
	reading := func(shift float64) float64 {
		v, n := next(shift)
		if n > 0 {
			v /= n
		}
		if s.dir == backout.WorseDown {
			v = -v
		}
		return v
	}
	sum, squares := 0.0, 0.0
	for range warm {
		v := reading(0)
		sum, squares = sum+v, squares+v*v
	}
	mean := sum / float64(warm)
	sd := math.Sqrt(squares/float64(warm) - mean*mean)
	row := 0
	for i := 1; i <= patience; i++ {
		if reading(shift) > mean+3*sd {
			row++
		} else {
			row = 0
		}
		if row == 3 {
			return i
		}
	}
	return patience + 1
}
