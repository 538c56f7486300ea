package execute_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
)

func TestControl_pauseAndResume(t *testing.T) {
	b := newBench(t)
	atGate, open := make(chan struct{}, 100), make(chan struct{})
	b.gate = func(ctx context.Context, q execute.Question) (execute.Answer, error) {
		if q.Wave == 0 && q.Round == 0 {
			atGate <- struct{}{}
			select {
			case <-open:
			default:
				return execute.Answer{Decision: execute.DecisionWait}, nil
			}
		}
		return execute.Answer{Decision: execute.DecisionGoOn}, nil
	}
	b.start(attempt(0))
	<-atGate
	b.control(execute.ControlPause)
	b.state(backout.RunPaused)
	close(open) // the gate would let it go on; the person does not
	before := len(b.fake.Keys())
	for len(atGate) > 0 {
		<-atGate
	}
	<-time.After(30 * time.Millisecond)
	if r, _ := b.Run(t.Context(), "i/1"); r.State != backout.RunPaused || len(b.fake.Keys()) != before || len(atGate) > 0 {
		t.Errorf("a paused run went on: %s", lines(r))
	}
	b.control(execute.ControlResume)
	r := b.end()
	b.expect(r, backout.RunCompleted, "", "i/1/web/0", "i/1/payment/0", "i/1/payment/1", "i/1/ledger/0")
	if got := lines(r); !strings.Contains(got, "pause by ann: because") || !strings.Contains(got, "resume by ann") {
		t.Errorf("the journal does not name who paused:\n%s", got)
	}
}

func TestControl_abortAtAGate(t *testing.T) {
	b := newBench(t)
	b.gate = always(execute.DecisionWait, "")
	b.start(attempt(0))
	for len(b.fake.Keys()) < 2 {
		<-b.news
	}
	b.control(execute.ControlAbort)
	r := b.end()
	b.expect(r, backout.RunAborted, "abort", "i/1/web/0", "i/1/payment/0")
	last := r.Entries[len(r.Entries)-1].Text
	if !strings.Contains(last, "web@production/eu 100 % at 1") || !strings.Contains(last, "payment@production/eu 10 % at 1") {
		t.Errorf("the last entry does not state what is left: %s", last)
	}
}

func TestControl_abortDuringAnEffect(t *testing.T) {
	b := newBench(t)
	begun := make(chan struct{})
	onLedger(b, func(ctx context.Context, _ func(context.Context) (backout.Outcome, error)) (backout.Outcome, error) {
		close(begun)
		<-ctx.Done()
		return backout.OutcomeUnknown, ctx.Err()
	})
	b.start(attempt(0))
	<-begun
	b.control(execute.ControlAbort)
	r := b.end()
	b.expect(r, backout.RunAborted, "ledger", "i/1/web/0", "i/1/payment/0", "i/1/payment/1")
}

func TestControl_abortIsFinal(t *testing.T) {
	b := newBench(t)
	b.gate = always(execute.DecisionWait, "")
	b.start(attempt(0))
	<-b.news
	b.control(execute.ControlPause)
	b.control(execute.ControlAbort)
	_ = b.Control(t.Context(), "i/1", execute.Control{Kind: execute.ControlResume, By: "bob"})
	if r := b.end(); r.State != backout.RunAborted {
		t.Errorf("ended %s\n%s", r.State, lines(r))
	}
	if err := b.Control(t.Context(), "i/1", execute.Control{Kind: "explode"}); backout.CodeOf(err) != backout.CodeInvalid {
		t.Errorf("%v, want invalid", err)
	}
	if err := b.Control(t.Context(), "i/9", execute.Control{Kind: execute.ControlAbort}); backout.CodeOf(err) != backout.CodeNotFound {
		t.Errorf("%v, want not found", err)
	}
}
