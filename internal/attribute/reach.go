package attribute

import (
	"math"

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

// grasp is how likely and how far away a cause reaches one service.
type grasp struct {
	a    float64
	hops int
}

// reach follows the roads out of origin breadth first: a service is reached
// unless every nearer one fails to pass the trouble on. The origin itself shows
// it with probability 0.8.
func (rs roads) reach(origin backout.ServiceID) map[backout.ServiceID]grasp {
	out := map[backout.ServiceID]grasp{origin: {1, 0}}
	front := []backout.ServiceID{origin}
	for hop := 1; len(front) > 0 && hop <= maxHops; hop++ {
		missed := map[backout.ServiceID]float64{}
		var next []backout.ServiceID
		for _, v := range front {
			for _, r := range rs[v] {
				if _, known := out[r.to]; known {
					continue
				}
				m, seen := missed[r.to]
				if !seen {
					m = 1
					next = append(next, r.to)
				}
				missed[r.to] = m * (1 - r.p*out[v].a)
			}
		}
		front = front[:0]
		for _, u := range next {
			if a := 1 - missed[u]; a > negligible {
				out[u] = grasp{a, hop}
				front = append(front, u)
			}
		}
	}
	out[origin] = grasp{ownVisible, 0}
	return out
}

// reachSeveral is the reach of a change that alters several services, each with
// probability 0.7.
func (rs roads) reachSeveral(origins []backout.ServiceID) map[backout.ServiceID]grasp {
	if len(origins) == 1 {
		return rs.reach(origins[0])
	}
	out := map[backout.ServiceID]grasp{}
	for _, o := range origins {
		for s, g := range rs.reach(o) {
			old, ok := out[s]
			if !ok {
				old = grasp{0, g.hops}
			}
			out[s] = grasp{1 - (1-old.a)*(1-severalTargets*g.a), min(old.hops, g.hops)}
		}
	}
	return out
}

// journeyReach is how a cause reaches a journey: through any service on its
// critical path, one hop later.
func journeyReach(services []backout.ServiceID, of map[backout.ServiceID]grasp, theta float64) grasp {
	missed, hops := 1.0, math.MaxInt
	for _, s := range services {
		if g, ok := of[s]; ok {
			missed *= 1 - theta*g.a
			hops = min(hops, g.hops+1)
		}
	}
	return grasp{1 - missed, min(hops, maxHops)}
}
