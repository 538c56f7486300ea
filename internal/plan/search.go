package plan

import "github.com/backout-dev/backout"

// search is branch and bound over domains. Its bound is the relaxation; it
// branches on what the relaxation got wrong: a forbidden cell, a cycle in the
// order, or a wait that was not reckoned with. It writes down the tree of cases that
// it went through, which is the proof of its result.
type search struct {
	p     *problem
	state *state
	relax *relaxation
	clock clock
	best  int64
	pick  []int // of the best plan so far
	lower int64 // the least bound of what was left open
	nodes int
	limit int   // of effort
	cut   bool  // the limit ended the search early
	ring  []int // the last cycle that ruled a target out
	empty int   // the last edge that did
	flows [][]int64
	cases []backout.Case
	price [][]int64 // by component and level, after the passes of the last bound
	// What the part's components and edges are called outside.
	members, ties []int
}

// perNode is how many steps of work (arcs and levels looked at) count as much as one
// node of the search tree: together they are its effort, which the limit bounds.
const perNode = 2000

func (s *search) effort() int {
	return s.nodes + (s.relax.g.effort+s.state.effort)/perNode
}

// visit explores the plans within the domains, which are narrowed.
func (s *search) visit(depth int) {
	s.nodes++
	s.resume(depth)
	for {
		value := s.relax.bound(s.state)
		if value >= s.best {
			s.closed(value)
			return
		}
		at := s.wrong()
		switch {
		case at == ringed:
			s.cases = append(s.cases, backout.Case{Kind: backout.CaseCycle, Cycle: s.named(s.ring)})
			return
		case value >= s.best, at == nothing, s.effort() >= s.limit:
			s.cut = s.cut || value < s.best
			s.closed(value)
			return
		}
		struck, alive := s.strike(value)
		if !alive {
			s.cases = append(s.cases, backout.Case{Kind: backout.CaseEmpty})
			return
		}
		if !struck {
			s.keep(depth)
			s.split(depth, at)
			return
		}
	}
}

// split looks at the plans in which a component is at the level that the relaxation
// chose, and then at the others.
func (s *search) split(depth, at int) {
	level, left := s.relax.pick[at], s.state.domain[at]
	chosen := levels(1) << level
	s.cases = append(s.cases, backout.Case{Kind: backout.CaseSplit, Movable: s.members[at], Level: level})
	for _, d := range [2]levels{chosen, left &^ chosen} {
		mark := len(s.state.trail)
		s.state.keep(at, d)
		if k := s.state.narrow(); k < 0 {
			s.visit(depth + 1)
		} else {
			s.empty = k
			s.cases = append(s.cases, backout.Case{Kind: backout.CaseEmpty})
		}
		s.state.back(mark)
	}
}

// closed ends a case with its bound.
func (s *search) closed(value int64) {
	s.lower = min(s.lower, value)
	s.cases = append(s.cases, backout.Case{Kind: backout.CaseBound, Passes: s.passes()})
}

// resume gives the relaxation the flow that the node above ended with, keep saves it.
func (s *search) resume(depth int) {
	if depth > 0 {
		copy(s.relax.flow, s.flows[depth-1])
	}
}

func (s *search) keep(depth int) {
	if len(s.flows) == depth {
		s.flows = append(s.flows, make([]int64, len(s.relax.flow)))
	}
	copy(s.flows[depth], s.relax.flow)
}

// What wrong answers in place of a component.
const (
	nothing = -1 // the relaxation's choice is a plan and costs what the bound says
	ringed  = -2 // what is decided has a cycle
)

// wrong looks at the relaxation's choice. A true plan is compared with the best so
// far. It returns the component to branch on, or one of the answers above.
func (s *search) wrong() int {
	pick := s.relax.pick
	for k, e := range s.p.edges {
		if !s.p.suits[k][0][pick[e.i]].has(pick[e.j]) {
			if s.state.domain[e.i].single() {
				return e.j
			}
			return e.i
		}
	}
	if cycle := s.clock.run(s.p, pick); cycle != nil {
		for _, i := range cycle {
			if !s.state.domain[i].single() {
				return i
			}
		}
		s.ring = cycle
		return ringed
	}
	if c := s.p.cost(pick, s.clock.start); c < s.best {
		s.best, s.pick = c, append(s.pick[:0], pick...)
	}
	return s.delayed()
}

