package forecast

import (
	"slices"
	"time"

	backout "github.com/backout-dev/backout"
)

// Question is everything that [Cascade] may depend on.
type Question struct {
	// World gives Now, Minute (zero = a minute), Graph, Changes and Priors.
	World backout.World
	// Attribution says where the trouble may come from. An attribution without
	// suspects and origins gives an empty forecast.
	Attribution backout.Attribution
	// Findings say what is hit already: by service or journey, the earliest onset
	// counts. A caller's view of a callee counts for the callee.
	Findings []backout.Finding
	// Saturation is the share of its capacity that a service uses now, in [0,1];
	// for retry storms. May be nil.
	Saturation map[backout.ServiceID]float64
	// ErrorRatio is the share of calls to a service that fail now. May be nil.
	ErrorRatio map[backout.ServiceID]float64
	// Retries is how often callers try again after a failure; 0 = 2.
	Retries int
	// Horizon is how far to look ahead; 0 = 30 model minutes.
	Horizon backout.Duration
	// Draws is the number of worlds; 0 = 400.
	Draws int
	// Seed makes the draws repeatable.
	Seed uint64
}

const (
	defaultDraws   = 400
	defaultMinutes = 30
	enough         = 50.0 // worlds that must count, or weights are tempered
	leastP         = 0.02 // hits less likely than this are not told
	delayShape     = 2.0
	pooledMean     = 2.0  // mean delay of one hop before anything is learnt, minutes
	ownSeverity    = 0.8  // share of requests lost at the origin, median
	lossPerHop     = 0.75 // of the severity, what a caller is left with, median
	unknownShape   = 2.5  // shape of 1/mean delay before anything is learnt
	paceSpread     = 0.4  // of the logarithm of an incident's pace
	onsetError     = 1.5  // minutes that an estimated onset may be off
	leastUnnoticed = 1.0  // minutes that a hit goes unnoticed at the least
)

func (q Question) minute() time.Duration {
	if m := q.World.Minute.Std(); m > 0 {
		return m
	}
	return time.Minute
}

// minutes turns a span into model minutes.
func (q Question) minutes(d time.Duration) float64 { return float64(d) / float64(q.minute()) }

// span turns model minutes into a span of time.
func (q Question) span(minutes float64) backout.Duration {
	return backout.Duration(minutes * float64(q.minute()))
}

func (q Question) horizon() float64 {
	if q.Horizon > 0 {
		return q.minutes(q.Horizon.Std())
	}
	return defaultMinutes
}

func (q Question) draws() int {
	if q.Draws > 0 {
		return q.Draws
	}
	return defaultDraws
}

// unnoticed is how many minutes a hit goes unnoticed: the median of what it took
// with those seen so far.
func (q Question) unnoticed() float64 {
	var took []float64
	for _, f := range q.Findings {
		took = append(took, q.minutes(f.At.Sub(f.Onset)))
	}
	if len(took) == 0 {
		return leastUnnoticed
	}
	slices.Sort(took)
	return max(leastUnnoticed, took[len(took)/2])
}
