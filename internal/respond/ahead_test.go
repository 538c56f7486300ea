package respond

import (
	"strings"
	"testing"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/permit"
	"github.com/backout-dev/backout/internal/plan"
)

func rulesOf(t *testing.T, p backout.Policy) *permit.Permit {
	t.Helper()
	rules, err := permit.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// What lies ready went through planner, checker and policy.
func TestReady_isCheckedAndPermitted(t *testing.T) {
	tw := newTown(t, true, nil)
	w, _ := tw.World(t.Context(), noon, true)
	all := Ready(w, rulesOf(t, w.Policy))
	if len(all) != 1 || all[0].Verdict != backout.RollbackNow || !all[0].Plan.Certificate.Safe || len(all[0].Plan.Certificate.Checks) == 0 {
		t.Fatalf("%+v: want one plan, proven", all)
	}
	all[0].Plan.Waves[0].Steps[0].Stages = nil // no honest planner would
	if bad := certified(w, all); bad[0].Verdict != backout.RollbackBlocked || bad[0].Plan.Certificate.Safe || !strings.Contains(strings.Join(bad[0].Reasons, "\n"), "the checker refuses the prepared plan") {
		t.Errorf("%+v: want the plan refused", bad[0])
	}
	killed := w.Policy
	killed.KillSwitch = true
	w.Policy = killed
	if all := Ready(w, rulesOf(t, killed)); all[0].Verdict != backout.RollbackBlocked || len(all[0].Plan.Waves) > 0 {
		t.Errorf("%+v: want it blocked by the kill switch", all[0])
	}
}

func TestAhead_isCheckedAndPermitted(t *testing.T) {
	tw := newTown(t, true, nil)
	w, _ := tw.World(t.Context(), noon, true)
	releases := []backout.Release{{Component: payment, To: "3"}}
	w, err := plan.Released(w, releases)
	if err != nil {
		t.Fatal(err)
	}
	rev := w.Reversals[payment]
	rev.Levels = append(rev.Levels, backout.Reachable{Level: 1, Version: "2", Loss: backout.LossNone, Verified: true})
	w.Reversals[payment] = rev
	if c := Ahead(w, releases, rulesOf(t, w.Policy)); !c.Reversible || !c.Releases[0].Plan.Certificate.Safe || c.Releases[0].Plan.Steps()[0].To != "2" {
		t.Errorf("%+v: want it reversible and proven", c)
	}
	rev.Levels[1].Verified = false
	if c := Ahead(w, releases, rulesOf(t, w.Policy)); c.Reversible || c.Releases[0].Verdict != backout.RollbackUnproven {
		t.Errorf("%+v: want that nobody saw it", c)
	}
}
