package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/ingest"
	"github.com/backout-dev/backout/internal/ingest/webhook"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

const good = `{"source":"ci","native_id":"build-7","at":"2026-03-04T05:00:00Z","component":"deployment:cart@production/eu-1","to":"2.0"}`

// memory is a recorder that keeps observations once.
type memory struct {
	mu   sync.Mutex
	list []backout.Observation
	seen map[string]bool
	err  error
	wait bool
}

func (m *memory) Record(ctx context.Context, list []backout.Observation) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.wait {
		<-ctx.Done()
		return ctx.Err()
	}
	if m.err != nil {
		return m.err
	}
	if m.seen == nil {
		m.seen = map[string]bool{}
	}
	for _, o := range list {
		if id := o.Source + " " + o.NativeID; !m.seen[id] {
			m.seen[id] = true
			m.list = append(m.list, o)
		}
	}
	return nil
}

var _ ingest.Recorder = (*memory)(nil)

func serve(t *testing.T, m *memory) string {
	t.Helper()
	door, err := ingest.NewDoor(ingest.DoorConfig{Tokens: []string{"old", "new"}, MaxBody: 10_000, Timeout: 300 * time.Millisecond, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	h, err := webhook.New(webhook.Config{Recorder: m, Door: door})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(webhook.Path, h)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL + webhook.Path
}

type reply struct {
	Accepted, Clamped, Problems int
	Code, Message               string
	Errors                      []ingest.FieldError
}

func post(t *testing.T, url, token, media, body string) (int, reply) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", media)
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var r reply
	if err := json.NewDecoder(resp.Body).Decode(&r); err != nil {
		t.Fatalf("answer %d is not JSON: %v", resp.StatusCode, err)
	}
	return resp.StatusCode, r
}

func TestServeHTTP_answers(t *testing.T) {
	wrong := strings.Replace(good, "2.0", "", 1)
	for name, c := range map[string]struct {
		token, media, body string
		status             int
		accepted, clamped  int
		field, says        string
	}{
		"one":             {"Bearer new", "application/json", good, 202, 1, 0, "", ""},
		"many":            {"bearer old", "application/json; charset=utf-8", "[" + good + "," + strings.Replace(good, "05:00:00", "05:08:00", 1) + "]", 202, 2, 1, "", ""},
		"a mistake":       {"Bearer new", "application/json", "[" + good + "," + wrong + "]", 400, 0, 0, "[1].to", "nothing was recorded"},
		"not JSON":        {"Bearer new", "application/json", "to: 2.0", 400, 0, 0, "", "has mistakes"},
		"no token":        {"", "application/json", good, 401, 0, 0, "", "Authorization: Bearer"},
		"another token":   {"Bearer newer", "application/json", good, 401, 0, 0, "", "Authorization: Bearer"},
		"another scheme":  {"Basic new", "application/json", good, 401, 0, 0, "", "Authorization: Bearer"},
		"empty token":     {"Bearer ", "application/json", good, 401, 0, 0, "", "Authorization: Bearer"},
		"another format":  {"Bearer new", "text/plain", good, 415, 0, 0, "", "application/json"},
		"too large":       {"Bearer new", "application/json", "[" + strings.Repeat(good+",", 100) + good + "]", 413, 0, 0, "", "in parts"},
		"large, no token": {"", "application/json", strings.Repeat(" ", 20_000), 401, 0, 0, "", "Authorization: Bearer"},
	} {
		t.Run(name, func(t *testing.T) {
			m := &memory{}
			status, r := post(t, serve(t, m), c.token, c.media, c.body)
			if status != c.status || r.Accepted != c.accepted || r.Clamped != c.clamped || !strings.Contains(r.Message, c.says) {
				t.Errorf("answer %d %+v, want %d with %d accepted, %d clamped and %q", status, r, c.status, c.accepted, c.clamped, c.says)
			}
			if c.field != "" && (len(r.Errors) != 1 || r.Errors[0].Field != c.field) {
				t.Errorf("errors %v, want one of %s", r.Errors, c.field)
			}
			if (status == 202) != (len(m.list) > 0) {
				t.Errorf("answer %d, but %d observations were recorded", status, len(m.list))
			}
		})
	}
}

func TestServeHTTP_twiceIsOnce(t *testing.T) {
	m := &memory{}
	url := serve(t, m)
	for range 2 {
		if status, _ := post(t, url, "Bearer new", "application/json", good); status != 202 {
			t.Errorf("answer %d, want 202", status)
		}
	}
	if len(m.list) != 1 {
		t.Errorf("%d observations recorded, want 1", len(m.list))
	}
}

func TestServeHTTP_recorderFails(t *testing.T) {
	for name, c := range map[string]struct {
		m      *memory
		status int
	}{
		"away":    {&memory{err: &backout.Error{Code: backout.CodeUnavailable, Message: "secret place"}}, 503},
		"hangs":   {&memory{wait: true}, 503},
		"refuses": {&memory{err: &backout.Error{Code: backout.CodeInvalid, Message: "no such environment"}}, 400},
		"broken":  {&memory{err: errors.New("secret place")}, 500},
	} {
		t.Run(name, func(t *testing.T) {
			status, r := post(t, serve(t, c.m), "Bearer new", "application/json", good)
			if status != c.status || strings.Contains(r.Message, "secret") {
				t.Errorf("answer %d %+v, want %d and nothing of our inside", status, r, c.status)
			}
		})
	}
}

func TestServeHTTP_slowSenderLosesItsSlot(t *testing.T) {
	begin := time.Now()
	body, stop := io.Pipe()
	defer func() { _ = stop.Close() }()
	go func() { _, _ = stop.Write([]byte(good[:20])) }()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, serve(t, &memory{}), body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer new")
	resp, err := http.DefaultClient.Do(req)
	if err == nil {
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("answer %s, want 400", resp.Status)
		}
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("a sender that dawdles held its slot for %s, want 300ms", took)
	}
}

// The time for reading must not run on while the report is being recorded.
func TestServeHTTP_slowSenderHasTheWholeTimeForRecording(t *testing.T) {
	body, sender := io.Pipe()
	go func() {
		_, _ = sender.Write([]byte(good[:20]))
		time.AfterFunc(150*time.Millisecond, func() {
			_, _ = sender.Write([]byte(good[20:]))
			_ = sender.Close()
		})
	}()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, serve(t, &memory{wait: true}), body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer new")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("answer %s, want 503 when recording took too long", resp.Status)
	}
}

func TestServeHTTP_answersAreBounded(t *testing.T) {
	status, r := post(t, serve(t, &memory{}), "Bearer new", "application/json", "["+strings.Repeat("{},", 900)+"{}]")
	if status != 400 || r.Problems != 901*5 || len(r.Errors) != 100 {
		t.Errorf("answer %d with %d of %d problems, want 100 of 4505", status, len(r.Errors), r.Problems)
	}
}

func TestServeHTTP_otherMethods(t *testing.T) {
	resp, err := http.Get(serve(t, &memory{}))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "POST" {
		t.Errorf("GET: %s, Allow %q", resp.Status, resp.Header.Get("Allow"))
	}
}

func TestNew_refusesMissingParts(t *testing.T) {
	if _, err := webhook.New(webhook.Config{Recorder: &memory{}}); backout.CodeOf(err) != backout.CodeInvalid {
		t.Errorf("no door: %v, want invalid", err)
	}
}
