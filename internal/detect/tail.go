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
	histogramKeep = 5000 // samples that the histogram remembers
	exceedances   = 64
	tailShare     = .02
	refitEvery    = 16
)

// past is what a series has seen of its own innovations.
type past struct {
	Bins [histogramBins]float32
	N    float64
}

func bin(z float64) (i int, part float64) {
	f := (z + histogramMost) / (2 * histogramMost) * histogramBins
	f = math.Min(math.Max(f, 0), histogramBins-1e-9)
	return int(f), f - math.Floor(f)
}

func (h *past) add(z float64) {
	if h.N >= histogramKeep {
		keep := float32(1 - 1.0/histogramKeep)
		for i := range h.Bins {
			h.Bins[i] *= keep
		}
		h.N *= float64(keep)
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
	return (c + 1) / (h.N + 1)
}

func (h *past) below(z float64) float64 {
	i, part := bin(z)
	c := float64(h.Bins[i]) * part
	for _, b := range h.Bins[:i] {
		c += float64(b)
	}
	return (c + 1) / (h.N + 1)
}

// quantile is the z that the given share of the past lies above of.
func (h *past) quantile(share float64) float64 {
	want, c := share*h.N, 0.0
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
	U, Xi, Sigma float64
	Seen, Since  int32
	Ex           [exceedances]float32
}

// add keeps an innovation when it lies in the tail, and refits now and then.
func (g *tail) add(z float64, threshold func() float64) {
	if z <= g.U {
		return
	}
	g.Ex[g.Seen%exceedances] = float32(z)
	g.Seen++
	if g.Since++; g.Since >= refitEvery {
		g.Since = 0
		g.fit(threshold())
	}
}

// fit estimates the law by probability weighted moments from the last exceedances that lie above u.
func (g *tail) fit(u float64) {
	over := make([]float64, 0, exceedances)
	for _, z := range g.Ex[:min(int(g.Seen), exceedances)] {
		if float64(z) > u {
			over = append(over, float64(z)-u)
		}
	}
	g.U = u
	if len(over) < 10 {
		g.Xi, g.Sigma = .1, math.Max(g.Sigma, .5)
		return
	}
	law := statistics.FitParetoPWM(over)
	if math.IsNaN(law.Xi) {
		law = statistics.Pareto{Xi: .1, Sigma: .5}
	}
	mean := law.Sigma / (1 - math.Min(law.Xi, .9))
	g.Xi = math.Min(.5, math.Max(-.4, law.Xi))
	g.Sigma = math.Max(mean*(1-g.Xi), 1e-3) // keeps the mean when xi was clipped
}

// p is the chance of lying above z > U.
func (g *tail) p(z, share float64) float64 {
	return share * statistics.Pareto{Xi: g.Xi, Sigma: g.Sigma}.Survival(z-g.U)
}
