package detect

import (
	"math"

	"gonum.org/v1/gonum/mathext"

	"github.com/backout-dev/backout/internal/statistics"
)

// predictive gives P(X >= x) and P(X <= x) of a count over exposure n when
// events were seen over exposure past: a gamma-Poisson mixture, continued to
// real x by the incomplete beta function. dispersion divides all counts.
func predictive(x, n, events, past, dispersion float64) (up, down float64) {
	x, events = x/dispersion, events/dispersion
	q := n / (n + past)
	up = 1
	if x > 0 {
		up = mathext.RegIncBeta(x, events, q)
	}
	down = 1 - mathext.RegIncBeta(x+1, events, q)
	return up, math.Max(down, 0)
}

// normalScore is the z with the given chance above it, clipped to +-8.
func normalScore(above float64) float64 {
	const least = 6e-16
	if above < least {
		return 8
	}
	if above > 1-least {
		return -8
	}
	return math.Min(8, math.Max(-8, math.Sqrt2*math.Erfinv(1-2*above)))
}

const (
	histogramBins = 32
	histogramMost = 4.0
	binWidth      = 2 * histogramMost / histogramBins
	histogramKeep = 8000 // samples that the histogram remembers at the most
	exceedances   = 64
	tailShare     = .02
	refitEvery    = 16
)

// past is what a series has seen of its own innovations. When it is full all
// counts are halved, so that the memory is between half of it and all.
type past struct {
	Bins [histogramBins]uint16
	N    uint16
}

func bin(z float64) (i int, part float64) {
	f := (z + histogramMost) / (2 * histogramMost) * histogramBins
	f = math.Min(math.Max(f, 0), histogramBins-1e-9)
	return int(f), f - math.Floor(f)
}

func (h *past) add(z float64) {
	if h.N >= histogramKeep {
		h.N = 0
		for i, b := range h.Bins {
			h.Bins[i] = (b + 1) / 2
			h.N += h.Bins[i]
		}
	}
	i, _ := bin(z)
	h.Bins[i]++
	h.N++
}

// above is the conformal p-value (count at or above + 1)/(n + 1), straight
// within a bin.
func (h *past) above(z float64) float64 {
	i, part := bin(z)
	c := float64(h.Bins[i]) * (1 - part)
	for _, b := range h.Bins[i+1:] {
		c += float64(b)
	}
	return (c + 1) / (float64(h.N) + 1)
}

func (h *past) below(z float64) float64 {
	i, part := bin(z)
	c := float64(h.Bins[i]) * part
	for _, b := range h.Bins[:i] {
		c += float64(b)
	}
	return (c + 1) / (float64(h.N) + 1)
}

// quantile is the z that the given share of the past lies above of.
func (h *past) quantile(share float64) float64 {
	want, c := share*float64(h.N), 0.0
	for i := histogramBins - 1; i >= 0; i-- {
		b := float64(h.Bins[i])
		if c+b >= want && b > 0 {
			top := -histogramMost + float64(i+1)*2*histogramMost/histogramBins
			return top - (want-c)/b*2*histogramMost/histogramBins
		}
		c += b
	}
	return 0
}

// tail is the generalised Pareto law of what lies above U.
type tail struct {
	U, Xi, Sigma float32
	Seen         uint32
	Since        uint16
	Ex           [exceedances]int16 // in parts of a standard deviation
}

// parts of a standard deviation is how finely exceedances are kept.
const parts = 256.0

// add keeps an innovation when it lies in the tail, and refits now and then.
func (g *tail) add(z float64, threshold func() float64) {
	if z <= float64(g.U) {
		return
	}
	g.Ex[g.Seen%exceedances] = int16(math.Round(math.Min(z, 120) * parts))
	g.Seen++
	if g.Since++; g.Since >= refitEvery {
		g.Since = 0
		g.fit(threshold())
	}
}

// fit estimates the law by probability weighted moments from the last exceedances that lie above u.
func (g *tail) fit(u float64) {
	over := make([]float64, 0, exceedances)
	for _, q := range g.Ex[:min(int(g.Seen), exceedances)] {
		if z := float64(q) / parts; z > u {
			over = append(over, z-u)
		}
	}
	g.U = float32(u)
	if len(over) < 10 {
		g.Xi, g.Sigma = .1, max(g.Sigma, .5)
		return
	}
	law := statistics.FitParetoPWM(over)
	if math.IsNaN(law.Xi) {
		law = statistics.Pareto{Xi: .1, Sigma: .5}
	}
	mean := law.Sigma / (1 - math.Min(law.Xi, .9))
	xi := math.Min(.5, math.Max(-.4, law.Xi))
	g.Xi, g.Sigma = float32(xi), float32(math.Max(mean*(1-xi), 1e-3)) // keeps the mean when xi was clipped
}

// p is the chance of lying above z > U.
func (g *tail) p(z, share float64) float64 {
	return share * statistics.Pareto{Xi: float64(g.Xi), Sigma: float64(g.Sigma)}.Survival(z-float64(g.U))
}
