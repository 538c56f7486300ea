package alertmanager_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/ingest"
	"github.com/backout-dev/backout/internal/ingest/alertmanager"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// message is what Alertmanager 0.25 sent for two alerts of a group, one of them
// over.
const message = `{"receiver":"backout","status":"firing","alerts":[
 {"status":"firing","labels":{"alertname":"HighErrors","app":"cart","region":"eu-1","severity":"page","instance":"a:1"},"annotations":{"summary":"5 % of requests\nfail"},
  "startsAt":"2026-03-04T06:00:00.5+01:00","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prometheus:9090/graph?g0.expr=x","fingerprint":"6e1a0d5b9b0d4f3c"},
 {"status":"resolved","labels":{"alertname":"Slow","journey":"buy","environment":"production"},"annotations":{},
  "startsAt":"2026-03-04T04:00:00Z","endsAt":"2026-03-04T05:07:00Z","generatorURL":"","fingerprint":"0000000000000001"}],
 "groupLabels":{"alertname":"HighErrors"},"commonLabels":{},"commonAnnotations":{},"externalURL":"http://alertmanager:9093","version":"4","groupKey":"{}:{alertname=\"HighErrors\"}","truncatedAlerts":3}`

type memory struct{ list []backout.Alert }

func (m *memory) Alert(_ context.Context, list []backout.Alert) error {
	m.list = append(m.list, list...)
	return nil
}

type reply struct {
	Accepted, Truncated int
	Message             string
	Errors              []ingest.FieldError
}

func post(t testing.TB, m *memory, labels alertmanager.Labels, body string) (int, reply) {
	t.Helper()
	door, err := ingest.NewDoor(ingest.DoorConfig{Tokens: []string{"secret"}, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	h, err := alertmanager.New(alertmanager.Config{Alerts: m, Door: door, Labels: labels})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, alertmanager.Path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer secret")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var out reply
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatalf("answer %d %q is not JSON: %v", w.Code, w.Body, err)
	}
	return w.Code, out
}

func TestServeHTTP_readsAMessage(t *testing.T) {
	m := &memory{}
	code, r := post(t, m, alertmanager.Labels{}, message)
	want := []backout.Alert{{
		Source: "alertmanager", NativeID: "6e1a0d5b9b0d4f3c", Name: "HighErrors", Subject: backout.Subject{Service: "cart", Location: "eu-1"}, Severity: "page",
		State: backout.AlertFiring, StartsAt: time.Date(2026, 3, 4, 5, 0, 0, 5e8, time.UTC), Title: "5 % of requests fail", URL: "http://prometheus:9090/graph?g0.expr=x",
		Labels: map[string]string{"alertname": "HighErrors", "app": "cart", "region": "eu-1", "severity": "page", "instance": "a:1"},
	}, {
		Source: "alertmanager", NativeID: "0000000000000001", Name: "Slow", Environment: "production", Subject: backout.Subject{Journey: "buy"},
		State: backout.AlertResolved, StartsAt: now.Add(-66*time.Minute - 7*time.Second), EndsAt: now, // its clock is a little fast
		Labels: map[string]string{"alertname": "Slow", "journey": "buy", "environment": "production"},
	}}
	if d := cmp.Diff(want, m.list); code != 202 || r.Accepted != 2 || r.Truncated != 3 || d != "" {
		t.Errorf("answer %d %+v (-want +got):\n%s", code, r, d)
	}
}

func TestServeHTTP_labelsAreConfigured(t *testing.T) {
	labels, err := alertmanager.NewLabels(map[string]string{"service": "instance", "journey": "severity"})
	if err != nil {
		t.Fatal(err)
	}
	m := &memory{}
	post(t, m, labels, message)
	if s := m.list[0].Subject; s.Service != "a:1" || s.Journey != "page" || s.Location != "eu-1" {
		t.Errorf("subject %+v", s)
	}
	if _, err := alertmanager.NewLabels(map[string]string{"colour": "x"}); backout.CodeOf(err) != backout.CodeInvalid {
		t.Errorf("an unknown part: %v, want invalid", err)
	}
}

func TestServeHTTP_mistakes(t *testing.T) {
	for name, c := range map[string]struct {
		old, new string
		code     int
		accepted int
		fields   []string
	}{
		"one of two is wrong":  {`"startsAt":"2026-03-04T06:00:00.5+01:00"`, `"startsAt":"2026-03-04T09:00:00Z"`, 202, 1, []string{"alerts[0].startsAt"}},
		"several in one":       {`"status":"firing","labels":{"alertname":"HighErrors",`, `"status":"pending","labels":{`, 202, 1, []string{"alerts[0].labels.alertname", "alerts[0].status"}},
		"no fingerprint":       {`"fingerprint":"0000000000000001"`, `"fingerprint":""`, 202, 1, []string{"alerts[1].fingerprint"}},
		"another version":      {`"version":"4"`, `"version":"5"`, 400, 0, []string{"version"}},
		"an object for a list": {`"alerts":[`, `"alerts":{},"others":[`, 400, 0, []string{""}},
		"no alerts":            {`"alerts":[`, `"alerts":[],"others":[`, 400, 0, []string{"alerts"}},
		"a time of no form":    {`2026-03-04T04:00:00Z`, `noon`, 400, 0, []string{""}},
	} {
		m := &memory{}
		code, r := post(t, m, alertmanager.Labels{}, strings.Replace(message, c.old, c.new, 1))
		got := []string{}
		for _, e := range r.Errors {
			got = append(got, e.Field)
		}
		slices.Sort(got)
		if d := cmp.Diff(c.fields, got); code != c.code || len(m.list) != c.accepted || d != "" {
			t.Errorf("%s: answer %d %+v with %d taken (-want +got):\n%s", name, code, r, len(m.list), d)
		}
	}
	if code, r := post(t, &memory{}, alertmanager.Labels{}, `{"version":"4","alerts":[`+strings.Repeat(`{},`, ingest.MaxAlerts)+`{}]}`); code != 400 || len(r.Errors) != 1 {
		t.Errorf("too many: answer %d %+v", code, r)
	}
}

// FuzzServeHTTP: whatever arrives is answered, and what is taken is right and folds.
func FuzzServeHTTP(f *testing.F) {
	f.Add(message)
	f.Add(`{"version":"4","alerts":[{"status":"resolved","labels":null,"startsAt":"0001-01-01T00:00:00Z","endsAt":"9999-12-31T23:59:59Z"}]}`)
	f.Add(`{"version":"4","alerts":[null]}`)
	f.Fuzz(func(t *testing.T, body string) {
		m := &memory{}
		code, _ := post(t, m, alertmanager.Labels{}, body)
		if code >= 500 || code == 202 && len(m.list) == 0 || code != 202 && len(m.list) > 0 {
			t.Fatalf("answer %d with %d alerts", code, len(m.list))
		}
		for _, a := range backout.FoldAlerts(m.list) {
			if wrong := ingest.CheckAlert(a, now); len(wrong) > 0 || a.Labels == nil {
				t.Errorf("took %+v: %v", a, wrong)
			}
		}
	})
}
