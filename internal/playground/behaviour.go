package playground

import (
	"math"
	"math/rand/v2"
	"time"
)

// behaviour is how a release differs from what the table says of its service. The
// zero value differs in nothing.
type behaviour struct {
	// Factor scales its work; 0 = 1.
	Factor float64 `json:"factor"`
	// Ramp begins to grow at RampAt, over RampFor, geometrically: a leak is felt
	// late and then all at once. At its end work takes Slow times as long.
	Slow    float64       `json:"slow"`
	RampAt  time.Time     `json:"ramp_at"`
	RampFor time.Duration `json:"ramp_for_ns"`
	// Errors is the share of requests that fail at the end of the ramp.
	Errors float64 `json:"errors_ratio"`
}

// background is the share of requests that fail for no reason, everywhere.
const background = .0002

// at gives how long an operation works at a time, and whether it fails.
func (b behaviour) at(now time.Time, work time.Duration) (time.Duration, bool) {
	factor, errors := 1.0, background
	if b.Factor > 0 {
		factor = b.Factor
	}
	if b.Slow > 1 && !b.RampAt.IsZero() && now.After(b.RampAt) {
		grown := min(1, float64(now.Sub(b.RampAt))/float64(max(b.RampFor, 1)))
		factor *= math.Pow(b.Slow, grown)
		errors += b.Errors * grown
	}
	jitter := .7 + .6*rand.Float64()
	return time.Duration(float64(work) * factor * jitter), rand.Float64() < errors
}
