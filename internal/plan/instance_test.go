package plan

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"testing"
)

// golden is one instance of testdata/plans.json, whose optimum brute force, two
// answer-set encodings and an SMT solver agree on.
type golden struct {
	N       int       `json:"n"`
	Current []int     `json:"cur"`
	D       []int     `json:"d"`
	Domain  [][]int   `json:"dom"`
	F       [][]int64 `json:"f"`
	W       [][]int64 `json:"w"`
	Edges   []struct {
		I  int     `json:"i"`
		J  int     `json:"j"`
		OK [][]int `json:"ok"`
	} `json:"edges"`
	Optimum int64 `json:"optimum"`
	Plan    []int `json:"plan"`
	Finish  []int `json:"finish"`
}

func goldens(t *testing.T) []golden {
	t.Helper()
	b, err := os.ReadFile("testdata/plans.json")
	if err != nil {
		t.Fatal(err)
	}
	var out []golden
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func (g golden) instance() *instance {
	in := &instance{current: g.Current, duration: g.D, effect: g.D, fixed: g.F, rate: g.W}
	for _, ls := range g.Domain {
		var d levels
		for _, l := range ls {
			d |= 1 << l
		}
		in.domain = append(in.domain, d)
	}
	for _, e := range g.Edges {
		ok := make([][]bool, len(e.OK))
		for a, row := range e.OK {
			for _, v := range row {
				ok[a] = append(ok[a], v == 1)
			}
		}
		in.edges = append(in.edges, edge{e.I, e.J, ok})
	}
	return in
}

// shape describes a family of random instances.
type shape struct {
	n      int
	degree float64 // edges per component
	hot    float64 // share of components whose revert would pay
	holes  float64 // share of random forbidden cells; 0 = clean staircases
	band   bool    // tables that allow a band from oldest pair to newest, so that moves pull each other along
}

// random draws an instance in which staying is allowed.
func random(r *rand.Rand, s shape) *instance {
	in := &instance{}
	for range s.n {
		m := 1 + r.IntN(3)
		d := 1 + r.IntN(8)
		in.current = append(in.current, m)
		in.duration = append(in.duration, d)
		in.effect = append(in.effect, 1+r.IntN(d))
		in.domain = append(in.domain, 1<<(m+1)-1)
		fixed, rate := make([]int64, m+1), make([]int64, m+1)
		gain := int64(0)
		for l := m; l >= 0; l-- {
			if l < m && r.Float64() < s.hot {
				gain += r.Int64N(600)
			}
			fixed[l] = 1500 - gain + int64(m-l)*r.Int64N(120)
			if l < m {
				rate[l] = r.Int64N(30)
			}
		}
		in.fixed, in.rate = append(in.fixed, fixed), append(in.rate, rate)
	}
	seen := map[[2]int]bool{}
	for range int(s.degree * float64(s.n)) {
		i, j := r.IntN(s.n), r.IntN(s.n)
		if i == j || seen[[2]int{i, j}] || seen[[2]int{j, i}] {
			continue
		}
		seen[[2]int{i, j}] = true
		draw := table
		if s.band {
			draw = band
		}
		in.edges = append(in.edges, edge{i, j, draw(r, in.current[i], in.current[j], s.holes)})
	}
	return in
}

// table draws windows [lo,hi] of j for every level of i that move upwards, then
// punches holes; the current pair stays allowed.
func table(r *rand.Rand, mi, mj int, holes float64) [][]bool {
	ok := make([][]bool, mi+1)
	lo, hi := 0, r.IntN(mj+1)
	for a := range ok {
		lo, hi = min(mj, lo+r.IntN(2)), min(mj, hi+r.IntN(2))
		if a == mi {
			hi = mj
		}
		ok[a] = make([]bool, mj+1)
		for b := range ok[a] {
			ok[a][b] = b >= min(lo, hi) && b <= hi && r.Float64() >= holes
		}
	}
	ok[mi][mj] = true
	return ok
}

// band allows the cells near the diagonal, on one side or on both.
func band(r *rand.Rand, mi, mj int, holes float64) [][]bool {
	ok := make([][]bool, mi+1)
	under, over := 1+r.IntN(mi+1), 1+r.IntN(mj+1)
	if r.IntN(4) > 0 {
		under = mi * mj // consumers pull their providers, seldom the other way
	}
	for a := range ok {
		ok[a] = make([]bool, mj+1)
		for b := range ok[a] {
			ahead := b*mi - a*mj
			ok[a][b] = ahead < over*max(mi, mj)/2+1 && -ahead <= under*max(mi, mj)/2 && r.Float64() >= holes
		}
	}
	ok[mi][mj], ok[0][0] = true, true
	return ok
}

// every calls f with each combination of levels from the domains.
func (in *instance) every(f func(target []int)) {
	target := make([]int, len(in.current))
	var rec func(i int)
	rec = func(i int) {
		if i == len(target) {
			f(target)
			return
		}
		for l := range in.fixed[i] {
			if in.domain[i].has(l) {
				target[i] = l
				rec(i + 1)
			}
		}
	}
	rec(0)
}

// meets reports whether two components' levels may be live together, straight
// from the tables; the pair of the start always may.
func (in *instance) meets(e edge, a, b int) bool {
	return e.allowed[a][b] || a == in.current[e.i] && b == in.current[e.j]
}

// walkable searches the states "this set of components has moved" for a serial
// order in which nothing incompatible is ever live together. It knows nothing of
// relations, so it checks theorem 1 from the outside.
func (in *instance) walkable(target []int) bool {
	var moves []int
	bit := make([]int, len(target))
	for i, l := range target {
		bit[i] = -1
		if l != in.current[i] {
			bit[i] = len(moves)
			moves = append(moves, i)
		}
	}
	at := func(state, i int) int {
		if bit[i] >= 0 && state>>bit[i]&1 == 1 {
			return target[i]
		}
		return in.current[i]
	}
	full, seen, stack := 1<<len(moves)-1, map[int]bool{0: true}, []int{0}
	for len(stack) > 0 {
		state := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if state == full {
			return true
		}
		for k, i := range moves {
			next := state | 1<<k
			if !seen[next] && in.mayMove(i, target[i], func(j int) int { return at(state, j) }) {
				seen[next] = true
				stack = append(stack, next)
			}
		}
	}
	return false
}

func (in *instance) mayMove(i, to int, at func(int) int) bool {
	for _, e := range in.edges {
		for _, l := range [2]int{in.current[i], to} {
			if e.i == i && !in.meets(e, l, at(e.j)) || e.j == i && !in.meets(e, at(e.i), l) {
				return false
			}
		}
	}
	return true
}

// earliest computes starts by repeated relaxation from the tables alone, or nil
// when the moves wait for each other for ever.
func (in *instance) earliest(target []int) []int {
	n := len(target)
	start := make([]int, n)
	for range n + 1 {
		changed := false
		wait := func(first, second int) {
			if at := start[first] + in.duration[first]; at > start[second] {
				start[second], changed = at, true
			}
		}
		for _, e := range in.edges {
			a, b, ci, cj := target[e.i], target[e.j], in.current[e.i], in.current[e.j]
			if a == ci || b == cj {
				continue
			}
			if !in.meets(e, a, cj) {
				wait(e.j, e.i)
			}
			if !in.meets(e, ci, b) {
				wait(e.i, e.j)
			}
		}
		if !changed {
			return start
		}
	}
	return nil
}

// brute is the cheapest plan by trying everything: cost, then moves.
func (in *instance) brute(t *testing.T) (cost int64, moves int) {
	t.Helper()
	cost = -1
	in.every(func(target []int) {
		for _, e := range in.edges {
			if !in.meets(e, target[e.i], target[e.j]) {
				return
			}
		}
		start, walk := in.earliest(target), in.walkable(target)
		if (start != nil) != walk {
			t.Fatalf("order theory says %v, the search over states says %v, for target %v", start != nil, walk, target)
		}
		if start == nil {
			return
		}
		c, m := in.cost(target, start), in.moved(target)
		if cost < 0 || c < cost || c == cost && m < moves {
			cost, moves = c, m
		}
	})
	return cost, moves
}

func (in *instance) moved(target []int) int {
	m := 0
	for i, l := range target {
		if l != in.current[i] {
			m++
		}
	}
	return m
}
