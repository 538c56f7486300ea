package detect

import (
	"cmp"
	"math"
	"slices"

	"github.com/backout-dev/backout"
)

// Unusual is one series that is unusual among all at this moment.
type Unusual struct {
	ID backout.SeriesID `json:"id"`
	// Evidence is the e-detector's value, in samples of average run length.
	Evidence float64 `json:"evidence"`
}

// Unusual names what is unusual now among all series that have a baseline, the
// strongest first, whether or not they open incidents. patience is a number of samples, above 1:
// whenever somebody looks, after T samples, the expected share of healthy series in
// the answer is at most T/patience, however the series depend on each other.
// It fails when patience is out of range by giving nothing.
//
// It is e-d-BH: of K e-detectors, sorted downwards, the first k for the greatest k
// with M_(k) >= K*patience/k (Dandapanthula and Ramdas, arXiv 2501.04130,
// with alpha = 1/patience; the error over patience of the false detection rate is then at most alpha).
func (d *Detector) Unusual(patience float64) []Unusual {
	if !(patience > 1) || math.IsInf(patience, 0) {
		return nil
	}
	var all []Unusual
	for _, s := range d.order {
		if s.Mode != warming && !s.arm() {
			all = append(all, Unusual{s.id, s.evidence()})
		}
	}
	slices.SortStableFunc(all, func(a, b Unusual) int { return cmp.Compare(b.Evidence, a.Evidence) })
	total := float64(len(all))
	for k := len(all); k > 0; k-- {
		if all[k-1].Evidence >= total*patience/float64(k) {
			return all[:k]
		}
	}
	return nil
}
