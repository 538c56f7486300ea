package attribute

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	backout "github.com/backout-dev/backout"
)

// A change that was shown to named audiences, one after the other, is several
// hypotheses: it hurts everybody who met it, or one of these audiences alone. The
// series of single clients tell them apart: a client of the audience against all
// others.

// faint scales the reach of a fault that a single audience meets: services and
// journeys see it as a part of their requests, or not at all.
const faint = 0.5

// exposed is one hypothesis about a change: which of its stages matter.
type exposed struct {
	audience string // "" = everybody who met it
	exposure backout.Exposure
	share    float64 // of the change's prior
}

// hypotheses splits a change by the audiences it names. Half of the prior stays
// with "everybody who met it" when there are several.
func hypotheses(c backout.Change) []exposed {
	stages := map[string][]backout.ExposureStage{}
	for _, s := range c.Exposure.Stages {
		if s.Audience != "" {
			stages[s.Audience] = append(stages[s.Audience], s)
		}
	}
	all := exposed{exposure: c.Exposure, share: 1}
	if len(stages) == 0 {
		return []exposed{all}
	}
	alone := len(stages) == 1 && len(stages[c.Exposure.Stages[0].Audience]) == len(c.Exposure.Stages)
	out, rest := []exposed{}, 1.0
	if !alone {
		all.share, rest = .5, .5
		out = append(out, all)
	}
	for _, a := range slices.Sorted(maps.Keys(stages)) {
		out = append(out, exposed{a, backout.Exposure{Stages: stages[a]}, rest / float64(len(stages))})
	}
	return out
}

// fainter is the blast of a fault that only one audience meets.
func fainter(b blast) blast {
	out := blast{stops: b.stops, badCalls: slices.Clone(b.badCalls), readings: slices.Clone(b.readings)}
	for i := range out.readings {
		out.readings[i].visible *= faint
	}
	for i := range out.badCalls {
		out.badCalls[i].p *= faint
	}
	return out
}

// clients are the residuals of single clients, by metric and audience.
type clients struct {
	clock clock
	by    map[armKey]map[string][]armSums
	scale map[armKey]map[string]float64
}

func newClients(q Question, c clock) clients {
	out := clients{c, map[armKey]map[string][]armSums{}, map[armKey]map[string]float64{}}
	audience := map[string]string{}
	for _, cl := range q.World.Graph.Clients {
		audience[cl.ID] = cmp.Or(cl.Audience, cl.ID)
	}
	name := func(client string) string { return cmp.Or(audience[client], client) }
	for _, r := range q.Residuals {
		s := r.ID.Subject
		if s.Client == "" || s.Version != "" || r.Mode == backout.ModeWarming || r.Step <= 0 || r.Kind != backout.SignalLatency && r.Kind != backout.SignalErrors {
			continue
		}
		k := armKey{s.Service, s.Location, r.Kind, r.ID.Signal}
		if out.by[k] == nil {
			out.by[k] = map[string][]armSums{}
		}
		out.by[k][name(s.Client)] = append(out.by[k][name(s.Client)], armSums{c.sums(r), r.Phi})
	}
	for _, b := range q.Baselines {
		if s := b.Series.Subject; s.Client != "" && s.Version == "" {
			k := armKey{s.Service, s.Location, b.Kind, b.Series.Signal}
			if out.scale[k] == nil {
				out.scale[k] = map[string]float64{}
			}
			out.scale[k][name(s.Client)] = b.Scale
		}
	}
	return out
}

// compare sets the clients of an audience against those who did not meet the
// change. Where it met several audiences, others of them count as controls too: the
// hypothesis is that this one alone is hurt.
func (a clients) compare(h exposed, start time.Time) comparison {
	out, best := comparison{}, math.Inf(-1)
	var metrics [][]float64
	keys := slices.SortedFunc(maps.Keys(a.by), func(x, y armKey) int {
		return cmp.Or(cmp.Compare(x.service, y.service), cmp.Compare(x.location, y.location), cmp.Compare(x.signal, y.signal))
	})
	for _, k := range keys {
		treated := a.by[k][h.audience]
		var controls []armSums
		for _, other := range slices.Sorted(maps.Keys(a.by[k])) {
			if other != h.audience {
				controls = append(controls, a.by[k][other]...)
			}
		}
		if len(treated) == 0 || len(controls) == 0 {
			continue
		}
		d, ok := contrast(a.clock, treated, controls, start)
		if !ok {
			continue
		}
		lb := shiftEvidence(d.minuteSums, d.phi)
		metrics = append(metrics, lb)
		if top := slices.Max(lb); top > best {
			best, out.worst, out.meanDiff, out.minutes = top, k.kind, d.lateMean(), d.minutes()
			if scale := a.scale[k][h.audience]; scale > 0 {
				out.factor = math.Exp(d.lateMean() * d.sd * scale)
			}
		}
	}
	if len(metrics) == 0 {
		return out
	}
	out.known, out.logBF = true, together(metrics)
	for i, x := range out.logBF {
		out.logBF[i] = min(capLogBF, x)
	}
	return out
}
