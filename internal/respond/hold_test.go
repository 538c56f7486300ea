package respond

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

// wheel is who may deploy, in memory. It keeps its holds in the town's store.
type wheel struct {
	store *memory
	locks map[backout.ComponentID]backout.AttemptID
	log   []string
}

func (w *wheel) TakeOver(_ context.Context, at backout.AttemptID, components []backout.ComponentID, _, _ time.Time) ([]backout.DeployLock, error) {
	for _, id := range components {
		w.locks[id] = at
	}
	w.log = append(w.log, "took over")
	return nil, nil
}

func (w *wheel) KeepLocks(context.Context, backout.AttemptID, time.Time) error {
	w.log = append(w.log, "kept")
	return nil
}

func (w *wheel) FreeLocks(_ context.Context, at backout.AttemptID) error {
	for id, holder := range w.locks {
		if holder == at {
			delete(w.locks, id)
		}
	}
	return nil
}

func (w *wheel) Lift(_ context.Context, id backout.ComponentID, owner, _, _ string, _ time.Time) ([]backout.Hold, error) {
	w.store.holds = slices.DeleteFunc(w.store.holds, func(h backout.Hold) bool { return h.Component == id && h.Owner == owner })
	return nil, nil
}

// steer gives a town a wheel.
func (t *town) steer() *wheel {
	w := &wheel{store: t.store, locks: map[backout.ComponentID]backout.AttemptID{}}
	t.r.cfg.Deploys = w
	return w
}

// What is held at the end is what may be back, and nothing else; the wheel is free.
func TestHold_endsOfRuns(t *testing.T) {
	entry := func(kind backout.EntryKind, o backout.Outcome) backout.Entry {
		return backout.Entry{Kind: kind, Outcome: o, Share: 1}
	}
	for name, c := range map[string]struct {
		state   backout.RunState
		entries []backout.Entry
		held    bool
	}{
		"taken back":              {backout.RunCompleted, []backout.Entry{entry(backout.EntryEffect, backout.OutcomeDone)}, true},
		"never moved":             {backout.RunAborted, nil, false},
		"certainly not done":      {backout.RunHalted, []backout.Entry{entry(backout.EntryEffect, backout.OutcomeNotDone)}, false},
		"nobody knows":            {backout.RunHalted, []backout.Entry{entry(backout.EntryEffect, backout.OutcomeUnknown)}, true},
		"restored again":          {backout.RunHalted, []backout.Entry{entry(backout.EntryEffect, backout.OutcomeDone), entry(backout.EntryReversed, backout.OutcomeDone)}, false},
		"not restored":            {backout.RunHalted, []backout.Entry{entry(backout.EntryEffect, backout.OutcomeDone), entry(backout.EntryReversed, backout.OutcomeUnknown)}, true},
		"it was there beforehand": {backout.RunCompleted, []backout.Entry{entry(backout.EntrySkipped, backout.OutcomeDone)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			tw := newTown(t, true, func(p *backout.Policy) { p.MaxAttempts = 1 })
			w := tw.steer()
			id := tw.detect()
			inc := tw.until(id, backout.StateExecuting)
			if w.locks[payment] != inc.Attempts[0].ID || len(tw.store.holds) != 1 {
				t.Fatalf("locks %v, holds %+v while it runs", w.locks, tw.store.holds)
			}
			if _, err := tw.r.Step(t.Context(), tw.now, id); err != nil || w.log[len(w.log)-1] != "kept" {
				t.Errorf("%v, %v: the locks of what runs are not kept", w.log, err)
			}
			for i := range c.entries {
				c.entries[i].Step = inc.Plan.Steps()[0].ID
			}
			tw.runner.run = backout.Run{State: c.state, Why: "x", Entries: c.entries}
			tw.until(id, backout.StateRecovered, backout.StateHalted, backout.StateAborted)
			if got := len(tw.store.holds) == 1; got != c.held || len(w.locks) > 0 {
				t.Errorf("held %t, want %t; locks %v", got, c.held, w.locks)
			}
		})
	}
}

// A hold says what releases it in a form that programs read, by digest where there is one.
func TestHold_rule(t *testing.T) {
	tw := newTown(t, true, nil)
	tw.world.Changes[0].Digest = "sha256:bad"
	id := tw.detect()
	tw.until(id, backout.StateExecuting)
	h := tw.store.holds[0]
	if h.Rule != backout.ReleaseNewDigest || h.BadDigest != "sha256:bad" || h.Incident != id || h.At.IsZero() || !h.Until.After(h.At) || h.Reason == "" || h.Release == "" {
		t.Errorf("%+v", h)
	}
	if why := h.Keeps(backout.Deployment{Component: payment, To: "2.0.1", Digest: "sha256:bad"}); !strings.Contains(why, "same artifact") {
		t.Errorf("another name for the bad artifact: %q", why)
	}
}

