package attribute

import (
	"cmp"
	"math"
	"slices"
	"time"

	backout "github.com/backout-dev/backout"
)

// place is one thing whose health is read: a service or journey in a location,
// or (all empty) the product as a whole.
type place struct {
	service  backout.ServiceID
	journey  backout.JourneyID
	location backout.Location
}

// call is one caller's view of one callee.
type call struct {
	caller, callee backout.ServiceID
	location       backout.Location
}

const maxHops = 6

// reading is what was seen of one place. Ratios are evidence over background.
type reading struct {
	at    place
	ratio []float64              // log, by the minute the place turned worse
	hops  [maxHops + 1][]float64 // the same, not logarithmic, by the minute of the cause h hops away
	never float64                // log ratio if it did not turn worse within the window
	peak  float64                // largest log ratio: how clearly it is ill
	seen  bool                   // by callers, not only by itself
}

// panel is everything that was measured, read and ordered.
type panel struct {
	clock        clock
	readings     []reading
	of           map[backout.ServiceID][]int // readings of each service
	broad        []int                       // readings of journeys and of the whole product
	calls        map[call]reading            // single callers' views, for faults of one caller
	callOrder    []call
	traffic      map[place][]float64 // demand, for surges: log evidence of a shift by minute
	trafficOrder []place
	where        []backout.Location // distinct locations, "" excluded
}

// gathering collects series by what they are about before they are folded.
type gathering struct {
	own     map[place][][]float64
	calls   map[call][][]float64
	traffic map[place][][]float64
}

func newPanel(q Question) *panel {
	n := q.minutes()
	c := clock{from: q.end().Add(-time.Duration(n) * q.minute()), minute: q.minute(), n: n, until: q.until()}
	g := gathering{map[place][][]float64{}, map[call][][]float64{}, map[place][][]float64{}}
	for _, r := range q.Residuals {
		if r.Mode == backout.ModeWarming || r.ID.Subject.Client != "" || r.ID.Subject.Version != "" || r.Step <= 0 {
			continue
		}
		g.add(r, c)
	}
	p := &panel{clock: c, of: map[backout.ServiceID][]int{}, calls: map[call]reading{}, traffic: map[place][]float64{}}
	for k, lbs := range g.traffic {
		p.traffic[k] = shrink(anyOf(lbs))
		p.trafficOrder = append(p.trafficOrder, k)
	}
	slices.SortFunc(p.trafficOrder, comparePlaces)
	p.fold(g)
	return p
}

func (g gathering) add(r backout.Residuals, c clock) {
	s := r.ID.Subject
	sums := c.sums(r)
	if total(sums.n) == 0 {
		return // silent about this window
	}
	lb := againstOffset(shiftEvidence(sums, believedPhi(r)))
	switch {
	case s.Caller != "" && s.Service != "":
		k := call{s.Caller, s.Service, s.Location}
		g.calls[k] = append(g.calls[k], lb)
	case s.Journey != "":
		k := place{journey: s.Journey, location: s.Location}
		g.own[k] = append(g.own[k], lb)
	case r.Kind == backout.SignalTraffic:
		k := place{service: s.Service, location: s.Location}
		g.traffic[k] = append(g.traffic[k], lb)
	default:
		k := place{service: s.Service, location: s.Location}
		g.own[k] = append(g.own[k], lb)
	}
}

// believedPhi is the correlation of neighbouring residuals, but no more than a half
// for errors: where there are hardly any, what resembles its neighbour is the zeros.
func believedPhi(r backout.Residuals) float64 {
	if r.Kind == backout.SignalErrors {
		return min(r.Phi, mostErrorPhi)
	}
	return r.Phi
}

// fold joins a service's own series with its callers' views of it. Given that it
// is ill, each witness notices with probability 0.85, independently.
func (p *panel) fold(g gathering) {
	witnesses := map[place][]track{}
	for at, lbs := range g.own {
		witnesses[at] = append(witnesses[at], overBackground(shrink(anyOf(lbs))))
	}
	callers := make([]call, 0, len(g.calls))
	views := map[call]track{}
	for k, lbs := range g.calls {
		callers = append(callers, k)
		views[k] = overBackground(shrink(anyOf(lbs)))
	}
	slices.SortFunc(callers, compareCalls)
	p.callOrder = callers
	seenBy := map[place][]call{}
	for _, k := range callers {
		at := place{service: k.callee, location: k.location}
		witnesses[at], seenBy[at] = append(witnesses[at], views[k]), append(seenBy[at], k)
	}
	places := make([]place, 0, len(witnesses))
	for at := range witnesses {
		places = append(places, at)
		if at.location != "" && !slices.Contains(p.where, at.location) {
			p.where = append(p.where, at.location)
		}
	}
	slices.SortFunc(places, comparePlaces)
	slices.Sort(p.where)
	for _, at := range places {
		all, without := foldWitnesses(witnesses[at])
		own := len(witnesses[at]) - len(seenBy[at])
		for i, k := range seenBy[at] {
			p.calls[k] = badCallReading(k, views[k], without[own+i])
		}
		r := newReading(at, all, maxHops)
		r.seen = len(seenBy[at]) > 0
		if at.service != "" && at.journey == "" {
			p.of[at.service] = append(p.of[at.service], len(p.readings))
		} else {
			p.broad = append(p.broad, len(p.readings))
		}
		p.readings = append(p.readings, r)
	}
}

