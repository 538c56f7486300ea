package respond

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
)

// errorsOf are the errors of a service.
func errorsOf(s backout.ServiceID) backout.SeriesID {
	return backout.SeriesID{Signal: "errors", Subject: backout.Subject{Service: s}}
}

// spentAt asks a last gate so many minutes after an attempt took back payment, where
// every signal was ill by 9 before it and has moved since as told.
func spentAt(t *testing.T, minutes int, criteria []backout.Criterion, since map[backout.SeriesID]func(minute int) float64) execute.Answer {
	t.Helper()
	tw := newTown(t, true, nil)
	inc := tw.until(tw.detect(), backout.StateExecuting)
	began := tw.now
	tw.signals.levels, inc.Findings = map[backout.SeriesID]func(time.Time) float64{}, nil
	for id, level := range since {
		inc.Findings = append(inc.Findings, backout.Finding{ID: id, Opens: true})
		tw.signals.levels[id] = func(at time.Time) float64 {
			if at.After(began) {
				return level(int(at.Sub(began) / minute))
			}
			return 9
		}
	}
	tw.store.incidents[inc.ID] = inc
	g := &Gate{Store: tw.store, Signals: tw.signals, Minute: minute}
	if criteria != nil {
		g.Criteria = []backout.SuccessCriteria{{ID: "c", Objectives: criteria, Pass: 1, Warning: 1}}
	}
	return askLast(t, g, inc, began, minutes)
}

// When a last gate's time is over, what helped is not undone: only what was of no use is.
func TestGate_whatHelpedStays(t *testing.T) {
	type since = map[backout.SeriesID]func(int) float64
	payment, shop, bank, cart := errorsOf("payment"), errorsOf("shop"), errorsOf("bank"), errorsOf("cart")
	buy := backout.SeriesID{Signal: "errors", Subject: backout.Subject{Journey: "buy"}}
	back, ill := func(int) float64 { return 0 }, func(int) float64 { return 9 }
	unseen := func(int) float64 { return math.NaN() }
	slow := backAfter(38) // well enough to say so, but not to prove it in time
	for name, c := range map[string]struct {
		minutes  int
		criteria []backout.Criterion
		since    since
		want     execute.Decision
		left     []backout.SeriesID
	}{
		"all the same":                             {50, nil, since{payment: ill, shop: ill, cart: ill}, execute.DecisionHalt, nil},
		"half of it, and another service is ill":   {50, nil, since{payment: back, cart: ill}, execute.DecisionGoOn, []backout.SeriesID{cart}},
		"before its time is over":                  {40, nil, since{payment: back, cart: ill}, execute.DecisionWait, nil},
		"less than half of it":                     {50, nil, since{payment: back, cart: ill, bank: ill}, execute.DecisionHalt, nil},
		"what was suspected is ill itself":         {50, nil, since{payment: ill, shop: back, cart: back}, execute.DecisionLeave, []backout.SeriesID{payment}},
		"a journey is ill":                         {50, nil, since{payment: back, buy: ill}, execute.DecisionLeave, []backout.SeriesID{buy}},
		"criteria ask for what is ill, and decide": {50, []backout.Criterion{{Service: "cart", Weight: 1, Key: true}}, since{payment: back, shop: back, cart: ill}, execute.DecisionHalt, nil},
		"nearly proven: more time":                 {47, nil, since{payment: slow}, execute.DecisionWait, nil},
		"one is not seen any more":                 {50, nil, since{payment: back, shop: back, cart: unseen}, execute.DecisionLeave, []backout.SeriesID{cart}},
		"nearly proven, beside one still ill":      {47, nil, since{payment: slow, cart: ill}, execute.DecisionHalt, nil},
		"nearly proven, and then proven":           {70, nil, since{payment: slow}, execute.DecisionGoOn, nil},
		"nearly proven, all of the longest time":   {95, nil, since{payment: backAfter(88)}, execute.DecisionLeave, []backout.SeriesID{payment}},
		"proven, whatever the time":                {95, nil, since{payment: back, shop: back}, execute.DecisionGoOn, nil},
	} {
		a := spentAt(t, c.minutes, c.criteria, c.since)
		if a.Decision != c.want || !slices.Equal(a.Unproven, c.left) {
			t.Errorf("%s: %s, left %v (%s); want %s, left %v", name, a.Decision, a.Unproven, a.Why, c.want, c.left)
		}
	}
}

// backAfter is a signal that comes back, not quite to normal, after so many minutes.
func backAfter(minutes int) func(int) float64 {
	return func(m int) float64 {
		if m < minutes {
			return 9
		}
		return 1.4
	}
}

