package coincide

import (
	"math"
	"time"
)

// expectation says how a series would have gone on after any of its moments.
type expectation struct {
	values, smooth []float64
	pre, post      int // samples looked at before and after a moment
	level          int // samples that set the level of a moment
	day            int // samples of a day
	apart          int
}

// newExpectation is that of a change whose roll-out took so many samples; nothing
// after its first sample is looked at, except as residuals.
func newExpectation(q Question, at, rollout int) expectation {
	e := expectation{values: q.Values, pre: q.samples(before), post: rollout + q.samples(after), level: q.samples(anchor), day: q.samples(24 * time.Hour)}
	half := q.samples(smoothing) / 2
	e.smooth = make([]float64, at)
	scratch := make([]float64, 0, 2*half+1)
	for i := range e.smooth {
		scratch = append(scratch[:0], q.Values[max(0, i-half):min(at, i+half+1)]...)
		e.smooth[i] = median(scratch)
	}
	span := at - e.post - e.first()
	e.apart = max(q.samples(apart), (span+mostPlacebo-1)/mostPlacebo)
	return e
}

// first is the earliest moment with a day before it.
func (e expectation) first() int { return e.pre + e.day }

// placebos are moments whose residuals end before the change begins. A series that
// is too short for days is judged without them.
func (e *expectation) placebos(at int) []int {
	if at < e.first()+e.post+fewest*e.apart {
		e.day = 0
	}
	var out []int
	for m := at - e.post; m >= e.first(); m -= e.apart {
		out = append(out, m)
	}
	return out
}

// residuals are what was measured around a moment less what was expected, from pre
// samples before it to post after it, with what lies at or beyond end missing.
func (e expectation) residuals(m, end int) []float64 {
	out := e.shape(m)
	for i := range out {
		switch k := m - e.pre + i; {
		case k < end && k < len(e.values):
			out[i] = e.values[k] - out[i]
		default:
			out[i] = math.NaN()
		}
	}
	e.start(out)
	return out
}

// shape is the median course of the days before at the same time.
func (e expectation) shape(m int) []float64 {
	out := make([]float64, e.pre+e.post)
	if e.day == 0 {
		return out
	}
	var days [mostDays][]float64
	n := 0
	for d := 1; d <= mostDays && m-d*e.day-e.pre >= 0; d++ {
		from := m - d*e.day - e.pre
		course := make([]float64, len(out))
		for i := range course {
			course[i] = math.NaN()
			if from+i < len(e.smooth) {
				course[i] = e.smooth[from+i]
			}
		}
		e.start(course)
		days[n], n = course, n+1
	}
	var same [mostDays]float64
	for i := range out {
		for d := range n {
			same[d] = days[d][i]
		}
		out[i] = median(same[:n])
	}
	return out
}

// start sets a course to zero just before its moment.
func (e expectation) start(course []float64) {
	scratch := append(make([]float64, 0, e.level), course[e.pre-e.level:e.pre]...)
	level := median(scratch)
	for i := range course {
		course[i] -= level
	}
}
