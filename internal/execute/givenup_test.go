package execute_test

import (
	"strings"
	"testing"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
)

// A run that the engine gave up after too many restarts is shown as halted, so that
// a person is told, and not as one that is under way.
func TestRun_givenUpAfterTooManyRestarts(t *testing.T) {
	b := newBench(t)
	b.gate = always(execute.DecisionWait, "")
	b.start(attempt(0))
	<-b.news
	if r, err := b.Run(t.Context(), "i/1"); err != nil || r.State.Terminal() {
		t.Fatalf("%s, %v", r.State, err)
	}
	table := "workflow_status"
	if b.engine.Database().Shared() {
		table = "dbos.workflow_status"
	}
	if _, err := b.engine.DB().Exec("UPDATE " + table + " SET status = 'MAX_RECOVERY_ATTEMPTS_EXCEEDED' WHERE workflow_uuid = 'i/1'"); err != nil {
		t.Fatal(err)
	}
	r, err := b.Run(t.Context(), "i/1")
	if err != nil || r.State != backout.RunHalted || !strings.Contains(r.Why, "died too often") {
		t.Errorf("%s: %s (%v), want halted and why", r.State, r.Why, err)
	}
}
