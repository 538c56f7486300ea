package execute_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
)

// second is another attempt that moves ledger and nothing else.
func second() backout.Attempt {
	p := backout.Plan{Action: backout.ActionRollBack, Waves: []backout.Wave{{Steps: []backout.Step{
		{ID: "ledger", Component: shop[2].ID, From: "2", To: "1", Stages: []backout.Stage{{Share: 1}}},
	}}}}
	return backout.Attempt{ID: "j/1", Digest: p.ExecutableDigest(), Plan: p}
}

func TestLock_oneAttemptAtATime(t *testing.T) {
	b := newBench(t)
	open := make(chan struct{})
	b.gate = func(ctx context.Context, q execute.Question) (execute.Answer, error) {
		if q.Attempt.ID == "i/1" {
			<-open
		}
		return execute.Answer{Decision: execute.DecisionGoOn, Why: "fine"}, nil
	}
	b.start(attempt(0))
	b.state(backout.RunActive)
	b.start(second())
	b.until(func() bool {
		r, err := b.Run(t.Context(), "j/1")
		return err == nil && strings.Contains(r.Why, "waits until attempt i/1 has ended, which moves deployment:ledger")
	})
	if n := len(b.fake.Keys()); n > 2 { // the first round of the first attempt
		t.Errorf("%d effects while the first gate is shut: %v", n, b.fake.Keys())
	}
	close(open)
	first := b.end()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := b.Wait(ctx, "j/1")
	if err != nil || r.State != backout.RunCompleted || first.State != backout.RunCompleted {
		t.Fatalf("runs ended as %s and %s (%s): %v", first.State, r.State, r.Why, err)
	}
	if began, ended := r.Entries[0].At, first.Entries[len(first.Entries)-1].At; began.Before(ended) {
		t.Errorf("the second attempt began at %s, before the first had ended at %s", began, ended)
	}
}

func TestLock_abortedWhileItWaits(t *testing.T) {
	b := newBench(t)
	open := make(chan struct{})
	b.gate = func(context.Context, execute.Question) (execute.Answer, error) {
		<-open
		return execute.Answer{Decision: execute.DecisionGoOn, Why: "fine"}, nil
	}
	b.start(attempt(0))
	b.state(backout.RunActive)
	b.start(second())
	if err := b.Control(t.Context(), "j/1", execute.Control{Kind: execute.ControlAbort, By: "ann"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if r, err := b.Wait(ctx, "j/1"); err != nil || r.State != backout.RunAborted {
		t.Errorf("the waiting run ended as %s: %v", r.State, err)
	}
	close(open)
	if r := b.end(); r.State != backout.RunCompleted {
		t.Errorf("the first run ended as %s: %s", r.State, r.Why)
	}
}

// onceByKey is a target that takes each key once only.
type onceByKey struct{ execute.Actuator }

func (onceByKey) OnceByKey(backout.Component) bool { return true }

func TestEffect_triedAgainOnlyWhereThatIsSafe(t *testing.T) {
	away := &backout.Error{Code: backout.CodeUnavailable, Message: "connection refused"}
	lost := errors.New("connection reset")
	for _, c := range []struct {
		name    string
		outcome backout.Outcome
		err     error
		once    bool
		calls   int
		state   backout.RunState
	}{
		{"not taken, out of reach", backout.OutcomeNotDone, away, false, 3, backout.RunCompleted},
		{"refused", backout.OutcomeNotDone, errors.New("400 no such version"), false, 1, backout.RunHalted},
		{"somebody else was first", backout.OutcomeNotDone, &backout.Error{Code: backout.CodeConflict, Message: "412"}, true, 1, backout.RunHalted},
		{"answer lost", backout.OutcomeUnknown, lost, false, 1, backout.RunHalted},
		{"answer lost, a key counts once", backout.OutcomeUnknown, lost, true, 3, backout.RunCompleted},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			calls := 0
			onLedger(b, func(ctx context.Context, do func(context.Context) (backout.Outcome, error)) (backout.Outcome, error) {
				if calls++; calls > 2 {
					return do(ctx)
				}
				return c.outcome, c.err
			})
			if c.once {
				b.actuators["fake"] = onceByKey{b.failing}
			}
			b.start(attempt(0))
			if r := b.end(); r.State != c.state || calls != c.calls {
				t.Errorf("ended as %s after %d calls, want %s after %d: %s", r.State, calls, c.state, c.calls, r.Why)
			}
		})
	}
}

func TestEffect_givesUpAfterAFewTries(t *testing.T) {
	b := newBench(t)
	calls := 0
	onLedger(b, func(context.Context, func(context.Context) (backout.Outcome, error)) (backout.Outcome, error) {
		calls++
		return backout.OutcomeNotDone, &backout.Error{Code: backout.CodeUnavailable, Message: "connection refused"}
	})
	b.start(attempt(0))
	if r := b.end(); r.State != backout.RunHalted || calls != 4 || !strings.Contains(r.Why, "connection refused") {
		t.Errorf("ended as %s after %d calls: %s", r.State, calls, r.Why)
	}
}
