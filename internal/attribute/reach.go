package attribute

import (
	"math"
	"sync"

	backout "github.com/backout-dev/backout"
)

// road is one way trouble travels, with the chance that it does.
type road struct {
	to backout.ServiceID
	p  float64
}

// roads are the ways trouble travels out of each service.
type roads map[backout.ServiceID][]road

// newRoads takes each spread's probability from the posterior mean of
// Beta(10θ + followed, 10(1−θ) + stayed), with θ by the kind of dependency. Of
// parallel spreads the likeliest counts. Calls that were measured are
// dependencies as well, whether or not the graph knows of them.
func newRoads(g backout.Graph, pr backout.Priors, measured []call) roads {
	out := roads{}
	at := map[[2]backout.ServiceID]int{}
	known := map[[2]backout.ServiceID]bool{}
	for _, d := range g.Dependencies {
		known[[2]backout.ServiceID{d.From, d.To}] = true
	}
	spreads := g.Spreads()
	for _, c := range measured {
		if !known[[2]backout.ServiceID{c.caller, c.callee}] {
			spreads = append(spreads, backout.Spread{Cause: c.callee, Victim: c.caller, Dependency: backout.Dependency{From: c.caller, To: c.callee, Hard: true}})
		}
	}
	for _, s := range spreads {
		theta := priorTransmission(s)
		e := pr.Edges[string(s.Cause)+">"+string(s.Victim)]
		p := (10*theta + max(0, e.Followed)) / (10 + max(0, e.Followed) + max(0, e.Stayed))
		key := [2]backout.ServiceID{s.Cause, s.Victim}
		if i, ok := at[key]; ok {
			out[s.Cause][i].p = max(out[s.Cause][i].p, p)
			continue
		}
		at[key] = len(out[s.Cause])
		out[s.Cause] = append(out[s.Cause], road{s.Victim, p})
	}
	return out
}

func priorTransmission(s backout.Spread) float64 {
	d := s.Dependency
	switch {
	case s.Cause == d.From && s.Victim == d.To:
		return 0.5 // starved by a slow holder of its resources
	case d.Async:
		return 0.3
	case !d.Hard:
		return 0.45
	}
	return 0.65
}

// grasp is how likely and how far away a cause reaches one service, before anything
// is measured.
type grasp struct {
	a    float64
	hops int
}

// stop is a service on the ways out of a cause, nearer ones first.
type stop struct {
	service backout.ServiceID
	grasp
	links []link // from where trouble comes to it; none where it begins
}

// link is one of those ways, with the chance that it is taken.
type link struct {
	stop int // of the nearer one
	p    float64
	view *reading // what the reached one sees of where it begins; nil = not measured
}

// reach is where trouble comes to from where it begins.
type reach struct {
	stops []stop
	at    map[backout.ServiceID]int // of each service among the stops
	ways  []way
}

// reaches are kept for [roads.spread], which runs for each change.
var reaches = sync.Pool{New: func() any { return &reach{at: map[backout.ServiceID]int{}} }}

// of is how likely and how far away a service is reached; false = not at all.
func (r *reach) of(s backout.ServiceID) (grasp, bool) {
	i, ok := r.at[s]
	if !ok {
		return grasp{}, false
	}
	return r.stops[i].grasp, true
}

// spread follows the roads out of the origins breadth first: a service is reached
// unless every nearer one fails to pass the trouble on. The only origin is ill for
// sure; of several each is with probability 0.7. What the reach held before is lost.
func (rs roads) spread(origins []backout.ServiceID, into *reach) {
	clear(into.at)
	at, out, ways := into.at, into.stops[:0], into.ways[:0]
	for _, o := range origins {
		if _, twice := at[o]; !twice {
			at[o] = len(out)
			out = append(out, stop{service: o, grasp: grasp{a: 1}})
		}
	}
	for i := range out {
		if len(out) > 1 {
			out[i].a = severalTargets
		}
	}
	for begin, hop := 0, 1; begin < len(out) && hop <= maxHops; hop++ {
		end := len(out)
		for v := begin; v < end; v++ {
			for _, r := range rs[out[v].service] {
				u, known := at[r.to]
				if !known {
					u = len(out)
					at[r.to] = u
					out = append(out, stop{service: r.to, grasp: grasp{hops: hop}})
				}
				if u >= end {
					ways = append(ways, way{u, link{stop: v, p: r.p}})
					out[u].a = 1 - (1-out[u].a)*(1-r.p*out[v].a)
				}
			}
		}
		begin = end
	}
	linkUp(out, ways)
	into.stops, into.ways = out, ways
}

// way is a link and the stop that it leads to.
type way struct {
	to int
	link
}

// linkUp gives each stop its ways in one piece of memory, since there is a list for each
// stop of each change.
func linkUp(stops []stop, ways []way) {
	n := make([]int, len(stops))
	for _, w := range ways {
		n[w.to]++
	}
	room := make([]link, len(ways))
	for i := range stops {
		stops[i].links, room = room[:0:n[i]], room[n[i]:]
	}
	for _, w := range ways {
		stops[w.to].links = append(stops[w.to].links, w.link)
	}
}

// journey is how a cause reaches a journey: through any service on its
// critical path, one hop later.
func (r *reach) journey(services []backout.ServiceID, theta float64) grasp {
	missed, hops := 1.0, math.MaxInt
	for _, s := range services {
		if g, ok := r.of(s); ok {
			missed *= 1 - theta*g.a
			hops = min(hops, g.hops+1)
		}
	}
	return grasp{1 - missed, min(hops, maxHops)}
}
