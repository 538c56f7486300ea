package simulate

import (
	"fmt"
	"math"
	"math/rand/v2"

	backout "github.com/backout-dev/backout"
)

// node is a service as it truly is.
type node struct {
	id    backout.ServiceID
	kind  backout.ServiceKind
	entry bool
	calls []*call
	// In health: seconds, requests a minute, share of failures; how much of a rise
	// of demand shows in the latency (elasticity).
	latency, demand, failing, elastic float64
	// Noise of log latency.
	noise, phi float64
	job        job
	influences []influence // the cause's
	unrelated  []influence // of trouble that has nothing to do with it
}

// job is something a service does every so many minutes, for some minutes.
type job struct{ every, phase, lasts, slow float64 }

// call is a dependency as it truly is, seen from its caller.
type call struct {
	to     int
	weight float64 // of the callee's requests
	hard   bool
	holds  bool
	told   bool // somebody wrote it down
	seen   bool // somebody measures it
	// passes is whether trouble passes, gain how much of it, lag how many minutes
	// later.
	passes    bool
	gain, lag float64
	// bad is what the cause does to these calls alone.
	bad []influence
}

// family draws which of n services call which; callers have smaller indices, so
// that there is no cycle.
type family struct {
	name string
	draw func(r *rand.Rand, n int) [][2]int
}

// layered has four layers; most calls go one layer down.
func layered(r *rand.Rand, n int) [][2]int {
	var out [][2]int
	layer := func(i int) int { return min(3, 4*i/n) }
	for v := range n {
		if layer(v) == 0 {
			continue
		}
		for range 1 + r.IntN(3) {
			u := r.IntN(n)
			for layer(u) >= layer(v) || layer(u) < layer(v)-1 && r.Float64() < .7 {
				u = r.IntN(n)
			}
			out = append(out, [2]int{u, v})
		}
	}
	return out
}

// hub has a few services that nearly everything goes through.
func hub(r *rand.Rand, n int) [][2]int {
	var out [][2]int
	hubs, front := 2+r.IntN(2), n/3
	for v := front; v < front+hubs; v++ {
		for u := range front {
			if u%hubs == v-front || r.Float64() < .2 {
				out = append(out, [2]int{u, v})
			}
		}
	}
	for v := 4; v < front; v++ {
		out = append(out, [2]int{r.IntN(min(v, 4)), v})
	}
	for v := front + hubs; v < n; v++ {
		out = append(out, [2]int{front + r.IntN(hubs), v})
		if r.Float64() < .3 {
			out = append(out, [2]int{r.IntN(v), v})
		}
	}
	return out
}

// chain has long lines of services behind a gateway, with a few links across.
func chain(r *rand.Rand, n int) [][2]int {
	var out [][2]int
	lines := n / (5 + r.IntN(4))
	for v := 1; v < n; v++ {
		out = append(out, [2]int{max(0, v-lines), v})
		if r.Float64() < .15 {
			out = append(out, [2]int{r.IntN(v), v})
		}
	}
	return out
}

// mesh lets anything call anything that comes after it.
func mesh(r *rand.Rand, n int) [][2]int {
	var out [][2]int
	for v := 3; v < n; v++ {
		for range 1 + r.IntN(3) {
			out = append(out, [2]int{r.IntN(v), v})
		}
	}
	return out
}

// tree gives each service one caller, and some shared stores many.
func tree(r *rand.Rand, n int) [][2]int {
	var out [][2]int
	shared := n - 3
	for v := 1; v < shared; v++ {
		out = append(out, [2]int{(v - 1) / (2 + r.IntN(3)), v})
	}
	for v := shared; v < n; v++ {
		for u := range shared {
			if r.Float64() < .12 {
				out = append(out, [2]int{u, v})
			}
		}
	}
	return out
}

