package forecast

import (
	"container/heap"
	"math"
	"math/rand/v2"

	backout "github.com/backout-dev/backout"
)

// world is one draw: when each service is hit, in minutes from the onset, and
// how severely.
type world struct {
	at       []float64 // +Inf = never
	severity []float64
	base     []float64 // severity before callers try again
	cause    []cause   // by service: whom it caught the trouble from
	began    []bool    // by service: whether the trouble began there
	pace     float64   // by how much slower than usual this trouble travels
	weight   float64   // logarithm of its agreement with what was seen
}

// cause is where a service caught the trouble. A callee that fails its caller hurts
// those who come through the caller to it; a service whose resources are held hurts
// everybody who needs it.
type cause struct {
	from  int // -1 = it began here, or nobody knows
	holds bool
	store bool // it is a data store: whoever uses the service uses it too
}

// reaches reports whether the trouble of service i is met by those who use only
// the given services: it began there, resources are held there, or it comes from a
// callee that they use as well.
func (w world) reaches(i int, uses map[int]bool) bool {
	for range len(w.cause) {
		c := w.cause[i]
		if c.from < 0 || c.holds || c.store {
			return true
		}
		if !uses[c.from] {
			return false
		}
		i = c.from
	}
	return true
}

// simulation holds what all draws share.
type simulation struct {
	q       Question
	net     network
	now     float64   // minutes since the onset
	seen    []float64 // when each service was seen hit; NaN = not yet
	lag     float64   // minutes that a hit goes unnoticed
	origins []origin
	mass    float64 // of origins; the rest of the probability has no place
}

// origin is a place where the trouble may have begun.
type origin struct {
	services []int
	p        float64
}

// draw makes the k-th world.
func (s *simulation) draw(k uint64) world {
	rng := source(s.q.Seed, 0, k)
	n := len(s.net.ids)
	w := world{at: make([]float64, n), severity: make([]float64, n), base: make([]float64, n), pace: math.Exp(paceSpread * rng.NormFloat64()), cause: make([]cause, n), began: make([]bool, n)}
	for i := range w.at {
		w.at[i], w.cause[i].from = math.Inf(1), -1
	}
	from := s.origin(rng)
	severe := min(1, ownSeverity*math.Exp(0.3*rng.NormFloat64()))
	q := &queue{}
	reach := func(i int, at, severity float64) {
		if at < w.at[i] || (at == w.at[i] && severity > w.severity[i]) {
			w.at[i], w.severity[i] = at, max(w.severity[i], severity)
			heap.Push(q, arrival{at, i})
		}
	}
	for i, t := range s.seen {
		if !math.IsNaN(t) {
			reach(i, t, s.q.ErrorRatio[s.net.ids[i]])
		}
	}
	for _, i := range from {
		w.began[i] = true
		reach(i, math.Min(0, w.at[i]), severe)
	}
	s.trace(&w, from)
	s.travel(q, &w, k, reach)
	return w
}

// trace says for each service that was seen hit whom it caught the trouble from:
// the shortest way from the origin over others that were seen hit. Their times
// don't tell, since one tick may find them all.
func (s *simulation) trace(w *world, origins []int) {
	known := make([]bool, len(w.at))
	for _, i := range origins {
		known[i] = true
	}
	for queue := origins; len(queue) > 0; queue = queue[1:] {
		for _, r := range s.net.out[queue[0]] {
			if !known[r.to] && !math.IsNaN(s.seen[r.to]) {
				known[r.to], w.cause[r.to] = true, cause{queue[0], r.holds, s.net.store[queue[0]]}
				queue = append(queue[:len(queue):len(queue)], r.to)
			}
		}
	}
}

