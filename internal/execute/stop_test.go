package execute_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
)

// turn stops everything, or lets it go on with "".
func (b *bench) turn(why string) {
	if why == "" {
		b.stop.Store(nil)
		return
	}
	b.stop.Store(&why)
}

// The kill switch at a gate: not even that is asked, no effect follows, and the run
// carries on from where it was when the switch is off.
func TestStop_waitsAtAGateAndCarriesOn(t *testing.T) {
	b := newBench(t)
	var asked atomic.Int64
	open, first := atomic.Bool{}, make(chan struct{})
	b.gate = func(_ context.Context, q execute.Question) (execute.Answer, error) {
		if asked.Add(1) == 1 {
			close(first)
		}
		if q.Wave == 0 && q.Round == 0 && !open.Load() {
			return execute.Answer{Decision: execute.DecisionWait}, nil
		}
		return execute.Answer{Decision: execute.DecisionGoOn}, nil
	}
	b.start(attempt(0))
	<-first
	b.turn("ann stopped everything")
	if r := b.state(backout.RunPaused); r.Why != "ann stopped everything" {
		t.Errorf("paused because of %q", r.Why)
	}
	open.Store(true)
	done, before := len(b.fake.Keys()), asked.Load()
	<-time.After(30 * time.Millisecond)
	if len(b.fake.Keys()) != done || asked.Load() != before {
		t.Errorf("stopped, and yet %d effects and %d questions more", len(b.fake.Keys())-done, asked.Load()-before)
	}
	b.turn("")
	r := b.end()
	b.expect(r, backout.RunCompleted, "", "i/1/web/0", "i/1/payment/0", "i/1/payment/1", "i/1/ledger/0")
	if said := lines(r); strings.Count(said, "waits: ann stopped everything") != 1 || strings.Count(said, "carries on: the kill switch is off") != 1 {
		t.Errorf("the journal does not say once that it stopped and once that it went on:\n%s", said)
	}
}

// Turned between the look at the controls and the effect, the guard catches it.
func TestStop_caughtByTheGuard(t *testing.T) {
	b := newBench(t)
	met, once := make(chan struct{}, 1000), sync.Once{}
	b.guard = func(p execute.Proposal) (execute.Permission, error) {
		if p.Step.ID == "ledger" {
			once.Do(func() { b.turn("ann stopped everything") })
		}
		if b.stop.Load() != nil {
			met <- struct{}{}
			return execute.Permission{Wait: true, Why: "stopped"}, nil
		}
		return execute.Permission{Yes: true}, nil
	}
	b.start(attempt(0))
	<-met
	b.state(backout.RunPaused)
	for _, key := range b.fake.Keys() {
		if strings.Contains(key, "ledger") {
			t.Errorf("effect %s although it was stopped", key)
		}
	}
	b.turn("")
	b.expect(b.end(), backout.RunCompleted, "", "i/1/web/0", "i/1/payment/0", "i/1/payment/1", "i/1/ledger/0")
}

// A stopped run can be ended by a person, in a stated state.
func TestStop_abortStillEndsIt(t *testing.T) {
	b := newBench(t)
	b.turn("ann stopped everything")
	b.start(attempt(0))
	b.state(backout.RunPaused)
	b.control(execute.ControlAbort)
	r := b.end()
	b.expect(r, backout.RunAborted, "aborted")
	if len(b.fake.Keys()) > 0 {
		t.Errorf("effects %v although it was stopped from the beginning", b.fake.Keys())
	}
}

func TestEffects_ofARun(t *testing.T) {
	b := newBench(t)
	begun := time.Now().UTC().Add(-time.Second)
	b.start(attempt(0))
	b.end()
	for range 2 { // the second time from memory
		own, err := b.Effects(t.Context(), begun)
		if err != nil || len(own) != 3 {
			t.Fatalf("%+v, %v: want one effect of each step", own, err)
		}
		for _, e := range own {
			if e.Attempt != "i/1" || e.To != "1" || e.Ended.Before(e.Began) || e.Began.Before(begun) {
				t.Errorf("%+v", e)
			}
		}
	}
	if own, err := b.Effects(t.Context(), time.Now().Add(time.Minute)); err != nil || len(own) != 0 {
		t.Errorf("%+v, %v: want none that late", own, err)
	}
}
