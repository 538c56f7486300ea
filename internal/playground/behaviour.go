package playground

import (
	"math"
	"math/rand/v2"
	"time"
)

// behaviour is how work differs from what the table says of its service. The zero
// value differs in nothing.
type behaviour struct {
	// Factor scales the work; 0 = 1.
	Factor float64 `json:"factor"`
	// Ramp begins to grow at RampAt, over RampFor, geometrically: a leak is felt
	// late and then all at once. At its end work takes Slow times as long.
	Slow    float64       `json:"slow"`
	RampAt  time.Time     `json:"ramp_at"`
	RampFor time.Duration `json:"ramp_for_ns"`
	// EndAt is when the ramp is as if it had never been; zero = never.
	EndAt time.Time `json:"end_at,omitzero"`
	// Errors is the share of requests that fail at the end of the ramp, and Latency
	// what their work takes longer, besides Slow.
	Errors  float64       `json:"errors_ratio"`
	Latency time.Duration `json:"latency_ns"`
}

// background is the share of requests that fail for no reason, everywhere.
const background = .0002

// felt is what several behaviours add up to at a moment.
type felt struct {
	factor, errors float64
	longer         time.Duration
}

// felt gives what a behaviour does at a time.
func (b behaviour) felt(now time.Time) felt {
	f := felt{factor: 1}
	if b.Factor > 0 {
		f.factor = b.Factor
	}
	if b.RampAt.IsZero() || !now.After(b.RampAt) || !b.EndAt.IsZero() && now.After(b.EndAt) {
		return f
	}
	grown := min(1, float64(now.Sub(b.RampAt))/float64(max(b.RampFor, 1)))
	if b.Slow > 1 {
		f.factor *= math.Pow(b.Slow, grown)
	}
	f.errors, f.longer = b.Errors*grown, time.Duration(float64(b.Latency)*grown)
	return f
}

func (f felt) and(o felt) felt {
	return felt{f.factor * o.factor, f.errors + o.errors, f.longer + o.longer}
}

// of gives how long an operation works, and whether it fails.
func (f felt) of(work time.Duration) (time.Duration, bool) {
	jitter := .7 + .6*rand.Float64()
	took := time.Duration((float64(work)*f.factor + float64(f.longer)) * jitter)
	return took, rand.Float64() < background+f.errors
}
