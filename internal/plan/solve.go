package plan

import (
	"cmp"
	"slices"

	"github.com/backout-dev/backout"
)

// solution is the cheapest plan of an instance, or the cheapest found.
type solution struct {
	target []int
	schedule
	cost  int64
	lower int64 // no plan costs less; equals cost when optimal
	nodes int
	// optimal is set when the search ended by itself.
	optimal bool
	// largest is the size of the greatest part that had to be searched as one.
	largest int
	proof   []backout.PartProof
}

// conflict says why an instance has no plan at all: the edge that no pair of
// levels satisfies, or the components that wait for each other.
type conflict struct {
	edge  int // -1 when it is a cycle
	cycle []int
}

// solve finds the cheapest plan. Of equally cheap plans it takes one with the
// fewest moves; what is still equal is decided by the order of components, which
// callers sort by id, so equal inputs give equal plans. limit bounds the effort of the
// whole search: small parts come first, so that as many as possible are proven, and
// what is left over at the end has a gap. Without any plan the conflict says why; an
// instance whose current levels are all in their domains always has one.
func solve(in *instance, limit int) (solution, *conflict) {
	p := compile(in)
	all := newState(p, slices.Clone(in.domain))
	all.enqueueAll()
	if k := all.narrow(); k >= 0 {
		return solution{}, &conflict{edge: k}
	}
	out := solution{target: slices.Clone(in.current), optimal: true}
	for i, l := range in.current {
		out.lower += in.fixed[i][l]
	}
	parts, place := p.split(all.domain), make([]int, len(in.current))
	slices.SortStableFunc(parts, func(a, b part) int { return cmp.Compare(len(a.members), len(b.members)) })
	for _, q := range parts {
		out.largest = max(out.largest, len(q.members))
		if !q.worthwhile(in, all.domain) {
			continue
		}
		found, why := q.solve(p, all, place, max(1, limit-out.nodes))
		if why != nil {
			return solution{}, why
		}
		out.add(q, found)
		for _, i := range q.members {
			out.lower -= in.fixed[i][in.current[i]]
		}
	}
	out.schedule = p.order(out.target)
	out.cost = in.cost(out.target, out.start)
	return out, nil
}

// add puts a part's solution in its place.
func (s *solution) add(q part, found solution) {
	s.nodes += found.nodes
	s.optimal = s.optimal && found.optimal
	s.lower += found.lower
	s.proof = append(s.proof, found.proof...)
	for k, i := range q.members {
		s.target[i] = found.target[k]
	}
}

// part is a set of components that no remaining constraint ties to others. Cost
// is a sum and waiting happens along constraints only, so parts are independent.
type part struct {
	members []int
	edges   []int
}

// split finds the parts, by the edges that still constrain anything.
func (p *problem) split(domain []levels) []part {
	root := make([]int, len(domain))
	for i := range root {
		root[i] = i
	}
	find := func(x int) int {
		for root[x] != x {
			root[x] = root[root[x]]
			x = root[x]
		}
		return x
	}
	var active []int
	for k, e := range p.edges {
		if p.constrains(k, domain) {
			active = append(active, k)
			a, b := find(e.i), find(e.j)
			root[max(a, b)] = min(a, b)
		}
	}
	at := make([]int, len(domain))
	var parts []part
	for i := range domain {
		r := find(i)
		if r == i { // the root is the least member, so it comes first
			at[r] = len(parts)
			parts = append(parts, part{})
		}
		parts[at[r]].members = append(parts[at[r]].members, i)
	}
	for _, k := range active {
		q := at[find(p.edges[k].i)]
		parts[q].edges = append(parts[q].edges, k)
	}
	return parts
}

// constrains reports whether some cell of the edge that is left is not free.
func (p *problem) constrains(k int, domain []levels) bool {
	e := p.edges[k]
	for a := range domain[e.i].all() {
		if left := domain[e.j]; p.suits[k][0][a]&left != left || p.waits[k][0][a]&left != 0 {
			return true
		}
	}
	for b := range domain[e.j].all() {
		if p.waits[k][1][b]&domain[e.i] != 0 {
			return true
		}
	}
	return false
}

