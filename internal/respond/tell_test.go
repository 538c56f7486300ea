package respond

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

// heard are the keys of what one audience was told, in order.
func (t *town) heard(a backout.Audience) []string {
	out := []string{}
	for _, m := range t.store.messages {
		if m.Audience == a {
			out = append(out, m.Key)
		}
	}
	return out
}

func (t *town) detectJourney() backout.IncidentID {
	t.Helper()
	id := t.detect()
	inc := t.store.incidents[id]
	inc.Findings = append(inc.Findings, backout.Finding{ID: backout.SeriesID{Signal: "orders", Subject: backout.Subject{Journey: "checkout"}}, Kind: backout.SignalErrors})
	t.store.incidents[id] = inc
	return id
}

func TestTell_everyAudienceOnceAPhase(t *testing.T) {
	tw := newTown(t, true, nil)
	id := tw.detectJourney()
	inc := tw.until(id, backout.StateExecuting)
	step := inc.Attempts[0].Plan.Steps()[0]
	tw.runner.run = backout.Run{State: backout.RunActive, Entries: []backout.Entry{{Kind: backout.EntryEffect, Outcome: backout.OutcomeDone, Step: step.ID, Component: step.Component, Share: .5}}}
	for range 4 { // the same picture again and again is no news
		tw.step(id)
	}
	tw.runner.run.State, tw.runner.run.Why = backout.RunCompleted, "every step is done"
	tw.until(id, backout.StateRecovered)
	for a, want := range map[backout.Audience][]string{
		backout.AudienceOnCall:     {"detected/0", "executing/1", "executing/1/wave-1", "recovered/1"},
		backout.AudienceMachines:   {"detected/0", "planned/0", "approved/0", "executing/1", "recovered/1"},
		backout.AudienceStatusPage: {"attributed/0", "executing/1", "recovered/1"},
		backout.AudienceSupport:    {"attributed/0", "executing/1", "recovered/1"},
		backout.AudienceExecutive:  {"attributed/0", "executing/1", "recovered/1"},
	} {
		got := slices.DeleteFunc(tw.heard(a), func(k string) bool { return a == backout.AudienceMachines && strings.HasPrefix(k, "attributed") })
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s heard (-want +got):\n%s", a, d)
		}
	}
	last := tw.store.messages[len(tw.store.messages)-1]
	if last.Audience != backout.AudienceMachines || len(last.Facts.TakenBack) != 1 || last.Facts.TakenBack[0].Share != .5 || last.Facts.TakenBack[0].To != step.To {
		t.Errorf("facts %+v: want what the journal says is back", last.Facts)
	}
	for _, m := range tw.store.messages {
		if m.State != backout.StateRecovered && len(m.Facts.TakenBack) > 0 {
			t.Errorf("%s says that something is back before it is verified", m.Key)
		}
		if m.Audience == backout.AudienceStatusPage && (len(m.Facts.Services) > 0 || m.Facts.Why != "" || m.Facts.Change != "" || m.Facts.CostNow != (backout.MoneyRange{})) {
			t.Errorf("customers get the facts %+v", m.Facts)
		}
	}
}

func (t *town) step(id backout.IncidentID) {
	t.Helper()
	if _, err := t.r.Step(t.Context(), t.now, id); err != nil {
		t.Fatal(err)
	}
	t.now = t.now.Add(minute)
}

func TestTell_atMostOneUpdateInTenMinutes(t *testing.T) {
	tw := newTown(t, true, nil)
	id := tw.detectJourney()
	tw.until(id, backout.StateExecuting)
	tw.runner.run = backout.Run{State: backout.RunActive}
	from := len(tw.store.messages)
	for range 45 {
		tw.step(id)
	}
	n := map[backout.Audience]int{}
	var last time.Time
	for _, m := range tw.store.messages[from:] {
		n[m.Audience]++
		if m.Audience == backout.AudienceSupport {
			if !last.IsZero() && m.At.Sub(last) < updateEvery*minute {
				t.Errorf("two updates within %s", m.At.Sub(last))
			}
			if !last.IsZero() && m.At.Sub(last) > nextWord*minute {
				t.Errorf("promised word by %d minutes, came after %s", nextWord, m.At.Sub(last))
			}
			last = m.At
		}
	}
	// A run that stands still is expected to end later and later: that is news.
	if n[backout.AudienceSupport] != 4 || n[backout.AudienceOnCall] == 0 || n[backout.AudienceOnCall] > 4 {
		t.Errorf("in 45 minutes %v: want 4 updates for support, and at most so many for on-call", n)
	}
}

