package main

import (
	"cmp"
	"maps"
	"slices"
	"time"

	backout "github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/forecast"
)

// ours is how backout is called in tables.
const ours = "backout"

// method foretells what a scenario hits beside its roots.
type method struct {
	name     string
	foretell func(l lesson, roots []backout.ServiceID) []backout.ServiceID
}

// methods are backout and what everybody has.
var methods = []method{
	{ours, func(l lesson, roots []backout.ServiceID) []backout.ServiceID { return likely(l.chances(roots)) }},
	{reachability, lesson.reachable},
	{"the next ones only", lesson.next},
	{"those hit most often", lesson.usual},
	{"backout, ways not learnt", func(l lesson, roots []backout.ServiceID) []backout.ServiceID {
		l.priors = backout.Priors{}
		return likely(l.chances(roots))
	}},
}

const reachability = "plain reachability"

// lesson is what the other scenarios of an application teach: ways and how often
// trouble took them.
type lesson struct {
	ways   [][2]backout.ServiceID // cause, victim
	priors backout.Priors
	share  map[backout.ServiceID]float64 // of the other scenarios that hit a component
}

// ill are the roots and what was hit.
func (s scenario) ill(id backout.ServiceID) bool {
	return slices.Contains(s.roots, id) || slices.Contains(s.hit, id)
}

// learnFrom is the union of the ways of all scenarios of an application but one. A
// way was followed where it is told, and trouble stayed where the cause was ill and
// the victim was not; a victim that fell ill on another way says nothing about it.
func learnFrom(all []scenario, left scenario) lesson {
	l := lesson{priors: backout.Priors{Edges: map[string]backout.EdgePrior{}}}
	var others []scenario
	for _, s := range all {
		if s.application == left.application && s.name != left.name {
			others = append(others, s)
			for _, e := range s.edges {
				if !slices.Contains(l.ways, e) {
					l.ways = append(l.ways, e)
				}
			}
		}
	}
	l.share = map[backout.ServiceID]float64{}
	for _, s := range others {
		for _, id := range s.hit {
			l.share[id] += 1 / float64(len(others))
		}
	}
	for _, e := range l.ways {
		var p backout.EdgePrior
		for _, s := range others {
			followed, stayed := slices.Contains(s.edges, e), s.ill(e[0]) && !s.ill(e[1])
			began := slices.Contains(s.roots, e[0])
			switch {
			case followed:
				p.Followed++
			case stayed:
				p.Stayed++
			}
			if began && (followed || stayed) {
				p.Began.Tried++
			}
			if began && followed {
				p.Began.Worked++
			}
		}
		l.priors.Edges[string(e[0])+">"+string(e[1])] = p
	}
	return l
}

// reachable is everything that a way leads to, however unlikely: the baseline.
func (l lesson) reachable(roots []backout.ServiceID) []backout.ServiceID {
	var out []backout.ServiceID
	for queue := slices.Clone(roots); len(queue) > 0; queue = queue[1:] {
		for _, e := range l.ways {
			if e[0] == queue[0] && !slices.Contains(roots, e[1]) && !slices.Contains(out, e[1]) {
				out, queue = append(out, e[1]), append(queue, e[1])
			}
		}
	}
	return out
}

// chances asks the product's own forecast what the roots hit within a day.
func (l lesson) chances(roots []backout.ServiceID) map[backout.ServiceID]float64 {
	q := forecast.Question{Draws: 2000, Seed: 1, Horizon: backout.Duration(24 * time.Hour)}
	q.World.Now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	q.World.Priors = l.priors
	q.World.Changes = []backout.Change{{ID: "cause", Services: roots}}
	q.Attribution = backout.Attribution{At: q.World.Now, Onset: q.World.Now, Suspects: []backout.Suspect{{Change: "cause", P: 1}}}
	known := map[backout.ServiceID]bool{}
	add := func(id backout.ServiceID) {
		if !known[id] {
			known[id] = true
			q.World.Graph.Services = append(q.World.Graph.Services, backout.Service{ID: id, Kind: backout.ServiceOwn})
		}
	}
	for _, e := range l.ways {
		add(e[0])
		add(e[1])
		q.World.Graph.Dependencies = append(q.World.Graph.Dependencies, backout.Dependency{From: e[1], To: e[0], Hard: true})
	}
	out := map[backout.ServiceID]float64{}
	for _, h := range forecast.Cascade(q).Hits {
		if id := backout.ServiceID(h.Target); h.Kind == backout.TargetService && !slices.Contains(roots, id) {
			out[id] = h.P
		}
	}
	return out
}

// likely is the set with the largest expected F1, for chances that do not depend on
// each other: the k likeliest, with 2·Σp of them over k + Σp of all, or nothing, which
// is right with the chance that nothing is hit (Lewis, "Evaluating and optimizing
// autonomous text classification systems", SIGIR 1995, section 5).
func likely(chances map[backout.ServiceID]float64) []backout.ServiceID {
	order := slices.SortedFunc(maps.Keys(chances), func(a, b backout.ServiceID) int {
		return cmp.Or(cmp.Compare(chances[b], chances[a]), cmp.Compare(a, b))
	})
	all, best := 0.0, 1.0
	for _, id := range order {
		all += chances[id]
		best *= 1 - chances[id]
	}
	sum, k := 0.0, 0
	for i, id := range order {
		sum += chances[id]
		if f := 2 * sum / (float64(i+1) + all); f > best {
			best, k = f, i+1
		}
	}
	return order[:k]
}

// next are the components one way from the roots.
func (l lesson) next(roots []backout.ServiceID) []backout.ServiceID {
	var out []backout.ServiceID
	for _, e := range l.ways {
		if slices.Contains(roots, e[0]) && !slices.Contains(roots, e[1]) && !slices.Contains(out, e[1]) {
			out = append(out, e[1])
		}
	}
	return out
}

// usual are the components that at least half of the other scenarios hit, wherever
// they began.
func (l lesson) usual(roots []backout.ServiceID) []backout.ServiceID {
	var out []backout.ServiceID
	for _, id := range slices.Sorted(maps.Keys(l.share)) {
		if l.share[id] >= .5 && !slices.Contains(roots, id) {
			out = append(out, id)
		}
	}
	return out
}
