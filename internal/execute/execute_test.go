package execute_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
)

func TestRun_completes(t *testing.T) {
	b := newBench(t)
	att := attempt(0)
	b.start(att)
	r := b.end()
	b.expect(r, backout.RunCompleted, "every step", "i/1/web/0", "i/1/payment/0", "i/1/payment/1", "i/1/ledger/0")
	var kinds []string
	for i, e := range r.Entries {
		kinds = append(kinds, string(e.Kind))
		if e.Seq != int64(i+1) || e.At.IsZero() || e.Attempt != "i/1" {
			t.Errorf("entry %d is stamped %+v", i, e)
		}
	}
	want := "started intent intent effect effect gate intent effect gate intent effect gate ended"
	if got := strings.Join(kinds, " "); got != want {
		t.Errorf("journal\n%s\nwant\n%s", got, want)
	}
	if d := cmp.Diff(r.Entries, b.told); d != "" {
		t.Errorf("told something else than the journal: %s", d)
	}
	// Starting it again changes nothing; another plan under the same id is refused.
	b.start(att)
	b.expect(b.end(), backout.RunCompleted, "", "i/1/web/0", "i/1/payment/0", "i/1/payment/1", "i/1/ledger/0")
	other := attempt(time.Second)
	err := b.Start(t.Context(), execute.Request{Attempt: other, Components: shop})
	if backout.CodeOf(err) != backout.CodeConflict {
		t.Errorf("another plan under the same id: %v, want a conflict", err)
	}
	if err := b.Control(t.Context(), "i/1", execute.Control{Kind: execute.ControlAbort}); backout.CodeOf(err) != backout.CodeConflict {
		t.Errorf("abort after the end: %v, want a conflict", err)
	}
}

func TestStart_refuses(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		name, want string
		change     func(r *execute.Request)
	}{
		{"another digest", "digest", func(r *execute.Request) { r.Attempt.Digest = "0" }},
		{"not a way back", "action", func(r *execute.Request) { r.Attempt.Plan.Action = backout.ActionAsk }},
		{"component missing", "not among the components", func(r *execute.Request) { r.Components = r.Components[:1] }},
		{"immovable", "not ours", func(r *execute.Request) { r.Components[0].Immovable = true }},
		{"no actuator", "not configured", func(r *execute.Request) { r.Components[0].Actuator = "other" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := execute.Request{Attempt: attempt(0), Components: append([]backout.Component{}, shop...)}
			c.change(&r)
			err := b.Start(t.Context(), r)
			if backout.CodeOf(err) != backout.CodeInvalid || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want invalid and %q", err, c.want)
			}
		})
	}
	if _, err := b.Run(t.Context(), "i/1"); backout.CodeOf(err) != backout.CodeNotFound {
		t.Errorf("a refused attempt has a run: %v", err)
	}
}

func TestRun_skipsWhatIsThere(t *testing.T) {
	b := newBench(t)
	b.fake.Set(shop[1].ID, map[backout.Version]float64{"1": 0.5, "2": 0.5})
	b.fake.Set(shop[2].ID, map[backout.Version]float64{"1": 1})
	b.start(attempt(0))
	r := b.end()
	b.expect(r, backout.RunCompleted, "", "i/1/web/0", "i/1/payment/1")
	skipped := 0
	for _, e := range r.Entries {
		if e.Kind == backout.EntrySkipped {
			skipped++
		}
	}
	if skipped != 2 {
		t.Errorf("%d skipped, want 2\n%s", skipped, lines(r))
	}
}

func TestGate_haltTakesTheWaveBack(t *testing.T) {
	b := newBench(t)
	b.gate = func(_ context.Context, q execute.Question) (execute.Answer, error) {
		if q.Round == 1 {
			return execute.Answer{Decision: execute.DecisionHalt, Why: "errors doubled"}, nil
		}
		return execute.Answer{Decision: execute.DecisionGoOn}, nil
	}
	b.start(attempt(0))
	b.expect(b.end(), backout.RunHalted, "errors doubled", "i/1/web/0", "i/1/payment/0", "i/1/payment/1", "i/1/payment/back", "i/1/web/back")
	for _, c := range shop {
		r, err := b.fake.Probe(t.Context(), c)
		if err != nil || r.Live.Shares["2"] != 1 {
			t.Errorf("%s is %v, want it back where it was", c.ID, r.Live.Shares)
		}
	}
}

