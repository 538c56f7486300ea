package attribute

import (
	backout "github.com/backout-dev/backout"
)

// followed is how a cause spreads, given what is seen on the way, by the minute of
// the onset.
type followed struct {
	// reached is the probability that a service is reached, given those nearer to the
	// origin; ill is the same given its own reading as well.
	reached, ill map[backout.ServiceID][]float64
}

// follow walks out of the origins as reach does, but looks at each service on the
// way before it goes on. Trouble that is seen at a service goes on from there with
// the whole probability of the road, and hardly at all from one that is quiet.
// Without that the readings beyond a service would be held against a cause next to
// it more than against one further away, which reaches everything less.
func (p *panel) follow(rs roads, origins []backout.ServiceID, loc backout.Location) followed {
	if len(origins) == 1 {
		return p.followOne(rs, origins[0], loc)
	}
	out := followed{map[backout.ServiceID][]float64{}, map[backout.ServiceID][]float64{}}
	join := func(into, from map[backout.ServiceID][]float64) {
		for s, by := range from {
			if into[s] == nil {
				into[s] = make([]float64, p.clock.n)
			}
			for i, a := range by {
				into[s][i] = 1 - (1-into[s][i])*(1-severalTargets*a)
			}
		}
	}
	for _, o := range origins {
		single := p.followOne(rs, o, loc)
		single.reached[o] = repeat(ownVisible, p.clock.n)
		join(out.reached, single.reached)
		join(out.ill, single.ill)
	}
	return out
}

func (p *panel) followOne(rs roads, origin backout.ServiceID, loc backout.Location) followed {
	out := followed{map[backout.ServiceID][]float64{}, map[backout.ServiceID][]float64{origin: repeat(1, p.clock.n)}}
	front := []backout.ServiceID{origin}
	for hop := 1; len(front) > 0 && hop <= maxHops; hop++ {
		missed := map[backout.ServiceID][]float64{}
		var next []backout.ServiceID
		for _, v := range front {
			for _, r := range rs[v] {
				if _, known := out.ill[r.to]; known {
					continue
				}
				if missed[r.to] == nil {
					missed[r.to] = repeat(1, p.clock.n)
					next = append(next, r.to)
				}
				call, measured := p.calls[call{r.to, v, loc}]
				for i, ill := range out.ill[v] {
					road := r.p
					if measured {
						road *= unseenCalls + (1-unseenCalls)*min(1, call.hops[0][i])
					}
					missed[r.to][i] *= 1 - road*ill
				}
			}
		}
		for _, u := range next {
			reached := missed[u]
			for i := range reached {
				reached[i] = 1 - reached[i]
			}
			out.reached[u], out.ill[u] = reached, p.given(u, loc, hop, reached)
		}
		front = next
	}
	return out
}

// given is the probability that a service is ill after a look at its readings.
func (p *panel) given(u backout.ServiceID, loc backout.Location, hop int, reached []float64) []float64 {
	out := append([]float64{}, reached...)
	for _, r := range p.readings {
		if r.at.service != u || !everywhere(loc) && r.at.location != "" && r.at.location != loc {
			continue
		}
		for i, a := range out {
			like := passesUnseen + (1-passesUnseen)*r.hops[hop][i]
			out[i] = a * like / (1 - a + a*like)
		}
	}
	return out
}

// journey is how the cause reaches a journey through the services on its path.
func (f followed) journey(services []backout.ServiceID, theta float64, n int) []float64 {
	out := repeat(1, n)
	for _, s := range services {
		for i, ill := range f.ill[s] {
			out[i] *= 1 - theta*ill
		}
	}
	for i := range out {
		out[i] = 1 - out[i]
	}
	return out
}
