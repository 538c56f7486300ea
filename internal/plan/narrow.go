package plan

// state is what a search knows at one of its nodes: which levels are left, and how
// early each can be begun. Both only ever get tighter on the way down; what was
// tightened is kept on a trail, so that going back up costs no copies.
type state struct {
	p      *problem
	domain []levels
	// earliest is, by component and level, a tick before which a move there can't
	// begin in any safe plan within the domains: some neighbour must have finished,
	// whichever of the levels that are left it takes.
	earliest [][]int
	longest  int // all moves one after the other: nothing begins later
	trail    []undo
	queue    []int
	queued   []bool
	effort   int // levels looked at
}

// undo is one tightening: of a domain (level < 0), or of an earliest begin.
type undo struct {
	component, level int
	domain           levels
	tick             int
}

func newState(p *problem, domain []levels) *state {
	s := &state{p: p, domain: domain, earliest: make([][]int, len(domain)), queued: make([]bool, len(domain))}
	n := 0
	for i := range domain {
		n += len(p.fixed[i])
		s.longest += p.duration[i]
	}
	buffer := make([]int, n)
	for i := range domain {
		s.earliest[i], buffer = buffer[:len(p.fixed[i])], buffer[len(p.fixed[i]):]
	}
	return s
}

// back undoes everything since the trail had a length.
func (s *state) back(mark int) {
	for len(s.trail) > mark {
		u := s.trail[len(s.trail)-1]
		s.trail = s.trail[:len(s.trail)-1]
		if u.level < 0 {
			s.domain[u.component] = u.domain
		} else {
			s.earliest[u.component][u.level] = u.tick
		}
	}
}

// keep leaves a component only some of its levels.
func (s *state) keep(i int, d levels) {
	if d != s.domain[i] {
		s.trail = append(s.trail, undo{component: i, level: -1, domain: s.domain[i]})
		s.domain[i] = d
		s.enqueue(i)
	}
}

func (s *state) enqueue(i int) {
	if !s.queued[i] {
		s.queued[i] = true
		s.queue = append(s.queue, i)
	}
}

// enqueueAll makes the next [state.narrow] look at everything.
func (s *state) enqueueAll() {
	for i := range s.domain {
		s.enqueue(i)
	}
}

// narrow draws the conclusions from what was enqueued, until there are no more:
// levels are struck out that no level of some neighbour goes with (arc consistency,
// Mackworth's AC-3), and begins are put off that every level left to some neighbour
// puts off. It returns the edge that left a component without any level, else -1.
func (s *state) narrow() int {
	for at := 0; at < len(s.queue); at++ {
		x := s.queue[at]
		s.queued[x] = false
		for _, k := range s.p.touching[x] {
			y, side := s.p.edges[k].other(x)
			kept := s.domain[y] & s.beside(k, side, x)
			if kept == 0 {
				s.forget(at + 1)
				return k
			}
			s.keep(y, kept)
			s.delay(k, 1-side, y, x)
		}
	}
	s.queue = s.queue[:0]
	return -1
}

func (s *state) forget(from int) {
	for _, x := range s.queue[from:] {
		s.queued[x] = false
	}
	s.queue = s.queue[:0]
}

// beside are the levels at the far end of an edge that go with some level left to x.
func (s *state) beside(k, side, x int) levels {
	var out levels
	suits := s.p.suits[k][side]
	for d := s.domain[x]; d != 0; d &= d - 1 {
		out |= suits[d.lowest()]
	}
	return out
}

// delay puts off the moves of y that have to wait for x by edge k, whichever level x
// takes. y is on the given side of the edge.
func (s *state) delay(k, side, y, x int) {
	suits, waits := s.p.suits[k][side], s.p.waits[k][side]
	for d := s.domain[y]; d != 0; d &= d - 1 {
		l := d.lowest()
		s.effort++
		choice := suits[l] & s.domain[x]
		if choice&^waits[l] != 0 {
			continue // x has a level that makes nobody wait
		}
		soonest := s.longest
		for ; choice != 0; choice &= choice - 1 {
			soonest = min(soonest, s.earliest[x][choice.lowest()]+s.p.duration[x])
		}
		if soonest > s.earliest[y][l] {
			s.trail = append(s.trail, undo{component: y, level: l, tick: s.earliest[y][l]})
			s.earliest[y][l] = soonest
			s.enqueue(y)
		}
	}
}
