package attribute

import (
	"cmp"
	"maps"
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

// reading is what was seen of one place: evidence over background.
type reading struct {
	at    place
	track                        // by the minute the place turned worse
	hops  [maxHops + 1][]float64 // by the minute of the cause h hops away; see hop
	peak  float64                // logarithm of the largest ratio: how clearly it is ill
	seen  bool                   // by callers, not only by itself
	quiet float64                // logarithm of its ratio if a cause is here of which nobody sees anything
	size  float64                // if ill: how far off it is since it turned, in standard deviations; else 0
}

// panel is everything that was measured, read and ordered.
type panel struct {
	clock        clock
	readings     []reading
	of           map[backout.ServiceID][]int // readings of each service
	broad        []int                       // readings of journeys and of the whole product
	calls        map[call]*reading           // single callers' views, for faults of one caller
	views        map[call]*reading           // the same, for faults of the callee
	callOrder    []call
	callsBy      map[backout.ServiceID][]call // those a service makes, in that order
	callsTo      map[backout.ServiceID][]call // those it answers
	ill          []int                        // readings that look ill
	traffic      map[place][]float64          // demand, for surges: log evidence of a shift by minute
	trafficOrder []place
	residuals    []backout.Residuals
	series       map[place][]int    // the residuals that places are read from, themselves and as their callers see them
	where        []backout.Location // distinct locations, "" excluded
}

// gathering collects series by what they are about before they are folded.
type gathering struct {
	own     map[place][]factors
	calls   map[call][]factors
	traffic map[place][][]float64
	entries map[backout.ServiceID]bool
	series  map[place][]int
}

// gathered is what a series says: how clearly demand rose, or how clearly it is worse.
type gathered struct {
	told  bool      // it says something
	rise  []float64 // of demand; nil = it is no demand
	worse factors
}

func newPanel(q Question) *panel {
	n := q.minutes()
	c := clock{from: q.end().Add(-time.Duration(n) * q.minute()), minute: q.minute(), n: n, until: q.until()}
	g := gathering{map[place][]factors{}, map[call][]factors{}, map[place][][]float64{}, entries(q.World.Graph), map[place][]int{}}
	read := mapped(len(q.Residuals), func(i int) gathered { return g.read(q.Residuals[i], c) })
	for i, r := range q.Residuals {
		g.add(i, r, read[i])
	}
	p := &panel{residuals: q.Residuals, series: g.series, clock: c, of: map[backout.ServiceID][]int{}, callsBy: map[backout.ServiceID][]call{}, callsTo: map[backout.ServiceID][]call{}, calls: map[call]*reading{}, views: map[call]*reading{}, traffic: map[place][]float64{}}
	for k, lbs := range g.traffic {
		p.traffic[k] = shrink(anyOf(lbs))
		p.trafficOrder = append(p.trafficOrder, k)
	}
	slices.SortFunc(p.trafficOrder, comparePlaces)
	p.fold(g)
	p.look()
	return p
}

// look takes all looks at readings that causes will take, side by side.
func (p *panel) look() {
	each(len(p.readings), func(i int) {
		p.readings[i].allHops()
	})
	each(len(p.callOrder), func(i int) {
		p.calls[p.callOrder[i]].hop(0)
		p.views[p.callOrder[i]].hop(0)
	})
}

// read is nothing where a series says nothing about the window, or nothing that is asked.
func (g gathering) read(r backout.Residuals, c clock) (out gathered) {
	s := r.ID.Subject
	switch {
	case r.Mode == backout.ModeWarming || s.Client != "" || s.Version != "" || r.Step <= 0:
		return out
	case r.Kind == backout.SignalTraffic && s.Service != "" && s.Caller == "" && s.Journey == "" && !g.entries[s.Service]:
		return out // demand is what comes in from outside
	}
	scratch := scratches.Get().(*tails)
	defer scratches.Put(scratch)
	sums := scratch.read(c, r)
	if out.told = total(sums.n) > 0; !out.told {
		return out
	}
	if r.Kind == backout.SignalTraffic && s.Journey == "" && (s.Caller == "" || s.Service == "") {
		out.rise = riseEvidence(sums, r.Phi)
	} else {
		out.worse = newFactors(sums, believedPhi(r), scratch)
	}
	return out
}

// add keeps what the i-th series says.
func (g gathering) add(i int, r backout.Residuals, read gathered) {
	s, lb := r.ID.Subject, read.worse
	if !read.told {
		return
	}
	if read.rise != nil {
		k := place{service: s.Service, location: s.Location}
		g.traffic[k] = append(g.traffic[k], read.rise)
		return
	}
	if r.Kind != backout.SignalTraffic && s.Service != "" && s.Journey == "" {
		at := place{service: s.Service, location: s.Location}
		g.series[at] = append(g.series[at], i)
	}
	switch {
	case s.Caller != "" && s.Service != "":
		k := call{s.Caller, s.Service, s.Location}
		g.calls[k] = append(g.calls[k], lb)
	case s.Journey != "":
		k := place{journey: s.Journey, location: s.Location}
		g.own[k] = append(g.own[k], lb)
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
	p.callOrder = slices.SortedFunc(maps.Keys(g.calls), compareCalls)
	own := slices.SortedFunc(maps.Keys(g.own), comparePlaces)
	itself := mapped(len(own), func(i int) track { return overBackground(anyFactors(g.own[own[i]])) })
	views := mapped(len(p.callOrder), func(i int) track { return overBackground(anyFactors(g.calls[p.callOrder[i]])) })
	at := map[place]*folding{}
	of := func(x place) *folding {
		if at[x] == nil {
			at[x] = &folding{place: x}
		}
		return at[x]
	}
	for i, x := range own {
		of(x).witnesses = []track{itself[i]}
	}
	for i, k := range p.callOrder {
		p.callsBy[k.caller], p.callsTo[k.callee] = append(p.callsBy[k.caller], k), append(p.callsTo[k.callee], k)
		f := of(place{service: k.callee, location: k.location})
		f.witnesses, f.by = append(f.witnesses, views[i]), append(f.by, k)
	}
	places := slices.SortedFunc(maps.Keys(at), comparePlaces)
	each(len(places), func(i int) { at[places[i]].fold(p) })
	for _, x := range places {
		p.keep(*at[x])
		if x.location != "" && !slices.Contains(p.where, x.location) {
			p.where = append(p.where, x.location)
		}
	}
	slices.Sort(p.where)
}

// folding is a place with all who see it, and what they say together.
type folding struct {
	place
	witnesses    []track // itself, if it is measured, and those who call it
	by           []call  // these, in order
	reading      reading
	views, calls []*reading // by whom it is called: see panel
}

func (f *folding) fold(p *panel) {
	all, without := foldWitnesses(f.witnesses)
	first := len(f.witnesses) - len(f.by)
	for i, k := range f.by {
		seen := f.witnesses[first+i]
		view := newReading(f.place, seen)
		f.views = append(f.views, &view)
		f.calls = append(f.calls, badCallReading(k, seen, without[first+i]))
	}
	f.reading = newReading(f.place, all)
	f.reading.seen, f.reading.quiet = len(f.by) > 0, all.quietest(f.witnesses)
	if f.reading.ill() {
		f.reading.size = sizeOf(p.sumsOf(f.place), bestOf(f.reading.ratio))
	}
}

// sumsOf adds up the series that a place is read from; few places are asked for them.
func (p *panel) sumsOf(at place) []armSums {
	var out []armSums
	for _, i := range p.series[at] {
		r := p.residuals[i]
		out = append(out, armSums{p.clock.sums(r), believedPhi(r)})
	}
	return out
}

// keep puts a place in order.
func (p *panel) keep(f folding) {
	for i, k := range f.by {
		p.views[k], p.calls[k] = f.views[i], f.calls[i]
	}
	if f.service != "" && f.journey == "" {
		p.of[f.service] = append(p.of[f.service], len(p.readings))
	} else {
		p.broad = append(p.broad, len(p.readings))
	}
	if f.reading.ill() {
		p.ill = append(p.ill, len(p.readings))
	}
	p.readings = append(p.readings, f.reading)
}

// foldWitnesses joins what several saw of one place. What may go wrong by itself is the
// place, whoever sees it: were the background held against each witness alone, a
// service with an unrelated trouble of its own would weigh the more, the more callers
// it has. The second result is, for each witness, the ratio by which the background
// bears the others alone better than all of them.
func foldWitnesses(seen []track) (track, []float64) {
	if len(seen) == 1 { // nobody else tells that the place is ill
		return seen[0], []float64{1}
	}
	n := len(seen[0].ratio)
	out := track{repeat(1, n), 1}
	parts := make([][]float64, len(seen))
	for w, t := range seen {
		parts[w] = make([]float64, n)
		out.never *= notices(t.never, len(seen))
		for i, r := range t.ratio {
			parts[w][i] = notices(r, len(seen))
			out.ratio[i] *= parts[w][i]
		}
	}
	g := byItself(out.ratio)
	without, rest := make([]float64, len(seen)), make([]float64, n)
	for w := range seen {
		for i, r := range out.ratio {
			rest[i] = r / parts[w][i]
		}
		without[w] = byItself(rest) / g
	}
	out.never /= g
	for i := range out.ratio {
		out.ratio[i] /= g
	}
	return out, without
}

// mostWitnesses is how many witnesses may have their full say; more together have no
// more, which also keeps their product within a float64.
const mostWitnesses = 60

// notices is what one of so many witnesses of an ill place adds, who may not notice.
func notices(ratio float64, of int) float64 {
	f := 1 - witness + witness*ratio
	if of > mostWitnesses {
		return math.Pow(f, mostWitnesses/float64(of))
	}
	return f
}

// badCallReading is what one caller's view says of a fault in this caller's calls alone:
// its view then is the fault's doing, and what the others see of the callee is not.
func badCallReading(k call, view track, without float64) *reading {
	t := track{make([]float64, len(view.ratio)), view.never * without}
	for i, x := range view.ratio {
		t.ratio[i] = x * without
	}
	r := newReading(place{service: k.callee, location: k.location}, t)
	r.peak = math.Log(slices.Max(view.ratio))
	return &r
}

func newReading(at place, t track) reading {
	return reading{at: at, track: t, peak: math.Log(slices.Max(t.ratio))}
}

// hop spreads the evidence over the minutes of a cause so many hops away.
func (r *reading) hop(h int) []float64 {
	if r.hops[h] == nil {
		r.hops[h] = make([]float64, len(r.ratio))
		hopKernels[h].convolve(r.hops[h], r.ratio, r.never)
	}
	return r.hops[h]
}

// allHops takes all these looks in one piece of memory.
func (r *reading) allHops() {
	n := len(r.ratio)
	room := make([]float64, len(r.hops)*n)
	for h := range r.hops {
		r.hops[h] = room[h*n : (h+1)*n : (h+1)*n]
		hopKernels[h].convolve(r.hops[h], r.ratio, r.never)
	}
}

// hopMinutes is how much later than its cause a place may turn worse.
const hopMinutes = 24

// straggling is the share of places that turn worse at any time within those
// minutes: pools drain and queues fill at their own pace.
const straggling = 0.2

var hopKernels = func() (out [maxHops + 1]kernel) {
	for h := range out {
		out[h] = hopKernel(h)
	}
	return out
}()

// kernel is the share of places that turn worse so many minutes later.
type kernel struct {
	at   [hopMinutes]float64
	from [hopMinutes + 1]float64 // so many minutes later or more
}

// hopKernel says how many minutes after its cause a place h hops away turns
// worse: around 0.6 minutes a hop, ever less certain, or some time later.
func hopKernel(h int) (out kernel) {
	k, sum := &out.at, 0.0
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
	for d := len(k) - 1; d >= 0; d-- {
		out.from[d] = out.from[d+1] + k[d]
	}
	return out
}

// convolve looks from each minute of x ahead; what lies beyond the window is the same
// for all minutes there. Four minutes at a time: a processor adds up four sums while it
// waits for one.
func (k *kernel) convolve(out, x []float64, beyond float64) {
	i := 0
	for ; i+3+hopMinutes <= len(x); i += 4 {
		ahead := (*[hopMinutes + 3]float64)(x[i:])
		var a, b, c, d float64
		for k, w := range &k.at {
			a += w * ahead[k]
			b += w * ahead[k+1]
			c += w * ahead[k+2]
			d += w * ahead[k+3]
		}
		out[i], out[i+1], out[i+2], out[i+3] = a, b, c, d
	}
	for ; i < len(out); i++ {
		ahead := x[i:min(len(x), i+hopMinutes)]
		sum := beyond * k.from[len(ahead)]
		for d, y := range ahead {
			sum += k.at[d] * y
		}
		out[i] = sum
	}
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