func TestTell_flappingIsNoNews(t *testing.T) {
	tw := newTown(t, true, nil)
	id := tw.detectJourney()
	tw.until(id, backout.StateExecuting)
	from := len(tw.store.messages)
	for i := range 8 {
		tw.runner.run = backout.Run{State: []backout.RunState{backout.RunFrozen, backout.RunActive}[i%2], Why: fmt.Sprint("no metrics, ", i)}
		tw.step(id)
	}
	told := []string{}
	for _, m := range tw.store.messages[from:] {
		if m.Audience == backout.AudienceOnCall {
			told = append(told, m.Key)
		}
	}
	if d := cmp.Diff([]string{"frozen/1"}, told); d != "" {
		t.Errorf("eight flaps within eight minutes (-want +got):\n%s", d)
	}
}

func TestTell_whoHeardNothingHearsNoEnd(t *testing.T) {
	tw := newTown(t, true, func(p *backout.Policy) { p.Autonomy = backout.AutonomyShadow })
	tw.world.Graph.Journeys = nil
	tw.until(tw.detect(), backout.StateShadowed)
	if got := tw.heard(backout.AudienceStatusPage); len(got) > 0 {
		t.Errorf("no journey is hit, but customers heard %v", got)
	}
	if got := tw.heard(backout.AudienceOnCall); got[len(got)-1] != "shadowed/0" {
		t.Errorf("on-call heard %v, want the end last", got)
	}
}

func TestReturned_followsTheJournal(t *testing.T) {
	p := backout.Plan{Waves: []backout.Wave{{Steps: []backout.Step{{ID: "a", Component: "x:a@p/e", From: "2", To: "1"}, {ID: "b"}, {ID: "c"}, {ID: "d", Component: "x:d@p/e"},
		{ID: "e", Component: "x:e@p/e", From: "2", To: "1"}}}}}
	entry := func(k backout.EntryKind, step string, share float64, o backout.Outcome) backout.Entry {
		return backout.Entry{Kind: k, Step: step, Share: share, Outcome: o, At: noon}
	}
	moved := func(id backout.ComponentID, to backout.Version, after time.Duration) backout.Change {
		return backout.Change{Component: id, To: to, Exposure: backout.Exposure{Stages: []backout.ExposureStage{{At: noon.Add(after), Share: 1}}}}
	}
	got := returned(backout.Attempt{Plan: p, StartedAt: noon.Add(-time.Hour)}, backout.Run{Entries: []backout.Entry{
		entry(backout.EntryIntent, "a", 1, ""), entry(backout.EntryEffect, "a", .3, backout.OutcomeDone), entry(backout.EntryEffect, "a", 1, backout.OutcomeDone),
		entry(backout.EntryEffect, "b", 1, backout.OutcomeUnknown), entry(backout.EntryEffect, "c", 1, backout.OutcomeDone), entry(backout.EntryReversed, "c", 1, backout.OutcomeDone),
		entry(backout.EntrySkipped, "d", 1, backout.OutcomeDone), entry(backout.EntryEffect, "e", 1, backout.OutcomeDone),
	}}, []backout.Change{
		moved("x:e@p/e", "3", time.Minute), // since
		moved("x:a@p/e", "2", -time.Minute), moved("x:d@p/e", "", time.Minute),
	})
	want := []backout.TakenBack{{Component: "x:a@p/e", From: "2", To: "1", Share: 1}, {Component: "x:d@p/e", Share: 1}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
