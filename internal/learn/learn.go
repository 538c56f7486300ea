// Package learn folds what an incident turned out to be into the priors that the
// next one starts from.
//
// # The model
//
// Everything learnt is a count, and counts forget: after [HalfLife] an
// observation weighs half. The verbs add the counts to prior pseudo-counts of their own, so
// the zero value of [backout.Priors] means "nothing learnt yet" and no single
// incident can overturn what the verbs believe by themselves.
//
//   - Delays: how long after exposure a culprit of each kind began to hurt, in the
//     bins of [DelayEdges].
//   - Culprit and Shipped: how many changes of each kind hurt, among those that
//     were candidates. Only changes seen around an incident are candidates, so
//     the ratio of two kinds means something and the rate of one does not.
//   - None and Incidents: how often no change did it.
//   - Actions: how often taking back a culprit worked, for a kind and for a kind
//     on one service.
//   - Edges: for each way that trouble could travel, whether it did and how fast,
//     and the same for the incidents that began at its start.
//   - EffectLags: how long from action to verified recovery.
//   - HitTimes, Recoveries: how far off foretold times were. These are ranks and no
//     counts: the newest two hundred count in full.
//
// # What is not learnt
//
// Nothing from simulated incidents and nothing from label unknown: a drill's
// author chose the culprit, and a guess that is learnt makes the next guess
// worse. Changes that a drill made are no candidates. Whatever was rolled back
// isn't thereby a culprit: where several changes share the blame each gets a part
// of it, one incident in all. An action in an incident that no change caused says
// nothing about how well actions work.
//
// Update is a function of its input, but not idempotent: the caller learns each
// incident once.
package learn

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

// HalfLife is how long it takes until an observation weighs half.
const HalfLife = 180 * 24 * time.Hour

// Bins is the number of delay bins.
const Bins = 7

// forgotten is the weight below which an entry is dropped, so that services long
// gone leave no trace.
const forgotten = 1e-3

// DelayEdges are the limits of the delay bins in model minutes, lower inclusive.
func DelayEdges() [Bins + 1]float64 { return [Bins + 1]float64{0, 1, 2, 5, 10, 20, 40, 90} }

// Lesson is one reviewed incident with what is needed to learn from it.
type Lesson struct {
	Review backout.Review
	// Shipped is the changes that were candidates, culprits among them.
	Shipped []backout.Change
	// Minute is how long a model minute lasted by the clock; 0 = a minute. All
	// durations of the review are by the clock.
	Minute time.Duration
}

// Update gives the priors after a lesson. The priors given are not altered. A
// lesson that teaches nothing (simulated, or of unknown cause) gives equal
// priors, not even aged. A review older than the priors counts less by its age.
func Update(p backout.Priors, l Lesson) backout.Priors {
	next := clone(p)
	if l.Review.Simulated || (l.Review.Label != backout.LabelChange && l.Review.Label != backout.LabelNone) {
		return next
	}
	weight := 1.0
	switch at := l.Review.At; {
	case next.At.IsZero():
		next.At = at
	case at.After(next.At):
		age(&next, decay(at.Sub(next.At)))
		next.At = at
	default:
		weight = decay(next.At.Sub(at))
	}
	s := student{p: &next, weight: weight, minute: float64(l.Minute)}
	if s.minute <= 0 {
		s.minute = float64(time.Minute)
	}
	next.Format = 1
	next.Incidents += weight
	s.learnShipped(l.Shipped)
	s.learnSpread(l.Review.Spread)
	s.learnTimes(l.Review)
	if l.Review.Label == backout.LabelNone {
		next.None += weight
		return next
	}
	s.learnCulprits(l.Review.Culprits, l.Shipped)
	s.learnDelays(l.Review.Delays)
	s.learnActions(l.Review.Actions)
	s.learnLag(l.Review.EffectLag)
	return next
}

// student writes one lesson into its own copy of the priors.
type student struct {
	p      *backout.Priors
	weight float64 // of the lesson
	minute float64 // nanoseconds of a model minute
}

func (s student) minutes(d backout.Duration) float64 { return float64(d) / s.minute }

func (s student) learnShipped(changes []backout.Change) {
	for _, c := range changes {
		if !c.Simulated {
			s.p.Shipped[c.Kind] += s.weight
		}
	}
}

// learnCulprits shares one blame among the culprits; ids that no candidate has
// are left out, since their kind isn't known.
func (s student) learnCulprits(culprits []backout.ChangeID, shipped []backout.Change) {
	var kinds []backout.ComponentKind
	for _, c := range shipped {
		if slices.Contains(culprits, c.ID) && !c.Simulated {
			kinds = append(kinds, c.Kind)
		}
	}
	for _, k := range kinds {
		s.p.Culprit[k] += s.weight / float64(len(kinds))
	}
}