// delayed finds the costliest wait that the bound did not see, and on the chain
// of moves that causes it the nearest component that is not decided yet.
func (s *search) delayed() int {
	at, worst := nothing, int64(0)
	for i, l := range s.relax.pick {
		gap := s.p.price(i, l, s.clock.start[i]) - s.relax.price[i][l]
		if gap <= worst {
			continue
		}
		x := i
		for x >= 0 && s.state.domain[x].single() {
			x = s.clock.critical(s.p, s.relax.pick, x)
		}
		if x >= 0 {
			at, worst = x, gap
		}
	}
	return at
}

// strike rules out every level that the flow proves to be in no plan cheaper than the
// best: after the passes each level has a price of its own, and a plan with it costs
// at least the bound and the difference to its component's cheapest level. It reports
// whether it struck any, and whether plans are left after that.
func (s *search) strike(value int64) (struck, alive bool) {
	s.reprice()
	var out []backout.Struck
	for i, d := range s.state.domain {
		if d.single() {
			continue
		}
		price, least := s.price[i], endless
		for l := range d.all() {
			least = min(least, price[l])
		}
		for l := range d.all() {
			if bound := value + price[l] - least; bound >= s.best {
				s.lower = min(s.lower, bound)
				out = append(out, backout.Struck{Movable: i, Level: l})
			}
		}
	}
	if out == nil {
		return false, true
	}
	s.cases = append(s.cases, backout.Case{Kind: backout.CaseStrike, Passes: s.passes(), Struck: out})
	for k, x := range out {
		s.state.keep(x.Movable, s.state.domain[x.Movable]&^(1<<x.Level))
		out[k].Movable = s.members[x.Movable]
	}
	return true, s.state.narrow() < 0
}

// reprice gives each level that is left its price after the passes.
func (s *search) reprice() {
	r := s.relax
	for i, price := range r.price {
		copy(s.price[i], price)
	}
	s.eachPass(func(k, x, y, a, b int, amount int64) {
		for l := range (s.state.domain[x] >> a << a).all() {
			s.price[x][l] += amount
		}
		for l := range (s.state.domain[y] >> b << b).all() {
			s.price[y][l] -= amount
		}
	})
}

// eachPass goes through the flow along implications: on edge k, if x is at least at a
// then y is at least at b.
func (s *search) eachPass(f func(k, x, y, a, b int, amount int64)) {
	r := s.relax
	for k, e := range s.p.edges {
		at := r.slot[k]
		s.passesOf(k, 0, e.i, e.j, r.flow[at:], f)
		s.passesOf(k, 1, e.j, e.i, r.flow[at+len(s.p.fixed[e.i]):], f)
	}
}

func (s *search) passesOf(k, side, x, y int, flow []int64, f func(k, x, y, a, b int, amount int64)) {
	var with levels
	for rest := s.state.domain[x]; rest != 0; {
		a := rest.highest()
		rest &^= 1 << a
		with |= s.p.suits[k][side][a] & s.state.domain[y]
		if flow[a] > 0 {
			f(k, x, y, a, with.lowest(), flow[a])
		}
	}
}

// passes are the proof of the last bound.
func (s *search) passes() []backout.Pass {
	var out []backout.Pass
	s.eachPass(func(k, x, _, a, b int, amount int64) {
		out = append(out, backout.Pass{Tie: s.ties[k], From: s.members[x], FromLevel: a, ToLevel: b, Amount: amount})
	})
	return out
}

func (s *search) named(part []int) []int {
	out := make([]int, len(part))
	for k, i := range part {
		out[k] = s.members[i]
	}
	return out
}
