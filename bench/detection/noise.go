package main

import (
	"math"
	"math/rand/v2"

	"github.com/backout-dev/backout"
)

// source makes one series, one sample a call. shift is in standard deviations
// of the healthy series for the plain noises, and for the realistic ones what
// apply says.
type source struct {
	name string
	kind backout.SignalKind
	dir  backout.Direction
	make func(r *rand.Rand) func(shift float64) (value, total float64)
}

func normal(r *rand.Rand) float64 { return r.NormFloat64() }

// student5 is Student's t with 5 degrees of freedom, scaled to unit variance.
func student5(r *rand.Rand) float64 {
	chi := 0.0
	for range 5 {
		z := r.NormFloat64()
		chi += z * z
	}
	return r.NormFloat64() / math.Sqrt(chi/5) / math.Sqrt(5.0/3)
}

// plain is an AR(1) process of unit variance on the logarithm of latency.
func plain(name string, phi float64, draw func(*rand.Rand) float64) source {
	return source{name, backout.SignalLatency, backout.WorseUp, func(r *rand.Rand) func(float64) (float64, float64) {
		y := draw(r)
		return func(shift float64) (float64, float64) {
			y = phi*y + math.Sqrt(1-phi*phi)*draw(r)
			return gauge(y + shift)
		}
	}}
}

// gauge reads z as a latency of 0.2 s with a standard deviation of 20 %.
func gauge(z float64) (value, total float64) { return 1000 * .2 * math.Exp(.2*z), 1000 }

// overlapping is white noise seen through a window of k steps.
func overlapping(k int) source {
	name := map[int]string{2: "overlap 2", 4: "overlap 4"}[k]
	return source{name, backout.SignalLatency, backout.WorseUp, func(r *rand.Rand) func(float64) (float64, float64) {
		w := make([]float64, k)
		for i := range w {
			w[i] = normal(r)
		}
		return func(shift float64) (float64, float64) {
			copy(w, w[1:])
			w[k-1] = normal(r) + shift/math.Sqrt(float64(k))
			s := 0.0
			for _, v := range w {
				s += v
			}
			return gauge(s / math.Sqrt(float64(k)))
		}
	}}
}

func poisson(r *rand.Rand, mean float64) float64 {
	l, k, p := math.Exp(-mean), 0, r.Float64()
	for p > l {
		k++
		p *= r.Float64()
	}
	return float64(k)
}

// shop is one step of a small service: 4 to 20 requests, lognormal latency, few
// errors, seen through a window of k steps.
type shop struct {
	r           *rand.Rand
	rate, sigma float64
	errors      float64
	window      [][3]float64 // requests, seconds, errors
}

func newShop(r *rand.Rand, k int) *shop {
	s := &shop{r: r, rate: 4 + 16*r.Float64(), sigma: .3 + .5*r.Float64(), window: make([][3]float64, k)}
	if r.Float64() < .5 {
		s.errors = .01 * r.Float64()
	}
	for range k {
		s.step(1, 0)
	}
	return s
}

// step draws the next step with latency multiplied and failures added, and gives
// the sums over the window.
func (s *shop) step(slower, failing float64) (sum [3]float64) {
	n := poisson(s.r, s.rate)
	now := [3]float64{n, 0, 0}
	for range int(n) {
		now[1] += .05 * slower * math.Exp(s.sigma*s.r.NormFloat64())
		if s.r.Float64() < s.errors+failing {
			now[2]++
		}
	}
	copy(s.window, s.window[1:])
	s.window[len(s.window)-1] = now
	for _, w := range s.window {
		for i := range sum {
			sum[i] += w[i]
		}
	}
	return sum
}

// shopSource shows one face of the shop. A shift of s multiplies latency by
// (1+s/4), fails a tenth of requests for each s and takes away a tenth of them.
func shopSource(name string, k int, kind backout.SignalKind, dir backout.Direction) source {
	return source{name, kind, dir, func(r *rand.Rand) func(float64) (float64, float64) {
		s := newShop(r, k)
		rate := s.rate
		return func(shift float64) (float64, float64) {
			switch kind {
			case backout.SignalLatency:
				v := s.step(1+shift/4, 0)
				return v[1], v[0]
			case backout.SignalErrors:
				v := s.step(1, shift/10)
				return v[2], v[0]
			case backout.SignalKPI:
				s.rate = rate / 4 * math.Max(0, 1-shift/10)
				return s.step(1, 0)[0], 0
			default:
				s.rate = rate * math.Max(0, 1-shift/10)
				return s.step(1, 0)[0], 0
			}
		}
	}}
}

func plainSources() []source {
	return []source{
		plain("white", 0, normal), plain("AR(0.4)", .4, normal), plain("AR(0.7)", .7, normal),
		plain("t5", 0, student5), plain("AR(0.4) t5", .4, student5), overlapping(2), overlapping(4),
	}
}

func shopSources() []source {
	var out []source
	for k, tag := range []string{1: "", 2: " overlap 2", 3: " overlap 3"} {
		if k == 0 {
			continue
		}
		out = append(out,
			shopSource("shop latency"+tag, k, backout.SignalLatency, backout.WorseUp),
			shopSource("shop errors"+tag, k, backout.SignalErrors, backout.WorseUp),
			shopSource("shop traffic"+tag, k, backout.SignalTraffic, backout.WorseBoth),
			shopSource("shop orders"+tag, k, backout.SignalKPI, backout.WorseDown))
	}
	return out
}
