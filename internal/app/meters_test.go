package app

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app/wire"
	"github.com/backout-dev/backout/internal/store/storetest"
)

func TestMeters_tellWhatIsGoingOn(t *testing.T) {
	a := &App{started: time.Now().UTC(), store: storetest.New(t), facts: &facts{degraded: []backout.Degradation{backout.Degraded(backout.DegradedActuators, "x", time.Now(), "refused")}}}
	a.meters = newMeters(a)
	now := time.Now().UTC()
	a.vitals.begin(Config{}.bounds(), now.Add(-90*time.Second)) // tell and look are stuck
	for _, e := range []backout.Entry{
		{Kind: backout.EntryEffect, Outcome: backout.OutcomeUnknown}, {Kind: backout.EntryEffect, Outcome: backout.OutcomeDone},
		{Kind: backout.EntryGate, Verdict: backout.VerdictWorse}, {Kind: backout.EntryGate, Text: "frozen"}, {Kind: backout.EntryEnded, Text: "halted: it got worse. x"},
	} {
		a.journalled(e)
	}
	inc := backout.Incident{ID: "INC-1", Key: "p", State: backout.StateWaiting, OpenedAt: now}
	m := backout.Message{Incident: "INC-1", Audience: backout.AudienceOnCall, Key: "k", At: now, Terminal: true}
	if _, _, err := (wire.Incidents{Store: a.store, Channels: map[backout.Audience][]string{backout.AudienceOnCall: {"pager"}}}).Open(t.Context(), inc, backout.AuditEntry{At: now}, []backout.Message{m}); err != nil {
		t.Fatal(err)
	}
	if err := a.store.Failed(t.Context(), m, "pager", now, "refused"); err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	a.meters.handler().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	body := rec.Body.String()
	for _, want := range []string{
		`backout_run_alive_ratio 0`, `backout_run_ready_ratio 0`, `backout_run_loop_bound_seconds{loop="tell"} 60`, `backout_run_loop_age_seconds{loop="walk"} 90`,
		`backout_see_degraded_sources{source="actuators"} 1`, `backout_see_degraded_sources{source="loops"} 2`,
		`backout_walk_open_incidents{state="waiting"} 1`, `backout_tell_undelivered_messages{audience="on-call",channel="pager"} 1`,
		`backout_execute_effects_total{outcome="unknown"} 1`, `backout_execute_effects_total{outcome="not_done"} 0`, `backout_execute_attempts_total{result="halted"} 1`,
		`backout_verify_gates_total{verdict="worse"} 1`, `backout_verify_gates_total{verdict="inconclusive"} 0`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("misses %s", want)
		}
	}
	if problems, err := testutil.GatherAndLint(a.meters.registry); err != nil || len(problems) > 0 {
		t.Errorf("names: %v, %v", problems, err)
	}
}
