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
// live side by side before a moment, for at least the time given at a stretch.
// Components are related when they belong to one service or to two services with a
// dependency between them. What was side by side only while there was trouble
// counts as not seen, so that all pairs are healthy.
func SeenTogether(g Graph, changes []Change, live map[ComponentID]Live, until time.Time, atLeast time.Duration, trouble ...Period) []Pair {
	spans := map[ComponentID][]span{}
	moved, first := []ComponentID{}, map[ComponentID]bool{}
	for _, c := range changes {
		if !first[c.Component] {
			moved, first[c.Component] = append(moved, c.Component), true
		}
		spans[c.Component] = extend(spans[c.Component], c, until)
	}
	for id, l := range live {
		if _, ok := spans[id]; !ok && l.Version() != "" {
			spans[id] = []span{{version: l.Version(), until: until}}
		}
	}
	out := []Pair{}
	near := g.neighbours()
	for _, a := range moved {
		for _, b := range near(a) {
			if b == a || len(spans[b]) == 0 || first[b] && b < a {
				continue
			}
			out = append(out, overlaps(a, b, spans[a], spans[b], atLeast, trouble)...)
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

func overlaps(a, b ComponentID, as, bs []span, atLeast time.Duration, trouble []Period) []Pair {
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
			for _, calm := range without(span{from: from, until: to}, trouble) {
				from, to := calm.from, calm.until
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
	}
	return out
}

// without cuts the times of trouble out of a span.
func without(s span, trouble []Period) []span {
	calm := []span{s}
	for _, t := range trouble {
		var next []span
		for _, c := range calm {
			if t.From.After(c.until) || !t.To.IsZero() && t.To.Before(c.from) {
				next = append(next, c)
				continue
			}
			if c.from.Before(t.From) {
				next = append(next, span{from: c.from, until: t.From})
			}
			if !t.To.IsZero() && t.To.Before(c.until) {
				next = append(next, span{from: t.To, until: c.until})
			}
		}
		calm = next
	}
	return calm
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

// neighbours gives those whose versions can meet a component's in one request, in
// the order of the graph's components.
func (g Graph) neighbours() func(ComponentID) []ComponentID {
	parts, of := map[ServiceID][]int{}, map[ComponentID]Component{}
	for k, c := range g.Components {
		parts[c.Service], of[c.ID] = append(parts[c.Service], k), c
	}
	beside := map[ServiceID][]ServiceID{}
	for _, d := range g.Dependencies {
		beside[d.From], beside[d.To] = append(beside[d.From], d.To), append(beside[d.To], d.From)
	}
	return func(id ComponentID) []ComponentID {
		a, ok := of[id]
		if !ok {
			return nil
		}
		places := slices.Clone(parts[a.Service])
		for _, s := range beside[a.Service] {
			places = append(places, parts[s]...)
		}
		slices.Sort(places)
		var out []ComponentID
		for _, k := range slices.Compact(places) {
			if b := g.Components[k]; b.Environment == a.Environment {
				out = append(out, b.ID)
			}
		}
		return out
	}
}
