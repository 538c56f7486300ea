package recall

import (
	"math"
	"slices"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/statistics"
)

// classOf is the class that an incident is judged within, from what was suspected when
// it was decided; empty = unknown.
func classOf(s backout.Signature) backout.ComponentKind {
	best, most := backout.ComponentKind(""), 0.0
	for _, k := range causeKinds {
		if p := s.Causes[k]; p > most {
			best, most = k, p
		}
	}
	return best
}

// parts says which of the measured parts a signature knows.
func parts(s backout.Signature) [2]bool { return [2]bool{len(s.Profile) > 0, len(s.Services) > 0} }

// novelty judges among the latest comparable incidents: of the same class if there are
// enough of them, else of all.
func (p *Past) novelty(s backout.Signature, self backout.PrecedentID) backout.Likeness {
	out := backout.Likeness{Novelty: backout.NoveltyInsufficient, Needed: Enough, Nearest: []backout.Neighbour{}}
	var all, same []backout.Signature
	class := classOf(s)
	for i := len(p.precedents) - 1; i >= 0 && len(same) < among; i-- {
		q := p.precedents[i]
		if q.Simulated || q.Imported() || q.ID == self || parts(q.Signature) != parts(s) || parts(s) == [2]bool{} {
			continue
		}
		if len(all) < among {
			all = append(all, q.Signature)
		}
		if class != "" && classOf(q.Signature) == class {
			same = append(same, q.Signature)
		}
	}
	if len(same) >= Enough {
		all, out.Class = same, class
	}
	if out.N = len(all); out.N < Enough {
		return out
	}
	out.P = PValue(all, s)
	out.Novelty = backout.NoveltyFamiliar
	if out.P <= Alpha {
		out.Novelty = backout.NoveltyNovel
	}
	return out
}

// PValue is the conformal p-value of a signature among others: the share of all of
// them, itself included, whose mean distance to their three nearest others is at least as
// large. The distances' weights come from all of them alike, so that no place in the bag
// is special; if all are exchangeable, P(p <= a) <= a.
func PValue(others []backout.Signature, s backout.Signature) float64 {
	w := newWords()
	n := len(others) + 1
	bag := make([]vector, 0, n)
	for _, x := range append(slices.Clone(others), s) {
		bag = append(bag, w.vector(x, true))
	}
	for i, x := range append(slices.Clone(others), s) {
		bag[i] = w.vector(x, false) // now that all words are numbered
	}
	for i := range bag {
		w.weigh(&bag[i])
	}
	nearest := make([][near]float64, n)
	for i := range nearest {
		nearest[i] = [near]float64{math.Inf(1), math.Inf(1), math.Inf(1)}
	}
	for i := range bag {
		for j := range i {
			d, _ := compare(&bag[i], &bag[j], w.idf, math.Inf(1))
			closer(&nearest[i], d)
			closer(&nearest[j], d)
		}
	}
	mine, as := mean(nearest[n-1]), 0
	for _, x := range nearest {
		if mean(x) >= mine-1e-12 { // equal ones count, however they were added up
			as++
		}
	}
	return float64(as) / float64(n)
}

// closer keeps the three smallest.
func closer(best *[near]float64, d float64) {
	for i := range best {
		if d < best[i] {
			best[i], d = d, best[i]
		}
	}
}

func mean(x [near]float64) float64 {
	sum, n := 0.0, 0.0
	for _, d := range x {
		if !math.IsInf(d, 1) {
			sum, n = sum+d, n+1
		}
	}
	return sum / max(1, n)
}

// Drift multiplies up the power-mixture bets, the integral of k p^(k-1) over k, on the
// p-values that incidents had when they came (Vovk, Nouretdinov & Gammerman, Testing
// exchangeability on-line, ICML 2003). While incidents are as ever it exceeds 1/a with a
// probability of at most a. It starts again after an alarm was a year's incidents ago: a
// change that everybody has got used to is no news.
func (p *Past) Drift(self backout.PrecedentID) float64 {
	var recent []float64
	for _, q := range p.precedents {
		if q.NoveltyP > 0 && q.ID != self && !q.Imported() && !q.Simulated {
			recent = append(recent, q.NoveltyP)
		}
	}
	return Martingale(recent[max(0, len(recent)-among):])
}

// Martingale is the drift martingale after these p-values; 1 before the first.
func Martingale(ps []float64) float64 {
	m := 1.0
	for _, p := range ps {
		m *= statistics.PowerMixture(p)
	}
	return m
}
