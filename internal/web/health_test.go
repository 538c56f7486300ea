package web

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

// patient answers with a health that tests choose.
type patient struct{ h backout.Health }

func (p *patient) Health(context.Context) backout.Health { return p.h.Judge() }

func (p *patient) Diagnose(ctx context.Context) backout.Diagnosis {
	return backout.Diagnosis{Format: 1, Health: p.Health(ctx), Services: []backout.Readiness{{Service: "checkout", Opening: 3, Judged: 2}}, Unmeasured: []backout.ServiceID{"mail"}}
}

// A live page hears it when something can't be seen any more, though no incident moved.
func TestEvents_tellWhatCantBeSeen(t *testing.T) {
	p, w := &patient{}, &fakeWorld{}
	s, err := New(Config{Incidents: w, Decisions: w, World: w, Health: p, Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	versions := map[string]bool{s.versionOf(t.Context(), ""): true}
	p.h.Degraded = []backout.Degradation{backout.Degraded(backout.DegradedMetrics, "", time.Now(), "refused")}
	versions[s.versionOf(t.Context(), "")] = true
	p.h.Undelivered = []string{"INC-1 to on-call"}
	versions[s.versionOf(t.Context(), "")] = true
	p.h.Degraded[0].Why = "timeout" // the same trouble goes on
	versions[s.versionOf(t.Context(), "")] = true
	if len(versions) != 3 {
		t.Errorf("%d versions, want 3", len(versions))
	}
}

func TestHealth_probes(t *testing.T) {
	p, w := &patient{}, &fakeWorld{}
	s, err := New(Config{Incidents: w, Decisions: w, World: w, Health: p, Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	defer srv.Close()
	now := time.Unix(1e9, 0)
	turning := []backout.Loop{{Name: "walk", Last: now.Add(-time.Second), Bound: backout.Duration(time.Minute)}}
	stuck := []backout.Loop{{Name: "walk", Last: now.Add(-2 * time.Minute), Bound: backout.Duration(time.Minute)}}
	for name, c := range map[string]struct {
		h            backout.Health
		alive, ready int
		degraded     int
	}{
		"well":                 {backout.Health{At: now, Loops: turning}, 200, 200, 0},
		"a loop is stuck":      {backout.Health{At: now, Loops: stuck}, 503, 503, 1},
		"the metrics are away": {backout.Health{At: now, Loops: turning, Degraded: []backout.Degradation{backout.Degraded(backout.DegradedMetrics, "", now, "refused")}}, 200, 503, 1},
		"the database is full": {backout.Health{At: now, Loops: turning, Degraded: []backout.Degradation{backout.Degraded(backout.DegradedDatabase, "", now, "full")}}, 200, 503, 1},
		"one signal is away":   {backout.Health{At: now, Loops: turning, Degraded: []backout.Degradation{backout.Degraded(backout.DegradedMetrics, "errors", now, "refused")}}, 200, 200, 1},
	} {
		p.h = c.h
		for path, want := range map[string]int{"/healthz": c.alive, "/readyz": c.ready} {
			code, body := do(t, "GET", srv.URL+path, "", nil)
			var h backout.Health
			if err := json.Unmarshal([]byte(body), &h); err != nil || code != want || len(h.Degraded) != c.degraded || len(h.Loops) != 1 {
				t.Errorf("%s: %s: %d, want %d: %s", name, path, code, want, body)
			}
		}
	}
}

func TestDoctor_answersWhatIsSeen(t *testing.T) {
	p, w := &patient{h: backout.Health{At: time.Unix(1e9, 0), Degraded: []backout.Degradation{backout.Degraded(backout.DegradedMetrics, "errors", time.Now(), "refused")}}}, &fakeWorld{}
	s, err := New(Config{Incidents: w, Decisions: w, World: w, Health: p, Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	defer srv.Close()
	d, err := (&Client{URL: srv.URL}).Diagnose(t.Context())
	if err != nil || !d.Mend() || len(d.Health.Degraded) != 1 || len(d.Services) != 1 || d.Services[0].Name() != "checkout" || len(d.Unmeasured) != 1 {
		t.Errorf("%+v, %v", d, err)
	}
}
