package plan

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
}

// conflict says why an instance has no plan at all: the edge that no pair of
// levels satisfies, or the components that wait for each other.
type conflict struct {
	edge  int // -1 when it is a cycle
	cycle []int
}

// solve finds the cheapest plan. Of equally cheap plans it takes one with the
// fewest moves; what is still equal is decided by the order of components, which
// callers sort by id, so equal inputs give equal plans. limit bounds the search
// nodes of each independent part. Without any plan the conflict says why; an
// instance whose current levels are all in their domains always has one.
func solve(in *instance, limit int) (solution, *conflict) {
	p := compile(in)
	domain := append([]levels(nil), in.domain...)
	every := make([]int, len(domain))
	for i := range every {
		every[i] = i
	}
	if k := p.reduce(domain, every); k >= 0 {
		return solution{}, &conflict{edge: k}
	}
	out := solution{target: append([]int(nil), in.current...), optimal: true}
	for _, part := range p.split(domain) {
		out.largest = max(out.largest, len(part.members))
		if !part.worthwhile(in, domain) {
			continue
		}
		found, why := part.solve(in, domain, limit)
		if why != nil {
			return solution{}, why
		}
		out.nodes += found.nodes
		out.optimal = out.optimal && found.optimal
		out.lower += found.lower
		for k, i := range part.members {
			out.target[i] = found.target[k]
		}
		for _, i := range part.members {
			out.lower -= in.fixed[i][in.current[i]]
		}
	}
	for i, l := range in.current {
		out.lower += in.fixed[i][l]
	}
	out.schedule = p.order(out.target)
	out.cost = in.cost(out.target, out.start)
	return out, nil
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
	at := map[int]int{}
	var parts []part
	for i := range domain {
		r := find(i)
		if _, ok := at[r]; !ok {
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
	for a, row := range p.relations[k] {
		for b, r := range row {
			if r != free && domain[e.i].has(a) && domain[e.j].has(b) {
				return true
			}
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
		for l := range in.fixed[i] {
			if domain[i].has(l) && in.price(i, l, 0) < in.fixed[i][stay] {
				return true
			}
		}
	}
	return false
}

// solve searches one part. Costs are multiplied by one more than the number of
// components, and each move then costs one: that makes "fewest moves among the
// cheapest" a matter of cost alone.
func (q part) solve(in *instance, domain []levels, limit int) (solution, *conflict) {
	sub, scale := q.extract(in), int64(len(q.members)+1)
	dom := make([]levels, len(q.members))
	for k, i := range q.members {
		dom[k] = domain[i]
	}
	p := compile(sub)
	s := search{p: p, limit: limit, best: infinite, relax: relaxation{p: p}}
	if q.mayStay(in, domain) {
		s.pick = append([]int(nil), sub.current...)
		s.best = sub.cost(s.pick, make([]int, len(s.pick)))
	}
	s.visit(dom)
	if s.pick == nil {
		var ring []int
		for _, k := range s.ring {
			ring = append(ring, q.members[k])
		}
		return solution{}, &conflict{edge: -1, cycle: ring}
	}
	out := solution{target: s.pick, nodes: s.nodes, optimal: !s.cut, cost: floorDiv(s.best, scale)}
	out.lower = out.cost
	if s.cut {
		// root bounds scale*cost + moves, and there are at most scale-1 moves.
		out.lower = min(out.cost, floorDiv(s.root, scale))
	}
	return out, nil
}

func (q part) mayStay(in *instance, domain []levels) bool {
	for _, i := range q.members {
		if !domain[i].has(in.current[i]) {
			return false
		}
	}
	return true
}

// extract builds the part's own instance with scaled costs.
func (q part) extract(in *instance) *instance {
	sub, scale := &instance{}, int64(len(q.members)+1)
	place := make(map[int]int, len(q.members))
	for k, i := range q.members {
		place[i] = k
		fixed, rate := make([]int64, len(in.fixed[i])), make([]int64, len(in.rate[i]))
		for l := range fixed {
			fixed[l], rate[l] = in.fixed[i][l]*scale, in.rate[i][l]*scale
			if l != in.current[i] {
				fixed[l]++
			}
		}
		sub.current = append(sub.current, in.current[i])
		sub.duration = append(sub.duration, in.duration[i])
		sub.effect = append(sub.effect, in.effect[i])
		sub.fixed = append(sub.fixed, fixed)
		sub.rate = append(sub.rate, rate)
	}
	for _, k := range q.edges {
		e := in.edges[k]
		sub.edges = append(sub.edges, edge{place[e.i], place[e.j], e.allowed})
	}
	return sub
}

// floorDiv divides rounding down, also for negative numbers.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && a < 0 {
		q--
	}
	return q
}