// What helped is left in place when a gate gives up, and what it let pass with a warning
// is said at the end.
func TestGate_leavesWhatHelped(t *testing.T) {
	left := []backout.SeriesID{{Signal: "errors", Subject: backout.Subject{Service: "cart"}}}
	for name, c := range map[string]struct {
		decision execute.Decision
		state    backout.RunState
		why      string
	}{
		"not enough":     {execute.DecisionLeave, backout.RunHalted, "it helped"},
		"with a warning": {execute.DecisionGoOn, backout.RunCompleted, "every step is done; it helped"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.gate = func(_ context.Context, q execute.Question) (execute.Answer, error) {
				if q.Last {
					return execute.Answer{Decision: c.decision, Why: "it helped, but cart is ill", Unproven: left}, nil
				}
				return execute.Answer{Decision: execute.DecisionGoOn}, nil
			}
			b.start(attempt(0))
			r := b.end()
			if r.State != c.state || !strings.Contains(r.Why, c.why) {
				t.Errorf("%s (%s), want %s and %q", r.State, r.Why, c.state, c.why)
			}
			n := 0
			for _, e := range r.Entries {
				if e.Kind == backout.EntryReversed {
					t.Errorf("taken back again: %s", e.Text)
				}
				if slices.Equal(e.Unproven, left) {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%d entries name what is left ill, want the last gate's", n)
			}
		})
	}
}

func TestGate_haltLeavesWhatOthersMoved(t *testing.T) {
	b := newBench(t)
	b.fake.Set(shop[0].ID, map[backout.Version]float64{"1": 1}) // somebody took web back already
	b.gate = always(execute.DecisionHalt, "errors doubled")
	b.start(attempt(0))
	b.expect(b.end(), backout.RunHalted, "errors doubled", "i/1/payment/0", "i/1/payment/back")
}

func TestGate_haltKeepsWhatTheGuardWontTakeBack(t *testing.T) {
	b := newBench(t)
	b.gate = always(execute.DecisionHalt, "errors doubled")
	b.guard = func(p execute.Proposal) (execute.Permission, error) {
		if p.Reverse && p.Step.ID == "payment" {
			return execute.Permission{Why: "its consumers have moved on"}, nil
		}
		return execute.Permission{Yes: true}, nil
	}
	b.start(attempt(0))
	r := b.end()
	b.expect(r, backout.RunHalted, "stays: refused: its consumers have moved on", "i/1/web/0", "i/1/payment/0", "i/1/web/back")
	if last := r.Entries[len(r.Entries)-1].Text; !strings.Contains(last, "moved: deployment:payment@production/eu 10 % at 1") {
		t.Errorf("the last entry does not state what is left: %s", last)
	}
}

func TestGate_stopEndsEarly(t *testing.T) {
	b := newBench(t)
	b.gate = always(execute.DecisionStop, "the symptom has gone")
	b.start(attempt(time.Hour))
	b.expect(b.end(), backout.RunStopped, "the symptom has gone", "i/1/web/0", "i/1/payment/0")
}

func TestGate_waitsForBakeAndSight(t *testing.T) {
	b := newBench(t)
	var mu sync.Mutex
	asked, since := 0, map[int]time.Time{}
	b.gate = func(_ context.Context, q execute.Question) (execute.Answer, error) {
		mu.Lock()
		defer mu.Unlock()
		if q.Wave > 0 {
			return execute.Answer{Decision: execute.DecisionGoOn}, nil
		}
		if s, ok := since[q.Round]; ok && !s.Equal(q.Since) {
			t.Errorf("the round's start moved from %s to %s", s, q.Since)
		}
		since[q.Round] = q.Since
		asked++
		switch asked {
		case 1:
			return execute.Answer{}, errors.New("metrics are away")
		case 2:
			return execute.Answer{Decision: execute.DecisionFreeze, Why: "no samples"}, nil
		case 3:
			return execute.Answer{Decision: execute.DecisionWait}, nil
		}
		return execute.Answer{Decision: execute.DecisionGoOn}, nil
	}
	begun := time.Now()
	b.start(attempt(20 * time.Millisecond))
	r := b.end()
	b.expect(r, backout.RunCompleted, "", "i/1/web/0", "i/1/payment/0", "i/1/payment/1", "i/1/ledger/0")
	if took := time.Since(begun); took < 60*time.Millisecond {
		t.Errorf("three bakes of 20 ms took %s", took)
	}
	if got := lines(r); !strings.Contains(got, "frozen: metrics are away") || !strings.Contains(got, "sees again") {
		t.Errorf("the journal hides that it could not see:\n%s", got)
	}
}

