package forecast

import (
	"math"
	"slices"

	backout "github.com/backout-dev/backout"
)

// Intervals here are meant to cover eight of ten. A split conformal interval is the
// interval of a model with its width rescaled so that as many past errors lie inside; it
// covers as stated whatever the model is worth, as long as incidents are exchangeable
// (Vovk, Gammerman, Shafer, "Algorithmic learning in a random world", 2005; Lei et al.,
// JASA 2018). With fewer than nine errors no rank is high enough, and the model's own
// interval stands, marked as a prior.
const (
	covers   = .8
	leastFit = 9
	// leastWidth keeps an interval of no width from making every error infinite.
	leastWidth  = .1
	leastMinute = .25 // what is sooner counts as so soon
)

// Miss is how far off a time was: the distance of its logarithm from the median's, in
// widths of the interval on that side; 1 lies at its end. All are minutes.
func Miss(p10, p50, p90, actual float64) float64 {
	p10, p50, p90, actual = max(p10, leastMinute), max(p50, leastMinute), max(p90, leastMinute), max(actual, leastMinute)
	if actual < p50 {
		return math.Log(p50/actual) / max(leastWidth, math.Log(p50/p10))
	}
	return math.Log(actual/p50) / max(leastWidth, math.Log(p90/p50))
}

// stretch is the factor of the interval's width that past misses ask for, and how many
// they were; 1 and 0 below nine.
func stretch(misses []float64) (factor float64, fitted int) {
	n := len(misses)
	if n < leastFit {
		return 1, 0
	}
	sorted := slices.Sorted(slices.Values(misses))
	rank := int(math.Ceil(float64(n+1) * covers))
	return sorted[min(n, rank)-1], n
}

// widened moves the ends of an interval away from its median, or towards it, on the
// logarithmic scale. The median stays.
func widened(h *backout.Hit, factor float64, q Question) {
	if factor == 1 {
		return
	}
	low, mid, high := max(leastMinute, q.minutes(h.P10.Std())), max(leastMinute, q.minutes(h.P50.Std())), max(leastMinute, q.minutes(h.P90.Std()))
	below, above := max(leastWidth, math.Log(mid/low)), max(leastWidth, math.Log(high/mid))
	low, high = mid*math.Exp(-factor*below), mid*math.Exp(factor*above)
	if low > leastMinute || h.P10 > 0 {
		h.P10 = min(h.P50, q.span(low))
	}
	h.P90 = max(h.P50, min(q.span(high), q.span(q.horizon())))
}

// between are the quantiles of a time to recovery that past errors log(actual/median)
// allow for: the ends are order statistics of them, so that eight of ten lie inside, and
// the median moves to theirs. false below nine.
func between(median float64, errors []float64) (low, mid, high float64, ok bool) {
	n := len(errors)
	if n < leastFit {
		return 0, 0, 0, false
	}
	sorted := slices.Sorted(slices.Values(errors))
	at := func(rank float64) float64 { return median * math.Exp(sorted[min(n, max(1, int(rank)))-1]) }
	half := (1 - covers) / 2
	return at(math.Floor(float64(n+1) * half)), at(math.Ceil(float64(n) / 2)), at(math.Ceil(float64(n+1) * (1 - half))), true
}
