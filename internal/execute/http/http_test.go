package http_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/execute/executetest"
	"github.com/backout-dev/backout/internal/execute/http"
)

// deployer is a server such as many have: it says what is live, and brings it to
// another version when the picture is fresh.
type deployer struct {
	mu       sync.Mutex
	version  string
	writes   int
	keys     map[string]bool
	fault    executetest.Fault
	status   int // answers this once instead, when not 0
	requests []*nethttp.Request
	bodies   []string
}

func (d *deployer) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	raw, _ := io.ReadAll(r.Body)
	d.mu.Lock()
	defer d.mu.Unlock()
	tag := strconv.Quote(strconv.Itoa(d.writes))
	if r.Method == nethttp.MethodGet {
		w.Header().Set("ETag", tag)
		_ = json.NewEncoder(w).Encode(map[string]any{"image": map[string]any{"tag": d.version}, "ready": 3, "want": 3, "tags": []string{"2.3", "2.4"}})
		return
	}
	d.requests, d.bodies = append(d.requests, r), append(d.bodies, string(raw))
	fault := d.fault
	d.fault = ""
	switch {
	case d.status != 0:
		w.WriteHeader(d.status)
		_, _ = fmt.Fprint(w, `{"message": "because"}`)
		d.status = 0
		return
	case fault == executetest.FaultLies:
		return
	case fault == executetest.FaultHangs:
		d.mu.Unlock()
		<-r.Context().Done()
		d.mu.Lock()
		return
	case d.keys[r.Header.Get("Idempotency-Key")]:
		return
	case r.Header.Get("If-Match") != "" && r.Header.Get("If-Match") != tag:
		w.WriteHeader(nethttp.StatusPreconditionFailed)
		return
	}
	var move struct {
		Version string `json:"version"`
	}
	if json.Unmarshal(raw, &move) != nil || move.Version == "" {
		w.WriteHeader(nethttp.StatusBadRequest)
		return
	}
	d.version, d.writes, d.keys[r.Header.Get("Idempotency-Key")] = move.Version, d.writes+1, true
	if fault == executetest.FaultErrs {
		w.WriteHeader(nethttp.StatusInternalServerError)
	}
}

