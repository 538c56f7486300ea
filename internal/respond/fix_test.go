package respond

import (
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

var ana = backout.Principal{Name: "ana", Role: backout.RoleApprover}

// slow makes going back a matter of twenty minutes.
func (t *town) slow() *town {
	r := t.world.Reversals[payment]
	r.Takes = backout.Duration(10 * minute)
	t.world.Reversals[payment] = r
	return t
}

func (t *town) announce(id backout.IncidentID, in time.Duration) {
	t.Helper()
	if _, err := t.r.Announce(t.Context(), t.now, id, ana, &backout.Fix{ETA: t.now.Add(in), Confidence: .99, Text: "hot fix 2.1"}); err != nil {
		t.Fatal(err)
	}
}

// A fix at hand is waited for instead of a person; when it has not come by its time
// another plan is made, and what was announced counts no more.
func TestAnnounce_waitsAndPlansAgainWhenItLapses(t *testing.T) {
	tw := newTown(t, true, nil).slow()
	id := tw.detect()
	tw.announce(id, 9*minute)
	inc := tw.until(id, backout.StateWaiting)
	if inc.Plan.Action != backout.ActionRollForward || !inc.Deadline.Equal(inc.Fix.ETA) || !strings.Contains(inc.Why, "ana") {
		t.Fatalf("%s until %s: %s; want to wait for the fix until %s", inc.Plan.Action, inc.Deadline, inc.Why, inc.Fix.ETA)
	}
	if err := answerable(inc, backout.Approval{By: ana, Digest: inc.Plan.Digest, Reason: "because", Yes: true}); backout.CodeOf(err) != backout.CodeConflict {
		t.Errorf("there is nothing to approve, got %v", err)
	}
	inc = tw.until(id, backout.StateExecuting)
	if tw.now.Before(inc.Fix.ETA) || inc.Plan.Action != backout.ActionRollBack {
		t.Errorf("at %s: %s; want to go back once the fix was due at %s", tw.now, inc.Plan.Summary, inc.Fix.ETA)
	}
}

// What waits for a person is weighed anew when somebody announces a fix, when its
// time changes and when it is withdrawn.
func TestAnnounce_changesThePlanThatWaits(t *testing.T) {
	tw := newTown(t, true, func(p *backout.Policy) { p.Autonomy = backout.AutonomyAsk }).slow()
	id := tw.detect()
	if inc := tw.until(id, backout.StateWaiting); inc.Plan.Action != backout.ActionRollBack {
		t.Fatalf("plan %s", inc.Plan.Summary)
	}
	tw.announce(id, 5*minute)
	tw.until(id, backout.StatePlanned)
	if inc := tw.until(id, backout.StateWaiting); inc.Plan.Action != backout.ActionRollForward {
		t.Fatalf("plan %s, want to wait for the fix", inc.Plan.Summary)
	}
	tw.announce(id, 8*minute)
	tw.until(id, backout.StatePlanned)
	if inc := tw.until(id, backout.StateWaiting); inc.Plan.Action != backout.ActionRollForward || !inc.Deadline.Equal(inc.Fix.ETA) {
		t.Fatalf("waits until %s, want the new time %s", inc.Deadline, inc.Fix.ETA)
	}
	if _, err := tw.r.Announce(t.Context(), tw.now, id, ana, nil); err != nil {
		t.Fatal(err)
	}
	tw.until(id, backout.StatePlanned)
	if inc := tw.until(id, backout.StateWaiting); inc.Plan.Action != backout.ActionRollBack || inc.Fix != nil {
		t.Errorf("plan %s, fix %v; want the way back again", inc.Plan.Summary, inc.Fix)
	}
}

// A provider's outage that a fix is on its way for stays open until then; when the
// fix lapses it ends as it would have without.
func TestAnnounce_lapsesIntoNoAction(t *testing.T) {
	tw := newTown(t, false, nil)
	id := tw.detect()
	tw.announce(id, 30*minute)
	tw.until(id, backout.StateWaiting)
	if inc := tw.until(id, backout.StateNoAction); tw.now.Before(inc.Fix.ETA) {
		t.Errorf("ended at %s, before the fix was due at %s", tw.now, inc.Fix.ETA)
	}
}

func TestAnnounce_refusals(t *testing.T) {
	tw := newTown(t, true, nil)
	id := tw.detect()
	tw.until(id, backout.StateAttributed)
	if _, err := tw.r.Announce(t.Context(), tw.now, id, ana, nil); backout.CodeOf(err) != backout.CodeConflict {
		t.Errorf("withdrew what nobody announced: %v", err)
	}
	good := backout.Fix{ETA: tw.now.Add(minute), Confidence: .5}
	with := func(change func(*backout.Fix)) *backout.Fix {
		f := good
		change(&f)
		return &f
	}
	for name, c := range map[string]struct {
		by   backout.Principal
		fix  *backout.Fix
		want backout.Code
	}{
		"a viewer":         {backout.Principal{Name: "eve", Role: backout.RoleViewer}, &good, backout.CodeForbidden},
		"a time gone by":   {ana, with(func(f *backout.Fix) { f.ETA = tw.now }), backout.CodeInvalid},
		"no confidence":    {ana, with(func(f *backout.Fix) { f.Confidence = 0 }), backout.CodeInvalid},
		"too much of it":   {ana, with(func(f *backout.Fix) { f.Confidence = 1.1 }), backout.CodeInvalid},
		"nobody's suspect": {ana, with(func(f *backout.Fix) { f.Change = "c9" }), backout.CodeInvalid},
		"a suspect":        {ana, with(func(f *backout.Fix) { f.Change = "c1" }), ""},
	} {
		row := tw.store.incidents[id].Row
		_, err := tw.r.Announce(t.Context(), tw.now, id, c.by, c.fix)
		if saved := tw.store.incidents[id].Row != row; (err != nil) != (c.want != "") || err != nil && backout.CodeOf(err) != c.want || saved != (err == nil) {
			t.Errorf("%s: %v, saved %t; want code %q and saved only without one", name, err, saved, c.want)
		}
	}
	tw.until(id, backout.StateExecuting)
	tw.runner.run = backout.Run{State: backout.RunAborted, Why: "ann"}
	tw.until(id, backout.StateAborted)
	if _, err := tw.r.Announce(t.Context(), tw.now, id, ana, &backout.Fix{ETA: tw.now.Add(minute), Confidence: .5}); backout.CodeOf(err) != backout.CodeConflict {
		t.Errorf("an ended incident took a fix: %v", err)
	}
}
