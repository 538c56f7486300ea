package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	backout "github.com/backout-dev/backout"
)

// Truth says what really happened.
type Truth struct {
	Culprit backout.ChangeID // "" = no change did it
	Kind    string           // change, silent, bad-calls, external, spontaneous, surge
	Origin  backout.ServiceID
}

// Case is one generated incident: what is known and what is true.
type Case struct {
	World     backout.World
	Residuals []backout.Residuals
	Baselines []backout.Baseline
	Truth     Truth
}

const (
	calm   = 200 // minutes from which baselines are learnt
	window = 60  // minutes of evidence
	length = calm + window
)

// node is a service as it truly is.
type node struct {
	id       backout.ServiceID
	external bool
	layer    int
	callees  []int
	latency  float64 // seconds
	rate     float64 // requests per minute
	phi      float64
	// What goes wrong, by minute: latency factor − 1 and error share, on all
	// instances together.
	slow, fail []float64
}

// generator builds one case.
type generator struct {
	r       *rand.Rand
	nodes   []*node
	now     time.Time
	onset   int // minute, counted from the start of the calm part
	c       Case
	callBad map[[2]int][]float64 // caller's own failures on one callee, by minute
	untold  map[[2]int]bool
	surge   []float64
	faulty  map[backout.ChangeID]fault
}

// fault is what a culprit does on the instances that have it.
type fault struct {
	slow, fail float64
	ramp       float64
}

// Generate makes the case of a seed.
func Generate(seed uint64) Case {
	g := &generator{r: rand.New(rand.NewPCG(seed, 7)), callBad: map[[2]int][]float64{}, untold: map[[2]int]bool{}, surge: make([]float64, length), faulty: map[backout.ChangeID]fault{}}
	g.now = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	g.layout(44+g.r.IntN(12), 3+g.r.IntN(3))
	g.onset = length - 5 - g.r.IntN(12)
	switch u := g.r.Float64(); {
	case u < 0.45:
		g.release("change")
	case u < 0.55:
		g.release("silent")
	case u < 0.62:
		g.release("bad-calls")
	case u < 0.80:
		g.outage()
	case u < 0.92:
		g.breakdown()
	default:
		g.demand()
	}
	g.decoys()
	g.tell()
	g.measure()
	return g.c
}

// layout draws services in four layers, calling downwards; providers at the end.
func (g *generator) layout(services, providers int) {
	for i := range services + providers {
		n := &node{id: backout.ServiceID(fmt.Sprintf("s%02d", i)), layer: min(3, 4*i/services), slow: make([]float64, length), fail: make([]float64, length)}
		n.latency, n.rate, n.phi = 0.02*math.Exp(g.r.NormFloat64()), 200*math.Exp(0.8*g.r.NormFloat64()), 0.2+0.4*g.r.Float64()
		if i >= services {
			n.external, n.layer, n.id = true, 4, backout.ServiceID(fmt.Sprintf("provider%d", i-services))
		}
		g.nodes = append(g.nodes, n)
	}
	for v, n := range g.nodes {
		if n.layer == 0 {
			continue
		}
		callers := 1 + g.r.IntN(3)
		if n.external {
			callers = 2 + g.r.IntN(3)
		}
		for range callers {
			u := g.r.IntN(services)
			for g.nodes[u].layer >= n.layer || (g.nodes[u].layer < n.layer-1 && g.r.Float64() < 0.7 && !n.external) {
				u = g.r.IntN(services)
			}
			if !contains(g.nodes[u].callees, v) {
				g.nodes[u].callees = append(g.nodes[u].callees, v)
			}
		}
	}
}

func contains(xs []int, x int) bool {
	for _, y := range xs {
		if y == x {
			return true
		}
	}
	return false
}

// own draws a service of ours that somebody calls.
func (g *generator) own() int {
	for {
		i := g.r.IntN(len(g.nodes))
		if !g.nodes[i].external && g.nodes[i].layer > 0 {
			return i
		}
	}
}

func (g *generator) fault() fault {
	f := fault{ramp: 1}
	if g.r.Float64() < 0.5 {
		f.ramp = float64(2 + g.r.IntN(8))
	}
	if u := g.r.Float64(); u < 0.7 {
		f.slow = 0.4 * math.Exp(1.1*g.r.NormFloat64()+0.6)
	} else {
		f.slow = 0.1
	}
	if f.slow == 0.1 || g.r.Float64() < 0.4 {
		f.fail = 0.02 + 0.3*g.r.Float64()*g.r.Float64()
	}
	return f
}

