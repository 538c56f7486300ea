package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const testLimit = 20000

func mustSolve(t rapid.TB, in *instance) solution {
	t.Helper()
	s, why := solve(in, testLimit)
	if why != nil {
		t.Fatalf("no plan: %+v", *why)
	}
	return s
}

func TestSolve_golden(t *testing.T) {
	moved, waiting, nodes := 0, 0, 0
	for k, g := range goldens(t) {
		in := g.instance()
		s := mustSolve(t, in)
		if s.cost != g.Optimum || s.lower != g.Optimum || !s.optimal {
			t.Errorf("plan %d: cost %d, lower %d, optimal %v; want %d", k, s.cost, s.lower, s.optimal, g.Optimum)
		}
		if err := unsafeAt(in, s.target, s.start); err != "" {
			t.Errorf("plan %d: %s", k, err)
		}
		nodes += s.nodes
		if in.moved(s.target) > 0 {
			moved++
		}
		if slices.Max(s.start) > 0 {
			waiting++
		}
	}
	if moved < 38 || waiting < 13 {
		t.Errorf("%d plans move and %d wait: the examples should do both", moved, waiting)
	}
	if nodes > 150 {
		t.Errorf("%d search nodes: the bound has become weak", nodes)
	}
	t.Logf("%d search nodes", nodes)
}

// families are the kinds of random instance small enough for brute force.
var families = []shape{
	{n: 5, degree: 1.2, hot: .4},
	{n: 6, degree: 1.6, hot: .5},
	{n: 7, degree: 2, hot: .4},
	{n: 5, degree: 1.5, hot: .6, holes: .15},
	{n: 6, degree: 2, hot: .6, holes: .3},
	{n: 4, degree: 1.5, hot: .9, holes: .45},
	{n: 7, degree: 1.5, hot: .5, band: true},
	{n: 6, degree: 2, hot: .5, holes: .1, band: true},
}

func TestSolve_equalsBruteForce(t *testing.T) {
	for f, family := range families {
		for seed := range uint64(5000 / len(families)) {
			r := rand.New(rand.NewPCG(uint64(f), seed))
			in := random(r, family)
			want, moves := in.brute(t)
			proven(t, in, 0)
			s := mustSolve(t, in)
			if s.cost != want || !s.optimal || s.lower != want {
				t.Fatalf("family %d seed %d: cost %d (lower %d, optimal %v), brute force %d", f, seed, s.cost, s.lower, s.optimal, want)
			}
			if got := in.moved(s.target); got != moves {
				t.Fatalf("family %d seed %d: %d moves, %d are enough for the same cost", f, seed, got, moves)
			}
			if err := unsafeAt(in, s.target, s.start); err != "" {
				t.Fatalf("family %d seed %d: %s", f, seed, err)
			}
		}
	}
}

// unsafeAt sweeps a plan over time and names the first pair of live versions
// that may not meet. It uses the tables only.
func unsafeAt(in *instance, target, start []int) string {
	times := []int{0}
	for i := range target {
		times = append(times, start[i], start[i]+in.duration[i])
	}
	live := func(i, at int) []int {
		switch {
		case target[i] == in.current[i] || at < start[i]:
			return []int{in.current[i]}
		case at < start[i]+in.duration[i]:
			return []int{in.current[i], target[i]}
		}
		return []int{target[i]}
	}
	for _, at := range times {
		for _, e := range in.edges {
			for _, a := range live(e.i, at) {
				for _, b := range live(e.j, at) {
					if !in.meets(e, a, b) {
						return fmt.Sprintf("tick %d: %d at %d meets %d at %d", at, e.i, a, e.j, b)
					}
				}
			}
		}
	}
	return ""
}

func TestSolve_wavesHoldInEveryMixedState(t *testing.T) {
	for seed := range uint64(200) {
		in := random(rand.New(rand.NewPCG(9, seed)), shape{n: 6, degree: 1.8, hot: .7, band: true})
		s := mustSolve(t, in)
		for mask := range 1 << len(in.current) {
			for wave := range slices.Max(s.depth) + 1 {
				state := slices.Clone(in.current)
				for i, l := range s.target {
					if l != in.current[i] && (s.depth[i] < wave || s.depth[i] == wave && mask>>i&1 == 1) {
						state[i] = l
					}
				}
				for _, e := range in.edges {
					if !in.meets(e, state[e.i], state[e.j]) {
						t.Fatalf("seed %d wave %d: state %v breaks edge %d-%d", seed, wave, state, e.i, e.j)
					}
				}
			}
		}
	}
}

