package render

import (
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

var (
	sixTo    = time.Date(2026, 11, 24, 11, 54, 0, 0, time.UTC)
	highNoon = sixTo.Add(6 * time.Minute)
	dark     = []backout.Degradation{
		backout.Degraded(backout.DegradedMetrics, "", sixTo, "connection refused"),
		backout.Degraded(backout.DegradedActuators, "flag:x@shop/production", sixTo, "timeout"),
	}
)

func TestDegraded_saysHowOldWhatItMeansAndWhatToDo(t *testing.T) {
	for _, c := range []struct {
		d    backout.Degradation
		want string
	}{
		{dark[0], "can't see now: metrics, for 6 min (since 2026-11-24 11:54:00 UTC): connection refused. This means: no trouble is found and nothing is changed until it is measured again; what runs waits at its gates. What to do: check that the metrics server answers."},
		{backout.Degraded(backout.DegradedDatabase, "", time.Time{}, "the disk is full"), "not working now: database: the disk is full. This means: nothing is decided, changed or told until it can be written. What to do: mend the database or free the disk; backout goes on by itself then."},
		{backout.Degradation{Why: "traces: refused"}, "can't see now: traces: refused"},
	} {
		if got := Degraded(c.d, highNoon); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestMessage_saysWhatIsNotSeen(t *testing.T) {
	inc := backout.Incident{ID: "INC-1", State: backout.StateDetected, Why: "shop errors", Onset: sixTo, Degraded: dark,
		Findings: []backout.Finding{{ID: backout.SeriesID{Subject: backout.Subject{Journey: "buy"}}}}}
	for a, want := range map[backout.Audience]string{
		backout.AudienceOnCall: "Degraded, so look yourself: metrics since 11:54:00 UTC, actuators flag:x@shop/production since 11:54:00 UTC; no trouble is found",
	} {
		if got := Message(a, inc, Moment{Now: highNoon}); !strings.Contains(got, want) {
			t.Errorf("%s: %s", a, got)
		}
	}
	inc.State = backout.StateAttributed
	if got := Message(backout.AudienceExecutive, inc, Moment{Now: highNoon}); !strings.Contains(got, "Since 11:54:00 UTC this is said without fresh measurements, and nothing is changed until they are back.") {
		t.Errorf("executive: %s", got)
	}
	inc.Degraded = dark[1:]
	if got := Message(backout.AudienceExecutive, inc, Moment{Now: highNoon}); !strings.Contains(got, "Part of the picture is missing") || strings.Contains(got, "actuator") {
		t.Errorf("executive: %s", got)
	}
	for _, a := range []backout.Audience{backout.AudienceStatusPage, backout.AudienceSupport} {
		if got := Message(a, inc, Moment{Now: highNoon}); got == "" || strings.Contains(got, "missing") || strings.Contains(got, "actuator") {
			t.Errorf("%s hears of our own troubles: %s", a, got)
		}
	}
	inc.State = backout.StateHalted
	if got := Message(backout.AudienceOnCall, inc, Moment{Now: highNoon}); strings.Contains(got, "Degraded") {
		t.Errorf("an end speaks of now: %s", got)
	}
}

func TestExplainAndIncident_showWhatIsNotSeen(t *testing.T) {
	f := backout.PlanFile{Plan: backout.Plan{ID: "p", MadeAt: highNoon, Action: backout.ActionNone, Summary: "No action."}, Degraded: dark}
	for name, got := range map[string]string{
		"plan":     Explain(f, Style{}),
		"no plan":  Explain(backout.PlanFile{Errored: true, Error: "no world", Plan: backout.Plan{MadeAt: highNoon}, Degraded: dark}, Style{}),
		"incident": Incident(backout.Incident{ID: "INC-1", Degraded: dark}, Style{}, highNoon),
	} {
		if flat := strings.Join(strings.Fields(got), " "); !strings.Contains(flat, "can't see now: metrics, for 6 min") {
			t.Errorf("%s:\n%s", name, got)
		}
	}
}

func TestMeasured_saysHowOld(t *testing.T) {
	if got := Measured(sixTo, highNoon); got != "measured 11:54:00 UTC, 6 min ago" {
		t.Error(got)
	}
	if got := Measured(time.Time{}, highNoon); got != "nothing measured yet" {
		t.Error(got)
	}
}
