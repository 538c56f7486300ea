package detect

import (
	"math"

	"github.com/backout-dev/backout"
)

// kind is the compact form of a signal's kind.
type kind uint8

const (
	latency kind = iota
	ratio
	saturation
	count // traffic: whole events
	amount
)

func kindOf(k backout.SignalKind) kind {
	switch k {
	case backout.SignalLatency:
		return latency
	case backout.SignalErrors:
		return ratio
	case backout.SignalSaturation:
		return saturation
	case backout.SignalTraffic:
		return count
	default:
		return amount
	}
}

// scaleFloor is the least standard deviation believed, in transformed units:
// a series that never moved must not make the first wiggle a catastrophe. For
// latency it is 3 %, for saturation about one sixth at the middle (gauges jump by
// whole users), for counts the noise of a Poisson process.
func (k kind) scaleFloor(level float64) float64 {
	switch k {
	case latency:
		return .03
	case saturation:
		return .7
	case count:
		return 1
	default:
		return math.Max(.25, 1e-2*math.Abs(level))
	}
}

// oneRequest is the spread of a single request's latency, as a share of it, that is
// believed at the least while a history is short: the mean of n requests can't be known
// better than to a √n-th of that. Forty calm samples don't show the slow requests that
// come once in a hundred.
const oneRequest = .4

// scaleFloor is the least standard deviation believed of a series.
func (s *series) scaleFloor() float64 {
	floor := s.kind.scaleFloor(s.Level)
	if s.kind == latency && s.Mode != seasonal {
		return math.Max(floor, oneRequest/math.Sqrt(math.Max(1, s.Requests)))
	}
	return floor
}

// observation is one usable sample.
type observation struct {
	at    int64 // Unix nanoseconds
	x     float64
	value float64 // failed requests, events, or the gauge itself
	n     float64 // requests behind it; 0 for what is not a ratio
}

// Saturation is clipped before its logit. Below a third a resource is idle for
// what concerns trouble, however the few users in it come and go; and a gauge read
// at an instant is too coarse near its ends.
const (
	idleShare = 1.0 / 3
	maxShare  = 1 - 1e-2
)

// observe transforms a sample. It reports false for what can't be read as a
// measurement: not a number, a negative count (a counter reset), no requests.
func observe(k kind, at int64, value, total float64) (observation, bool) {
	o := observation{at: at, value: value, n: total}
	if bad(value) || bad(total) {
		return o, false
	}
	switch k {
	case latency:
		if total <= 0 || value < 0 {
			return o, false
		}
		o.x = math.Log(value/total + 1e-3)
	case ratio:
		if total <= 0 || value < 0 {
			return o, false
		}
		o.value = math.Min(value, total)
		o.x = math.Log((o.value + .5) / (total - o.value + .5))
	case saturation:
		s := math.Min(math.Max(value, idleShare), maxShare)
		o.x = math.Log(s / (1 - s))
	case count:
		if value < 0 {
			return o, false
		}
		o.x = 2 * math.Sqrt(value+.375)
	default:
		o.x = math.Copysign(2*(math.Sqrt(math.Abs(value)+.375)-math.Sqrt(.375)), value)
	}
	return o, true
}

func bad(v float64) bool { return math.IsNaN(v) || math.Abs(v) > 1e15 }

// inOwnUnit takes a transformed level back to the unit people know: seconds,
// shares, events a step.
func (k kind) inOwnUnit(x float64) float64 {
	switch k {
	case latency:
		return math.Max(0, math.Exp(x)-1e-3)
	case ratio, saturation:
		return 1 / (1 + math.Exp(-x))
	case count:
		return math.Max(0, x*x/4-.125) // unbiased inverse of Anscombe's transform
	default:
		y := math.Abs(x)/2 + math.Sqrt(.375)
		return math.Copysign(math.Max(0, y*y-.375), x)
	}
}

// inOwnUnit is what people would have read off the sample.
func (o observation) inOwnUnit(k kind) float64 {
	if (k == latency || k == ratio) && o.n > 0 {
		return o.value / o.n
	}
	return o.value
}
