package plan

import (
	"iter"
	"math/bits"
)

// levels is a set of levels as bits: level l is in the set when bit l is one.
// A component with more than [maxLevels] recent changes is cut off at the old
// end before it gets here.
type levels uint64

const maxLevels = 64

func (s levels) has(l int) bool { return s>>l&1 == 1 }
func (s levels) single() bool   { return s&(s-1) == 0 }
func (s levels) lowest() int    { return bits.TrailingZeros64(uint64(s)) }
func (s levels) highest() int   { return bits.Len64(uint64(s)) - 1 }
func (s levels) count() int     { return bits.OnesCount64(uint64(s)) }

// all goes through the levels of the set, ascending.
func (s levels) all() iter.Seq[int] {
	return func(yield func(int) bool) {
		for ; s != 0; s &= s - 1 {
			if !yield(s.lowest()) {
				return
			}
		}
	}
}

// instance is the problem without words: n components, each at one of a few
// levels, with integer costs. A component that stays costs fixed[i][current[i]];
// one that moves to l costs fixed[i][l] + rate[i][l] * (start + effect[i]).
// Everything else about a plan (what is reachable, which versions may be live
// together) is in the domains and in the edges' tables.
type instance struct {
	current  []int
	duration []int // ticks that a move occupies; whoever waits for it waits that long
	effect   []int // ticks until the move's effect is felt; never above duration
	domain   []levels
	fixed    [][]int64
	rate     [][]int64
	edges    []edge
}

// edge is one pair of related components. allowed[a][b] says that component i
// at level a and component j at level b may be live together.
type edge struct {
	i, j    int
	allowed [][]bool
}

// relation says what a pair of target levels asks of the order of two moves.
type relation uint8

const (
	forbidden relation = iota // no order is safe
	free                      // any order is safe, side by side too
	iFirst                    // i must have finished before j starts
	jFirst                    // j must have finished before i starts
)

// relate compiles one cell of an edge's table. While i moves from ci to a, both
// are live; if it moves first, it meets j at cj, so (a,cj) must be allowed; if it
// moves second, j's new level meets ci, so (ci,b) must be. The pair that is live
// at the start is never held against a plan: it may be the very trouble, and
// nobody can unmake its past.
func (in *instance) relate(e edge, a, b int) relation {
	ci, cj := in.current[e.i], in.current[e.j]
	switch {
	case a == ci && b == cj:
		return free
	case !e.allowed[a][b]:
		return forbidden
	case a == ci || b == cj:
		return free
	}
	switch first, second := e.allowed[a][cj], e.allowed[ci][b]; {
	case first && second:
		return free
	case first:
		return iFirst
	case second:
		return jFirst
	}
	return forbidden
}

// price is what component i costs at level l when its move starts at a tick.
func (in *instance) price(i, l, start int) int64 {
	if l == in.current[i] {
		return in.fixed[i][l]
	}
	return in.fixed[i][l] + in.rate[i][l]*int64(start+in.effect[i])
}

// cost is the price of all components together.
func (in *instance) cost(target, start []int) int64 {
	var sum int64
	for i, l := range target {
		sum += in.price(i, l, start[i])
	}
	return sum
}

// problem is an instance with its relations compiled into sets of levels.
type problem struct {
	*instance
	// suits gives, by edge, side and level of that side, the levels of the other side
	// that go with it in some order; waits those of them that must have finished first.
	suits    [][2][]levels
	waits    [][2][]levels
	touching [][]int // by component: the edges at it
}

func compile(in *instance) *problem {
	p := &problem{instance: in, suits: make([][2][]levels, len(in.edges)), waits: make([][2][]levels, len(in.edges))}
	p.touching = touching(len(in.current), in.edges)
	cells := 0
	for _, e := range in.edges {
		cells += 2 * (len(in.fixed[e.i]) + len(in.fixed[e.j]))
	}
	buffer := make([]levels, cells)
	take := func(n int) []levels {
		out := buffer[:n:n]
		buffer = buffer[n:]
		return out
	}
	for k, e := range in.edges {
		for side, n := range [2]int{len(in.fixed[e.i]), len(in.fixed[e.j])} {
			p.suits[k][side], p.waits[k][side] = take(n), take(n)
		}
		p.note(k, e)
	}
	return p
}

// note writes down what an edge's cells ask for.
func (p *problem) note(k int, e edge) {
	for a := range p.fixed[e.i] {
		for b := range p.fixed[e.j] {
			r := p.relate(e, a, b)
			if r == forbidden {
				continue
			}
			p.suits[k][0][a] |= 1 << b
			p.suits[k][1][b] |= 1 << a
			switch r {
			case iFirst:
				p.waits[k][1][b] |= 1 << a
			case jFirst:
				p.waits[k][0][a] |= 1 << b
			}
		}
	}
}

// touching lists the edges at each component.
func touching(components int, edges []edge) [][]int {
	count := make([]int, components)
	for _, e := range edges {
		count[e.i]++
		count[e.j]++
	}
	out, buffer := make([][]int, components), make([]int, 2*len(edges))
	for i, n := range count {
		out[i], buffer = buffer[:0:n], buffer[n:]
	}
	for k, e := range edges {
		out[e.i] = append(out[e.i], k)
		out[e.j] = append(out[e.j], k)
	}
	return out
}

// relation is the code of one cell of an edge.
func (p *problem) relation(k, a, b int) relation {
	switch {
	case !p.suits[k][0][a].has(b):
		return forbidden
	case p.waits[k][0][a].has(b):
		return jFirst
	case p.waits[k][1][b].has(a):
		return iFirst
	}
	return free
}

// other is the far end of an edge seen from component x, and the side that x is on.
func (e edge) other(x int) (other, side int) {
	if x == e.j {
		return e.i, 1
	}
	return e.j, 0
}