func TestBake_isModelTime(t *testing.T) {
	b := newBench(t)
	if err := b.Start(t.Context(), execute.Request{Attempt: attempt(10 * time.Minute), Components: shop, Minute: backout.Duration(time.Millisecond)}); err != nil {
		t.Fatal(err)
	}
	b.expect(b.end(), backout.RunCompleted, "", "i/1/web/0", "i/1/payment/0", "i/1/payment/1", "i/1/ledger/0")
}

func TestGuard_refusalHalts(t *testing.T) {
	b := newBench(t)
	b.guard = func(p execute.Proposal) (execute.Permission, error) {
		if p.Stage == 1 {
			return execute.Permission{Why: "the kill switch is on"}, nil
		}
		if p.Effect.IfVersion == "" || p.Effect.IfVersion != p.Reality.Version {
			t.Errorf("the guard sees an effect not bound to what was probed: %+v", p.Effect)
		}
		return execute.Permission{Yes: true}, nil
	}
	b.start(attempt(0))
	b.expect(b.end(), backout.RunHalted, "the kill switch is on", "i/1/web/0", "i/1/payment/0")
}

func TestGuard_asksAgainWhenItCantTell(t *testing.T) {
	b := newBench(t)
	var mu sync.Mutex
	n := 0
	b.guard = func(execute.Proposal) (execute.Permission, error) {
		mu.Lock()
		defer mu.Unlock()
		if n++; n <= 3 {
			return execute.Permission{}, errors.New("the world can't be loaded")
		}
		return execute.Permission{Yes: true}, nil
	}
	b.start(attempt(0))
	r := b.end()
	b.expect(r, backout.RunCompleted, "", "i/1/web/0", "i/1/payment/0", "i/1/payment/1", "i/1/ledger/0")
	if !strings.Contains(lines(r), "the world can't be loaded") {
		t.Errorf("the journal hides it:\n%s", lines(r))
	}
}

// onLedger makes the actuator misbehave for the last step.
func onLedger(b *bench, fn func(ctx context.Context, do func(context.Context) (backout.Outcome, error)) (backout.Outcome, error)) {
	b.failing.OnDo = func(ctx context.Context, e backout.Effect, do func(context.Context) (backout.Outcome, error)) (backout.Outcome, error) {
		if e.Component.Name != "ledger" {
			return do(ctx)
		}
		return fn(ctx, do)
	}
}

func TestEffect_whatIsSeenCounts(t *testing.T) {
	first := []string{"i/1/web/0", "i/1/payment/0", "i/1/payment/1"}
	all := append(append([]string{}, first...), "i/1/ledger/0")
	for _, c := range []struct {
		name    string
		do      func(ctx context.Context, do func(context.Context) (backout.Outcome, error)) (backout.Outcome, error)
		state   backout.RunState
		outcome backout.Outcome
		why     string
		keys    []string
	}{
		{"says done, did nothing", func(context.Context, func(context.Context) (backout.Outcome, error)) (backout.Outcome, error) {
			return backout.OutcomeDone, nil
		}, backout.RunHalted, backout.OutcomeNotDone, "reported as done, but ledger is 100 % at 2", first},
		{"says unknown, did it", func(ctx context.Context, do func(context.Context) (backout.Outcome, error)) (backout.Outcome, error) {
			_, _ = do(ctx)
			return backout.OutcomeUnknown, errors.New("connection reset")
		}, backout.RunCompleted, backout.OutcomeDone, "every step", all},
		{"says not done, did it", func(ctx context.Context, do func(context.Context) (backout.Outcome, error)) (backout.Outcome, error) {
			_, _ = do(ctx)
			return backout.OutcomeNotDone, errors.New("exit status 1")
		}, backout.RunCompleted, backout.OutcomeDone, "every step", all},
		{"says unknown, did nothing", func(context.Context, func(context.Context) (backout.Outcome, error)) (backout.Outcome, error) {
			return backout.OutcomeUnknown, errors.New("connection reset")
		}, backout.RunHalted, backout.OutcomeUnknown, "connection reset", first},
		{"conflict", func(context.Context, func(context.Context) (backout.Outcome, error)) (backout.Outcome, error) {
			return backout.OutcomeNotDone, &backout.Error{Code: backout.CodeConflict, Message: "resourceVersion moved"}
		}, backout.RunHalted, backout.OutcomeNotDone, "somebody else moved it", first},
		{"hangs and minds its context", func(ctx context.Context, _ func(context.Context) (backout.Outcome, error)) (backout.Outcome, error) {
			<-ctx.Done()
			return backout.OutcomeUnknown, ctx.Err()
		}, backout.RunHalted, backout.OutcomeUnknown, "deadline", first},
		{"hangs for good", func(context.Context, func(context.Context) (backout.Outcome, error)) (backout.Outcome, error) {
			select {}
		}, backout.RunHalted, backout.OutcomeUnknown, "no answer", first},
		{"hangs for good, did it", func(ctx context.Context, do func(context.Context) (backout.Outcome, error)) (backout.Outcome, error) {
			_, _ = do(ctx)
			select {}
		}, backout.RunCompleted, backout.OutcomeDone, "every step", all},
		{"panics", func(context.Context, func(context.Context) (backout.Outcome, error)) (backout.Outcome, error) {
			panic("nil map")
		}, backout.RunHalted, backout.OutcomeUnknown, "panic: nil map", first},
		{"shows late", func(ctx context.Context, do func(context.Context) (backout.Outcome, error)) (backout.Outcome, error) {
			time.AfterFunc(5*time.Millisecond, func() { _, _ = do(context.WithoutCancel(ctx)) })
			return backout.OutcomeDone, nil
		}, backout.RunCompleted, backout.OutcomeDone, "every step", all},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			onLedger(b, c.do)
			b.start(attempt(0))
			r := b.end()
			b.expect(r, c.state, c.why, c.keys...)
			for _, e := range r.Entries {
				if e.Kind == backout.EntryEffect && e.Step == "ledger" && e.Outcome != c.outcome {
					t.Errorf("outcome %s (%s), want %s", e.Outcome, e.Text, c.outcome)
				}
			}
		})
	}
}