// learnDelays counts delays inside the bins. A negative one is a clock's error or
// a wrong label, one beyond the last bin is outside what attribution looks at.
func (s student) learnDelays(delays []backout.ReviewDelay) {
	edges := DelayEdges()
	type seen struct {
		kind backout.ComponentKind
		bin  int
	}
	var in []seen
	for _, d := range delays {
		m := s.minutes(d.Delay)
		if m < edges[0] || m >= edges[Bins] {
			continue
		}
		bin := 0
		for m >= edges[bin+1] {
			bin++
		}
		in = append(in, seen{d.Kind, bin})
	}
	for _, d := range in {
		if len(s.p.Delays[d.kind]) < Bins {
			s.p.Delays[d.kind] = append(s.p.Delays[d.kind], make([]float64, Bins-len(s.p.Delays[d.kind]))...)
		}
		s.p.Delays[d.kind][d.bin] += s.weight / float64(len(in))
	}
}

func (s student) learnActions(actions []backout.ReviewAction) {
	for _, a := range actions {
		keys := []string{string(a.Kind)}
		if a.Service != "" {
			keys = append(keys, string(a.Kind)+"/"+string(a.Service))
		}
		for _, key := range keys {
			r := s.p.Actions[key]
			r.Tried += s.weight
			if a.Worked {
				r.Worked += s.weight
			}
			s.p.Actions[key] = r
		}
	}
}

func (s student) learnSpread(spread []backout.ReviewSpread) {
	for _, w := range spread {
		key := string(w.Cause) + ">" + string(w.Victim)
		e := s.p.Edges[key]
		if w.Began {
			e.Began.Tried += s.weight
		}
		if w.Began && w.Followed {
			e.Began.Worked += s.weight
		}
		if !w.Followed {
			e.Stayed += s.weight
			s.p.Edges[key] = e
			continue
		}
		e.Followed += s.weight
		if w.Delay >= 0 {
			add(&e.Delays, s.minutes(w.Delay), s.weight)
		}
		s.p.Edges[key] = e
	}
}

func (s student) learnLag(lag backout.Duration) {
	if lag > 0 {
		add(&s.p.EffectLags, math.Log(60*s.minutes(lag)), s.weight)
	}
}

// keptTimes is how many errors of foretold times are kept: an old product's are not
// today's, and ranks among two hundred are fine enough.
const keptTimes = 200

func (s student) learnTimes(r backout.Review) {
	s.p.HitTimes = newest(append(slices.Clone(s.p.HitTimes), r.Hits...))
	if r.Recovery != nil && r.Label == backout.LabelChange {
		s.p.Recoveries = newest(append(slices.Clone(s.p.Recoveries), *r.Recovery))
	}
}

func newest(x []float64) []float64 { return x[max(0, len(x)-keptTimes):] }

func add(m *backout.Moments, x, weight float64) {
	m.N, m.Sum, m.Sq = m.N+weight, m.Sum+weight*x, m.Sq+weight*x*x
}

// decay is what is left of a weight after some time.
func decay(d time.Duration) float64 { return math.Exp2(-float64(d) / float64(HalfLife)) }

// age multiplies every count by f and drops what is as good as forgotten.
func age(p *backout.Priors, f float64) {
	p.Incidents, p.None = p.Incidents*f, p.None*f
	ageMoments(&p.EffectLags, f)
	for k, counts := range p.Delays {
		sum := 0.0
		for i := range counts {
			counts[i] *= f
			sum += counts[i]
		}
		if sum < forgotten {
			delete(p.Delays, k)
		}
	}
	for _, counts := range []map[backout.ComponentKind]float64{p.Culprit, p.Shipped} {
		for k := range counts {
			if counts[k] *= f; counts[k] < forgotten {
				delete(counts, k)
			}
		}
	}
	for k, r := range p.Actions {
		p.Actions[k] = backout.Rate{Worked: r.Worked * f, Tried: r.Tried * f}
		if r.Tried*f < forgotten {
			delete(p.Actions, k)
		}
	}
	for k, e := range p.Edges {
		e.Followed, e.Stayed = e.Followed*f, e.Stayed*f
		ageMoments(&e.Delays, f)
		e.Began = backout.Rate{Worked: e.Began.Worked * f, Tried: e.Began.Tried * f}
		p.Edges[k] = e
		if e.Followed+e.Stayed < forgotten {
			delete(p.Edges, k)
		}
	}
}

func ageMoments(m *backout.Moments, f float64) { m.N, m.Sum, m.Sq = m.N*f, m.Sum*f, m.Sq*f }

// clone copies the priors deeply and makes every map usable.
func clone(p backout.Priors) backout.Priors {
	delays := make(map[backout.ComponentKind][]float64, len(p.Delays))
	for k, counts := range p.Delays {
		delays[k] = slices.Clone(counts)
	}
	p.Delays = delays
	p.Culprit, p.Shipped = copied(p.Culprit), copied(p.Shipped)
	p.Actions, p.Edges = copied(p.Actions), copied(p.Edges)
	return p
}

func copied[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return maps.Clone(m)
}
