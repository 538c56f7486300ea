package respond

import (
	"strings"
	"testing"

	"github.com/backout-dev/backout"
)

// A defect of our own ends the incident aloud and not the program: others are walked on.
func TestStep_defect(t *testing.T) {
	tw := newTown(t, true, nil)
	id := tw.detect()
	before := tw.store.incidents[id]
	tw.r.cfg.Facts = nil // whoever looks at the world fails
	wake, err := tw.r.Step(t.Context(), tw.now, id)
	if err == nil || !strings.Contains(err.Error(), "a defect of backout") || !wake.After(tw.now) {
		t.Errorf("wake %s, %v: want a defect", wake, err)
	}
	after := tw.store.incidents[id]
	if after.State != backout.StateHalted || !strings.Contains(after.Why, "a defect of its own") {
		t.Errorf("%s became %s (%s), want halted", before.State, after.State, after.Why)
	}
	if last := tw.store.messages[len(tw.store.messages)-1]; !strings.Contains(last.Text, "a defect of its own") {
		t.Errorf("people heard last %q", last.Text)
	}
}

// What runs already is not declared ended because we can't look at it.
func TestStep_defectWhileItRuns(t *testing.T) {
	tw := newTown(t, true, nil)
	id := tw.detect()
	tw.until(id, backout.StateExecuting)
	tw.r.cfg.Runner = nil
	if _, err := tw.r.Step(t.Context(), tw.now, id); err == nil || !strings.Contains(err.Error(), "a defect of backout") {
		t.Errorf("%v, want a defect", err)
	}
	if got := tw.store.incidents[id].State; got != backout.StateExecuting {
		t.Errorf("it became %s though its run goes on", got)
	}
}