// drawn is an instance of up to nine components, as rapid shrinks it.
func drawn(t *rapid.T) (*rand.Rand, *instance) {
	r := rand.New(rand.NewPCG(77, rapid.Uint64().Draw(t, "seed")))
	return r, random(r, shape{
		n: rapid.IntRange(2, 9).Draw(t, "components"), degree: rapid.Float64Range(.5, 2.5).Draw(t, "degree"),
		hot: rapid.Float64Range(.2, .9).Draw(t, "hot"), holes: rapid.Float64Range(0, .3).Draw(t, "holes"), band: rapid.Bool().Draw(t, "band"),
	})
}

// What must hold between an instance and its like, whatever the optimum is.
func TestSolve_metamorphic(t *testing.T) {
	properties := map[string]func(t *rapid.T, r *rand.Rand, in *instance, s solution){
		"a constraint more never lowers the optimum": func(t *rapid.T, r *rand.Rand, in *instance, s solution) {
			more, j := *in, len(in.current)-1
			more.edges = append(slices.Clone(in.edges), edge{0, j, table(r, in.current[0], in.current[j], .2)})
			if got := mustSolve(t, &more); got.cost < s.cost {
				t.Fatalf("from %d to %d", s.cost, got.cost)
			}
		},
		"an irrelevant component adds exactly its stay": func(t *rapid.T, r *rand.Rand, in *instance, s solution) {
			wide, stay := *in, 100+r.Int64N(400)
			wide.current = append(slices.Clone(in.current), 1)
			wide.duration, wide.effect = append(slices.Clone(in.duration), 3), append(slices.Clone(in.effect), 3)
			wide.domain = append(slices.Clone(in.domain), 3)
			wide.fixed = append(slices.Clone(in.fixed), []int64{stay + r.Int64N(50), stay})
			wide.rate = append(slices.Clone(in.rate), []int64{4, 0})
			if got := mustSolve(t, &wide); got.cost != s.cost+stay {
				t.Fatalf("it added %d, not %d", got.cost-s.cost, stay)
			}
		},
		"scaling all costs scales the optimum": func(t *rapid.T, r *rand.Rand, in *instance, s solution) {
			by := 2 + r.Int64N(9)
			if got := mustSolve(t, scaled(in, by)); got.cost != by*s.cost {
				t.Fatalf("times %d gave %d instead of %d", by, got.cost, by*s.cost)
			}
		},
		"other names give the same optimum": func(t *rapid.T, r *rand.Rand, in *instance, s solution) {
			if got := mustSolve(t, relabelled(in, r.Perm(len(in.current)))); got.cost != s.cost {
				t.Fatalf("%d instead of %d", got.cost, s.cost)
			}
		},
		"the same instance gives the same plan": func(t *rapid.T, _ *rand.Rand, in *instance, s solution) {
			if got := mustSolve(t, in); !cmp.Equal(got.target, s.target) || !cmp.Equal(got.start, s.start) {
				t.Fatalf("%v at %v instead of %v at %v", got.target, got.start, s.target, s.start)
			}
		},
		"lower bound, optimum, any safe plan ascend": func(t *rapid.T, r *rand.Rand, in *instance, s solution) {
			short, _ := solve(in, 1)
			if short.lower > s.cost || s.cost > short.cost {
				t.Fatalf("a search cut off says %d to %d, the optimum is %d", short.lower, short.cost, s.cost)
			}
			p := compile(in)
			for range 50 {
				target := make([]int, len(in.current))
				for i := range target {
					target[i] = r.IntN(len(in.fixed[i]))
				}
				when := p.order(target)
				if when.cycle == nil && unsafeAt(in, target, when.start) == "" && in.cost(target, when.start) < s.cost {
					t.Fatalf("%v costs %d, less than the optimum %d", target, in.cost(target, when.start), s.cost)
				}
			}
		},
	}
	for name, holds := range properties {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				r, in := drawn(t)
				holds(t, r, in, mustSolve(t, in))
			})
		})
	}
}

func scaled(in *instance, by int64) *instance {
	out := *in
	out.fixed, out.rate = nil, nil
	for i := range in.fixed {
		f, w := slices.Clone(in.fixed[i]), slices.Clone(in.rate[i])
		for l := range f {
			f[l] *= by
			w[l] *= by
		}
		out.fixed, out.rate = append(out.fixed, f), append(out.rate, w)
	}
	return &out
}

