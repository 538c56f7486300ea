package main

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/statistics"
	"github.com/backout-dev/backout/internal/verify"
)

// counts is a stage judged by failed requests on both versions.
type counts struct {
	name     string
	promised bool
	// at says, for each step of so many, the share of the requests that are treated and
	// how many failures are expected on both arms together.
	at func(i, of int) (share, failures float64)
	// burst is the shape of a gamma factor of mean 1 on the failures of a step, common to
	// both arms or each arm's own; 0 = none.
	burst float64
	own   bool
}

// String names the family.
func (f counts) String() string { return "counts " + f.name }

func countFamilies() []family {
	still := func(share, failures float64) func(int, int) (float64, float64) {
		return func(int, int) (float64, float64) { return share, failures }
	}
	rising := func(i, of int) (float64, float64) {
		x := float64(i) / float64(of)
		return .05 + .45*x, 2 + 60*x
	}
	return []family{
		counts{"10 % treated, 20 failures a step", true, still(.1, 20), 0, false},
		counts{"50 % treated, 2 failures a step", true, still(.5, 2), 0, false},
		counts{"share and failures rise together", true, rising, 0, false},
		counts{"bursts that hit both arms", true, still(.1, 20), 1, false},
		counts{"bursts of one arm alone", false, still(.1, 20), 1, true},
	}
}

// requests of a step, both arms together.
const requests = 10_000.0

func (f counts) measure(runs, samples int, seed uint64) (row, error) {
	out := row{Question: "counts", Noise: f.name, Baseline: "none needed", Alpha: alphaWorse, Promised: f.promised}
	r := rand.New(rand.NewPCG(seed, 8))
	var ours, ranks, means int
	var took []int
	for range runs {
		s := f.draw(r, samples, 1)
		ours += one(look(s) > 0)
		a, b := s.peers()
		ranks, means = ranks+one(a), means+one(b)
	}
	for range min(runs, 501) {
		took = append(took, look(f.draw(r, samples, 2)))
	}
	return out.with(ours, ranks, means, runs, took), nil
}

type splits []verify.Split

func (f counts) draw(r *rand.Rand, samples int, odds float64) splits {
	out := make(splits, samples)
	for i := range out {
		share, failures := f.at(i, samples)
		x, y := failures*share*odds, failures*(1-share)
		if f.burst > 0 {
			b := gamma(r, f.burst)
			x *= b
			if f.own {
				b = gamma(r, f.burst)
			}
			y *= b
		}
		out[i] = verify.Split{X: poisson(r, x), Y: poisson(r, y), Share: share}
	}
	return out
}

// gamma of a whole shape and mean 1.
func gamma(r *rand.Rand, shape float64) float64 {
	sum := 0.0
	for range int(shape) {
		sum += r.ExpFloat64()
	}
	return sum / shape
}

func look(s splits) int {
	for n := 1; n <= len(s); n++ {
		q := verify.Question{Since: epoch, Now: epoch.Add(time.Duration(n) * step), Counts: []verify.Counts{{Worse: backout.WorseUp, Splits: s[:n]}}}
		if verify.Judge(q).Value == backout.VerdictWorse {
			return n
		}
	}
	return 0
}

// peers compare the two arms' failure rates of each step.
func (s splits) peers() (ranks, means bool) {
	var x, y []float64
	for _, c := range s {
		x, y = append(x, c.X/(requests*c.Share)), append(y, c.Y/(requests*(1-c.Share)))
		if len(x) < leastSeen {
			continue
		}
		ranks = ranks || ranked(x, y, true) <= alphaWorse
		t, nu := welch(x, y)
		means = means || !math.IsNaN(t) && statistics.StudentSurvival(t, nu) <= alphaWorse
	}
	return ranks, means
}
