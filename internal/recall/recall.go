// Package recall compares an incident with those before it: which were most like it,
// what worked then, and whether there has been anything like it at all.
//
// # The model
//
// An incident's [backout.Signature] has five parts that can be compared, each with a
// distance in [0,1] and a weight: how far each kind of signal was off (.35), which
// services were ill (.25), in which order (.15), what was suspected (.15), and words of
// error messages (.10). [Distance] is their weighted mean over the parts that both sides
// know.
//
// [Past.Likeness] answers with the nearest precedents and with a conformal p-value: how
// many of the comparable incidents are as far from their three nearest as this one
// is. If the incident is exchangeable with them, P(p <= a) <= a, whatever the
// distance is worth (Vovk, Gammerman & Shafer, Algorithmic Learning in a Random World,
// 2005; per class, "Mondrian", their section 4.5). With fewer than [Enough] the value
// can't fall to .05, so that nothing is said: that is a state of its own and not "novel".
//
// [Past.Drift] bets against exchangeability of the whole stream of p-values. [Reuse]
// turns near precedents into pseudo-counts of the priors, as evidence among other
// evidence and never as an override.
//
// # What is compared with what
//
// Signatures of which one was measured and the other told by people differ for that
// reason alone. So p-values are taken only among backout's own incidents that know the same
// parts (profile and services); neighbours may come from anywhere, imported ones are
// marked. Simulated incidents are never compared.
package recall

import (
	"math"
	"slices"

	"github.com/backout-dev/backout"
)

const (
	// Enough is how many comparable incidents a p-value of .05 needs: 1/(19+1).
	Enough = 19
	// Alpha is the p-value from which on down an incident is called novel.
	Alpha = .05
	// among bounds how many of the latest comparable incidents are judged among: the
	// cost is quadratic, and older ones say less about now.
	among = 200
	// near is how many nearest others make a nonconformity.
	near = 3
	// basis is the least weight of the parts that both sides must know for a neighbour:
	// below, two incidents are alike because little is known of them.
	basis = .25
)

// Past is all precedents, prepared for comparing. It is a value: With gives another one.
type Past struct {
	precedents []backout.Precedent
	vectors    []vector
	at         map[backout.PrecedentID]int
	words      *words
	imported   int
}

// New prepares precedents, oldest first.
func New(all ...backout.Precedent) *Past {
	p := &Past{at: map[backout.PrecedentID]int{}, words: newWords()}
	return p.With(all...)
}

// Len is how many there are.
func (p *Past) Len() int { return len(p.precedents) }

// With gives the past with more precedents; one with an id that is there takes its place.
// It costs time in proportion to all of them.
func (p *Past) With(more ...backout.Precedent) *Past {
	next := &Past{at: make(map[backout.PrecedentID]int, len(p.at)+len(more)), words: newWords(), precedents: slices.Clone(p.precedents)}
	for i, q := range next.precedents {
		next.at[q.ID] = i
	}
	for _, q := range more {
		if i, there := next.at[q.ID]; there {
			next.precedents[i] = q
			continue
		}
		next.at[q.ID] = len(next.precedents)
		next.precedents = append(next.precedents, q)
	}
	next.vectors = make([]vector, 0, len(next.precedents))
	for _, q := range next.precedents {
		next.vectors = append(next.vectors, next.words.vector(q.Signature, true))
		if q.Imported() {
			next.imported++
		}
	}
	for i := range next.vectors {
		next.words.weigh(&next.vectors[i])
	}
	return next
}

// Outcome is one answer that was given, and whether it was right.
type Outcome struct {
	Said  float64
	Right bool
}

// Outcomes are the answers of backout's own incidents whose cause is known.
func (p *Past) Outcomes() []Outcome {
	out := []Outcome{}
	for _, q := range p.precedents {
		if q.Right != nil && !q.Imported() && !q.Simulated && q.Said > 0 {
			out = append(out, Outcome{q.Said, *q.Right})
		}
	}
	return out
}

// Likeness compares an incident with all precedents but the one of its own id.
func (p *Past) Likeness(s backout.Signature, self backout.PrecedentID) backout.Likeness {
	out := p.novelty(s, self)
	out.Known, out.Imported = len(p.precedents), p.imported
	if i, there := p.at[self]; there {
		out.Known--
		if p.precedents[i].Imported() {
			out.Imported--
		}
	}
	out.Nearest, out.Drift = p.Nearest(s, self, near), p.Drift(self)
	return out
}

// Nearest gives the k precedents most like a signature, nearest first, ties by the
// later one.
func (p *Past) Nearest(s backout.Signature, self backout.PrecedentID, k int) []backout.Neighbour {
	q := p.words.vector(s, false)
	idf := p.words.weights(&q)
	type hit struct {
		i        int
		d, basis float64
	}
	best := make([]hit, 0, k+1)
	for i := range p.vectors {
		limit := math.Inf(1)
		if len(best) == k {
			limit = best[k-1].d
		}
		d, b := compare(&q, &p.vectors[i], idf, limit)
		if b < basis || d > limit || p.precedents[i].Simulated || p.precedents[i].ID == self {
			continue
		}
		at, _ := slices.BinarySearchFunc(best, hit{i, d, b}, func(x, y hit) int {
			if x.d != y.d {
				return cmpFloat(x.d, y.d)
			}
			return p.precedents[y.i].At.Compare(p.precedents[x.i].At)
		})
		if best = slices.Insert(best, at, hit{i, d, b}); len(best) > k {
			best = best[:k]
		}
	}
	out := make([]backout.Neighbour, 0, len(best))
	for _, h := range best {
		out = append(out, neighbour(p.precedents[h.i], h.d, h.basis))
	}
	return out
}

func cmpFloat(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func neighbour(q backout.Precedent, d, b float64) backout.Neighbour {
	n := backout.Neighbour{
		Precedent: q.ID, Source: q.Source, Title: q.Title, Link: q.Link, At: q.At, Did: q.Did, Outcome: q.Outcome, Label: q.Label, Cause: q.Cause, Took: q.Took,
		Distance: d, Basis: b, Weight: math.Exp(-d / reuseScale),
	}
	switch {
	case len(q.Signature.Onsets) > 0:
		n.Service = q.Signature.Onsets[0].Service
	case len(q.Signature.Services) > 0:
		n.Service = q.Signature.Services[0]
	}
	return n
}
