package forecast

import (
	"math"
	"math/rand/v2"

	backout "github.com/backout-dev/backout"
)

// road is one way trouble travels between two services, given by their index.
type road struct {
	to          int
	broken      odds    // of passing on trouble that began at its start
	passing     odds    // of passing on trouble that came from elsewhere
	shape, rate float64 // Gamma posterior of 1/mean delay, in minutes
	keeps       float64 // share of the severity that arrives, median
	holds       bool    // from a caller to whom it keeps waiting
	name        uint64  // hash of its ends
}

// network is the graph in the form that draws walk quickly.
type network struct {
	ids   []backout.ServiceID
	index map[backout.ServiceID]int
	out   [][]road
	store map[int]bool // which of them are data stores
}

func newNetwork(g backout.Graph, pr backout.Priors) network {
	n := network{index: map[backout.ServiceID]int{}, store: map[int]bool{}}
	for _, s := range g.Services {
		n.add(s.ID)
		n.store[n.index[s.ID]] = s.Kind == backout.ServiceDatastore
	}
	for _, s := range g.Spreads() { // dependencies may name services nobody declared
		n.add(s.Cause)
		n.add(s.Victim)
	}
	n.out = make([][]road, len(n.ids))
	pooled := pooledDelay(pr)
	for _, s := range g.Spreads() {
		e := pr.Edges[string(s.Cause)+">"+string(s.Victim)]
		hit, missed, slower := spreadPrior(s)
		r := road{to: n.index[s.Victim]}
		r.broken, r.passing = learnt(odds{hit, missed}, e)
		// Mean of the prior for the delay is rate/(shape − 1) = 1.5 pooled / 1.5.
		r.shape = unknownShape + delayShape*max(0, e.Delays.N)
		r.rate = 1.5*pooled*slower + delayShape*max(0, e.Delays.Sum)
		r.keeps, r.holds = lossPerHop, s.Cause == s.Dependency.From
		if !s.Dependency.Hard {
			r.keeps *= 0.5
		}
		r.name = hash(string(s.Cause) + ">" + string(s.Victim))
		i := n.index[s.Cause]
		n.out[i] = append(n.out[i], r)
	}
	return n
}

func (n *network) add(id backout.ServiceID) {
	if _, ok := n.index[id]; !ok {
		n.index[id] = len(n.ids)
		n.ids = append(n.ids, id)
	}
}

// odds is a Beta law of the chance that a road passes trouble on.
type odds struct{ hit, missed float64 }

// worthOfAll is how many incidents the mean over all of them is worth where those
// that began at the start of a road are told from those that came through it.
const worthOfAll = 2

// learnt adds what was seen to a prior. A service that is broken itself and one that
// passes on the trouble of a callee are two things: the first starves those it
// calls, the second still answers most of its callers. Each keeps its own counts and
// is drawn to the mean of both; where nobody noted which it was they are the same.
func learnt(prior odds, e backout.EdgePrior) (broken, passing odds) {
	all := odds{prior.hit + max(0, e.Followed), prior.missed + max(0, e.Stayed)}
	if e.Began.Tried <= 0 {
		return all, all
	}
	mean := all.hit / (all.hit + all.missed)
	own := func(hit, missed float64) odds {
		return odds{worthOfAll*mean + max(0, hit), worthOfAll*(1-mean) + max(0, missed)}
	}
	hit, missed := e.Began.Worked, e.Began.Tried-e.Began.Worked
	return own(hit, missed), own(e.Followed-hit, e.Stayed-missed)
}

// spreadPrior is the Beta prior of a way, and how much slower than others it is:
// a queue or a held resource fills up before it hurts. A caller that can't do
// without an ill callee nearly always shows it, at least as latency.
func spreadPrior(s backout.Spread) (hit, missed, slower float64) {
	d := s.Dependency
	switch {
	case s.Cause == d.From && s.Victim == d.To:
		return 3, 1, 1.5
	case d.Async:
		return 0.9, 2.1, 4
	case !d.Hard:
		return 1.1, 1.9, 1
	}
	return 5, 1, 1
}

// pooledDelay is the mean delay of all ways together, worth five observations of
// the default.
func pooledDelay(pr backout.Priors) float64 {
	n, sum := 5.0, 5*pooledMean
	for _, e := range pr.Edges {
		n, sum = n+max(0, e.Delays.N), sum+max(0, e.Delays.Sum)
	}
	return sum / n
}

// way is one road in one world.
type way struct {
	theta, mean float64 // chance to pass trouble on, mean delay in minutes
	luck, late  float64 // uniform numbers that decide whether and when
	keeps       float64 // share of the severity that arrives
}

// draw makes a road of one world. The numbers come from a source of its own, so
// that worlds of two graphs that differ in one road differ in nothing else.
// The pace of the incident counts as far as the road's own delay is not known.
func (r road) draw(seed, world uint64, began bool, pace float64) way {
	rng := source(seed, r.name, world)
	w := way{luck: rng.Float64(), late: rng.Float64()}
	o := r.passing
	if began {
		o = r.broken
	}
	w.theta = beta(rng, o.hit, o.missed)
	w.mean = r.rate / gamma(rng, r.shape) * math.Pow(pace, unknownShape/r.shape)
	w.keeps = min(1, r.keeps*math.Exp(0.25*rng.NormFloat64()))
	return w
}

// source is a random source of its own for each name and world. The parts are
// mixed first (splitmix64), for neighbouring PCG states begin alike.
func source(seed, name, world uint64) *rand.Rand {
	return rand.New(rand.NewPCG(mix(seed^mix(name)), mix(world+mix(name^seed))))
}

func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// before is the probability that trouble has come through within d minutes.
func (w way) before(d float64) float64 { return w.theta * (1 - survival(d, w.mean)) }

// around is the probability that trouble came through about d minutes later: when
// onsets are estimates, a time says no more than that.
func (w way) around(d float64) float64 { return w.before(d+onsetError) - w.before(d-onsetError) }

// passes says after how many minutes trouble comes through, given that it has not
// within the first waited minutes; +Inf means never.
func (w way) passes(waited float64) float64 {
	s := survival(waited, w.mean)
	if w.luck >= w.theta*s/(1-w.theta+w.theta*s) {
		return math.Inf(1)
	}
	return delayBeyond(w.late*s, waited, w.mean)
}

// survival is the probability that a delay of shape 2 exceeds d minutes.
func survival(d, mean float64) float64 {
	if d <= 0 {
		return 1
	}
	x := delayShape * d / mean
	return (1 + x) * math.Exp(-x)
}

// delayBeyond is the delay d >= least with survival(d) = s, by bisection.
func delayBeyond(s, least, mean float64) float64 {
	lo, hi := max(0, least), max(0, least)+mean
	for survival(hi, mean) > s {
		lo, hi = hi, 2*hi
	}
	for range 40 {
		if mid := (lo + hi) / 2; survival(mid, mean) > s {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}

// beta draws from Beta(a, b) as a ratio of gammas.
func beta(rng *rand.Rand, a, b float64) float64 {
	x, y := gamma(rng, a), gamma(rng, b)
	if x+y == 0 {
		return 0.5
	}
	return x / (x + y)
}

// gamma draws from Gamma(shape, 1): Marsaglia and Tsang's method (ACM TOMS 26,
// 2000), with their boost for shapes below one.
func gamma(rng *rand.Rand, shape float64) float64 {
	if shape < 1 {
		return gamma(rng, shape+1) * math.Pow(rng.Float64(), 1/shape)
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := rng.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		if u := rng.Float64(); math.Log(u) < 0.5*x*x+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}

// hash is FNV-1a, 64 bits.
func hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}