// foldWitnesses joins what several saw of one place. What may go wrong by itself is the
// place, whoever sees it: were the background held against each witness alone, a
// service with an unrelated trouble of its own would weigh the more, the more callers
// it has. The second result is, for each witness, the log ratio by which the background
// bears the others alone better than all of them.
func foldWitnesses(seen []track) (track, []float64) {
	n := len(seen[0].ratio)
	out := track{ratio: make([]float64, n)}
	parts := make([][]float64, len(seen))
	miss, see := math.Log(1-witness), math.Log(witness)
	for w, t := range seen {
		if len(seen) == 1 {
			miss, see = math.Inf(-1), 0 // nobody else tells that the place is ill
		}
		parts[w] = make([]float64, n)
		out.never += logAdd(miss, see+t.never)
		for i, r := range t.ratio {
			parts[w][i] = logAdd(miss, see+r)
			out.ratio[i] += parts[w][i]
		}
	}
	if len(seen) == 1 {
		return out, []float64{0}
	}
	g := byItself(out.ratio)
	without, rest := make([]float64, len(seen)), make([]float64, n)
	for w := range seen {
		for i, r := range out.ratio {
			rest[i] = r - parts[w][i]
		}
		without[w] = byItself(rest) - g
	}
	out.never -= g
	for i := range out.ratio {
		out.ratio[i] -= g
	}
	return out, without
}

// byItself is the log evidence that a place which is none of the cause's doing shows:
// nothing, or trouble of its own from any minute on.
func byItself(lb []float64) float64 {
	return logAdd(math.Log1p(-background), math.Log(background)+logSum(lb)-math.Log(float64(len(lb))))
}

// badCallReading is what one caller's view says of a fault in this caller's calls alone:
// its view then is the fault's doing, and what the others see of the callee is not.
func badCallReading(k call, view track, without float64) reading {
	t := track{make([]float64, len(view.ratio)), view.never + without}
	for i, x := range view.ratio {
		t.ratio[i] = x + without
	}
	r := newReading(place{service: k.callee, location: k.location}, t, 0)
	r.peak = slices.Max(view.ratio)
	return r
}

// newReading spreads evidence over the minutes of a cause up to so many hops away.
func newReading(at place, t track, hops int) reading {
	r := reading{at: at, ratio: t.ratio, never: t.never, peak: math.Inf(-1)}
	lin := make([]float64, len(t.ratio))
	for i, x := range t.ratio {
		lin[i] = math.Exp(x)
		if x > r.peak {
			r.peak = x
		}
	}
	for h := range hops + 1 {
		k := hopKernel(h)
		r.hops[h] = convolve(lin, k[:], math.Exp(t.never))
	}
	return r
}

// hopMinutes is how much later than its cause a place may turn worse.
const hopMinutes = 24

// straggling is the share of places that turn worse at any time within those
// minutes: pools drain and queues fill at their own pace.
const straggling = 0.2

// hopKernel says how many minutes after its cause a place h hops away turns
// worse: around 0.6 minutes a hop, ever less certain, or some time later.
func hopKernel(h int) (k [hopMinutes]float64) {
	sum := 0.0
	for d := range k {
		k[d] = math.Exp(-math.Abs(float64(d)-0.6*float64(h)) / (0.8 + 0.5*float64(h)))
		sum += k[d]
	}
	late := straggling
	if h == 0 {
		late = 0
	}
	for d := range k {
		k[d] = (1-late)*k[d]/sum + late/hopMinutes
	}
	return k
}

func convolve(x, kernel []float64, beyond float64) []float64 {
	out := make([]float64, len(x))
	for i := range out {
		for d, k := range kernel {
			if i+d < len(x) {
				out[i] += k * x[i+d]
			} else {
				out[i] += k * beyond
			}
		}
	}
	return out
}

func comparePlaces(a, b place) int {
	return cmp.Or(cmp.Compare(a.service, b.service), cmp.Compare(a.journey, b.journey), cmp.Compare(a.location, b.location))
}

func compareCalls(a, b call) int {
	return cmp.Or(cmp.Compare(a.callee, b.callee), cmp.Compare(a.caller, b.caller), cmp.Compare(a.location, b.location))
}

func total(x []float64) float64 {
	s := 0.0
	for _, v := range x {
		s += v
	}
	return s
}
