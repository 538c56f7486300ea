package heartbeat

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

func TestBeat_saysHowItIs(t *testing.T) {
	var method, body string
	status := http.StatusOK
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		method, body = r.Method, string(b)
		w.Header().Set("Date", "Tue, 24 Nov 2026 12:00:00 GMT")
		w.WriteHeader(status)
	}))
	defer srv.Close()
	b, err := New(Config{URL: srv.URL + "/secret"})
	if err != nil {
		t.Fatal(err)
	}
	well := backout.Health{Format: 1, Alive: true, Ready: true}
	said, err := b.Beat(t.Context(), well, time.Minute)
	var d Document
	if jerr := json.Unmarshal([]byte(body), &d); err != nil || jerr != nil || method != "POST" || d.Status != "ok" || d.Every.Std() != time.Minute || !d.Health.Ready {
		t.Errorf("%s %s: %v, %v", method, body, err, jerr)
	}
	if !said.Equal(time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)) {
		t.Errorf("the receiver's clock: %s", said)
	}
	well.Undelivered = []string{"INC-1 to on-call"}
	if _, err := b.Beat(t.Context(), well, time.Minute); err != nil || !strings.Contains(body, `"status":"degraded"`) || !strings.Contains(body, "INC-1 to on-call") {
		t.Errorf("degraded: %s, %v", body, err)
	}
	status = http.StatusNotFound
	if _, err := b.Beat(t.Context(), well, time.Minute); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("nobody there: %v", err)
	}
	srv.Close()
	if _, err := b.Beat(t.Context(), well, time.Minute); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("away: %v: want an error that does not show the address", err)
	}
}

func TestBeat_get(t *testing.T) {
	got := ""
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = r.Method + string(b)
	}))
	defer srv.Close()
	b, err := New(Config{URL: srv.URL, Method: "GET"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Beat(t.Context(), backout.Health{}, time.Minute); err != nil || got != "GET" {
		t.Errorf("%q, %v", got, err)
	}
	for name, c := range map[string]Config{"no address": {}, "another method": {URL: srv.URL, Method: "PUT"}} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: expected an error", name)
		}
	}
}
