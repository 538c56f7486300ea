package recall

import (
	"maps"
	"math"
	"time"

	"github.com/backout-dev/backout"
)

const (
	// reuseScale is the distance over which a precedent's weight falls to 1/e.
	reuseScale = .2
	// halfLife is how long it takes until an imported incident weighs half, as for those
	// that were learnt from.
	halfLife = 180 * 24 * time.Hour
)

// Reuse gives priors to which the precedents nearest to a signature have added
// pseudo-counts: for what was to blame then, and for what was taken back and worked or
// did not. Each counts exp(-d/.2), so that three at most count three incidents, against
// priors that count all. The signature is taken without its causes: what is suspected now
// must not choose the witnesses for itself. The priors given are not altered.
func (p *Past) Reuse(pr backout.Priors, s backout.Signature, self backout.PrecedentID) backout.Priors {
	s.Causes, s.Age = nil, nil
	out := copyPriors(pr)
	for _, n := range p.Nearest(s, self, near) {
		q := p.precedents[p.at[n.Precedent]]
		blame(&out, pr, q, n.Weight)
		if q.Outcome != backout.PrecedentVerified && q.Outcome != backout.PrecedentTold && q.Outcome != backout.PrecedentUnresolved {
			continue
		}
		for _, m := range q.Moved {
			keys := []string{string(m.Kind)}
			if m.Service != "" {
				keys = append(keys, string(m.Kind)+"/"+string(m.Service))
			}
			for _, key := range keys {
				r := out.Actions[key]
				r.Tried += n.Weight
				if q.Outcome.Worked() {
					r.Worked += n.Weight
				}
				out.Actions[key] = r
			}
		}
	}
	return out
}

// Priors adds what imported incidents say about causes, each decayed with its age. It
// is computed afresh each time and stored nowhere, so that importing twice changes
// nothing and an import can be mended.
func (p *Past) Priors(pr backout.Priors, now time.Time) backout.Priors {
	if p.imported == 0 {
		return pr
	}
	out := copyPriors(pr)
	for _, q := range p.precedents {
		if q.Imported() && !q.Simulated {
			blame(&out, pr, q, Fresh(q, now))
		}
	}
	return out
}

// Fresh is what an imported incident counts at a time: 1 at its onset, half after 180
// days.
func Fresh(q backout.Precedent, now time.Time) float64 {
	return math.Exp2(-max(0, float64(now.Sub(q.At))/float64(halfLife)))
}

// blame counts one incident's cause. A culprit without those that were shipped beside it
// says nothing about how often its kind hurts; so many are added as this product is known
// to ship for each culprit, in its own mix, and where that isn't known nothing is said about
// kinds.
func blame(out *backout.Priors, known backout.Priors, q backout.Precedent, weight float64) {
	switch q.Label {
	case backout.LabelNone:
		out.None += weight
	case backout.LabelChange:
		shipped, culprits := 0.0, 0.0
		for k, n := range known.Shipped {
			shipped, culprits = shipped+n, culprits+known.Culprit[k]
		}
		if q.Cause != "" && shipped > 0 && culprits > 0 {
			out.Culprit[q.Cause] += weight
			for k, n := range known.Shipped {
				out.Shipped[k] += weight * n / culprits
			}
		}
	default:
		return
	}
	out.Incidents += weight
}

// copyPriors copies what is written to.
func copyPriors(p backout.Priors) backout.Priors {
	p.Culprit, p.Shipped, p.Actions = usable(p.Culprit), usable(p.Shipped), usable(p.Actions)
	return p
}

func usable[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return maps.Clone(m)
}
