package executetest

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
)

// Subject is an actuator under test with one real component that it can move.
type Subject struct {
	Actuator  execute.Actuator
	Component backout.Component
	// Stack is the component's recent changes, oldest first; the last one brought
	// it to From.
	Stack []backout.Change
	From  backout.Version // live when the suite begins
	To    backout.Version // an earlier version that can be reached
	// Settle is how long an effect may take to show; 0 = 10 s.
	Settle time.Duration
	// Disturb changes the target behind the actuator's back without moving it off
	// From, as another writer would. Nil when the target has no compare-and-swap,
	// which Survey must then say.
	Disturb func(t *testing.T)
	// Arrange makes the real target meet the next effect with a fault; nil when it
	// can't be made to.
	Arrange func(t *testing.T, f Fault)
	// Moves counts the effects that changed the target; nil when nobody counts.
	Moves func() int
	// Reopen gives the actuator as the next process has it, on the same target; nil =
	// the actuator itself, which then must remember nothing.
	Reopen func(t *testing.T) execute.Actuator
	// OneWay is set when From can't be reached again from To, so that only one
	// direction is tried.
	OneWay bool
}

// Fault is how a target misbehaves.
type Fault string

// The faults.
const (
	FaultLies  Fault = "says ok and did nothing"
	FaultErrs  Fault = "did it and says error"
	FaultHangs Fault = "neither does it nor answers"
)

// Conform checks what execute relies on: looking has no effect, done means
// done and is seen, the same effect twice is one effect, undo of undo is the
// start, a stale picture is refused, a call without time is never "done", a target
// that lies, errs or hangs is not taken at its word, and nothing is forgotten when the
// process is killed between Do and Probe.
// It leaves the component at To.
func Conform(t *testing.T, s Subject) {
	t.Helper()
	if s.Settle == 0 {
		s.Settle = 10 * time.Second
	}
	t.Run("survey looks only", s.survey)
	t.Run("stale picture is refused", s.stale)
	t.Run("no time left is not done", s.noTime)
	if s.Arrange != nil {
		t.Run(string(FaultLies), s.lies)
		t.Run(string(FaultHangs), s.hangs)
	}
	if s.OneWay {
		t.Run("do, check", func(t *testing.T) { s.move(t, "one", s.From, s.To) })
		return
	}
	if s.Arrange != nil {
		t.Run(string(FaultErrs), s.errs)
	}
	t.Run("do, check, undo, check, do, check", func(t *testing.T) {
		s.move(t, "do", s.From, s.To)
		s.move(t, "undo", s.To, s.From)
		s.move(t, "again", s.From, s.To)
	})
	t.Run("killed between do and probe", s.killed)
}

func (s Subject) probe(t *testing.T) backout.Reality {
	t.Helper()
	r, err := s.Actuator.Probe(s.ctx(t), s.Component)
	if err != nil {
		t.Fatalf("probe: %v", err)
	}
	return r
}

func (s Subject) ctx(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), s.Settle+10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func (s Subject) effect(key string, from, to backout.Version) backout.Effect {
	return backout.Effect{Key: "conformance/1/" + key, Attempt: "conformance/1", Component: s.Component, From: from, To: to, Share: 1}
}

func (s Subject) survey(t *testing.T) {
	before := s.probe(t)
	rev, err := s.Actuator.Survey(s.ctx(t), s.Component, s.Stack)
	if err != nil {
		t.Fatalf("survey: %v", err)
	}
	if !rev.Known || rev.Current != s.From || rev.Component != s.Component.ID {
		t.Errorf("survey says known %t, current %q of %q; the component %q is at %q (%s)", rev.Known, rev.Current, rev.Component, s.Component.ID, s.From, rev.Why)
	}
	if n := len(rev.Shares); n == 0 || rev.Shares[n-1] != 1 {
		t.Errorf("shares on offer %v: expected ascending, ending at 1", rev.Shares)
	}
	reachable := false
	for _, l := range rev.Levels {
		reachable = reachable || l.Version == s.To
		if l.Loss == "" {
			t.Errorf("level %d does not say what going back loses; unknown is a value", l.Level)
		}
	}
	if !reachable {
		t.Errorf("levels %+v don't offer %q", rev.Levels, s.To)
	}
	if rev.CompareAndSwap != (s.Disturb != nil) {
		t.Errorf("survey says compare-and-swap %t, the subject says %t", rev.CompareAndSwap, s.Disturb != nil)
	}
	after := s.probe(t)
	if d := cmp.Diff(before, after, cmpopts.IgnoreFields(backout.Reality{}, "At"), cmpopts.IgnoreFields(backout.Live{}, "At")); d != "" {
		t.Errorf("survey or probe moved the target: %s", d)
	}
	if !execute.Reached(after, s.effect("", "", s.From)) || !after.Live.Healthy {
		t.Errorf("before the suite: live %+v, want all at %q and healthy", after.Live, s.From)
	}
}

