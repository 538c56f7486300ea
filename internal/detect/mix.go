package detect

import (
	"math"
	"time"

	"github.com/backout-dev/backout"
)

// dimension says which part of a subject makes a series one segment of a service's
// customers: 0 when it is none.
func dimension(s backout.Subject) int {
	switch {
	case s.Service == "" || s.Version != "":
		return 0
	case s.Caller != "" && s.Location == "" && s.Client == "":
		return 1
	case s.Location != "" && s.Caller == "" && s.Client == "":
		return 2
	case s.Client != "" && s.Caller == "" && s.Location == "":
		return 3
	}
	return 0
}

const dimensions = 3

// covered is the share of a service's requests that its segments must explain, and
// explained the share of the shift.
const (
	covered   = .8
	explained = .5
)

// otherMix reports whether a shift of a service's mean latency or error ratio comes
// from other customers and not from other behaviour: none of its segments has
// shifted, and their usual values, weighted by the requests of now, give at least
// half of what is seen (the bias that Lumos removes, KDD 2020). A
// service that is not measured by segments is never excused.
func (d *Detector) otherMix(s *series) bool {
	if s.kind != latency && s.kind != ratio || dimension(s.id.Subject) != 0 {
		return false
	}
	for dim := 1; dim <= dimensions; dim++ {
		if d.explains(dim, s) {
			return true
		}
	}
	return false
}

func (d *Detector) explains(dim int, s *series) bool {
	var usual, now, before, after float64
	for _, part := range d.segments[s.id.Subject.Service] {
		if part.kind != s.kind || dimension(part.id.Subject) != dim || part.Mode == warming || s.Last-part.Last > 2*int64(d.step) {
			continue
		}
		if part.Alarm || d.shiftSince(part, s.alert.Onset.UnixNano()) >= 1 {
			return false
		}
		value := part.usual()
		usual, before = usual+part.Requests, before+part.Requests*value
		now, after = now+float64(part.Newest), after+float64(part.Newest)*value
	}
	if usual < covered*s.Requests || now < covered*float64(s.Newest) || now == 0 || usual == 0 {
		return false
	}
	excess := s.alert.Observed - s.alert.Expected
	if s.worse == backout.WorseDown {
		return false
	}
	return excess > 0 && after/now-before/usual >= explained*excess
}

// usual is what a series shows when healthy, in its own unit.
func (s *series) usual() float64 {
	if s.kind == ratio {
		return (s.Events + .5*s.Dispersion) / (s.Past + 1)
	}
	return s.kind.inOwnUnit(s.level(s.Last))
}

// shiftSince is the mean residual after a moment, worse being positive, as far back
// as the ring reaches; 0 when there is none.
func (d *Detector) shiftSince(s *series, onset int64) float64 {
	first, end, _ := d.span(s.Head, s.Last, time.Unix(0, onset-1), time.Unix(0, s.Last))
	sum, n := 0.0, 0.0
	for i := first; i < end; i++ {
		if z := s.sign() * unpack(s.Levels[i%ringSize]); !math.IsNaN(z) {
			sum, n = sum+z, n+1
		}
	}
	return sum / math.Max(n, 1)
}
