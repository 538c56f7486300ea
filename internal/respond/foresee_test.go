package respond

import (
	"math"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

// From the plan on an end is foreseen, it is kept from when the attempt began, follows
// the run, and what came of it is learnt.
func TestForesee_followsTheRun(t *testing.T) {
	tw := newTown(t, true, nil)
	id := tw.detect()
	inc := tw.until(id, backout.StateExecuting)
	first := inc.FirstETA
	if first == nil || first.P50 <= 0 || first.P10 > first.P50 || first.P50 > first.P90 || first.Right != inc.Plan.Success {
		t.Fatalf("eta %+v of a plan that succeeds with %.2f", first, inc.Plan.Success)
	}
	step := inc.Plan.Steps()[0]
	tw.runner.run = backout.Run{State: backout.RunActive, Entries: []backout.Entry{{Kind: backout.EntryEffect, Step: step.ID, Outcome: backout.OutcomeDone, Share: 1, At: tw.now}}}
	tw.now = tw.now.Add(25 * minute) // far later than foreseen: the answer moves
	if _, err := tw.r.Step(t.Context(), tw.now, id); err != nil {
		t.Fatal(err)
	}
	late := tw.store.incidents[id]
	if late.ETA == nil || !late.ETA.At.Equal(tw.now) || late.ETA.Parts.Acting != 0 || late.FirstETA.P50 != first.P50 || !late.FirstETA.At.Equal(first.At) {
		t.Errorf("eta after 25 minutes: %+v", late.ETA)
	}
	tw.runner.run.State = backout.RunCompleted
	tw.until(id, backout.StateRecovered)
	if len(tw.store.priors.Recoveries) != 1 || tw.store.priors.Recoveries[0] <= 0 {
		t.Errorf("learnt %v from a recovery that came late", tw.store.priors.Recoveries)
	}
}

// The level of a gauge in its own unit, as a logit.
func TestShare_isTheInverseOfALogit(t *testing.T) {
	b := backout.Baseline{Kind: backout.SignalSaturation, Level: math.Log(.6 / .4), Scale: .5}
	if got := share(b, 0); math.Abs(got-.6) > 1e-12 {
		t.Errorf("at its baseline %.4f, expected .6", got)
	}
	if got, want := share(b, 2), 1/(1+math.Exp(-(math.Log(1.5)+1))); math.Abs(got-want) > 1e-12 {
		t.Errorf("two deviations worse %.4f, expected %.4f", got, want)
	}
	if b.Worse = backout.WorseDown; share(b, 2) >= .6 {
		t.Error("worse is down, and it went up")
	}
}

func TestBacklogs_areOfWhatMoves(t *testing.T) {
	tw := newTown(t, true, nil)
	w := tw.world
	w.Graph.Components[0].Rollback = &backout.Rollback{Queue: &backout.Queue{DrainRate: 10}}
	w.Loads = map[backout.ComponentID]backout.Load{payment: {Values: map[backout.Quantity]float64{backout.QuantityBacklog: 1200, backout.QuantityInflow: 8}}}
	p := backout.Plan{Waves: []backout.Wave{{Steps: []backout.Step{{Component: payment}}}}}
	got := backlogs(w, p, time.Minute)
	if len(got) != 1 || got[0].Waiting != 1200 || got[0].Served != 600 || got[0].Arriving != 480 {
		t.Errorf("backlogs %+v, expected 1200 waiting, 600 served and 480 arriving a minute", got)
	}
	delete(w.Loads[payment].Values, backout.QuantityInflow)
	if got := backlogs(w, p, time.Minute); len(got) != 0 {
		t.Errorf("nobody knows what arrives, and yet %+v", got)
	}
}

// Only hits that were foretold, and came after that and before anything was done, say
// how good the times were.
func TestMissed_leavesOutWhatWeMayHaveChanged(t *testing.T) {
	f := backout.Forecast{At: noon, Stretch: 2, Hits: []backout.Hit{}}
	for _, s := range []string{"early", "foretold", "late"} {
		f.Hits = append(f.Hits, backout.Hit{Target: s, Kind: backout.TargetService, P: .5, P10: backout.Duration(2 * minute), P50: backout.Duration(4 * minute), P90: backout.Duration(8 * minute)})
	}
	inc := backout.Incident{FirstForecast: &f, UpdatedAt: noon.Add(30 * minute), Attempts: []backout.Attempt{{StartedAt: noon.Add(10 * minute)}}}
	for s, at := range map[backout.ServiceID]time.Duration{"early": -minute, "foretold": 8 * minute, "late": 12 * minute, "unforetold": 5 * minute} {
		inc.Findings = append(inc.Findings, backout.Finding{ID: backout.SeriesID{Subject: backout.Subject{Service: s}}, Onset: noon.Add(at)})
	}
	if got := missed(inc, minute); len(got) != 1 || math.Abs(got[0]-2) > 1e-9 {
		t.Errorf("misses %v, expected one at the end of an interval that was twice the model's", got)
	}
}