// exposure draws a rollout that starts at a minute.
func (g *generator) exposure(minute float64, staged bool) backout.Exposure {
	at := func(m float64) time.Time { return g.at(m) }
	if !staged {
		return backout.Exposure{Stages: []backout.ExposureStage{{At: at(minute), Share: 1}}}
	}
	gap := 1 + 3*g.r.Float64()
	return backout.Exposure{Stages: []backout.ExposureStage{
		{At: at(minute), Share: 1.0 / 3}, {At: at(minute + gap), Share: 2.0 / 3}, {At: at(minute + 2*gap), Share: 1}}}
}

// at is the time of a (fractional) minute; minute i covers (i, i+1].
func (g *generator) at(m float64) time.Time {
	return g.now.Add(time.Duration((m - length) * float64(time.Minute)))
}

func (g *generator) ship(i int, kind backout.ComponentKind, e backout.Exposure) *backout.Change {
	n := len(g.c.World.Changes)
	name := fmt.Sprintf("%s-%d", g.nodes[i].id, n)
	if kind == backout.KindDeployment {
		name = string(g.nodes[i].id)
	}
	id := backout.NewComponentID(kind, name, "production", "eu-1")
	to := backout.Version(fmt.Sprintf("2.%d.0", n+1))
	g.c.World.Changes = append(g.c.World.Changes, backout.Change{ID: backout.ChangeID(fmt.Sprintf("c%02d-%s", g.r.IntN(100), name+string(to))), Kind: kind, Component: id,
		Services: []backout.ServiceID{g.nodes[i].id}, From: backout.Version(fmt.Sprintf("2.%d.0", n)), To: to, Exposure: e})
	return &g.c.World.Changes[n]
}

func (g *generator) kind() backout.ComponentKind {
	kinds := []backout.ComponentKind{backout.KindDeployment, backout.KindDeployment, backout.KindConfig, backout.KindFlag}
	return kinds[g.r.IntN(len(kinds))]
}

// release makes a change the culprit: of the onset, a little after its first stage.
func (g *generator) release(how string) {
	o, kind := g.own(), g.kind()
	for how == "bad-calls" && len(g.nodes[o].callees) == 0 {
		o = g.own()
	}
	delay := g.r.ExpFloat64() * 2.5
	if g.r.Float64() < 0.2 {
		delay = 20 * g.r.Float64()
	}
	start := float64(g.onset) - delay + 0.9
	e := g.exposure(start, kind == backout.KindDeployment && g.r.Float64() < 0.7)
	c := g.ship(o, kind, e)
	f := g.fault()
	g.c.Truth = Truth{c.ID, how, g.nodes[o].id}
	affect := func(minute int) float64 { // share × ramp, from the onset on
		return e.Share(g.at(float64(minute)+0.5)) * min(1, (float64(minute-g.onset)+1)/f.ramp)
	}
	if how == "bad-calls" {
		callee := g.nodes[o].callees[g.r.IntN(len(g.nodes[o].callees))]
		bad := make([]float64, length)
		for m := g.onset; m < length; m++ {
			bad[m] = 0.3 * affect(m)
			g.nodes[o].fail[m] += 0.5 * bad[m]
		}
		g.callBad[[2]int{o, callee}] = bad
		g.spread(o, 1, func(m int) (float64, float64) { return 0, 0.3 * affect(m) }, false)
		return
	}
	g.faulty[c.ID] = f
	g.spread(o, 1, func(m int) (float64, float64) { return f.slow * affect(m), f.fail * affect(m) }, how == "silent")
}

// outage makes a provider fail while its callers were being changed.
func (g *generator) outage() {
	var ext []int
	for i, n := range g.nodes {
		if n.external {
			ext = append(ext, i)
		}
	}
	o := ext[g.r.IntN(len(ext))]
	f := g.fault()
	f.slow, f.fail = 2*f.slow, max(f.fail, 0.05)
	g.c.Truth = Truth{"", "external", g.nodes[o].id}
	g.spread(o, 1, g.course(f), false)
	for i, n := range g.nodes {
		if contains(n.callees, o) && g.r.Float64() < 0.7 {
			g.ship(i, g.kind(), g.exposure(float64(g.onset)-6*g.r.Float64(), g.r.Float64() < 0.5))
		}
	}
}