func TestEffect_unhealthyIsUnknown(t *testing.T) {
	b := newBench(t)
	b.fake.SetHealthy(shop[2].ID, false)
	b.start(attempt(0))
	b.expect(b.end(), backout.RunHalted, "not healthy (unknown)", "i/1/web/0", "i/1/payment/0", "i/1/payment/1", "i/1/ledger/0")
}

func TestProbe_blindFreezes(t *testing.T) {
	b := newBench(t)
	var mu sync.Mutex
	blind := true
	b.failing.OnProbe = func(c backout.Component) error {
		mu.Lock()
		defer mu.Unlock()
		if blind && c.Name == "ledger" {
			return errors.New("the API server is away")
		}
		return nil
	}
	b.start(attempt(0))
	r := b.state(backout.RunFrozen)
	if !strings.Contains(r.Why, "the API server is away") {
		t.Errorf("frozen without the reason: %q", r.Why)
	}
	mu.Lock()
	blind = false
	mu.Unlock()
	b.expect(b.end(), backout.RunCompleted, "", "i/1/web/0", "i/1/payment/0", "i/1/payment/1", "i/1/ledger/0")
}

// A target that is away right after a call is looked at again when it is back: nothing is
// guessed, nothing is sent twice. Only a person's abort leaves it open.
func TestProbe_blindAfterTheCallFreezes(t *testing.T) {
	for _, abort := range []bool{false, true} {
		b := newBench(t)
		var blind atomic.Bool
		b.failing.OnProbe = func(c backout.Component) error {
			if blind.Load() && c.Name == "ledger" {
				return errors.New("the API server is away")
			}
			return nil
		}
		onLedger(b, func(ctx context.Context, do func(context.Context) (backout.Outcome, error)) (backout.Outcome, error) {
			defer blind.Store(true)
			return do(ctx)
		})
		b.start(attempt(0))
		if r := b.state(backout.RunFrozen); !strings.Contains(r.Why, "what became of") {
			t.Errorf("frozen without the reason: %q", r.Why)
		}
		if abort {
			b.control(execute.ControlAbort)
			r := b.end()
			i := slices.IndexFunc(r.Entries, func(e backout.Entry) bool { return e.Kind == backout.EntryEffect && e.Step == "ledger" })
			if r.State != backout.RunAborted || i < 0 || r.Entries[i].Outcome != backout.OutcomeUnknown {
				t.Errorf("ended %s, want aborted and that the effect is unknown:\n%s", r.State, lines(r))
			}
			continue
		}
		blind.Store(false)
		b.expect(b.end(), backout.RunCompleted, "", "i/1/web/0", "i/1/payment/0", "i/1/payment/1", "i/1/ledger/0")
	}
}
