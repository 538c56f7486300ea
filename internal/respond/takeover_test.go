package respond

import (
	"slices"
	"strings"
	"testing"

	"github.com/backout-dev/backout"
)

var eve = backout.Principal{Name: "eve", Role: backout.RoleViewer}

func (t *town) takeOver(id backout.IncidentID) backout.Incident {
	t.Helper()
	inc, err := t.r.TakeOver(t.Context(), t.now, id, ann, "I know this one")
	if err != nil {
		t.Fatal(err)
	}
	return inc
}

func TestTakeOver_dropsAWaitingPlan(t *testing.T) {
	tw := newTown(t, true, func(p *backout.Policy) { p.Autonomy = backout.AutonomyAsk })
	id := tw.detect()
	plan := tw.until(id, backout.StateWaiting).Plan
	if _, err := tw.r.TakeOver(t.Context(), tw.now, id, eve, "I know this one"); backout.CodeOf(err) != backout.CodeForbidden {
		t.Errorf("a viewer took over: %v", err)
	}
	if _, err := tw.r.TakeOver(t.Context(), tw.now, id, ann, " "); backout.CodeOf(err) != backout.CodeInvalid {
		t.Errorf("without a reason: %v", err)
	}
	inc := tw.takeOver(id)
	if inc.State != backout.StateTakenOver || inc.TakeOver.By != ann || inc.Why != "ann carries on by hand: I know this one" {
		t.Errorf("%s: %s", inc.State, inc.Why)
	}
	if _, err := tw.r.Approve(t.Context(), tw.now, id, ann, plan.Digest, "go on"); backout.CodeOf(err) != backout.CodeConflict || len(tw.runner.started) > 0 {
		t.Errorf("the dropped plan was approved: %v, %d started", err, len(tw.runner.started))
	}
	if _, err := tw.r.TakeOver(t.Context(), tw.now, id, ann, "again"); backout.CodeOf(err) != backout.CodeConflict {
		t.Errorf("twice: %v", err)
	}
	row := inc.Row
	for range 5 {
		tw.step(id)
	}
	if tw.store.incidents[id].Row != row {
		t.Error("something further happened by itself")
	}
	last := tw.store.messages[len(tw.store.messages)-1]
	if !slices.Contains(tw.heard(backout.AudienceOnCall), "taken_over/0") || !last.Terminal {
		t.Errorf("on-call heard %v", tw.heard(backout.AudienceOnCall))
	}
}

// A run ends where its abort leaves it, and only then is the incident taken over,
// with what is moved and not moved back; the holds stay.
func TestTakeOver_abortsTheRun(t *testing.T) {
	for name, c := range map[string]struct {
		run  backout.Run
		lost bool
		want backout.State
	}{
		"it is aborted":            {backout.Run{State: backout.RunAborted, Why: "aborted at 50 %"}, false, backout.StateTakenOver},
		"it halted meanwhile":      {backout.Run{State: backout.RunHalted, Why: "worse"}, false, backout.StateTakenOver},
		"it is parked":             {backout.Run{State: backout.RunActive, Parked: true, Why: "waits for the next start"}, false, backout.StateTakenOver},
		"it was never started":     {backout.Run{}, true, backout.StateTakenOver},
		"it recovered meanwhile":   {backout.Run{State: backout.RunCompleted, Why: "every step is done"}, false, backout.StateRecovered},
		"it was stopped, all well": {backout.Run{State: backout.RunStopped, Why: "the symptom has gone"}, false, backout.StateRecovered},
	} {
		t.Run(name, func(t *testing.T) {
			tw := newTown(t, true, nil)
			id := tw.detect()
			step := tw.until(id, backout.StateExecuting).Attempts[0].Plan.Steps()[0]
			done := []backout.Entry{{Kind: backout.EntryEffect, Outcome: backout.OutcomeDone, Step: step.ID, Share: .5}}
			tw.runner.run = backout.Run{State: backout.RunActive, Entries: done}
			if inc := tw.takeOver(id); inc.State != backout.StateExecuting || !slices.Equal(tw.runner.told, []string{"abort"}) {
				t.Fatalf("%s, the run was told %v", inc.State, tw.runner.told)
			}
			tw.step(id)
			if inc := tw.store.incidents[id]; inc.State != backout.StateExecuting {
				t.Errorf("%s while the run goes on", inc.State)
			}
			starts := len(tw.runner.started)
			c.run.Entries = done
			tw.runner.run, tw.runner.lost = c.run, c.lost
			inc := tw.until(id, c.want)
			if len(tw.runner.started) != starts {
				t.Error("it started something")
			}
			if c.want != backout.StateTakenOver {
				return
			}
			if len(tw.store.holds) != 1 || !strings.HasPrefix(inc.Why, "ann carries on by hand: I know this one") {
				t.Errorf("holds %v, %s", tw.store.holds, inc.Why)
			}
			told := ""
			for _, m := range tw.store.messages {
				if m.Audience == backout.AudienceOnCall {
					told = m.Text
				}
			}
			if !strings.Contains(told, "is in a person's hands") || strings.Contains(told, "Moved and not moved back: payment from 2 to 1 (50 % of it)") == c.lost {
				t.Errorf("on-call heard last: %s", told)
			}
		})
	}
}

