package attribute

import (
	"math"

	backout "github.com/backout-dev/backout"
)

// through is how a cause would show in one reading.
type through struct {
	reading int
	grasp
}

// blast is everything in which a cause would show.
type blast struct {
	readings []through
	// badCalls are single callers' views of callees that the cause leaves healthy.
	badCalls []badCall
}

type badCall struct {
	call call
	p    float64
}

// everywhere reports whether a location stands for all of them.
func everywhere(l backout.Location) bool {
	return l == "" || l == "global" || l == "all" || l == "*"
}

// blastOf finds the readings that a cause at these services could touch. A cause
// in one location shows only there and in series that tell no location.
func (p *panel) blastOf(g backout.Graph, rs roads, origins []backout.ServiceID, loc backout.Location) blast {
	reached := rs.reachSeveral(origins)
	var out blast
	for i, r := range p.readings {
		if !everywhere(loc) && r.at.location != "" && r.at.location != loc {
			continue
		}
		at := reached[r.at.service]
		switch {
		case r.at.journey != "":
			at = grasp{}
			for _, j := range g.Journeys {
				if j.ID == r.at.journey {
					at = journeyReach(j.Services, reached, 0.6)
				}
			}
		case r.at.service == "": // a KPI of the whole product
			var all []backout.ServiceID
			for _, j := range g.Journeys {
				all = append(all, j.Services...)
			}
			at = journeyReach(all, reached, 0.3)
		case at.hops == 0 && at.a == ownVisible && r.seen:
			at.a = seenByCallers
		}
		if at.a > negligible {
			out.readings = append(out.readings, through{i, at})
		}
	}
	for _, o := range origins {
		out.badCalls = append(out.badCalls, p.badCallsOf(o, reached, loc)...)
	}
	return out
}

// badCallsOf are the calls of a service to callees that it does not make ill: a
// faulty caller may show in nothing else.
func (p *panel) badCallsOf(o backout.ServiceID, reached map[backout.ServiceID]grasp, loc backout.Location) []badCall {
	var out []badCall
	for _, k := range p.callOrder {
		if k.caller != o || (!everywhere(loc) && k.location != "" && k.location != loc) {
			continue
		}
		if q := badCalls * (1 - reached[k.callee].a); q > negligible {
			out = append(out, badCall{k, q})
		}
	}
	return out
}

// evidence is Λ(t0) for each minute: the log evidence of a cause with this blast
// over the background.
func (p *panel) evidence(b blast) []float64 {
	out := make([]float64, p.clock.n)
	prod := make([]float64, p.clock.n) // multiplied up, its logarithm taken now and then
	for i := range prod {
		prod[i] = 1
	}
	apply := func(a float64, ratio []float64) {
		for i := range prod {
			prod[i] *= 1 - a + a*ratio[i]
			if prod[i] > 1e150 || prod[i] < 1e-150 {
				out[i] += math.Log(prod[i])
				prod[i] = 1
			}
		}
	}
	for _, t := range b.readings {
		apply(t.a, p.readings[t.reading].hops[t.hops])
	}
	for _, bc := range b.badCalls {
		apply(bc.p, p.calls[bc.call].hops[0])
	}
	for i := range out {
		out[i] += math.Log(prod[i])
	}
	return out
}

// contribution is what one reading adds to the evidence at minute t0.
func (p *panel) contribution(t through, t0 int) float64 {
	return math.Log1p(t.a * (p.readings[t.reading].hops[t.hops][t0] - 1))
}

// surgeEvidence is the evidence of more demand than capacity: services ill here
// and there, and traffic up at the entries. A surge touches everything, so what is
// not clearly ill must not speak for it: a hundred series that are all up by a trifle
// are one trifle, not a hundred witnesses.
func (p *panel) surgeEvidence(g backout.Graph) []float64 {
	var b blast
	external := map[backout.ServiceID]bool{}
	for _, s := range g.Services {
		external[s.ID] = s.Kind == backout.ServiceExternal
	}
	for i, r := range p.readings {
		if r.at.service != "" && !external[r.at.service] {
			b.readings = append(b.readings, through{reading: i, grasp: grasp{surgeReach, 0}})
		}
	}
	out := make([]float64, p.clock.n)
	for _, t := range b.readings {
		clear := p.readings[t.reading].ill()
		for i := range out {
			if c := p.contribution(t, i); clear || c < 0 {
				out[i] += c
			}
		}
	}
	entry := entries(g)
	seen, up := 0, make([]float64, len(out))
	for _, at := range p.trafficOrder {
		if at.service != "" && !entry[at.service] {
			continue
		}
		seen++
		for i, x := range p.traffic[at].ratio {
			up[i] += logAdd(math.Log(1-surgeTraffic), math.Log(surgeTraffic)+x)
		}
	}
	for i := range out {
		if seen > 0 {
			out[i] += up[i] / math.Sqrt(float64(seen)) // entries share one demand
		}
	}
	return out
}

// entries are the services that nobody of ours calls.
func entries(g backout.Graph) map[backout.ServiceID]bool {
	called := map[backout.ServiceID]bool{}
	for _, d := range g.Dependencies {
		called[d.To] = true
	}
	out := map[backout.ServiceID]bool{}
	for _, s := range g.Services {
		if !called[s.ID] && s.Kind != backout.ServiceExternal {
			out[s.ID] = true
		}
	}
	return out
}
