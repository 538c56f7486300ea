package verify

import (
	"cmp"
	"math"

	"github.com/backout-dev/backout"
)

// Objective is what a primary metric counts for. The zero value counts for nothing.
type Objective struct {
	Weight float64 // its part of the score
	Key    bool    // nothing has recovered without it
}

func (q Question) objective(id backout.SeriesID) Objective {
	if q.Objectives == nil {
		return Objective{Weight: 1, Key: true}
	}
	return q.Objectives[id]
}

// scored fills in the verdict's score and reports whether the primary metrics have
// recovered: every key one, and enough of the weight.
//
// To leave out the worst of several metrics is a choice made after looking, and what is
// chosen after looking must be proven harder. With k metrics left out each of the others
// needs odds of (1+k) to alpha. Then for every set of metrics that would keep the score
// below the pass mark, if all of them were ill, the mean of their e-values is beyond
// 1/alpha: such a set holds one of the proven ones at least, and the others of it number k
// at most. A mean of e-values is one under any dependence, so the chance of a false
// "recovered" stays below alpha for any number of metrics (Vovk and Wang, "E-values:
// calibration, combination and applications", 2021).
func (q Question) scored(v *backout.Verdict) bool {
	reasons := v.Reasons[:len(q.Primary)]
	total := 0.0
	for _, r := range reasons {
		total += q.objective(r.Series).Weight
	}
	v.Score, v.Warning, v.Mostly = q.proven(reasons, 0, total).share, false, q.mostly(reasons)
	for left := range len(reasons) + 1 {
		p := q.proven(reasons, left, total)
		enough := p.keys && p.missing <= left && p.counted > 0
		v.Warning = v.Warning || enough && p.share >= cmp.Or(q.Warning, 1)-1e-9
		if enough && p.share >= cmp.Or(q.Pass, 1)-1e-9 {
			return true
		}
	}
	return false
}

// mostly reports whether half of the primary metrics at least are proven back, whatever
// they weigh. None is let off with the odds for mildly ill ones here: that something
// recovered must not rest on those alone.
func (q Question) mostly(reasons []backout.VerdictReason) bool {
	for left := range len(reasons)/2 + 1 {
		proven := 0
		for _, r := range reasons {
			if !r.Unmeasured && r.Samples >= q.MinSamples && r.LogERecovered >= math.Log(float64(1+left)/q.AlphaRecovered) {
				proven++
			}
		}
		if proven > 0 && len(reasons)-proven <= left {
			return true
		}
	}
	return false
}

// proof is how far the primary metrics are proven at some odds.
type proof struct {
	share   float64 // of the weight
	keys    bool    // every key metric
	missing int     // metrics that count for something and are not
	counted int     // metrics that count for something
}

// proven looks which metrics are proven when so many are to be left out.
func (q Question) proven(reasons []backout.VerdictReason, left int, total float64) proof {
	p := proof{keys: true}
	for i, r := range reasons {
		o := q.objective(r.Series)
		if o == (Objective{}) {
			continue
		}
		p.counted++
		switch {
		case !r.Unmeasured && r.Samples >= q.MinSamples && r.LogERecovered >= math.Log(float64(1+left)/q.alpha(i)):
			p.share += o.Weight
		default:
			p.missing++
			p.keys = p.keys && !o.Key
		}
	}
	switch {
	case total > 0:
		p.share /= total
	case p.missing == 0 && p.counted > 0:
		p.share = 1
	}
	return p
}