func TestTakeOver_ofWhatEnded(t *testing.T) {
	tw := newTown(t, true, nil)
	id := tw.detect()
	tw.until(id, backout.StateExecuting)
	tw.runner.run = backout.Run{State: backout.RunAborted, Why: "ann"}
	tw.until(id, backout.StateAborted)
	if inc := tw.takeOver(id); inc.State != backout.StateTakenOver {
		t.Errorf("%s", inc.State)
	}
	well := newTown(t, true, nil)
	id = well.detect()
	well.until(id, backout.StateExecuting)
	well.runner.run = backout.Run{State: backout.RunCompleted}
	well.until(id, backout.StateRecovered)
	if _, err := well.r.TakeOver(t.Context(), well.now, id, ann, "I know this one"); backout.CodeOf(err) != backout.CodeConflict {
		t.Errorf("what has recovered was taken over: %v", err)
	}
}

func TestClose_labels(t *testing.T) {
	ask := func(p *backout.Policy) { p.Autonomy = backout.AutonomyAsk }
	waiting := func(tw *town, id backout.IncidentID) { tw.until(id, backout.StateWaiting) }
	aborted := func(tw *town, id backout.IncidentID) {
		waiting(tw, id)
		if _, err := tw.r.Abort(tw.Context(), tw.now, id, ann); err != nil {
			tw.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		play   func(*town, backout.IncidentID)
		closed Closing
		label  backout.ReviewLabel
		learnt float64
	}{
		"a false alarm":                 {waiting, Closing{As: backout.StateFalseAlarm}, backout.LabelFalseAlarm, 0},
		"a false alarm that has ended":  {aborted, Closing{As: backout.StateFalseAlarm}, backout.LabelFalseAlarm, 0},
		"reviewed, nobody knows":        {aborted, Closing{As: backout.StateReviewed}, backout.LabelUnknown, 0},
		"reviewed, no change did it":    {aborted, Closing{As: backout.StateReviewed, Cause: "none"}, backout.LabelNone, 1},
		"reviewed, a change was guilty": {aborted, Closing{As: backout.StateReviewed, Cause: "c1"}, backout.LabelChange, 1},
	} {
		t.Run(name, func(t *testing.T) {
			tw := newTown(t, true, ask)
			id := tw.detect()
			c.play(tw, id)
			c.closed.By, c.closed.Reason = ann, "we looked"
			inc, err := tw.r.Close(t.Context(), tw.now, id, c.closed)
			if err != nil || inc.State != c.closed.As || len(tw.store.reviews) != 1 || tw.store.reviews[0].Label != c.label || tw.store.reviews[0].By != "ann" {
				t.Fatalf("%s, %v, reviews %+v", inc.State, err, tw.store.reviews)
			}
			if p := tw.store.priors; p.Incidents != c.learnt || c.label == backout.LabelNone && p.None != 1 || c.label == backout.LabelChange && len(p.Culprit) != 1 {
				t.Errorf("learnt %+v", p)
			}
			if _, err := tw.r.Close(t.Context(), tw.now, id, c.closed); backout.CodeOf(err) != backout.CodeConflict {
				t.Errorf("closed twice: %v", err)
			}
		})
	}
}

func TestClose_refusals(t *testing.T) {
	tw := newTown(t, true, nil)
	id := tw.detect()
	alarm, reviewed := backout.StateFalseAlarm, backout.StateReviewed
	try := func(what string, c Closing, want backout.Code) {
		t.Helper()
		if _, err := tw.r.Close(t.Context(), tw.now, id, c); backout.CodeOf(err) != want {
			t.Errorf("%s: %v, want %s", what, err, want)
		}
	}
	try("by a viewer", Closing{alarm, eve, "we looked", ""}, backout.CodeForbidden)
	try("without a reason", Closing{alarm, ann, "", ""}, backout.CodeInvalid)
	try("as something else", Closing{backout.StateRecovered, ann, "we looked", ""}, backout.CodeInvalid)
	try("reviewed while it is open", Closing{reviewed, ann, "we looked", ""}, backout.CodeConflict)
	try("a false alarm with a cause", Closing{alarm, ann, "we looked", "c1"}, backout.CodeInvalid)
	tw.until(id, backout.StateExecuting)
	try("while a run goes on", Closing{alarm, ann, "we looked", ""}, backout.CodeConflict)
	tw.runner.run = backout.Run{State: backout.RunCompleted}
	tw.until(id, backout.StateRecovered)
	try("what recovered, as a false alarm", Closing{alarm, ann, "we looked", ""}, backout.CodeConflict)
	n, priors := len(tw.store.reviews), tw.store.priors.Incidents
	try("what recovered, as reviewed", Closing{reviewed, ann, "we looked", ""}, "")
	if len(tw.store.reviews) != n || tw.store.priors.Incidents != priors {
		t.Error("a verified recovery was learnt from twice")
	}
	other := newTown(t, true, func(p *backout.Policy) { p.Autonomy = backout.AutonomyShadow })
	id, tw = other.detect(), other
	tw.until(id, backout.StateShadowed)
	try("an unknown cause", Closing{reviewed, ann, "we looked", "c99"}, backout.CodeInvalid)
}
