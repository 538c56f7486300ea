package plan

import "github.com/backout-dev/backout"

// search is branch and bound over domains. Its bound is the relaxation; it
// branches on what the relaxation got wrong: a forbidden cell, a cycle in the
// order, or a wait that was not reckoned with. See the package comment. It writes down the tree of cases that
// it went through, which is the proof of its result.
type search struct {
	p      *problem
	state  *state
	relax  *relaxation
	clock  clock
	price  [][]int64 // by component and level, after the shifts and the flow of the last bound
	saved  []carried // by depth: what the nodes below start from
	nodes  int
	limit  int  // of effort
	clash  bool // the relaxation's choice has a forbidden pair
	charge bool // some wait is charged to an edge

	// The result.
	best  int64
	pick  []int // of the best plan so far
	lower int64 // the least bound of all cases
	cut   bool  // the limit ended the search early
	ring  []int // the last cycle that ruled a target out
	empty int   // the last edge that did
	cases []backout.Case
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
	if depth > 0 {
		s.relax.copyFrom(&s.saved[depth-1])
	}
	for {
		value := s.relax.bound(s.state)
		if value >= s.best {
			s.closed(value)
			return
		}
		at := s.wrong()
		if at == ringed {
			s.cases = append(s.cases, backout.Case{Kind: backout.CaseCycle, Cycle: s.named(s.ring)})
			return
		}
		value = s.even()
		if value >= s.best || at == nothing || s.effort() >= s.limit {
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
	s.cases = append(s.cases, backout.Case{Kind: backout.CaseBound, Shifts: s.shown(), Charges: s.charged()})
}

// keep saves what the nodes below are to start from.
func (s *search) keep(depth int) {
	if len(s.saved) == depth {
		s.saved = append(s.saved, newCarried(s.p))
	}
	s.saved[depth].copyFrom(&s.relax.carried)
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
	s.clash = false
	for k, e := range s.p.edges {
		if !s.p.suits[k][0][pick[e.i]].has(pick[e.j]) {
			s.clash = true
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
	if at := s.delayed(); at != nothing {
		return at
	}
	return s.slack()
}

// slack finds the tie whose shifts take most from the relaxation's choice: they are
// what is left between a plan's cost and the bound when no wait is.
func (s *search) slack() int {
	at, most := nothing, int64(0)
	for k, e := range s.p.edges {
		x, y := s.relax.sides(s.relax.shift, k)
		a, b := s.relax.pick[e.i], s.relax.pick[e.j]
		if lost := s.relax.waiting(s.state, k, a, b) - x[a] - y[b]; lost > most {
			if at, most = e.i, lost; s.state.domain[e.i].single() {
				at = e.j
			}
		}
	}
	return at
}

// delayed finds the costliest wait that the bound did not see, and on the chain
// of moves that causes it the nearest component that is not decided yet.
func (s *search) delayed() int {
	at, worst := nothing, int64(0)
	for i, l := range s.relax.pick {
		gap := s.p.price(i, l, s.clock.start[i]) - s.p.price(i, l, s.state.earliest[i][l])
		if gap > 0 {
			s.blame(i, l)
		}
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

// blame charges the wait of a move to the edge that causes it. It can be charged to
// one only, since of several waits only the longest counts.
func (s *search) blame(i, l int) {
	if s.relax.charge[i][l] >= 0 {
		return
	}
	for _, k := range s.p.touching[i] {
		if b := s.p.waitsFor(k, i, s.relax.pick); b >= 0 && s.clock.start[b]+s.p.duration[b] == s.clock.start[i] {
			s.relax.charge[i][l], s.relax.charged[k], s.charge = k, true, true
			return
		}
	}
}

// strike rules out every level that is proven to be in no plan cheaper than the
// best: after shifts and flow each level has a price of its own, and a plan with it costs
// at least the bound and the difference to its component's cheapest level. It reports
// whether it struck any, and whether plans are left after that.
func (s *search) strike(value int64) (struck, alive bool) {
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
	s.cases = append(s.cases, backout.Case{Kind: backout.CaseStrike, Shifts: s.shown(), Charges: s.charged(), Struck: out})
	for k, x := range out {
		s.state.keep(x.Movable, s.state.domain[x.Movable]&^(1<<x.Level))
		out[k].Movable = s.members[x.Movable]
	}
	return true, s.state.narrow() < 0
}
