package main

import (
	"math"
	"slices"
	"time"

	backout "github.com/backout-dev/backout"
	"github.com/backout-dev/backout/bench/attribution/recorded"
	"github.com/backout-dev/backout/internal/statistics"
)

// peers are what everybody has. Each gives every candidate a score; nil where the
// method needs changes and the set has none.
var peers = []struct {
	name  string
	score func(p peer) func(backout.ServiceID) float64
}{
	{"random", func(peer) func(backout.ServiceID) float64 { return func(backout.ServiceID) float64 { return 0 } }},
	{"everything", func(p peer) func(backout.ServiceID) float64 {
		return p.needsChanges(func(backout.ServiceID) float64 { return 0 })
	}},
	{"latest", func(p peer) func(backout.ServiceID) float64 { return p.needsChanges(p.latest) }},
	{"latest_anomalous", func(p peer) func(backout.ServiceID) float64 { return p.needsChanges(p.latestAnomalous) }},
	{"max_z", func(p peer) func(backout.ServiceID) float64 { return p.maxZ }},
	{"robust_scorer", func(p peer) func(backout.ServiceID) float64 { return p.robust }},
	{"gandalf_like", func(p peer) func(backout.ServiceID) float64 { return p.needsChanges(p.vote) }},
}

// peer is a case as the peers see it: the same samples that we get, cut where the
// first change began or, without changes, where somebody complained.
type peer struct {
	window backout.Window
	began  map[backout.ServiceID]time.Time // of the changes
	cut    time.Time
}

func newPeer(c recorded.Case) peer {
	p := peer{window: c.Window(), began: map[backout.ServiceID]time.Time{}, cut: c.Noticed}
	changes, _ := backout.Fold(c.Observations)
	for _, ch := range changes {
		_, service, _, _, _ := ch.Component.Split() // components are named like services
		p.began[backout.ServiceID(service)] = ch.Exposure.Start()
		if ch.Exposure.Start().Before(p.cut) {
			p.cut = ch.Exposure.Start()
		}
	}
	return p
}

func (p peer) needsChanges(f func(backout.ServiceID) float64) func(backout.ServiceID) float64 {
	if len(p.began) == 0 {
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

// each visits the series of a service and of its callers' calls to it, in samples
// before and after the cut.
func (p peer) each(id backout.ServiceID, visit func(s backout.Series, before, after []float64)) {
	for _, s := range p.window.Series {
		if s.ID.Subject.Service != id || s.ID.Subject.Version != "" {
			continue
		}
		var before, after []float64
		for _, smp := range s.Samples {
			if smp.At.After(p.cut) {
				after = append(after, reading(s.Kind, smp))
			} else {
				before = append(before, reading(s.Kind, smp))
			}
		}
		if len(before) > 1 && len(after) > 0 {
			visit(s, before, after)
		}
	}
}

// robust is BARO's RobustScorer: (x − median) / IQR of the window before, the
// largest after it. A spread of zero counts as one, as in its library.
func (p peer) robust(id backout.ServiceID) float64 {
	top := math.Inf(-1)
	p.each(id, func(_ backout.Series, before, after []float64) {
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

func (p peer) maxZ(id backout.ServiceID) float64 {
	top := 0.0
	p.each(id, func(_ backout.Series, before, after []float64) {
		for _, z := range scores(before, after) {
			top = max(top, math.Abs(z))
		}
	})
	return top
}

func (p peer) latest(id backout.ServiceID) float64 { return float64(p.began[id].Unix()) }

func (p peer) latestAnomalous(id backout.ServiceID) float64 {
	if p.maxZ(id) > 3 {
		return p.latest(id)
	}
	return p.latest(id) - 1e12
}

// vote is in the manner of Gandalf: anomalies after a change vote for it, the
// sooner the more, those before it veto, and a difference of the arms counts twice.
func (p peer) vote(id backout.ServiceID) float64 {
	sum := 0.0
	for _, s := range p.window.Series {
		if s.ID.Subject.Service != id {
			continue
		}
		var before, after []float64
		var at []time.Time
		for _, smp := range s.Samples {
			if smp.At.After(p.cut) {
				after, at = append(after, reading(s.Kind, smp)), append(at, smp.At)
			} else {
				before = append(before, reading(s.Kind, smp))
			}
		}
		if s.ID.Subject.Version != "" {
			sum += p.armVote(s)
			continue
		}
		if len(before) < 2 {
			continue
		}
		for i, z := range scores(before, after) {
			age := at[i].Sub(p.began[id]).Minutes()
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

// armVote adds what the new version is worse by than the old ones, once for each
// new series, in spreads of the old.
func (p peer) armVote(treated backout.Series) float64 {
	sum := 0.0
	for _, s := range p.window.Series {
		if s.ID.Signal != treated.ID.Signal || s.ID.Subject.Service != treated.ID.Subject.Service || backout.CompareVersions(s.ID.Subject.Version, treated.ID.Subject.Version) >= 0 {
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
			sum += 2 * max(-10, min(10, mean(scores(old, young)))) * float64(len(young)) / 4
		}
	}
	return sum
}
