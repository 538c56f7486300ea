package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

// A probe's answer for each way of being unwell.
func TestHealth_forProbes(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	loop := func(age time.Duration) []backout.Loop {
		return []backout.Loop{{Name: "walk", Last: now.Add(-age), Bound: backout.Duration(time.Minute)}}
	}
	for name, c := range map[string]struct {
		h     backout.Health
		args  []string
		code  int
		words string
	}{
		"alive":            {backout.Health{At: now, Loops: loop(time.Second)}, nil, 0, "alive"},
		"ready":            {backout.Health{At: now, Loops: loop(time.Second)}, []string{"--ready"}, 0, "ready"},
		"stuck":            {backout.Health{At: now, Loops: loop(time.Hour)}, nil, 1, "not alive"},
		"stuck, not ready": {backout.Health{At: now, Loops: loop(time.Hour)}, []string{"--ready"}, 1, "not ready"},
		"blind but alive":  {blind(now, loop(time.Second)), nil, 0, "alive"},
		"blind, not ready": {blind(now, loop(time.Second)), []string{"--ready"}, 1, "not ready"},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			h := c.h.Judge()
			if !h.Alive {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			_ = json.NewEncoder(w).Encode(h)
		}))
		code, out, errs := run(append([]string{"health", "--server", srv.URL}, c.args...)...)
		srv.Close()
		if code != c.code || !strings.Contains(out+errs, c.words) {
			t.Errorf("%s: %d %q %q, want %d and %q", name, code, out, errs, c.code, c.words)
		}
	}
	if code, _, errs := run("health", "--server", "http://127.0.0.1:1"); code != 1 || !strings.Contains(errs, "no answer from http://127.0.0.1:1") {
		t.Errorf("nobody there: %d %q", code, errs)
	}
}

func blind(now time.Time, loops []backout.Loop) backout.Health {
	return backout.Health{At: now, Loops: loops, Degraded: []backout.Degradation{backout.Degraded(backout.DegradedDatabase, "", now, "the disk is full")}}
}