func (d *deployer) locked(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

func (d *deployer) count() (n int) {
	d.locked(func() { n = len(d.requests) })
	return n
}

func (d *deployer) last() (*nethttp.Request, string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.requests[len(d.requests)-1], d.bodies[len(d.bodies)-1]
}

func serve(t *testing.T) (*deployer, *httptest.Server) {
	d := &deployer{version: "2.4", keys: map[string]bool{}}
	srv := httptest.NewServer(d)
	t.Cleanup(srv.Close)
	return d, srv
}

func moving(url string) http.Config {
	return http.Config{
		URL: backout.Template(url) + "/services/{service}/release", Headers: map[string]backout.Template{"If-Match": "{ifVersion}"},
		Body: map[string]any{"version": "{to}", "percent": "{percent}", "why": []any{"attempt {attempt}", true}}, Timeout: 5 * time.Second,
	}
}

var reading = http.Reading{Version: "body.image.tag", Healthy: "body.ready == body.want", Versions: "body.tags"}

func actuator(t *testing.T, url string) *execute.Declared {
	t.Helper()
	m, err := http.NewMover(moving(url), http.Answers{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := http.NewProber(http.Config{URL: backout.Template(url) + "/services/{service}"}, reading)
	if err != nil {
		t.Fatal(err)
	}
	return &execute.Declared{Mover: m, Prober: p, Stated: execute.Stated{Loss: backout.LossNone, CompareAndSwap: true}}
}

var payment = backout.Component{ID: backout.NewComponentID(backout.KindDeployment, "payment", "production", "eu"), Kind: backout.KindDeployment, Name: "payment", Service: "payment", Environment: "production", Location: "eu"}

func effect() backout.Effect {
	return backout.Effect{Key: "INC-1/1/payment/0", Attempt: "INC-1/1", Component: payment, From: "2.4", To: "2.3", Share: 0.25}
}

func TestConform(t *testing.T) {
	d, srv := serve(t)
	executetest.Conform(t, executetest.Subject{
		Actuator: actuator(t, srv.URL), Component: payment, From: "2.4", To: "2.3",
		Stack:   []backout.Change{{Component: payment.ID, From: "2.3", To: "2.4"}},
		Disturb: func(*testing.T) { d.locked(func() { d.writes++ }) },
		Arrange: func(_ *testing.T, f executetest.Fault) { d.locked(func() { d.fault = f }) },
		Moves:   func() (n int) { d.locked(func() { n = len(d.keys) }); return n },
		Reopen:  func(t *testing.T) execute.Actuator { return actuator(t, srv.URL) },
	})
}

func TestDo_writesEachValueForItsPlace(t *testing.T) {
	d, srv := serve(t)
	c := moving(srv.URL)
	c.URL += "?to={to}&who={name}"
	c.Secrets = map[string]func() (string, error){"Authorization": func() (string, error) { return "Bearer s3cret", nil }}
	m, err := http.NewMover(c, http.Answers{})
	if err != nil {
		t.Fatal(err)
	}
	e := effect()
	e.Component.Service, e.To = "pay/../ment?x=1#y", `2.3", "admin": "yes`
	e.Component.Name = "a&b=c d"
	if out, err := m.Do(t.Context(), e); out != backout.OutcomeDone {
		t.Fatalf("%s, %v", out, err)
	}
	r, body := d.last()
	if got, want := r.URL.EscapedPath(), "/services/pay%2F..%2Fment%3Fx%3D1%23y/release"; got != want {
		t.Errorf("path %s, want %s", got, want)
	}
	if q := r.URL.Query(); q.Get("to") != string(e.To) || q.Get("who") != e.Component.Name || len(q) != 2 {
		t.Errorf("query %v", q)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if diff := cmp.Diff(map[string]any{"version": string(e.To), "percent": 25.0, "why": []any{"attempt INC-1/1", true}}, got); diff != "" {
		t.Error(diff)
	}
	if r.Header.Get("Idempotency-Key") != e.Key || r.Header.Get("Authorization") != "Bearer s3cret" || r.Header.Values("If-Match") != nil {
		t.Errorf("headers %v", r.Header)
	}
	for name, bad := range map[string]func(*backout.Effect){
		"line break in a header": func(e *backout.Effect) { e.IfVersion = "1\r\nX-Admin: yes" },
		"step up in the path":    func(e *backout.Effect) { e.Component.Service = ".." },
	} {
		e := effect()
		bad(&e)
		before := d.count()
		if out, err := m.Do(t.Context(), e); out != backout.OutcomeNotDone || backout.CodeOf(err) != backout.CodeInvalid || d.count() != before {
			t.Errorf("%s: %s, %v", name, out, err)
		}
	}
}

func TestDo_whatAnAnswerMeans(t *testing.T) {
	d, srv := serve(t)
	m, err := http.NewMover(moving(srv.URL), http.Answers{Done: []int{303}, NotDone: []int{503}, Conflict: []int{423}})
	if err != nil {
		t.Fatal(err)
	}
	for status, want := range map[int]struct {
		outcome backout.Outcome
		code    backout.Code
	}{
		200: {backout.OutcomeDone, ""}, 201: {backout.OutcomeDone, ""}, 204: {backout.OutcomeDone, ""}, 202: {backout.OutcomeUnknown, backout.CodeInternal},
		302: {backout.OutcomeUnknown, backout.CodeUnavailable}, 303: {backout.OutcomeDone, ""},
		400: {backout.OutcomeNotDone, backout.CodeInvalid}, 401: {backout.OutcomeNotDone, backout.CodeForbidden}, 404: {backout.OutcomeNotDone, backout.CodeNotFound},
		408: {backout.OutcomeUnknown, backout.CodeUnavailable}, 409: {backout.OutcomeUnknown, backout.CodeUnavailable}, 412: {backout.OutcomeNotDone, backout.CodeConflict},
		422: {backout.OutcomeNotDone, backout.CodeInvalid}, 423: {backout.OutcomeNotDone, backout.CodeConflict}, 425: {backout.OutcomeUnknown, backout.CodeUnavailable},
		429: {backout.OutcomeUnknown, backout.CodeUnavailable}, 500: {backout.OutcomeUnknown, backout.CodeUnavailable}, 503: {backout.OutcomeNotDone, backout.CodeInvalid}, 504: {backout.OutcomeUnknown, backout.CodeUnavailable},
	} {
		d.locked(func() { d.status = status })
		out, err := m.Do(t.Context(), effect())
		if out != want.outcome || backout.CodeOf(err) != want.code {
			t.Errorf("%d: %s, %v; want %s with code %q", status, out, err, want.outcome, want.code)
		}
		if status >= 400 && !strings.Contains(err.Error(), "because") {
			t.Errorf("%d: %v does not say what the server said", status, err)
		}
	}
	srv.Close()
	if out, err := m.Do(t.Context(), effect()); out != backout.OutcomeNotDone || backout.CodeOf(err) != backout.CodeUnavailable {
		t.Errorf("nobody listens: %s, %v; want not done, since nothing was sent", out, err)
	}
}

// A redirect may only lead to where the request was meant to go.
func TestDo_redirects(t *testing.T) {
	d, elsewhere := serve(t)
	var to string
	here := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path == "/there" {
			d.ServeHTTP(w, r)
			return
		}
		nethttp.Redirect(w, r, to, nethttp.StatusTemporaryRedirect)
	}))
	defer here.Close()
	c := moving(here.URL)
	c.Secrets = map[string]func() (string, error){"X-Key": func() (string, error) { return "s3cret", nil }}
	m, err := http.NewMover(c, http.Answers{})
	if err != nil {
		t.Fatal(err)
	}
	to = elsewhere.URL + "/there"
	if out, err := m.Do(t.Context(), effect()); out != backout.OutcomeUnknown || !strings.Contains(fmt.Sprint(err), "only redirects on the same host") || d.count() != 0 {
		t.Errorf("to another host: %s, %v; it got %d requests", out, err, d.count())
	}
	to = "/there"
	if out, err := m.Do(t.Context(), effect()); out != backout.OutcomeDone || d.count() != 1 {
		t.Errorf("on the same host: %s, %v; it got %d requests", out, err, d.count())
	}
}

// An answer that is lost must not make the client send the effect once more by
// itself, which Go's does on a connection used before.
func TestDo_sendsOnce(t *testing.T) {
	var sent atomic.Int32
	srv := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if sent.Add(1) > 1 {
			c, _, err := w.(nethttp.Hijacker).Hijack()
			if err == nil {
				_ = c.Close()
			}
		}
	}))
	defer srv.Close()
	m, err := http.NewMover(moving(srv.URL), http.Answers{})
	if err != nil {
		t.Fatal(err)
	}
	first, _ := m.Do(t.Context(), effect())
	second, err := m.Do(t.Context(), effect())
	if first != backout.OutcomeDone || second != backout.OutcomeUnknown || sent.Load() != 2 {
		t.Errorf("%s, then %s (%v) with %d requests; want done, unknown, 2", first, second, err, sent.Load())
	}
}

