package respond

import (
	"testing"

	"github.com/backout-dev/backout"
)

// Prepare says at once what the path would decide, and leaves no trace.
func TestPrepare_decidesWithoutATrace(t *testing.T) {
	for guilty, want := range map[bool]backout.Action{true: backout.ActionRollBack, false: backout.ActionNone} {
		tw := newTown(t, guilty, nil)
		id := tw.detect()
		saves, inc := len(tw.store.saves), tw.store.incidents[id]
		got, err := tw.r.Prepare(t.Context(), tw.now, inc)
		if err != nil || got.Plan == nil || got.Plan.Action != want || got.Attribution == nil || got.Forecast == nil {
			t.Fatalf("guilty %t: %+v, %v; expected %s", guilty, got.Plan, err, want)
		}
		if want == backout.ActionRollBack && (!got.Plan.Certificate.Safe || !got.Plan.Ruling.Automatic) {
			t.Errorf("plan %+v, expected a proven one that may run by itself", got.Plan)
		}
		att, err := tw.r.Attribute(t.Context(), tw.now, inc)
		if err != nil || att.PNone != got.Attribution.PNone {
			t.Errorf("attribution %v, %v; expected the same as prepared", att.PNone, err)
		}
		if len(tw.store.saves) != saves || len(tw.runner.started) != 0 || tw.store.incidents[id].State != backout.StateDetected {
			t.Errorf("saves %v, started %v: expected none", tw.store.saves[saves:], tw.runner.started)
		}
	}
}
