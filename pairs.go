package backout

import (
	"math"
	"slices"
	"time"
)

// Pair is two components' versions that were live together. Healthy pairs are
// the evidence for going back where nobody wrote a contract.
type Pair struct {
	A        ComponentID `json:"a"`
	B        ComponentID `json:"b"`
	AVersion Version     `json:"a_version"`
	BVersion Version     `json:"b_version"`
	Healthy  bool        `json:"healthy"`
	SeenAt   time.Time   `json:"seen_at"`
	Times    int         `json:"times,omitempty"`  // separate spells; 0 counts as 1
	Lasted   Duration    `json:"lasted,omitempty"` // all spells together; 0 = not known
}

// What [Pair.Confidence] assumes; docs/decisions/0220 says why.
const (
	pairPrior   = .5 // probability that two versions get along when nothing is known
	pairShows   = 5  // minutes in which trouble between two versions shows, on average
	pairDormant = .1 // share of troubles that don't show in a spell, however long
)

// Confidence is the probability that two versions get along that were seen live
// together without trouble for T minutes in n spells. By Bayes' rule, with silence
// for certain when they do, and when they don't of probability s + (1-s)exp(-T/5)
// where s = 0.1^n:
//
//	0.5 / (0.5 + 0.5 (s + (1-s) exp(-T/5)))
//
// A moment is worth 0.5, half an hour 0.91, half an hour in two spells 0.99. It is
// 0 for a pair that was not healthy. minute is a model minute's length.
func (p Pair) Confidence(minute Duration) float64 {
	if !p.Healthy {
		return 0
	}
	if minute <= 0 {
		minute = Duration(time.Minute)
	}
	asleep := math.Pow(pairDormant, float64(max(p.Times, 1)))
	silence := asleep + (1-asleep)*math.Exp(-float64(p.Lasted)/float64(minute)/pairShows)
	return pairPrior / (pairPrior + (1-pairPrior)*silence)
}

// SeenTogether derives from exposure which versions of related components were
// live side by side before a moment, for at least the time given. Components are
// related when they belong to one service or to two services with a dependency
// between them. Nothing was known to be wrong then, so the pairs are healthy.
func SeenTogether(g Graph, changes []Change, live map[ComponentID]Live, until time.Time, atLeast time.Duration) []Pair {
	spans := map[ComponentID][]span{}
	moved := []ComponentID{}
	for _, c := range changes {
		if _, ok := spans[c.Component]; !ok {
			moved = append(moved, c.Component)
		}
		spans[c.Component] = extend(spans[c.Component], c, until)
	}
	for id, l := range live {
		if _, ok := spans[id]; !ok && l.Version() != "" {
			spans[id] = []span{{version: l.Version(), until: until}}
		}
	}
	out := []Pair{}
	for _, a := range moved {
		for _, other := range g.Components {
			b := other.ID
			if b == a || len(spans[b]) == 0 || slices.Contains(moved, b) && b < a || !g.related(a, b) {
				continue
			}
			out = append(out, overlaps(a, b, spans[a], spans[b], atLeast)...)
		}
	}
	return out
}

// span says that a version was live between two times; a zero from is "always".
type span struct {
	version     Version
	from, until time.Time
}

func extend(old []span, c Change, until time.Time) []span {
	start := c.Exposure.Start()
	whole := c.Exposure.whole(until)
	if len(old) == 0 && c.From != "" {
		old = []span{{version: c.From, until: until}}
	}
	for i := range old { // the versions before it end when the last share has moved
		if old[i].until.After(whole) {
			old[i].until = whole
		}
	}
	return append(old, span{version: c.To, from: start, until: until})
}

// whole is when everybody had the change, or until when that never came.
func (e Exposure) whole(until time.Time) time.Time {
	for _, s := range e.Stages {
		if s.Share >= 1 && s.Audience == "" {
			return s.At
		}
	}
	return until
}

func overlaps(a, b ComponentID, as, bs []span, atLeast time.Duration) []Pair {
	out := []Pair{}
	place := map[[2]Version]int{}
	for _, x := range as {
		for _, y := range bs {
			from, to := x.from, x.until
			if y.from.After(from) {
				from = y.from
			}
			if y.until.Before(to) {
				to = y.until
			}
			if from.IsZero() && to.IsZero() || !from.IsZero() && to.Sub(from) < atLeast {
				continue
			}
			key := [2]Version{x.version, y.version}
			at, seen := place[key]
			if !seen {
				at, place[key] = len(out), len(out)
				out = append(out, Pair{A: a, B: b, AVersion: x.version, BVersion: y.version, Healthy: true})
			}
			out[at] = out[at].again(from, to)
		}
	}
	return out
}

// always is how long a spell lasted whose beginning nobody knows: at least a day,
// since it was there before all that is remembered.
const always = Duration(24 * time.Hour)

// again adds a spell; a zero from is "always".
func (p Pair) again(from, to time.Time) Pair {
	lasted := always
	if !from.IsZero() {
		lasted = Duration(to.Sub(from))
	}
	p.Times, p.Lasted = p.Times+1, p.Lasted+lasted
	if to.After(p.SeenAt) {
		p.SeenAt = to
	}
	return p
}

// related reports whether two components' versions can meet in one request.
func (g Graph) related(a, b ComponentID) bool {
	x, okx := g.Component(a)
	y, oky := g.Component(b)
	if !okx || !oky || x.Environment != y.Environment {
		return false
	}
	return x.Service == y.Service || slices.ContainsFunc(g.Dependencies, func(d Dependency) bool {
		return d.From == x.Service && d.To == y.Service || d.From == y.Service && d.To == x.Service
	})
}