// Others are kept from the rest of a service too, in its environment only.
func TestKeptAway_theWholeService(t *testing.T) {
	c := func(id backout.ComponentID, s backout.ServiceID, e backout.Environment) backout.Component {
		return backout.Component{ID: id, Service: s, Environment: e}
	}
	g := backout.Graph{Components: []backout.Component{c("a", "payment", "production"), c("b", "payment", "production"), c("c", "payment", "staging"), c("d", "cart", "production"), c("e", "", "production"), c("f", "", "production")}}
	plan := func(ids ...backout.ComponentID) backout.Plan {
		w := backout.Wave{}
		for _, id := range ids {
			w.Steps = append(w.Steps, backout.Step{Component: id})
		}
		return backout.Plan{Waves: []backout.Wave{w}}
	}
	for want, p := range map[string]backout.Plan{"a b": plan("a"), "a b d": plan("d", "a"), "e": plan("e")} {
		words := []string{}
		for _, id := range keptAway(g, p) {
			words = append(words, string(id))
		}
		if d := cmp.Diff(want, strings.Join(words, " ")); d != "" {
			t.Error(d)
		}
	}
}

// The program dies between saving that it executes and starting: nothing is lost.
func TestStart_takesTheWheelAfterARestart(t *testing.T) {
	tw := newTown(t, true, nil)
	id := tw.detect()
	tw.until(id, backout.StateApproved)
	tw.r.cfg.Deploys = broken{}
	if _, err := tw.r.Step(t.Context(), tw.now, id); err == nil || len(tw.runner.started) > 0 {
		t.Fatalf("%v: started %d attempts without the wheel", err, len(tw.runner.started))
	}
	w := tw.steer()
	tw.runner.lost = true
	if _, err := tw.r.Step(t.Context(), tw.now, id); err != nil || len(tw.runner.started) != 1 || w.locks[payment] == "" {
		t.Errorf("%v: started %d attempts, locks %v", err, len(tw.runner.started), w.locks)
	}
}

// A person takes over what was never started: the wheel is free again.
func TestHold_takenOverBeforeItBegan(t *testing.T) {
	tw := newTown(t, true, nil)
	w := tw.steer()
	id := tw.detect()
	tw.until(id, backout.StateExecuting)
	if _, err := tw.r.TakeOver(t.Context(), tw.now, id, backout.Principal{Name: "ann", Role: backout.RoleApprover}, "by hand"); err != nil {
		t.Fatal(err)
	}
	tw.runner.lost = true
	tw.until(id, backout.StateTakenOver)
	if len(w.locks) > 0 || len(tw.store.holds) > 0 {
		t.Errorf("locks %v, holds %+v: want none", w.locks, tw.store.holds)
	}
}

// broken is a wheel that nobody can take.
type broken struct{ *wheel }

func (broken) TakeOver(context.Context, backout.AttemptID, []backout.ComponentID, time.Time, time.Time) ([]backout.DeployLock, error) {
	return nil, &backout.Error{Code: backout.CodeUnavailable, Message: "no database"}
}

// Who follows an incident hears once that everything is stopped, and that it goes on.
func TestStopped_tellsWhoFollows(t *testing.T) {
	tw := newTown(t, true, nil)
	id := tw.detect()
	tw.until(id, backout.StateExecuting)
	count := func(words string) int {
		n := 0
		for _, m := range tw.store.messages {
			if m.Audience == backout.AudienceOnCall && strings.Contains(m.Text, words) {
				n++
			}
		}
		return n
	}
	on := backout.Stop{On: true, By: "ann", Reason: "strange plans", At: tw.now}
	for range 2 {
		if err := tw.r.Stopped(t.Context(), tw.now, id, on); err != nil {
			t.Fatal(err)
		}
	}
	if n := count("ann stopped everything (strange plans)"); n != 1 || tw.store.incidents[id].Stop == nil {
		t.Errorf("on-call heard %d times that it is stopped, want once", n)
	}
	tw.now = tw.now.Add(minute)
	if err := tw.r.Stopped(t.Context(), tw.now, id, backout.Stop{By: "bob", Reason: "looked at", At: tw.now}); err != nil || tw.store.incidents[id].Stop != nil {
		t.Errorf("%v, %+v: want it to go on", err, tw.store.incidents[id].Stop)
	}
	if last := tw.store.saves[len(tw.store.saves)-1]; last != "bob let everything go on: looked at" {
		t.Errorf("the audit log says %q", last)
	}
}
