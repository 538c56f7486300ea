package execute_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
)

// onLook does something at the n-th look at the ledger.
type onLook struct {
	execute.Actuator
	n     int
	do    func()
	looks int // at the ledger, of which one follows the other
}

func (a *onLook) Probe(ctx context.Context, c backout.Component) (backout.Reality, error) {
	if c.ID == shop[2].ID {
		if a.looks++; a.looks == a.n {
			a.do()
		}
	}
	return a.Actuator.Probe(ctx, c)
}

// An effect that was sent and did not show may still come about. A run that leaves it
// at that says so, and not that it was not done.
func TestEffect_leftWhileAnEarlierTryMayStillComeAbout(t *testing.T) {
	refuse := func(p execute.Proposal) (execute.Permission, error) {
		return execute.Permission{Yes: p.Step.ID != "ledger", Why: "it moved"}, nil
	}
	for _, c := range []struct {
		name    string
		arrange func(t *testing.T, b *bench)
		state   backout.RunState
		outcome backout.Outcome
	}{
		{"aborted while looking for what a former process sent", func(t *testing.T, b *bench) {
			tried(t, b)
			b.actuators["fake"] = &onLook{Actuator: b.failing, n: 2, do: func() { b.control(execute.ControlAbort) }}
		}, backout.RunAborted, backout.OutcomeUnknown},
		{"refused after what a former process sent had its time", func(t *testing.T, b *bench) {
			tried(t, b)
			b.guard = refuse
		}, backout.RunHalted, backout.OutcomeNotDone},
		{"refused once more after the answer was lost", func(_ *testing.T, b *bench) {
			b.actuators["fake"] = onceByKey{b.failing}
			onLedger(b, func(context.Context, func(context.Context) (backout.Outcome, error)) (backout.Outcome, error) {
				b.guard = refuse
				return backout.OutcomeUnknown, errors.New("connection reset")
			})
		}, backout.RunHalted, backout.OutcomeUnknown},
		{"aborted before anything was sent", func(_ *testing.T, b *bench) {
			b.actuators["fake"] = &onLook{Actuator: b.failing, n: 2, do: func() { b.control(execute.ControlAbort) }}
			b.guard = func(p execute.Proposal) (execute.Permission, error) {
				if p.Step.ID == "ledger" {
					return execute.Permission{Wait: true}, nil
				}
				return execute.Permission{Yes: true}, nil
			}
		}, backout.RunAborted, backout.OutcomeNotDone},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			c.arrange(t, b)
			b.start(attempt(0))
			r := b.end()
			i := slices.IndexFunc(r.Entries, func(e backout.Entry) bool { return e.Kind == backout.EntryEffect && e.Step == "ledger" })
			if r.State != c.state || i < 0 || r.Entries[i].Outcome != c.outcome {
				t.Errorf("ended %s, want %s and that the effect is %s:\n%s", r.State, c.state, c.outcome, lines(r))
			}
		})
	}
}

// tried notes that a former process may have sent the ledger's effect.
func tried(t *testing.T, b *bench) {
	t.Helper()
	if _, err := b.engine.DB().Exec("INSERT INTO run_try (key) VALUES ('i/1/ledger/0')"); err != nil {
		t.Fatal(err)
	}
}
