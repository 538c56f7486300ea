package main

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// noise makes a stationary series of mean 0 and standard deviation 1.
type noise struct {
	name string
	phi  float64 // correlation of neighbours
	make func(r *rand.Rand) func() float64
}

func normal(r *rand.Rand) float64 { return r.NormFloat64() }

// student5 is Student's t with five degrees of freedom, scaled to unit variance.
func student5(r *rand.Rand) float64 {
	chi := 0.0
	for range 5 {
		z := r.NormFloat64()
		chi += z * z
	}
	return r.NormFloat64() / math.Sqrt(chi/5) / math.Sqrt(5.0/3)
}

func autoregressive(phi float64, tail string, draw func(*rand.Rand) float64) noise {
	return noise{fmt.Sprintf("AR(%g)%s", phi, tail), phi, func(r *rand.Rand) func() float64 {
		y := draw(r)
		for range 20 {
			y = phi*y + math.Sqrt(1-phi*phi)*draw(r)
		}
		return func() float64 {
			y = phi*y + math.Sqrt(1-phi*phi)*draw(r)
			return y
		}
	}}
}

// window is white noise seen through a range that covers two steps of scrapes: what
// rate(x[$window]) makes of it, and no AR(1) process.
func window() noise {
	return noise{"window of 2", .5, func(r *rand.Rand) func() float64 {
		last := r.NormFloat64()
		return func() float64 {
			now := r.NormFloat64()
			y := (now + last) / math.Sqrt2
			last = now
			return y
		}
	}}
}

// poisson draws a count.
func poisson(r *rand.Rand, mean float64) float64 {
	n := 0.0
	for mean > 30 { // the sum of Poisson counts is one
		n, mean = n+poisson(r, 30), mean-30
	}
	limit, p := math.Exp(-mean), r.Float64()
	for p > limit {
		n++
		p *= r.Float64()
	}
	return n
}