func relabelled(in *instance, to []int) *instance {
	out := &instance{}
	n := len(to)
	out.current, out.duration, out.effect = make([]int, n), make([]int, n), make([]int, n)
	out.domain, out.fixed, out.rate = make([]levels, n), make([][]int64, n), make([][]int64, n)
	for i, k := range to {
		out.current[k], out.duration[k], out.effect[k] = in.current[i], in.duration[i], in.effect[i]
		out.domain[k], out.fixed[k], out.rate[k] = in.domain[i], in.fixed[i], in.rate[i]
	}
	for _, e := range in.edges {
		out.edges = append(out.edges, edge{to[e.i], to[e.j], e.allowed})
	}
	return out
}

// Within any domains, decided or not, the bound stays below every true plan.
func TestBound_staysBelow(t *testing.T) {
	tight := 0
	for seed := range uint64(600) {
		r := rand.New(rand.NewPCG(31, seed))
		in := random(r, shape{n: 6, degree: 1.8, hot: .7, holes: float64(seed%3) * .1, band: seed%2 == 0})
		for i := range in.domain {
			if r.IntN(2) == 0 {
				in.domain[i] = 1 << r.IntN(len(in.fixed[i]))
			}
		}
		want, _ := in.brute(t)
		p := compile(in)
		st := newState(p, slices.Clone(in.domain))
		st.enqueueAll()
		if st.narrow() >= 0 || want < 0 {
			continue
		}
		value := newRelaxation(p).bound(st)
		if value > want {
			t.Fatalf("seed %d: bound %d above the optimum %d", seed, value, want)
		}
		if value == want {
			tight++
		}
	}
	if tight < 100 {
		t.Errorf("the bound was exact %d times only", tight)
	}
}

func TestSolve_limitLeavesAnHonestGap(t *testing.T) {
	seen := false
	for seed := range uint64(40) {
		in := random(rand.New(rand.NewPCG(5, seed)), shape{n: 40, degree: 2, hot: .6, holes: .15, band: true})
		best := mustSolve(t, in)
		short, why := solve(in, 2)
		if why != nil {
			t.Fatal("a short search must still offer to stay")
		}
		if short.lower > best.cost || short.cost < best.cost {
			t.Fatalf("seed %d: bounds [%d,%d] miss the optimum %d", seed, short.lower, short.cost, best.cost)
		}
		if err := unsafeAt(in, short.target, short.start); err != "" {
			t.Fatalf("seed %d: %s", seed, err)
		}
		seen = seen || !short.optimal
	}
	if !seen {
		t.Error("no search met the limit")
	}
}

func TestSolve_conflict(t *testing.T) {
	// Both must go back, but each old version refuses the other's new one.
	both := [][]bool{{true, false}, {false, true}}
	in := &instance{
		current: []int{1, 1}, duration: []int{1, 1}, effect: []int{1, 1}, domain: []levels{1, 1},
		fixed: [][]int64{{0, 9}, {0, 9}}, rate: [][]int64{{0, 0}, {0, 0}}, edges: []edge{{0, 1, both}},
	}
	if _, why := solve(in, testLimit); why == nil || why.edge != 0 {
		t.Errorf("atomic switch: got %+v, want the edge", why)
	}
	// a before b before c before a.
	first := [][]bool{{true, true}, {false, true}}
	in = &instance{
		current: []int{1, 1, 1}, duration: []int{1, 1, 1}, effect: []int{1, 1, 1}, domain: []levels{1, 1, 1},
		fixed: [][]int64{{0, 9}, {0, 9}, {0, 9}}, rate: [][]int64{{0, 0}, {0, 0}, {0, 0}},
		edges: []edge{{0, 1, first}, {1, 2, first}, {2, 0, first}},
	}
	_, why := solve(in, testLimit)
	if why == nil || len(why.cycle) != 3 {
		t.Errorf("cycle: got %+v, want three components", why)
	}
}

func BenchmarkSolve(b *testing.B) {
	for _, s := range []shape{
		{n: 50, degree: 1.5, hot: .4, band: true},
		{n: 50, degree: 2, hot: .6, holes: .15, band: true},
		{n: 1000, degree: 1.2, hot: .4},
		{n: 1000, degree: .6, hot: .4, band: true},
		{n: 1000, degree: .8, hot: .4, holes: .1, band: true},
	} {
		in := random(rand.New(rand.NewPCG(1, 2)), s)
		b.Run(fmt.Sprintf("n=%d_degree=%.1f_holes=%.2f_band=%v", s.n, s.degree, s.holes, s.band), func(b *testing.B) {
			var got solution
			for b.Loop() {
				got = mustSolve(b, in)
			}
			b.ReportMetric(float64(got.nodes), "nodes")
			b.ReportMetric(float64(got.largest), "largest")
			if !got.optimal {
				b.ReportMetric(1, "unproven")
			}
		})
	}
}
