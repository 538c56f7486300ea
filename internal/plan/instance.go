package plan

import "math/bits"

// levels is a set of levels as bits: level l is in the set when bit l is one.
// A component with more than [maxLevels] recent changes is cut off at the old
// end before it gets here.
type levels uint64

const maxLevels = 64

func (s levels) has(l int) bool { return s>>l&1 == 1 }
func (s levels) single() bool   { return s&(s-1) == 0 }
func (s levels) lowest() int    { return bits.TrailingZeros64(uint64(s)) }

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

// problem is an instance with its relations compiled.
type problem struct {
	*instance
	relations [][][]relation // by edge, level of i, level of j
	support   [][2][]levels  // by edge and side: for each level of that side, the other side's levels that go with it
	touching  [][]int        // by component: the edges at it
}

func compile(in *instance) *problem {
	p := &problem{
		instance:  in,
		relations: make([][][]relation, len(in.edges)),
		support:   make([][2][]levels, len(in.edges)),
		touching:  make([][]int, len(in.current)),
	}
	for k, e := range in.edges {
		p.touching[e.i] = append(p.touching[e.i], k)
		p.touching[e.j] = append(p.touching[e.j], k)
		rows, columns := len(in.fixed[e.i]), len(in.fixed[e.j])
		sup := [2][]levels{make([]levels, rows), make([]levels, columns)}
		rel := make([][]relation, rows)
		for a := range rel {
			rel[a] = make([]relation, columns)
			for b := range rel[a] {
				rel[a][b] = in.relate(e, a, b)
				if rel[a][b] != forbidden {
					sup[0][a] |= 1 << b
					sup[1][b] |= 1 << a
				}
			}
		}
		p.relations[k], p.support[k] = rel, sup
	}
	return p
}

// reduce removes from the domains every level that no level of some neighbour
// goes with, until nothing changes (arc consistency, Mackworth's AC-3). It
// starts at the components in dirty. When a domain runs empty it returns the
// edge that emptied it, else -1.
func (p *problem) reduce(domain []levels, dirty []int) int {
	queue := append([]int(nil), dirty...)
	for len(queue) > 0 {
		x := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, k := range p.touching[x] {
			e, side := p.edges[k], 0
			other := e.j
			if x == e.j {
				side, other = 1, e.i
			}
			var kept levels
			for l, with := range p.support[k][side] {
				if domain[x].has(l) {
					kept |= with
				}
			}
			kept &= domain[other]
			if kept == 0 {
				return k
			}
			if kept != domain[other] {
				domain[other] = kept
				queue = append(queue, other)
			}
		}
	}
	return -1
}
