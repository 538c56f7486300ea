package backout

import (
	"slices"
	"time"
)

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
	for _, x := range as {
		for _, y := range bs {
			from, to := x.from, x.until
			if y.from.After(from) {
				from = y.from
			}
			if y.until.Before(to) {
				to = y.until
			}
			if from.IsZero() && !to.IsZero() || !from.IsZero() && to.Sub(from) >= atLeast {
				out = append(out, Pair{A: a, B: b, AVersion: x.version, BVersion: y.version, Healthy: true, SeenAt: to})
			}
		}
	}
	return out
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