// worthwhile reports whether the part needs a search: some move pays for itself
// were it alone, or staying is not possible. Otherwise staying is best, since
// company only makes a move start later.
func (q part) worthwhile(in *instance, domain []levels) bool {
	for _, i := range q.members {
		stay := in.current[i]
		if !domain[i].has(stay) {
			return true
		}
		for l := range domain[i].all() {
			if in.price(i, l, 0) < in.fixed[i][stay] {
				return true
			}
		}
	}
	return false
}

// solve searches one part. Costs are multiplied by one more than the number of
// components, and each move then costs one: that makes "fewest moves among the
// cheapest" a matter of cost alone.
func (q part) solve(whole *problem, all *state, place []int, limit int) (solution, *conflict) {
	p, scale := q.extract(whole, place), int64(len(q.members)+1)
	dom := make([]levels, len(q.members))
	for k, i := range q.members {
		dom[k] = all.domain[i]
	}
	s := search{
		p: p, limit: limit, best: endless, lower: endless, members: q.members, ties: q.edges,
		state: newState(p, dom), relax: newRelaxation(p), price: make([][]int64, len(dom)),
	}
	for i := range s.price {
		s.price[i] = make([]int64, len(p.fixed[i]))
	}
	if q.mayStay(whole.instance, all.domain) {
		s.pick = slices.Clone(p.current)
		s.best = p.cost(s.pick, make([]int, len(s.pick)))
	}
	s.state.longest = all.longest
	s.state.enqueueAll()
	if k := s.state.narrow(); k >= 0 {
		return solution{}, &conflict{edge: q.edges[k]}
	}
	s.visit(0)
	if s.pick == nil && s.ring == nil {
		return solution{}, &conflict{edge: q.edges[s.empty]}
	} else if s.pick == nil {
		return solution{}, &conflict{edge: -1, cycle: s.named(s.ring)}
	}
	lower := floorDiv(min(s.best, s.lower), scale) // there are fewer moves than scale
	return solution{
		target: s.pick, nodes: s.effort(), optimal: !s.cut, cost: floorDiv(s.best, scale), lower: lower,
		proof: []backout.PartProof{{Members: q.members, Cases: s.cases}},
	}, nil
}

func (q part) mayStay(in *instance, domain []levels) bool {
	for _, i := range q.members {
		if !domain[i].has(in.current[i]) {
			return false
		}
	}
	return true
}

// extract builds the part's own problem with scaled costs; the relations stay as
// they are. place is room for the members' places in the part.
func (q part) extract(p *problem, place []int) *problem {
	sub, scale := &instance{}, int64(len(q.members)+1)
	for k, i := range q.members {
		place[i] = k
		fixed, rate := make([]int64, len(p.fixed[i])), make([]int64, len(p.rate[i]))
		for l := range fixed {
			fixed[l], rate[l] = p.fixed[i][l]*scale, p.rate[i][l]*scale
			if l != p.current[i] {
				fixed[l]++
			}
		}
		sub.current = append(sub.current, p.current[i])
		sub.duration = append(sub.duration, p.duration[i])
		sub.effect = append(sub.effect, p.effect[i])
		sub.fixed = append(sub.fixed, fixed)
		sub.rate = append(sub.rate, rate)
	}
	out := &problem{instance: sub}
	for _, k := range q.edges {
		e := p.edges[k]
		sub.edges = append(sub.edges, edge{place[e.i], place[e.j], e.allowed})
		out.suits, out.waits = append(out.suits, p.suits[k]), append(out.waits, p.waits[k])
	}
	out.touching = touching(len(sub.current), sub.edges)
	return out
}

// floorDiv divides rounding down, also for negative numbers.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && a < 0 {
		q--
	}
	return q
}