// cells has small products side by side, on platform services that all of them use.
func cells(r *rand.Rand, n int) [][2]int {
	var out [][2]int
	platform, many := n-4, 4+r.IntN(3)
	for v := many; v < platform; v++ {
		for range 1 + r.IntN(2) {
			out = append(out, [2]int{v%many + many*r.IntN((v-v%many)/many), v})
		}
	}
	for v := platform; v < n; v++ {
		for u := range platform {
			if r.Float64() < .2 {
				out = append(out, [2]int{u, v})
			}
		}
	}
	return out
}

// wire draws services, their calls and what is healthy for them.
func (w *world) wire() {
	r, t := w.r, w.terms
	n := t.services[0] + r.IntN(t.services[1]-t.services[0])
	providers := 3 + r.IntN(3)
	f := t.families[r.IntN(len(t.families))]
	w.family = f.name
	names := r.Perm(n)
	for i := range n + providers {
		w.nodes = append(w.nodes, w.drawNode(i, n, names))
	}
	pairs := f.draw(r, n)
	for v := n; v < n+providers; v++ {
		for range 2 + r.IntN(4) {
			pairs = append(pairs, [2]int{r.IntN(n), v})
		}
	}
	called := make([]int, n+providers)
	for _, p := range pairs {
		if w.calls(p[0], p[1]) == nil {
			w.nodes[p[0]].calls = append(w.nodes[p[0]].calls, w.drawCall(p[1]))
			called[p[1]]++
		}
	}
	w.share(called)
	for i, x := range w.nodes[:n] {
		x.entry = called[i] == 0
		if len(x.calls) == 0 && !x.entry && r.Float64() < .3 {
			x.kind = backout.ServiceDatastore
		}
	}
}

func (w *world) drawNode(i, n int, names []int) *node {
	r, t := w.r, w.terms
	x := &node{kind: backout.ServiceOwn, latency: .02 * math.Exp(r.NormFloat64()), demand: 250 * math.Exp(.9*r.NormFloat64()),
		failing: .001 + .006*r.Float64()*r.Float64(), elastic: .15 * r.Float64(), noise: within(r, t.noise), phi: within(r, t.phi)}
	if i >= n {
		x.kind, x.id = backout.ServiceExternal, backout.ServiceID(fmt.Sprintf("provider-%d", i-n))
		return x
	}
	x.id = backout.ServiceID(fmt.Sprintf("s%02d", names[i]))
	if r.Float64() < t.jobs {
		x.job = job{every: float64(15 * (1 + r.IntN(2))), phase: 30 * r.Float64(), lasts: 1 + r.Float64(), slow: .3 + .6*r.Float64()}
	}
	return x
}

func (w *world) drawCall(to int) *call {
	r, t := w.r, w.terms
	c := &call{to: to, weight: .2 + r.Float64(), hard: r.Float64() < .8, holds: r.Float64() < .04, told: true, seen: true,
		gain: .15 + .45*r.Float64(), lag: t.hop * r.ExpFloat64()}
	passes := t.transmits
	if !c.hard {
		passes /= 2
	}
	c.passes = r.Float64() < passes
	return c
}

// share makes the weights of all calls to a service sum to one.
func (w *world) share(called []int) {
	sums := make([]float64, len(called))
	for _, x := range w.nodes {
		for _, c := range x.calls {
			sums[c.to] += c.weight
		}
	}
	for _, x := range w.nodes {
		for _, c := range x.calls {
			c.weight /= sums[c.to]
		}
	}
}

// calls is the call from one service to another, nil if there is none.
func (w *world) calls(from, to int) *call {
	for _, c := range w.nodes[from].calls {
		if c.to == to {
			return c
		}
	}
	return nil
}

// callers are the services that call one.
func (w *world) callers(of int) []int {
	var out []int
	for u := range w.nodes {
		if w.calls(u, of) != nil {
			out = append(out, u)
		}
	}
	return out
}

func within(r *rand.Rand, between [2]float64) float64 {
	return between[0] + (between[1]-between[0])*r.Float64()
}
