package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// spec says what instances to make.
type spec struct {
	services, changes int
	family            string
	seed              uint64
}

func parseSpec(text string) (spec, error) {
	s := spec{services: 40, changes: 80, family: "stress", seed: 1}
	for _, part := range strings.Split(text, ",") {
		key, value, ok := strings.Cut(part, "=")
		if !ok {
			return s, fmt.Errorf("%q: expected key=value", part)
		}
		n, err := strconv.Atoi(value)
		switch key {
		case "services":
			s.services = n
		case "changes":
			s.changes = n
		case "seed":
			s.seed = uint64(n)
		case "family":
			s.family, err = value, nil
		default:
			return s, fmt.Errorf("%q: expected services, changes, family or seed", key)
		}
		if err != nil || n < 0 {
			return s, fmt.Errorf("%s is %q, expected a whole number", key, value)
		}
	}
	if _, ok := families[s.family]; !ok {
		return s, fmt.Errorf("family is %q, expected stress, lattice or adversarial", s.family)
	}
	if s.services < 1 || s.changes < 1 {
		return s, fmt.Errorf("%d services and %d changes, expected 1 or more", s.services, s.changes)
	}
	return s, nil
}

// family is a kind of instance.
type family struct {
	degree float64 // contracts at a service, in the mean
	hot    float64 // share of changes that are worth taking back
	table  func(r *rand.Rand, mi, mj int) [][]int
}

var families = map[string]family{
	"stress":      {degree: 3, hot: .4, table: staircase},
	"lattice":     {degree: 3, hot: .5, table: band},
	"adversarial": {degree: 3, hot: .6, table: holes},
}

// instance draws one. Services without a change can't move and are left out, with
// their contracts.
func (s spec) instance(seed uint64) instance {
	r, f := rand.New(rand.NewPCG(seed, 4)), families[s.family]
	stack := make([]int, s.services)
	for range s.changes {
		stack[r.IntN(s.services)]++
	}
	var in instance
	place := make([]int, s.services)
	for i, m := range stack {
		place[i] = in.N
		if m > 0 {
			in.movable(r, f, min(m, 5))
		}
	}
	seen := map[[2]int]bool{}
	for range int(f.degree * float64(s.services) / 2) {
		x, y := r.IntN(s.services), r.IntN(s.services)
		if x == y || stack[x] == 0 || stack[y] == 0 {
			continue
		}
		i, j := place[x], place[y]
		if !seen[[2]int{i, j}] && !seen[[2]int{j, i}] {
			seen[[2]int{i, j}] = true
			in.Edges = append(in.Edges, edge{i, j, f.table(r, in.Current[i], in.Current[j])})
		}
	}
	return in
}

// movable adds a component with m recent changes, some of which are likely enough to
// be the cause that taking them back pays.
func (in *instance) movable(r *rand.Rand, f family, m int) {
	cost, rate := make([]int64, m+1), make([]int64, m+1)
	var gain, lost int64
	for l := m - 1; l >= 0; l-- {
		if r.Float64() < f.hot {
			gain += 100 + r.Int64N(900)
			rate[l] = 1 + r.Int64N(20)
		}
		rate[l] += rate[l+1]
		lost += 20 + r.Int64N(200) // its value, if it was innocent
		cost[l] = lost - gain
	}
	for l := range cost {
		cost[l] += 5000
	}
	levels := make([]int, m+1)
	for l := range levels {
		levels[l] = l
	}
	in.N++
	in.Current, in.D, in.Domain = append(in.Current, m), append(in.D, 1+r.IntN(8)), append(in.Domain, levels)
	in.F, in.W = append(in.F, cost), append(in.W, rate)
}

// cells draws a table; what runs now suits in any case.
func cells(mi, mj int, suits func(a, b int) bool) [][]int {
	ok := make([][]int, mi+1)
	for a := range ok {
		ok[a] = make([]int, mj+1)
		for b := range ok[a] {
			if suits(a, b) || a == mi && b == mj {
				ok[a][b] = 1
			}
		}
	}
	return ok
}

// staircase is a contract of the usual kind: later consumers need later providers.
func staircase(r *rand.Rand, mi, mj int) [][]int {
	least := make([]int, mi+1)
	for a := 1; a <= mi; a++ {
		for least[a] = least[a-1]; least[a] < mj && r.Float64() < .35; {
			least[a]++
		}
	}
	return cells(mi, mj, func(a, b int) bool { return b >= least[a] })
}

// band lets neither side get far ahead of the other, so that moves drag each other
// along, and has them go in turns.
func band(r *rand.Rand, mi, mj int) [][]int {
	ahead, behind := (1+r.IntN(mj+1))*mi, (1+r.IntN(mi+1))*mj
	if r.IntN(2) == 0 {
		behind = mi * mj
	}
	return cells(mi, mj, func(a, b int) bool { return b*mi-a*mj < ahead && a*mj-b*mi < behind })
}

// holes forbids pairs without any sense in them.
func holes(r *rand.Rand, mi, mj int) [][]int {
	return cells(mi, mj, func(_, _ int) bool { return r.Float64() >= .15 })
}
