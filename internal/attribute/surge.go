package attribute

import (
	"math"

	backout "github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/statistics"
)

// surgeEvidence is the evidence of more demand than capacity: some services can't bear it,
// others have their trouble from those, and traffic is up at the entries. A surge touches
// everything, so what is not clearly ill must not speak for it: a hundred series that are
// all up by a trifle are one trifle, not a hundred witnesses. Each service gives way when
// demand has outgrown what it can bear, so they don't fall ill in one and the same minute.
func (t *trial) surgeEvidence() []float64 {
	p, n := t.panel, t.panel.clock.n
	acc := accumulator{make([]float64, n), repeat(1, n)}
	ill := map[backout.ServiceID][]float64{} // the chance that a service is, its own readings seen
	for _, s := range t.calleesFirst() {
		q := repeat(1-surgeReach, n)
		for _, from := range s.from {
			for i, w := range ill[from.to] {
				q[i] *= 1 - from.p*w
			}
		}
		for i := range q {
			q[i] = 1 - q[i]
		}
		ill[s.service] = q
		if len(p.of[s.service]) == 0 {
			continue
		}
		like := repeat(1, n)
		for _, k := range p.of[s.service] {
			r := &p.readings[k]
			for i, ratio := range r.hop(surgeHops) {
				if r.ill() || ratio < 1 {
					like[i] *= ratio
				}
			}
		}
		for i := range q {
			f := 1 - q[i] + q[i]*like[i]
			q[i] *= like[i] / f
			like[i] = f
		}
		acc.times(like)
	}
	out := acc.logs()
	if up := p.demand(t.q.World.Graph); up != nil {
		for i, x := range up {
			out[i] += math.Log(1 - surgeTraffic + surgeTraffic*x)
		}
	}
	return out
}

// reachable is a service with where its trouble may come from.
type reachable struct {
	service backout.ServiceID
	from    []road
}

// calleesFirst orders our services so that trouble comes to each from those before it;
// roads that close a circle are left out.
func (t *trial) calleesFirst() []reachable {
	g := t.q.World.Graph
	from, ours := map[backout.ServiceID][]road{}, map[backout.ServiceID]bool{}
	for _, s := range g.Services {
		ours[s.ID] = s.Kind != backout.ServiceExternal
	}
	for _, s := range g.Services {
		for _, r := range t.roads[s.ID] {
			if ours[s.ID] {
				from[r.to] = append(from[r.to], road{s.ID, r.p})
			}
		}
	}
	const begun, done = 1, 2
	state := map[backout.ServiceID]int{}
	var out []reachable
	var visit func(backout.ServiceID)
	visit = func(s backout.ServiceID) {
		state[s] = begun
		x := reachable{service: s}
		for _, r := range from[s] {
			if state[r.to] == 0 {
				visit(r.to)
			}
			if state[r.to] == done {
				x.from = append(x.from, r)
			}
		}
		state[s] = done
		out = append(out, x)
	}
	for _, s := range g.Services {
		if ours[s.ID] && state[s.ID] == 0 {
			visit(s.ID)
		}
	}
	return out
}

// surgeHops says that services overloaded by one surge follow each other as those do that
// are so many calls apart.
const surgeHops = 1

// demand is the ratio by minute of "demand rose as it does before trouble of that minute"
// over "as it does anyhow"; nil where it is not measured. All entries share one demand, so
// however many show that it rose, it is one witness, and that demand rises and hurts
// nobody is common. It builds up over minutes, and trouble comes when it is too much: when
// the rise began says less about the trouble's onset than the other way round.
func (p *panel) demand(g backout.Graph) []float64 {
	entry := entries(g)
	seen, up := 0, make([]float64, p.clock.n)
	for _, at := range p.trafficOrder {
		if at.service != "" && !entry[at.service] {
			continue
		}
		seen++
		for i, x := range p.traffic[at] {
			up[i] += x
		}
	}
	if seen == 0 {
		return nil
	}
	for i := range up {
		up[i] /= math.Sqrt(float64(seen))
	}
	up = shrink(up)
	for i := range up {
		up[i] = math.Exp(up[i])
	}
	anyhow := 1 - anyRise + anyRise*total(up)/float64(len(up))
	out := make([]float64, len(up))
	for i := range out {
		for k, w := range riseKernel {
			if j := i + riseAhead - k; j >= 0 && j < len(up) {
				out[i] += w * up[j]
			}
		}
		out[i] /= anyhow
	}
	return out
}

// Demand is seen to rise up to so many minutes after the onset (what is noisy is found
// late), and mostly before it, by so many minutes on average.
const (
	riseAhead  = 2
	riseBefore = 4.0
	riseLooks  = 20
)

// riseKernel is the share of surges whose demand began to rise so many minutes before
// the trouble, from riseAhead minutes after it on.
var riseKernel = func() (k [riseAhead + riseLooks]float64) {
	sum := 0.0
	for i := range k {
		d := float64(i - riseAhead)
		k[i] = math.Exp(-max(-2*d, d/riseBefore))
		sum += k[i]
	}
	for i := range k {
		k[i] /= sum
	}
	return k
}()

// riseEvidence gives for each minute τ the log Bayes factor of "more from τ on than before
// it" against "as much as before", as [shiftEvidence] does for "worse than ever". Demand
// has a day, and a baseline learnt in other hours is off all the time; so here the level
// of the window itself is what a rise is held against. With a ramp's weights w less their
// mean, size and variance are those of a regression with an intercept.
func riseEvidence(s minuteSums, phi float64) []float64 {
	n, ramps := len(s.sum), s.shapes()
	phi = max(0, min(0.95, phi))
	k := (1 + phi) / (1 - phi)
	sum, count := total(s.sum), total(s.n)
	out, shapes := make([]float64, n), make([]float64, len(ramps))
	for tau := range out {
		for j, r := range ramps {
			var wz, w1, w2 float64
			for i := tau; i < n; i++ {
				w := min(1, float64(i-tau+1)/float64(r))
				wz, w1, w2 = wz+w*s.sum[i], w1+w*s.n[i], w2+w*w*s.n[i]
			}
			shapes[j] = 0
			if ww := w2 - w1*w1/count; ww > 1e-9 {
				shapes[j] = statistics.LogBFShift((wz-w1*sum/count)/ww, k/ww, shiftSD)
			}
		}
		out[tau] = logSum(shapes) - math.Log(float64(len(ramps)))
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
