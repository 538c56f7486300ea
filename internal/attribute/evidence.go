package attribute

import (
	"math"
	"slices"
	"sync"

	backout "github.com/backout-dev/backout"
)

// through is how a cause would show in one reading.
type through struct {
	reading int
	stop    int     // index of the service among the blast's stops; -1 for journeys and the whole product
	visible float64 // the chance that the reading shows it, if the service has caught it
	fits    float64 // how much likelier the size of what it shows is, beside what the trouble comes from
	grasp
}

// blast is everything in which a cause would show.
type blast struct {
	stops    []stop
	readings []through
	// badCalls are single callers' views of callees that the cause leaves healthy.
	badCalls []badCall
	silent   bool // it begins at services that look healthy to themselves
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
	reached := reaches.Get().(*reach)
	defer reaches.Put(reached)
	rs.spread(origins, reached)
	here := func(r *reading) bool { return everywhere(loc) || r.at.location == "" || r.at.location == loc }
	out := blast{stops: slices.Clone(reached.stops), readings: make([]through, 0, p.measured(reached.stops)+len(p.broad))}
	sizes := make([]float64, len(out.stops)) // of the ill
	for i, s := range out.stops {
		from := 0.0
		for j, l := range s.links {
			from = max(from, sizes[l.stop])
			if o := out.stops[l.stop]; len(o.links) == 0 {
				s.links[j].view = p.viewOf(o.service, s.service, here)
			}
		}
		for _, k := range p.of[s.service] {
			r := &p.readings[k]
			if !here(r) {
				continue
			}
			visible := 1.0
			if len(s.links) == 0 {
				visible = ownVisible
				if r.seen {
					visible = seenByCallers
				}
			}
			sizes[i] = max(sizes[i], r.size)
			if s.a > negligible {
				out.readings = append(out.readings, through{k, i, visible, sizeFits(r.size, from), s.grasp})
			}
		}
	}
	for _, k := range p.broad {
		r := &p.readings[k]
		if !here(r) {
			continue
		}
		var at grasp
		if r.at.journey != "" {
			for _, j := range g.Journeys {
				if j.ID == r.at.journey {
					at = reached.journey(j.Services, 0.6)
				}
			}
		} else { // a KPI of the whole product
			var all []backout.ServiceID
			for _, j := range g.Journeys {
				all = append(all, j.Services...)
			}
			at = reached.journey(all, 0.3)
		}
		if at.a > negligible {
			out.readings = append(out.readings, through{k, -1, 1, 1, at})
		}
	}
	for _, o := range origins {
		out.badCalls = append(out.badCalls, p.badCallsOf(o, reached, loc)...)
	}
	return out
}

// measured is how many readings there are of the services of these stops.
func (p *panel) measured(stops []stop) (n int) {
	for _, s := range stops {
		n += len(p.of[s.service])
	}
	return n
}

// badCallsOf are the calls of a service to callees that it does not make ill: a
// faulty caller may show in nothing else.
func (p *panel) badCallsOf(o backout.ServiceID, reached *reach, loc backout.Location) []badCall {
	var out []badCall
	for _, k := range p.callsBy[o] {
		if !everywhere(loc) && k.location != "" && k.location != loc {
			continue
		}
		there, _ := reached.of(k.callee)
		if q := badCalls * (1 - there.a); q > negligible {
			out = append(out, badCall{k, q})
		}
	}
	return out
}

// evidence is Λ(t0) for each minute: the log evidence of a cause with this blast
// over the background. Services are looked at from the cause outward, and each says
// how likely trouble went on from it: from one that is seen ill it goes on as the
// road tells, from a quiet one hardly at all. So one quiet service speaks against
// a cause once, not again with everybody behind it, and a far one that is ill speaks for
// it as much as the way there is seen to be ill. It is a filter, exact where the ways
// form a tree.
func (p *panel) evidence(b blast) []float64 {
	n := p.clock.n
	room := rooms.Get().(*[]float64)
	defer rooms.Put(room)
	*room = slices.Grow((*room)[:0], 2*n)
	acc, f := accumulator{make([]float64, n), (*room)[:n]}, (*room)[n:2*n]
	fill(acc.product, 1)
	p.filter(b, 0, n, acc.times)
	for _, t := range b.readings {
		if t.stop < 0 {
			ratio := p.readings[t.reading].hop(t.hops)
			for i, r := range ratio {
				f[i] = 1 + t.a*t.visible*(r-1)
			}
			acc.times(f)
		}
	}
	for _, bc := range b.badCalls {
		for i, r := range p.calls[bc.call].hop(0) {
			f[i] = 1 - bc.p + bc.p*r
		}
		acc.times(f)
	}
	return acc.logs()
}

