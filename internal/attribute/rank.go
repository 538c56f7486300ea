package attribute

import (
	"cmp"
	"math"
	"slices"

	backout "github.com/backout-dev/backout"
)

// Rank gives every change of the world, and no change, the probability of having
// caused what the residuals show. It is a pure function; equal questions give
// equal answers. Without changes, residuals or a graph the answer is still
// complete: probabilities always sum to 1, and no slice is nil.
func Rank(q Question) backout.Attribution {
	t := newTrial(q)
	p, onset := t.posterior()
	out := backout.Attribution{At: q.World.Now, Onset: t.panel.clock.start(onset), Suspects: t.suspects(p, onset)}
	out.PNone, out.Origins = t.origins(p, onset)
	slices.SortStableFunc(out.Suspects, func(a, b backout.Suspect) int {
		return cmp.Or(cmp.Compare(b.P, a.P), cmp.Compare(a.Change, b.Change))
	})
	return out
}

// suspects are the changes, each with the probability of all hypotheses about it
// together and the reasons of the likeliest. One audience is named when it has most
// of that probability.
func (t *trial) suspects(p []float64, onset int) []backout.Suspect {
	out, place := []backout.Suspect{}, t.places()
	at, lead := map[backout.ChangeID]int{}, map[backout.ChangeID]int{}
	for i, c := range t.causes {
		if c.change == nil {
			continue
		}
		k, known := at[c.change.ID]
		if !known {
			at[c.change.ID], lead[c.change.ID] = len(out), i
			out = append(out, backout.Suspect{Change: c.change.ID, Component: c.change.Component, To: c.change.To, P: p[i]})
			continue
		}
		out[k].P += p[i]
		if p[i] > p[lead[c.change.ID]] {
			lead[c.change.ID] = i
		}
	}
	each(len(out), func(k int) {
		s := out[k]
		i := lead[s.Change]
		if p[i] >= mostOf*s.P {
			out[k].Audience = t.causes[i].audience
		}
		out[k].For, out[k].Against = t.explain(i, onset)
		out[k].Place = place(t.causes[i].change.Services)
	})
	return out
}

// places gives the share of some services in what no change would have caused: where it
// would have begun, asked without the times of the changes.
func (t *trial) places() func([]backout.ServiceID) float64 {
	at, all := map[backout.ServiceID]float64{}, math.Inf(-1)
	for _, c := range t.causes {
		if c.change != nil {
			continue
		}
		w := logSum(c.weight)
		all = logAdd(all, w)
		if before, known := at[c.service]; known {
			w = logAdd(before, w)
		}
		at[c.service] = w
	}
	return func(services []backout.ServiceID) float64 {
		p := 0.0
		for _, s := range services {
			if w, known := at[s]; known && s != "" {
				p += math.Exp(w - all)
			}
		}
		return min(1, p)
	}
}

// mostOf is the share of a change's probability that names one audience.
const mostOf = 0.7

// posterior is the probability of each cause and the most likely minute of the
// onset. Two causes that did it together share their probability. A fiftieth of
// the answer is what prior and delay alone say about that onset, so that evidence
// never makes it more certain than a model can be.
func (t *trial) posterior() ([]float64, int) {
	sums := make([]float64, len(t.causes))
	for i, c := range t.causes {
		sums[i] = logSum(c.weight)
	}
	together := t.pairs(sums)
	single := logSum(sums)
	all := single
	for _, two := range together {
		all = logAdd(all, two.weight)
	}
	when := make([]float64, t.panel.clock.n) // likelihood of an onset in the minute
	p := make([]float64, len(t.causes))
	for i, c := range t.causes {
		p[i] = math.Exp(sums[i] - all)
		for k, w := range c.weight {
			when[k] += math.Exp(w - single)
		}
	}
	for _, two := range together {
		half := math.Exp(two.weight-all) / 2
		p[two.first], p[two.second] = p[two.first]+half, p[two.second]+half
	}
	supposed := t.supposed(when)
	for i := range p {
		p[i] = (1-priorShare)*p[i] + priorShare*supposed[i]
	}
	scale := 1 / total(p)
	for i := range p {
		p[i] *= scale
	}
	return p, bestOf(when)
}

// supposed is what prior and delay alone say, given when it began.
func (t *trial) supposed(when []float64) []float64 {
	out := make([]float64, len(t.causes))
	for k, p := range when {
		rate := 0.0
		for _, c := range t.causes {
			rate += c.prior * c.delay[k]
		}
		for i, c := range t.causes {
			out[i] += p * c.prior * c.delay[k] / rate
		}
	}
	return out
}
