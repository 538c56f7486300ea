package simulate

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
)

// newStream gives a series random numbers of its own, so that what the cause does to
// one of them leaves the draws of all others as they are.
func newStream(seed uint64, split Split, name string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // a hash does not fail
	return rand.New(rand.NewPCG(seed, split.stream()^h.Sum64()))
}

// wandering is n samples of unit noise in which neighbours at a distance of one
// minute resemble each other by phi: an AR(1) process with some wild innovations
// (contaminated normal) and rare hiccups.
func wandering(r *rand.Rand, n int, phi, step, wild, hiccups float64) []float64 {
	out, e := make([]float64, n), 0.0
	keep := math.Pow(phi, step)
	fresh := math.Sqrt(1 - keep*keep)
	for i := range out {
		z := r.NormFloat64()
		if r.Float64() < wild {
			z *= 3
		}
		e = keep*e + fresh*z
		out[i] = e
		if r.Float64() < hiccups {
			out[i] += 3 * r.ExpFloat64()
		}
	}
	return out
}

// poisson draws by multiplication, or by the normal limit for large means.
func poisson(r *rand.Rand, mean float64) float64 {
	if mean > 40 {
		return max(0, math.Round(mean+math.Sqrt(mean)*r.NormFloat64()))
	}
	k, p, stop := 0.0, r.Float64(), math.Exp(-mean)
	for p > stop {
		k++
		p *= r.Float64()
	}
	return k
}
