package plan

import "slices"

// search is branch and bound over domains. Its bound is the relaxation; it
// branches on what the relaxation got wrong: a forbidden cell, a cycle in the
// order, or a wait that was not reckoned with.
type search struct {
	p     *problem
	relax relaxation
	best  int64
	pick  []int // of the best plan so far
	nodes int
	limit int
	root  int64 // the first bound: no plan costs less
	cut   bool  // the node limit ended the search early
	ring  []int // the last cycle that ruled a target out
}

// visit explores the plans within the domains, which it owns.
func (s *search) visit(domain []levels) {
	if s.nodes >= s.limit {
		s.cut = true
		return
	}
	s.nodes++
	decided := make([]int, len(domain))
	for i, d := range domain {
		decided[i] = -1
		if d.single() {
			decided[i] = d.lowest()
		}
	}
	now := s.p.order(decided)
	if now.cycle != nil {
		s.ring = now.cycle
		return
	}
	value, pick := s.relax.bound(domain, now.start)
	if s.nodes == 1 {
		s.root = value
	}
	if value >= s.best {
		return
	}
	at := s.wrong(domain, pick)
	if at < 0 {
		return
	}
	chosen := levels(1) << pick[at]
	for _, part := range [2]levels{chosen, domain[at] &^ chosen} {
		child := slices.Clone(domain)
		child[at] = part
		if part != 0 && s.p.reduce(child, []int{at}) < 0 {
			s.visit(child)
		}
	}
}

// wrong looks at the relaxation's choice. A true plan is compared with the best
// so far. It returns the component to branch on, or -1 when nothing is left to
// gain here.
func (s *search) wrong(domain []levels, pick []int) int {
	for k, e := range s.p.edges {
		if s.p.relations[k][pick[e.i]][pick[e.j]] == forbidden {
			if domain[e.i].single() {
				return e.j
			}
			return e.i
		}
	}
	full := s.p.order(pick)
	if full.cycle != nil {
		s.ring = full.cycle
		for _, i := range full.cycle {
			if !domain[i].single() {
				return i
			}
		}
		return -1
	}
	if c := s.p.cost(pick, full.start); c < s.best {
		s.best, s.pick = c, pick
	}
	return s.delayed(domain, pick, full)
}

// delayed finds the costliest wait that the bound did not see, and on the chain
// of moves that causes it the nearest component that is not decided yet. It
// returns -1 when there is none: then the plan costs what the bound says.
func (s *search) delayed(domain []levels, pick []int, full schedule) int {
	at, worst := -1, int64(0)
	for i, l := range pick {
		gap := s.p.price(i, l, full.start[i]) - s.relax.accounted(i, l)
		if gap <= worst {
			continue
		}
		x := i
		for x >= 0 && domain[x].single() {
			x = s.p.critical(full, x)
		}
		if x >= 0 {
			at, worst = x, gap
		}
	}
	return at
}

// critical is the move whose end lets i start, or -1 when i starts at once.
func (p *problem) critical(s schedule, i int) int {
	for _, b := range s.before[i] {
		if s.start[b]+p.duration[b] == s.start[i] {
			return b
		}
	}
	return -1
}