func (g *generator) breakdown() {
	o := g.own()
	g.c.Truth = Truth{"", "spontaneous", g.nodes[o].id}
	g.spread(o, 1, g.course(g.fault()), false)
}

func (g *generator) demand() {
	g.c.Truth = Truth{"", "surge", ""}
	for m := g.onset; m < length; m++ {
		g.surge[m] = 0.8
	}
	for i, n := range g.nodes {
		if !n.external && g.r.Float64() < 0.3 {
			f := fault{slow: 0.3 + g.r.Float64(), ramp: 2}
			slow := g.course(f)
			for m := range length {
				s, _ := slow(m)
				g.nodes[i].slow[m] += s
			}
		}
	}
}

// course is a fault on all instances from the onset on.
func (g *generator) course(f fault) func(int) (float64, float64) {
	return func(m int) (float64, float64) {
		k := max(0, min(1, (float64(m-g.onset)+1)/f.ramp))
		return f.slow * k, f.fail * k
	}
}

// spread lets trouble travel from callee to caller: each time with probability
// 0.7, a delay and a loss of strength.
func (g *generator) spread(o int, strength float64, course func(int) (float64, float64), silent bool) {
	type step struct {
		i, lag   int
		strength float64
	}
	seen := map[int]bool{o: true}
	queue := []step{{o, 0, strength}}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		n := g.nodes[s.i]
		for m := s.lag; m < length; m++ {
			slow, fail := course(m - s.lag)
			if m-s.lag < g.onset {
				slow, fail = 0, 0
			}
			if s.i != o || !silent {
				n.slow[m] += s.strength * slow
				n.fail[m] = min(0.9, n.fail[m]+s.strength*fail)
			}
		}
		for u, c := range g.nodes {
			if seen[u] || !contains(c.callees, s.i) || g.r.Float64() > 0.7 {
				continue
			}
			seen[u] = true
			lag := 0
			for g.r.Float64() < 0.35 {
				lag++
			}
			queue = append(queue, step{u, s.lag + lag, s.strength * (0.4 + 0.5*g.r.Float64())})
		}
	}
}

// decoys are changes that did nothing.
func (g *generator) decoys() {
	origin := g.own()
	for i, n := range g.nodes {
		if n.id == g.c.Truth.Origin && !n.external {
			origin = i
		}
	}
	for range 6 + g.r.IntN(14) {
		i := g.own()
		switch u := g.r.Float64(); {
		case u < 0.15 && g.c.Truth.Culprit != "":
			i = origin // with a culprit only: else it could not be told from one
		case u < 0.3 && len(g.nodes[origin].callees) > 0:
			if j := g.nodes[origin].callees[g.r.IntN(len(g.nodes[origin].callees))]; !g.nodes[j].external {
				i = j
			}
		}
		when := float64(calm) + window*g.r.Float64()
		if g.r.Float64() < 0.3 {
			when = float64(g.onset) - 8 + 14*g.r.Float64()
		}
		if i == origin && when < float64(g.onset)+1 && g.r.Float64() < 0.5 {
			when = float64(g.onset) + 1 + 3*g.r.Float64() // switched on after it
		}
		g.ship(i, g.kind(), g.exposure(when, g.r.Float64() < 0.4))
	}
}

// tell writes down the world as it is known: some dependencies missing, some invented.
func (g *generator) tell() {
	w := &g.c.World
	w.Now, w.Minute = g.now, backout.Duration(time.Minute)
	for u, n := range g.nodes {
		kind := backout.ServiceOwn
		if n.external {
			kind = backout.ServiceExternal
		}
		w.Graph.Services = append(w.Graph.Services, backout.Service{ID: n.id, Kind: kind})
		for _, v := range n.callees {
			if g.r.Float64() < 0.1 {
				g.untold[[2]int{u, v}] = g.r.Float64() < 0.5 // not measured either
			} else {
				w.Graph.Dependencies = append(w.Graph.Dependencies, backout.Dependency{From: n.id, To: g.nodes[v].id, Hard: g.r.Float64() < 0.8})
			}
		}
		if g.r.Float64() < 0.1 && !n.external {
			if v := g.r.IntN(len(g.nodes)); g.nodes[v].layer > n.layer && v != u {
				w.Graph.Dependencies = append(w.Graph.Dependencies, backout.Dependency{From: n.id, To: g.nodes[v].id, Hard: true})
			}
		}
	}
}
