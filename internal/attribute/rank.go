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
	out := backout.Attribution{At: q.World.Now, Onset: t.panel.clock.start(onset), Suspects: []backout.Suspect{}, Origins: []backout.Origin{}}
	origins := map[backout.Origin]int{}
	for i := range t.causes {
		c := &t.causes[i]
		if c.change != nil {
			s := backout.Suspect{Change: c.change.ID, Component: c.change.Component, To: c.change.To, P: p[i]}
			s.For, s.Against = t.explain(i, onset)
			out.Suspects = append(out.Suspects, s)
			continue
		}
		out.PNone += p[i]
		key := backout.Origin{Kind: c.kind, Service: c.service}
		if at, ok := origins[key]; ok {
			out.Origins[at].P += p[i]
			continue
		}
		origins[key] = len(out.Origins)
		out.Origins = append(out.Origins, backout.Origin{Kind: c.kind, Service: c.service, P: p[i], Text: t.originText(c, onset)})
	}
	slices.SortStableFunc(out.Suspects, func(a, b backout.Suspect) int {
		return cmp.Or(cmp.Compare(b.P, a.P), cmp.Compare(a.Change, b.Change))
	})
	slices.SortStableFunc(out.Origins, func(a, b backout.Origin) int {
		return cmp.Or(cmp.Compare(b.P, a.P), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Service, b.Service))
	})
	return out
}

// posterior is the probability of each cause and the most likely minute of the
// onset. A fiftieth of it is what prior and delay alone say about that onset, so
// that evidence never makes the answer more certain than a model can be.
func (t *trial) posterior() ([]float64, int) {
	n := t.panel.clock.n
	sums := make([]float64, len(t.causes))
	for i, c := range t.causes {
		sums[i] = logSum(c.weight)
	}
	all := logSum(sums)
	when := make([]float64, n) // P(onset in minute)
	for _, c := range t.causes {
		for i, w := range c.weight {
			when[i] += math.Exp(w - all)
		}
	}
	supposed := make([]float64, len(t.causes)) // prior and delay, given the onset
	for i, p := range when {
		rate := 0.0
		for _, c := range t.causes {
			rate += c.prior * c.delay[i]
		}
		for j, c := range t.causes {
			supposed[j] += p * c.prior * c.delay[i] / rate
		}
	}
	p := make([]float64, len(t.causes))
	for i := range p {
		p[i] = (1-priorShare)*math.Exp(sums[i]-all) + priorShare*supposed[i]
	}
	scale := 1 / total(p)
	onset := 0
	for i := range p {
		p[i] *= scale
	}
	for i := range when {
		if when[i] > when[onset] {
			onset = i
		}
	}
	return p, onset
}
