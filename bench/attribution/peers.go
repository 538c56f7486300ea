package main

import (
	"math"
	"slices"
	"time"

	backout "github.com/backout-dev/backout"
	"github.com/backout-dev/backout/bench/attribution/recorded"
	"github.com/backout-dev/backout/internal/simulate"
	"github.com/backout-dev/backout/internal/statistics"
)

// candidate is something that can be blamed: a change, or a service in sets without
// changes.
type candidate struct {
	id      string
	service backout.ServiceID
	began   time.Time // of a change
	to      backout.Version
}

// peers are what everybody has. Each gives every candidate a score; nil where the
// method needs changes and the set has none.
var peers = []struct {
	name  string
	score func(p peer) func(candidate) float64
}{
	{"random", func(peer) func(candidate) float64 { return func(candidate) float64 { return 0 } }},
	{"everything", func(p peer) func(candidate) float64 {
		return p.needsChanges(func(candidate) float64 { return 0 })
	}},
	{"latest", func(p peer) func(candidate) float64 { return p.needsChanges(p.latest) }},
	{"latest_anomalous", func(p peer) func(candidate) float64 { return p.needsChanges(p.latestAnomalous) }},
	{"max_z", func(p peer) func(candidate) float64 { return p.maxZ }},
	{"robust_scorer", func(p peer) func(candidate) float64 { return p.robust }},
	{"gandalf_like", func(p peer) func(candidate) float64 { return p.needsChanges(p.vote) }},
}

// peer is a case as the peers see it: the same samples that we get. What is compared
// with what came before is cut where somebody complained, or where the first change
// began if that was earlier and all changes are recent. A vote on changes compares
// with the time before the first of them.
type peer struct {
	changes   bool
	cut, calm time.Time
	step      time.Duration
	by        map[backout.ServiceID][]backout.Series
}

func newPeer(w backout.Window, candidates []candidate, changes bool, noticed time.Time) peer {
	p := peer{changes: changes, cut: noticed, calm: noticed, step: w.Step, by: map[backout.ServiceID][]backout.Series{}}
	for _, c := range candidates {
		if changes && c.began.Before(p.calm) {
			p.calm = c.began
		}
	}
	for _, s := range w.Series {
		p.by[s.ID.Subject.Service] = append(p.by[s.ID.Subject.Service], s)
	}
	return p
}

// ofRecorded is a recorded case for the peers. Its changes began minutes before the
// notice, so that the window before is the one before all of them.
func ofRecorded(c recorded.Case, candidates []candidate) peer {
	p := newPeer(c.Window(), candidates, len(c.Observations) > 0, c.Noticed)
	p.cut = p.calm
	return p
}

// ofSimulated is a generated case for the peers. Changes were going on for more than
// an hour; who is told when somebody complained compares with the time before that.
func ofSimulated(c simulate.Case, candidates []candidate) peer {
	return newPeer(c.Window, candidates, true, c.Noticed)
}

func (p peer) needsChanges(f func(candidate) float64) func(candidate) float64 {
	if !p.changes {
		return nil
	}
	return f
}

// reading is a sample in the unit that people plot: milliseconds, percent.
func reading(k backout.SignalKind, s backout.Sample) float64 {
	switch {
	case k == backout.SignalLatency && s.Total > 0:
		return 1000 * s.Value / s.Total
	case k == backout.SignalErrors && s.Total > 0:
		return 100 * s.Value / s.Total
	}
	return s.Value
}

// split gives a series' readings up to a moment and after it.
func split(s backout.Series, cut time.Time) (before, after []float64, at []time.Time) {
	for _, smp := range s.Samples {
		if smp.At.After(cut) {
			after, at = append(after, reading(s.Kind, smp)), append(at, smp.At)
		} else {
			before = append(before, reading(s.Kind, smp))
		}
	}
	return before, after, at
}

// each visits the series of a service and of its callers' calls to it, in samples
// before and after the cut.
func (p peer) each(id backout.ServiceID, visit func(s backout.Series, before, after []float64)) {
	for _, s := range p.by[id] {
		if s.ID.Subject.Version != "" {
			continue
		}
		if before, after, _ := split(s, p.cut); len(before) > 1 && len(after) > 0 {
			visit(s, before, after)
		}
	}
}

// robust is BARO's RobustScorer: (x − median) / IQR of the window before, the
// largest after it. A spread of zero counts as one, as in its library.
func (p peer) robust(c candidate) float64 {
	top := math.Inf(-1)
	p.each(c.service, func(_ backout.Series, before, after []float64) {
		middle, iqr := statistics.Median(before), statistics.Quantile(before, .75)-statistics.Quantile(before, .25)
		if iqr == 0 {
			iqr = 1
		}
		top = max(top, (slices.Max(after)-middle)/iqr)
	})
	return top
}

// scores are z-values by the mean and the standard deviation of the window before.
func scores(before, after []float64) []float64 {
	m, v := mean(before), 0.0
	for _, x := range before {
		v += (x - m) * (x - m) / float64(len(before)-1)
	}
	sd := math.Sqrt(v)
	if sd == 0 {
		sd = 1
	}
	out := make([]float64, len(after))
	for i, x := range after {
		out[i] = (x - m) / sd
	}
	return out
}

func (p peer) maxZ(c candidate) float64 {
	top := 0.0
	p.each(c.service, func(_ backout.Series, before, after []float64) {
		for _, z := range scores(before, after) {
			top = max(top, math.Abs(z))
		}
	})
	return top
}

func (p peer) latest(c candidate) float64 { return float64(c.began.UnixMilli()) }

func (p peer) latestAnomalous(c candidate) float64 {
	if p.maxZ(c) > 3 {
		return p.latest(c)
	}
	return p.latest(c) - 1e15
}

// vote is in the manner of Gandalf: anomalies after a change vote for it, the
// sooner the more, those before it veto, and a difference of the arms counts twice.
// Demand is no fault signal.
func (p peer) vote(c candidate) float64 {
	sum := 0.0
	for _, s := range p.by[c.service] {
		if s.Kind == backout.SignalTraffic {
			continue
		}
		if v := s.ID.Subject.Version; v != "" {
			if v == c.to {
				sum += p.armVote(s)
			}
			continue
		}
		before, after, at := split(s, p.calm)
		if len(before) < 2 {
			continue
		}
		for i, z := range scores(before, after) {
			age := at[i].Sub(c.began).Minutes()
			switch {
			case math.Abs(z) <= 3:
			case age > 0:
				sum += min(math.Abs(z), 10) * math.Exp(-age/30)
			default:
				sum -= min(math.Abs(z), 10)
			}
		}
	}
	return sum
}

// armVote adds what the new version is worse by than the old ones, minute by minute,
// in spreads of the old.
func (p peer) armVote(treated backout.Series) float64 {
	sum := 0.0
	for _, s := range p.by[treated.ID.Subject.Service] {
		if s.ID.Signal != treated.ID.Signal || s.ID.Subject.Version == "" || backout.CompareVersions(s.ID.Subject.Version, treated.ID.Subject.Version) >= 0 {
			continue
		}
		var old, young []float64
		for _, smp := range s.Samples {
			old = append(old, reading(s.Kind, smp))
		}
		for _, smp := range treated.Samples {
			young = append(young, reading(s.Kind, smp))
		}
		if len(old) > 1 && len(young) > 0 {
			sum += 2 * max(-10, min(10, mean(scores(old, young)))) * float64(len(young)) * p.step.Minutes()
		}
	}
	return sum
}
