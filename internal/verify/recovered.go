package verify

import (
	"math"

	"github.com/backout-dev/backout/internal/statistics"
)

// How the bets on recovery are laid.
const (
	// The share of the capital that is bet when the warm-up ends, whatever the metric looks
	// like then; and of what is left, the share that each moment after it gets.
	atOnce, eachTime = .15, .7
	// The share of a bet that is laid on "back to normal, exactly". The rest is on any
	// mean below the margin.
	onNormal = .5
	// The mixture over means is sharpest after about so many samples.
	tuned = 6.0
	// So many standard deviations below the margin one sample counts at most: one lucky
	// sample in heavy tails is no recovery.
	lucky = 4.0
)

// logRecovered is the log e-value of "the mean is at least the margin".
//
// A bet that is laid while the metric is still ill is lost. So a part of the capital is
// bet whenever a sample comes below the margin after one above it, and that sample
// itself is not bet on: each such moment is a stopping time, and a process that is 1
// until a stopping time and an e-process from there on is an e-process. So is the
// mixture of all of them, with what was never bet held at 1.
func logRecovered(u stretch, phi, margin float64) float64 {
	var logs []float64
	lay := func(from int, stake float64) {
		logs = append(logs, math.Log(stake)+logBelow(u.levels, from, phi, margin))
	}
	lay(min(u.warm, len(u.levels)), atOnce)
	left, above := 1-atOnce, true
	for i, x := range u.levels {
		switch {
		case !(x < margin): // a gap counts as above
			above = true
		case above && i+1 >= u.warm:
			above = false
			lay(i+1, left*eachTime)
			left -= left * eachTime
		}
	}
	logs = append(logs, math.Log(left))
	return statistics.LogMeanExp(logs) + math.Log(float64(len(logs)))
}

// logBelow is the log e-value of "the mean is at least the margin", from the levels
// from an index on: half of it bets on a mean of 0 (a likelihood ratio), half is the
// one-sided normal mixture. The sample ahead of them whitens the first.
func logBelow(levels []float64, from int, phi, margin float64) float64 {
	phi = whitening(phi)
	s, v := 0.0, 0.0
	previous := math.NaN()
	if from > 0 {
		previous = levels[from-1]
	}
	for _, x := range levels[from:] {
		gain, variance := (margin-x)*(1-phi), (1-phi)*(1-phi)
		if !math.IsNaN(previous) {
			gain, variance = margin*(1-phi)-(x-phi*previous), 1-phi*phi
		}
		previous = x
		if !math.IsNaN(x) {
			s, v = s+min(gain, lucky*math.Sqrt(variance)), v+variance
		}
	}
	if v == 0 {
		return 0
	}
	rate := max(0, margin) / (1 + phi)
	return statistics.LogMeanExp([]float64{
		math.Log(2*onNormal) + rate*s - rate*rate*v/2,
		math.Log(2*(1-onNormal)) + statistics.LogMixtureOneSided(s, v, tuned*(1-phi*phi)),
	})
}