// What stays ill by another cause opens the next incident, and what the ended one took
// back and brought back is neither suspect nor evidence of it.
func TestObserve_whatWasLeft(t *testing.T) {
	for name, stays := range map[string]bool{"still ill": true, "well by then": false} {
		t.Run(name, func(t *testing.T) {
			tw := newTown(t, true, nil)
			g := &tw.world.Graph
			g.Services = append(g.Services, backout.Service{ID: "cart", Kind: backout.ServiceOwn, Tier: 1})
			g.Dependencies = append(g.Dependencies, backout.Dependency{From: "cart", To: "payment", Hard: true})
			id := tw.detect()
			inc := tw.until(id, backout.StateExecuting)
			cart, turn := errorsOf("cart"), tw.now.Add(5*minute)
			tw.signals.levels[cart] = func(at time.Time) float64 {
				if stays || at.Before(turn) {
					return 9
				}
				return 0
			}
			found := []backout.Finding{{ID: cart, Kind: backout.SignalErrors, At: inc.OpenedAt, Onset: noon.Add(-9 * minute), Opens: true}}
			if got, err := tw.r.Observe(t.Context(), tw.now, "production", found, nil); err != nil || got != id {
				t.Fatalf("joined %s, %v", got, err)
			}
			tw.now = tw.now.Add(5 * minute)
			step := inc.Plan.Steps()[0].ID
			tw.runner.run = backout.Run{State: backout.RunCompleted, Why: "every step is done; recovered, with a warning: cart stays ill", Entries: []backout.Entry{
				{Kind: backout.EntryEffect, Step: step, Outcome: backout.OutcomeDone, Share: 1}, {Kind: backout.EntryGate, Unproven: []backout.SeriesID{cart}},
			}}
			ended := tw.until(id, backout.StateRecovered)
			if got := ended.Attempts[0].Unproven; !slices.Equal(got, []backout.SeriesID{cart}) {
				t.Errorf("the attempt left %v, want cart's errors", got)
			}
			if last := tw.store.messages[len(tw.store.messages)-1]; !strings.Contains(last.Text, "cart stays ill") {
				t.Errorf("the end was told as %q", last.Text)
			}
			rev := tw.store.reviews[len(tw.store.reviews)-1]
			if rev.EffectLag != 0 || rev.Recovery != nil || len(rev.Culprits) != 1 {
				t.Errorf("the review says that it took %s to be felt, %v; culprits %v: want the culprit alone", rev.EffectLag.Std(), rev.Recovery, rev.Culprits)
			}
			for _, s := range rev.Spread {
				if s.Victim == "cart" && s.Followed {
					t.Errorf("learnt that cart's trouble came from %s", s.Cause)
				}
			}
			tw.now = tw.now.Add(4 * minute)
			next, err := tw.r.Observe(t.Context(), tw.now, "production", nil, nil)
			if err != nil || (next != "") != stays {
				t.Fatalf("opened %q, %v", next, err)
			}
			if !stays {
				return
			}
			if in := tw.store.incidents[next]; len(in.Findings) != 1 || in.Findings[0].ID != cart || in.After == nil || !slices.Equal(in.After.Changes, []backout.ChangeID{"c1"}) || slices.Contains(in.After.Series, cart) {
				t.Errorf("findings %+v after %+v: want cart's alone, and c1 settled", in.Findings, in.After)
			}
		})
	}
}

// An attempt that helped and was left in place speaks for what it took back.
func TestTried_helped(t *testing.T) {
	at := backout.Attempt{Plan: backout.Plan{Waves: []backout.Wave{{Steps: []backout.Step{{ID: "1.1", Reverts: []backout.ChangeID{"c1"}}}}}}}
	run := backout.Run{Entries: []backout.Entry{
		{Kind: backout.EntryEffect, Step: "1.1", Outcome: backout.OutcomeDone, Share: 1},
		{Kind: backout.EntryGate, Verdict: backout.VerdictInconclusive, Unproven: []backout.SeriesID{errorsOf("cart")}},
	}}
	if got := tried(noon, at, run); got.Result != backout.VerdictRecovered || !slices.Equal(got.Changes, []backout.ChangeID{"c1"}) {
		t.Errorf("%+v, want c1 recovered", got)
	}
	run.Entries[1].Unproven = nil
	if got := tried(noon, at, run); got.Result != backout.VerdictInconclusive {
		t.Errorf("%+v without anything left, want inconclusive", got)
	}
}
