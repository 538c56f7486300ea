package check

import (
	"slices"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

// limited is a world in which every limit that there is just holds for the good plan,
// which takes checkout back in the first two minutes and payment after it.
func limited() (backout.World, backout.Plan) {
	w, p := world(), good()
	for k := range w.Graph.Components {
		c := &w.Graph.Components[k]
		c.Instances, c.MinAvailable = 4, 2
	}
	rows := int64(9)
	r := w.Reversals[payment]
	r.Levels[0].Rows = &rows
	w.Reversals[payment] = r
	w.Graph.Pools = []backout.Pool{{ID: "cell", Environment: "production", MaxUnavailable: 2, Quota: 12}}
	w.Policy.Limits = backout.Limits{Components: 1, Services: 1, Instances: .4, Value: .6}
	w.Graph.Journeys = []backout.Journey{
		{ID: "a", ValuePerMinute: backout.Money{Minor: 60}, Services: []backout.ServiceID{"payment"}},
		{ID: "b", ValuePerMinute: backout.Money{Minor: 40}, Services: []backout.ServiceID{"checkout"}},
	}
	w.Graph.NoReturns = []backout.PointOfNoReturn{{ID: "P", Component: payment, Versions: backout.VersionRange{From: "2"}, After: backout.Duration(34 * time.Minute), Rows: 10, Loss: backout.LossOneWay}}
	w.Graph.Formats = []backout.DataFormat{{ID: "F", Writer: payment, Reader: payment, Writes: backout.VersionRange{From: "3"}, Reads: backout.VersionRange{From: "2"}, Loss: backout.LossSome}}
	w.Policy.Freezes = []backout.Freeze{{From: noon.Add(4 * time.Minute), To: noon.Add(time.Hour), Services: []backout.ServiceID{"payment"}}}
	w.Graph.Consumers = []backout.Consumer{{ID: "app", Component: mobile, Users: "phones", LossyAbove: .1, ForbiddenAbove: .5}}
	w.Contracts = append(w.Contracts, backout.Contract{ID: "M", Consumer: mobile, Provider: payment, Source: backout.ContractDeclared,
		Rules: []backout.ContractRule{{When: backout.VersionRange{From: "3"}, Needs: backout.VersionRange{From: "2"}}}})
	w.Live[mobile] = backout.Live{Shares: map[backout.Version]float64{"2": .9, "3": .1}}
	return w, p
}

func TestPlan_limits(t *testing.T) {
	w, p := limited()
	if found := Plan(w, seal(w, p)); len(found) > 0 {
		t.Fatalf("violations %v although every limit holds", found)
	}
	whole := func(p *backout.Plan) {
		for k := range p.Waves {
			p.Waves[k].Steps[0].Stages = []backout.Stage{{Share: 1}}
		}
	}
	side := func(p *backout.Plan) { // both at once, which their contract forbids as well
		p.Waves = []backout.Wave{{Steps: p.Steps()}}
		p.Waves[0].Steps[1].Start = 0
	}
	for name, tt := range map[string]struct {
		want   Reason
		change func(w *backout.World, p *backout.Plan)
	}{
		"budget":           {ReasonCapacity, func(_ *backout.World, p *backout.Plan) { whole(p) }},
		"budget raised":    {ReasonCapacity, func(w *backout.World, _ *backout.Plan) { w.Graph.Components[0].MinAvailable = 3 }},
		"pool":             {ReasonCapacity, func(w *backout.World, _ *backout.Plan) { w.Graph.Pools[0].MaxUnavailable = 1 }},
		"components":       {ReasonLimits, func(w *backout.World, p *backout.Plan) { side(p); w.Policy.Limits = backout.Limits{Components: 1} }},
		"services":         {ReasonLimits, func(w *backout.World, p *backout.Plan) { side(p); w.Policy.Limits = backout.Limits{Services: 1} }},
		"instances":        {ReasonLimits, func(w *backout.World, p *backout.Plan) { side(p); w.Policy.Limits = backout.Limits{Instances: .6} }},
		"value":            {ReasonLimits, func(w *backout.World, p *backout.Plan) { side(p); w.Policy.Limits = backout.Limits{Value: .9} }},
		"passes meanwhile": {ReasonDeadline, func(w *backout.World, _ *backout.Plan) { w.Graph.NoReturns[0].After -= backout.Duration(time.Second) }},
		"passed": {ReasonTarget, func(w *backout.World, _ *backout.Plan) {
			w.Graph.NoReturns[0].After = backout.Duration(10 * time.Minute)
		}},
		"passed, lossy": {ReasonTarget, func(w *backout.World, _ *backout.Plan) {
			w.Graph.NoReturns[0] = backout.PointOfNoReturn{ID: "P", Component: payment, Loss: backout.LossSome}
		}},
		"one row more":        {ReasonTarget, func(w *backout.World, _ *backout.Plan) { w.Graph.NoReturns[0].Rows = 9 }},
		"rows not counted":    {ReasonTarget, func(w *backout.World, _ *backout.Plan) { w.Reversals[payment].Levels[0].Rows = nil }},
		"format written":      {ReasonTarget, func(w *backout.World, _ *backout.Plan) { w.Graph.Formats[0].Writes.From = "2" }},
		"freeze sooner":       {ReasonDeadline, func(w *backout.World, _ *backout.Plan) { w.Policy.Freezes[0].From = noon.Add(3 * time.Minute) }},
		"frozen":              {ReasonFreeze, func(w *backout.World, _ *backout.Plan) { w.Policy.Freezes[0].From = noon }},
		"a few phones more":   {ReasonTarget, func(w *backout.World, _ *backout.Plan) { w.Live[mobile].Shares["3"] = .2 }},
		"most phones":         {ReasonTarget, func(w *backout.World, _ *backout.Plan) { w.Live[mobile].Shares["3"] = 9 }},
		"phones not measured": {ReasonTarget, func(w *backout.World, _ *backout.Plan) { w.Live[mobile] = backout.Live{} }},
		"vulnerability":       {ReasonSecurity, func(w *backout.World, _ *backout.Plan) { w.Changes[0].Security = "CVE-2026-1" }},
		"said in the step only": {ReasonSecurity, func(w *backout.World, p *backout.Plan) {
			w.Changes[0].Security = "CVE-2026-1"
			p.Waves[1].Steps[0].Exposes = []string{"CVE-2026-1"}
		}},
		"invented": {ReasonSecurity, func(_ *backout.World, p *backout.Plan) { p.Waves[1].Steps[0].Exposes = []string{"CVE-2026-1"} }},
	} {
		t.Run(name, func(t *testing.T) {
			w, p := limited()
			tt.change(&w, &p)
			found := Plan(w, seal(w, p))
			if !slices.ContainsFunc(found, func(v Violation) bool { return v.Reason == tt.want }) {
				t.Errorf("violations %v, want one of %s", found, tt.want)
			}
		})
	}
}

// A surge replaces instances before they go, as far as quotas have room.
func TestPlan_surge(t *testing.T) {
	w, p := limited()
	w.Graph.Components[0].MinAvailable, w.Graph.Components[0].MaxSurge = 4, 2
	w.Graph.Pools[0].Quota = 14
	if found := Plan(w, seal(w, p)); len(found) > 0 {
		t.Errorf("violations %v although the surge replaces what goes", found)
	}
	w.Graph.Pools[0].Quota = 13
	if found := Plan(w, seal(w, p)); !slices.ContainsFunc(found, func(v Violation) bool { return v.Reason == ReasonCapacity }) {
		t.Errorf("violations %v, want capacity: the quota has room for one", found)
	}
}

// What is said is accepted: a vulnerability named in step and gaps, a loss admitted.
func TestPlan_admittedLimitsPass(t *testing.T) {
	w, p := limited()
	w.Changes[0].Security = "CVE-2026-1"
	w.Graph.Formats[0].Writes.From = "2"
	w.Graph.Formats[0].Reads.From = "2"
	st := &p.Waves[1].Steps[0]
	st.Exposes, st.Loss = []string{"CVE-2026-1"}, backout.LossSome
	p.Gaps = []string{"going back to payment 1 opens CVE-2026-1 again", "going back to payment 1 loses receipts"}
	if found := Plan(w, seal(w, p)); len(found) > 0 {
		t.Errorf("violations %v although all is said", found)
	}
}

// Under way a step is held to what lies before it, not to what it was to lose.
func TestRemaining_limits(t *testing.T) {
	w, p := limited()
	q := seal(w, p)
	w.Live[checkout] = backout.Live{Shares: map[backout.Version]float64{"1": 1}}
	w.Live[payment] = backout.Live{Shares: map[backout.Version]float64{"1": .5, "2": .5}}
	w.Live[mobile].Shares["3"] = .2
	if found := Remaining(w, q); len(found) > 0 {
		t.Errorf("violations %v: what has begun is not stopped for a few users more", found)
	}
	w.Live[payment] = backout.Live{Shares: map[backout.Version]float64{"2": 1}}
	if found := Remaining(w, q); len(found) == 0 {
		t.Error("what has not begun is held to what it loses now")
	}
	w.Live[mobile].Shares["3"] = .1
	w.Now = noon.Add(3 * time.Minute)
	if found := Remaining(w, q); !slices.ContainsFunc(found, func(v Violation) bool { return v.Reason == ReasonDeadline }) {
		t.Errorf("violations %v: it would run into the freeze", found)
	}
	w.Live[payment] = backout.Live{Shares: map[backout.Version]float64{"1": 1}}
	w.Now = noon.Add(5 * time.Minute)
	if found := Remaining(w, q); len(found) > 0 {
		t.Errorf("violations %v: all is done", found)
	}
}