// accumulator multiplies factors up by minute and takes logarithms now and then.
type accumulator struct{ sum, product []float64 }

// times multiplies with the factors of all minutes.
func (a accumulator) times(factors []float64) {
	for i, f := range factors {
		x := a.product[i] * f
		if x > 1e150 || x < 1e-150 {
			a.sum[i] += math.Log(x)
			x = 1
		}
		a.product[i] = x
	}
}

func (a accumulator) logs() []float64 {
	for i := range a.sum {
		a.sum[i] += math.Log(a.product[i])
	}
	return a.sum
}

// rooms are kept for [panel.evidence] and [panel.filter], which run for each cause.
var rooms = sync.Pool{New: func() any { return new([]float64) }}

// filter passes the minutes from..to of the onset through the stops of a blast and
// calls each with the factors of every stop in these minutes, which are not kept. It
// returns how likely each stop had caught the trouble, by the stops before it, in the
// last of these minutes.
func (p *panel) filter(b blast, from, to int, each func(factors []float64)) []float64 {
	n, stops := to-from, len(b.stops)
	room := rooms.Get().(*[]float64)
	defer rooms.Put(room)
	*room = slices.Grow((*room)[:0], n*(stops+1))
	ill := (*room)[:n*stops] // the chance that a stop is ill, its own readings seen
	like := (*room)[n*stops : n*(stops+1)]
	before := make([]float64, stops)
	k := 0
	for s, at := range b.stops {
		q := ill[s*n : (s+1)*n]
		b.comes(at, q, ill, from, like, each)
		before[s] = q[n-1]
		first, quiet := true, 0.0
		for ; k < len(b.readings) && b.readings[k].stop == s; k++ {
			t := b.readings[k]
			if b.silentlyAt(t) {
				quiet += p.readings[t.reading].quiet
				continue
			}
			ratio := p.readings[t.reading].hop(t.hops)[from:to]
			seen, unseen := t.visible*t.fits, 1-t.visible
			for i, r := range ratio {
				saw := unseen + seen*r
				if !first {
					saw *= like[i]
				}
				like[i] = saw
			}
			first = false
		}
		if quiet != 0 {
			hushed(quiet, q, each, like)
		}
		if first {
			continue // not measured, or nothing to be seen
		}
		for i := range q {
			fits := q[i] * max(faintest, min(like[i], 1/faintest))
			like[i] = 1 - q[i] + fits
			q[i] = fits / like[i]
		}
		each(like)
	}
	return before
}

// comes fills in the chance that trouble comes to a stop by the ways to it, given how ill
// those before it are. Where a silent cause shows on the way, each is called with that.
func (b blast) comes(at stop, here, ill []float64, from int, room []float64, each func(factors []float64)) {
	if len(at.links) == 0 {
		fill(here, at.a)
		return
	}
	missed, n := here, len(here)
	fill(missed, 1)
	for _, l := range at.links {
		there := ill[l.stop*n : (l.stop+1)*n]
		if b.silent && l.view != nil {
			l.throughView(there, missed, from, room)
			each(room)
			continue
		}
		for i, q := range there {
			missed[i] *= 1 - l.p*q
		}
	}
	for i, x := range missed {
		here[i] = 1 - x
	}
}

// contributions are what each reading of a blast adds to the evidence at minute t0; those
// of a silent cause's own services are none, see [trial.silentText].
func (p *panel) contributions(b blast, t0 int) []float64 {
	caught := p.filter(b, t0, t0+1, func([]float64) {})
	out := make([]float64, len(b.readings))
	for k, t := range b.readings {
		a := t.a
		if t.stop >= 0 {
			a = caught[t.stop]
		}
		if b.silentlyAt(t) {
			continue
		}
		out[k] = math.Log1p(a * t.visible * (t.fits*p.readings[t.reading].hop(t.hops)[t0] - 1))
	}
	return out
}