func TestDo_acceptedIsWaitedFor(t *testing.T) {
	d, srv := serve(t)
	a := actuator(t, srv.URL)
	a.Within, a.Tick = 10*time.Second, 5*time.Millisecond
	d.locked(func() { d.status = nethttp.StatusAccepted })
	time.AfterFunc(60*time.Millisecond, func() { d.locked(func() { d.version = "2.3" }) })
	e := effect()
	e.Share = 1
	if out, err := a.Do(t.Context(), e); out != backout.OutcomeDone || err != nil {
		t.Errorf("accepted and done a moment later: %s, %v", out, err)
	}
	d.locked(func() { d.status, d.version = nethttp.StatusAccepted, "2.4" })
	a.Within = 50 * time.Millisecond
	if out, err := a.Do(t.Context(), e); out != backout.OutcomeUnknown || !errors.Is(err, execute.ErrAccepted) {
		t.Errorf("accepted and never done: %s, %v", out, err)
	}
}

func TestLook_refusesWhatCantBe(t *testing.T) {
	for name, answer := range map[string]string{
		"no JSON field": `{}`, "not text": `{"image": {"tag": 7}, "ready": 1, "want": 1, "tags": []}`, "no version": `{"image": {"tag": ""}, "ready": 1, "want": 1, "tags": []}`,
		"too long": `{"image": "` + strings.Repeat("x", 1<<20) + `"}`, "healthy": `{"image": {"tag": "1"}, "tags": []}`,
	} {
		srv := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) { _, _ = io.WriteString(w, answer) }))
		p, err := http.NewProber(http.Config{URL: backout.Template(srv.URL)}, reading)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := p.Look(t.Context(), payment); backout.CodeOf(err) != backout.CodeUnavailable || strings.Contains(err.Error(), "longer than") != (name == "too long") {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
		srv.Close()
	}
	for name, r := range map[string]http.Reading{"syntax": {Version: "body."}, "variable": {Version: "answer.x"}, "both": {Version: "body.x", Shares: "body.y"}, "healthy alone": {Healthy: "true"}} {
		if _, err := http.NewProber(http.Config{URL: "http://x/"}, r); backout.CodeOf(err) != backout.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLook_shares(t *testing.T) {
	srv := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path == "/document" {
			_, _ = io.WriteString(w, `{"shares_ratio": {"2.3": 0.25, "2.4": 0.75}, "healthy": false, "resource_version": "7"}`)
			return
		}
		_, _ = io.WriteString(w, `{"canary": {"v": "2.3", "weight": 25}, "stable": "2.4"}`)
	}))
	defer srv.Close()
	want := map[backout.Version]float64{"2.3": 0.25, "2.4": 0.75}
	byCEL, err := http.NewProber(http.Config{URL: backout.Template(srv.URL)}, http.Reading{Shares: "{body.canary.v: body.canary.weight / 100.0, body.stable: 1.0 - body.canary.weight / 100.0}"})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := byCEL.Look(t.Context(), payment); err != nil || !cmp.Equal(s.Live.Shares, want) || !s.Live.Healthy {
		t.Errorf("by expressions: %+v, %v", s.Live, err)
	}
	asDocument, err := http.NewProber(http.Config{URL: backout.Template(srv.URL) + "/document"}, http.Reading{})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := asDocument.Look(t.Context(), payment); err != nil || !cmp.Equal(s.Live.Shares, want) || s.Live.Healthy || s.Version != "7" {
		t.Errorf("as our document: %+v, %v", s, err)
	}
}

func TestTLS_andWhomToTrust(t *testing.T) {
	d := &deployer{version: "2.4", keys: map[string]bool{}}
	srv := httptest.NewUnstartedServer(d)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshake that must fail
	srv.StartTLS()
	defer srv.Close()
	m, err := http.NewMover(moving(srv.URL), http.Answers{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if out, _ := m.Do(ctx, effect()); out != backout.OutcomeNotDone || d.count() != 0 {
		t.Errorf("a server that nobody vouches for: %s", out)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	c := moving(srv.URL)
	c.TLS.CA = ca
	if m, err = http.NewMover(c, http.Answers{}); err != nil {
		t.Fatal(err)
	}
	if out, err := m.Do(ctx, effect()); out != backout.OutcomeDone {
		t.Errorf("%s, %v", out, err)
	}
	for _, bad := range []backout.Template{"", "ftp://x/", "https://{service}/", "https://u:p@x/", "https://x{to}.example/"} {
		if _, err := http.NewMover(http.Config{URL: bad}, http.Answers{}); backout.CodeOf(err) != backout.CodeInvalid {
			t.Errorf("url %q: %v", bad, err)
		}
	}
}