func (s Subject) stale(t *testing.T) {
	if s.Disturb == nil {
		t.Log("the target has no compare-and-swap, and says so")
		return
	}
	e := s.effect("stale", s.From, s.To)
	e.IfVersion = s.probe(t).Version
	s.Disturb(t)
	out, err := s.Actuator.Do(s.ctx(t), e)
	if out != backout.OutcomeNotDone || backout.CodeOf(err) != backout.CodeConflict {
		t.Errorf("do with a stale picture: %s, %v; want %s and a conflict", out, err, backout.OutcomeNotDone)
	}
	if r := s.probe(t); execute.Reached(r, e) {
		t.Errorf("it was refused and done: %+v", r.Live)
	}
}

func (s Subject) noTime(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e := s.effect("no-time", s.From, s.To)
	e.IfVersion = s.probe(t).Version
	out, err := s.Actuator.Do(ctx, e)
	if err == nil {
		t.Error("do without time left: no error says so")
	}
	reached := execute.Reached(s.probe(t), e)
	if out == backout.OutcomeDone && !reached || out == backout.OutcomeNotDone && reached {
		t.Errorf("do without time left says %s, reached is %t; with any doubt it must say %s", out, reached, backout.OutcomeUnknown)
	}
	if reached {
		t.Error("do without time left moved the target")
	}
}

// lies checks that only what is there is seen.
func (s Subject) lies(t *testing.T) {
	s.Arrange(t, FaultLies)
	e := s.effect("lies", s.From, s.To)
	e.IfVersion = s.probe(t).Version
	out, err := s.Actuator.Do(s.ctx(t), e)
	if r := s.probe(t); execute.Reached(r, e) {
		t.Errorf("nothing was done (do says %s, %v) and probe shows %+v", out, err, r.Live)
	}
}

// hangs checks that a call ends with its time, and claims nothing.
func (s Subject) hangs(t *testing.T) {
	s.Arrange(t, FaultHangs)
	e := s.effect("hangs", s.From, s.To)
	e.IfVersion = s.probe(t).Version
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	type said struct {
		out backout.Outcome
		err error
	}
	answer := make(chan said, 1)
	go func() {
		out, err := s.Actuator.Do(ctx, e)
		answer <- said{out, err}
	}()
	select {
	case a := <-answer:
		if a.out == backout.OutcomeDone || a.err == nil {
			t.Errorf("do without an answer says %s, %v; want %s and why", a.out, a.err, backout.OutcomeUnknown)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("do goes on ten seconds after its time was over")
	}
	if r := s.probe(t); execute.Reached(r, e) {
		t.Errorf("nothing was done and probe shows %+v", r.Live)
	}
}

// errs checks that what was done is not called not done.
func (s Subject) errs(t *testing.T) {
	s.Arrange(t, FaultErrs)
	e := s.effect("errs", s.From, s.To)
	e.IfVersion = s.probe(t).Version
	if out, err := s.Actuator.Do(s.ctx(t), e); out == backout.OutcomeNotDone {
		t.Errorf("it was done, and do says %s, %v", out, err)
	}
	s.settled(t, e)
	s.move(t, "errs-undo", s.To, s.From)
}

// killed takes the component back to From and forth again by a process that dies
// before it has looked; the next one sees what was done and does it no second time.
func (s Subject) killed(t *testing.T) {
	s.move(t, "before-kill", s.To, s.From)
	e := s.effect("kill", s.From, s.To)
	e.IfVersion = s.probe(t).Version
	before := s.moves()
	if out, err := s.Actuator.Do(s.ctx(t), e); out != backout.OutcomeDone || err != nil {
		t.Fatalf("do: %s, %v", out, err)
	}
	if s.Reopen != nil {
		s.Actuator = s.Reopen(t)
	}
	s.settled(t, e)
	if out, err := s.Actuator.Do(s.ctx(t), e); out != backout.OutcomeDone && backout.CodeOf(err) != backout.CodeConflict {
		t.Errorf("the same effect sent by the next process: %s, %v", out, err)
	}
	s.settled(t, e)
	if n := s.moves() - before; s.Moves != nil && n != 1 {
		t.Errorf("one effect changed the target %d times", n)
	}
}

func (s Subject) moves() int {
	if s.Moves == nil {
		return 0
	}
	return s.Moves()
}

// move does an effect, sees it, and does the same effect again, which must change
// nothing.
func (s Subject) move(t *testing.T, key string, from, to backout.Version) {
	t.Helper()
	e := s.effect(key, from, to)
	e.IfVersion = s.probe(t).Version
	before := s.moves()
	defer func() {
		if n := s.moves() - before; s.Moves != nil && n != 1 {
			t.Errorf("%s, sent twice, changed the target %d times", key, n)
		}
	}()
	for _, again := range []bool{false, true} {
		out, err := s.Actuator.Do(s.ctx(t), e)
		if again && backout.CodeOf(err) == backout.CodeConflict && out == backout.OutcomeNotDone {
			continue // refused as stale: as good as done once
		}
		if out != backout.OutcomeDone || err != nil {
			t.Fatalf("%s, sent again %t: %s, %v", key, again, out, err)
		}
		s.settled(t, e)
	}
}

// settled waits until an effect shows.
func (s Subject) settled(t *testing.T, e backout.Effect) {
	t.Helper()
	deadline := time.Now().Add(s.Settle)
	for {
		r := s.probe(t)
		if execute.Reached(r, e) && r.Live.Healthy {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %s after do said done the target is %+v, want all at %q and healthy", e.Key, s.Settle, r.Live, e.To)
		}
		select {
		case <-t.Context().Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}