// travel lets the trouble go on from what is hit, nearest first. Three kinds of
// way: into a service that was seen hit (the world is likelier if this explains
// it), out of a past hit into a service that is still healthy (it must not have
// come through yet), and ways of the future.
func (s *simulation) travel(q *queue, w *world, k uint64, reach func(int, float64, float64)) {
	unexplained := make([]float64, len(w.at))
	for i := range unexplained {
		unexplained[i] = 1
	}
	done := make([]bool, len(w.at))
	for q.Len() > 0 {
		a := heap.Pop(q).(arrival)
		if done[a.service] {
			continue
		}
		done[a.service] = true
		if w.severity[a.service] == 0 {
			w.severity[a.service] = 0.5 // seen hit, and nothing here says why
		}
		w.base[a.service] = w.severity[a.service]
		w.severity[a.service] = s.amplified(a.service, w.severity[a.service])
		for _, r := range s.net.out[a.service] {
			y := r.draw(s.q.Seed, k, w.began[a.service], w.pace)
			severity := w.severity[a.service] * y.keeps
			if t := s.seen[r.to]; !math.IsNaN(t) {
				if !done[r.to] {
					unexplained[r.to] *= 1 - y.around(t-a.at)
					w.severity[r.to] = max(w.severity[r.to], severity)
				}
				continue
			}
			// A quiet service proves only that the trouble had not come through a while ago.
			waited := max(0, s.now-s.lag-a.at)
			if waited > 0 && w.at[r.to] > s.now-s.lag {
				w.weight += math.Log(1 - y.before(waited))
			}
			if d := y.passes(waited); !math.IsInf(d, 1) {
				if a.at+d < w.at[r.to] {
					w.cause[r.to] = cause{a.service, r.holds, s.net.store[a.service]}
				}
				reach(r.to, a.at+d, severity)
			}
		}
	}
	for i, t := range s.seen {
		if !math.IsNaN(t) && !(w.at[i] <= 0) {
			w.weight += math.Log(0.05 + 0.95*(1-unexplained[i])) // the graph may lack the way
		}
	}
}

// origin draws where the trouble began; nil when no place is known.
func (s *simulation) origin(rng *rand.Rand) []int {
	u := rng.Float64() * max(1, s.mass)
	for _, o := range s.origins {
		if u -= o.p; u < 0 {
			return o.services
		}
	}
	return nil
}

func newSimulation(q Question) *simulation {
	s := &simulation{q: q, net: newNetwork(q.World.Graph, q.World.Priors)}
	start := q.Attribution.Onset
	for _, f := range q.Findings {
		if start.IsZero() {
			start = f.Onset
		}
	}
	if start.IsZero() || start.After(q.World.Now) {
		start = q.World.Now
	}
	s.now, s.lag = q.minutes(q.World.Now.Sub(start)), q.unnoticed()
	s.seen = make([]float64, len(s.net.ids))
	for i := range s.seen {
		s.seen[i] = math.NaN()
	}
	for _, f := range q.Findings {
		i, ok := s.net.index[f.ID.Subject.Service]
		if !ok || f.ID.Subject.Journey != "" {
			continue
		}
		at := min(s.now, q.minutes(f.Onset.Sub(start)))
		if math.IsNaN(s.seen[i]) || at < s.seen[i] {
			s.seen[i] = at
		}
	}
	s.addOrigins()
	return s
}

func (s *simulation) addOrigins() {
	add := func(p float64, ids ...backout.ServiceID) {
		var at []int
		for _, id := range ids {
			if i, ok := s.net.index[id]; ok {
				at = append(at, i)
			}
		}
		if len(at) > 0 && p > 0 {
			s.origins = append(s.origins, origin{at, p})
			s.mass += p
		}
	}
	services := map[backout.ChangeID][]backout.ServiceID{}
	for _, c := range s.q.World.Changes {
		services[c.ID] = c.Services
	}
	for _, x := range s.q.Attribution.Suspects {
		ids := services[x.Change]
		if c, ok := s.q.World.Graph.Component(x.Component); ok && len(ids) == 0 {
			ids = []backout.ServiceID{c.Service}
		}
		add(x.P, ids...)
	}
	for _, o := range s.q.Attribution.Origins {
		add(o.P, o.Service)
	}
}

// arrival is trouble about to reach a service.
type arrival struct {
	at      float64
	service int
}

// queue orders arrivals by time, ties by service.
type queue []arrival

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || (q[i].at == q[j].at && q[i].service < q[j].service)
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(arrival)) }
func (q *queue) Pop() any {
	old := *q
	x := old[len(old)-1]
	*q = old[:len(old)-1]
	return x
}
