package webhook

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/notify/notifytest"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// The example of the Standard Webhooks specification.
func TestSign_asTheSpecificationSays(t *testing.T) {
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	got := sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// receiver checks what the specification asks of one, then answers.
type receiver struct {
	t        *testing.T
	mu       sync.Mutex
	fault    notifytest.Fault     // guarded by mu
	received []notifytest.Receipt // guarded by mu
	last     map[string]any       // guarded by mu
}

func (r *receiver) Received() []notifytest.Receipt {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]notifytest.Receipt{}, r.received...)
}

func (r *receiver) Break(f notifytest.Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = f
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch r.fault {
	case notifytest.Away:
		w.WriteHeader(http.StatusBadGateway)
		return
	case notifytest.Refusing:
		w.WriteHeader(http.StatusUnauthorized)
		return
	case notifytest.Busy:
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		r.t.Error(err)
	}
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	id, stamp := req.Header.Get("webhook-id"), req.Header.Get("webhook-timestamp")
	unix, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || time.Since(time.Unix(unix, 0)).Abs() > time.Minute {
		r.t.Errorf("webhook-timestamp %q: expected the time of sending", stamp)
	}
	if got := req.Header.Get("webhook-signature"); got != sign(key, id, time.Unix(unix, 0), body) {
		r.t.Errorf("webhook-signature %q does not fit id, time and body", got)
	}
	var d Document
	if err := json.Unmarshal(body, &d); err != nil || d.ID != id || d.Thread != string(d.Message.Incident)+"/"+string(d.Message.Audience) {
		r.t.Errorf("document %s: %v", body, err)
	}
	r.last = nil
	_ = json.Unmarshal(body, &r.last)
	r.received = append(r.received, notifytest.Receipt{ID: id, Text: d.Message.Text})
	w.WriteHeader(http.StatusNoContent)
}

func open(t *testing.T, h http.Handler) *Webhook {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	w, err := New(Config{URL: srv.URL + "/hook", Secret: secret, Link: "https://backout.example.com/"})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWebhook_conforms(t *testing.T) {
	r := &receiver{t: t}
	notifytest.Conform(t, notifytest.Subject{Notifier: open(t, r), Receiver: r, Exact: true})
}

// The document is a contract with receivers: field names stay.
func TestWebhook_document(t *testing.T) {
	r := &receiver{t: t}
	m := notifytest.Message("INC 1/a", "recovered/1", backout.StateRecovered)
	m.Facts.TakenBack = []backout.TakenBack{{Component: "deployment:payment@p/e", Kind: "deployment", Service: "payment", From: "2", To: "1", Share: 1}}
	if err := open(t, r).Notify(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"format": 1.0, "id": m.ID(), "thread": "INC 1/a/machines", "link": "https://backout.example.com/incidents/INC%201%2Fa",
		"message": map[string]any{
			"incident": "INC 1/a", "audience": "machines", "key": "recovered/1", "at": "2026-01-02T12:00:00Z", "state": "recovered", "terminal": true, "text": "INC 1/a is recovered",
			"facts": map[string]any{
				"environment": "production", "onset": "2026-01-02T11:59:00Z", "why": "payment fails", "services": []any{"payment"}, "digest": "ab12", "deadline": "2026-01-02T13:00:00Z",
				"taken_back": []any{map[string]any{"component": "deployment:payment@p/e", "kind": "deployment", "service": "payment", "from": "2", "to": "1", "share_ratio": 1.0}},
			},
		},
	}
	if d := cmp.Diff(want, r.last); d != "" {
		t.Errorf("document (-want +got):\n%s", d)
	}
}

func TestWebhook_followsNoRedirect(t *testing.T) {
	elsewhere := false
	mux := http.NewServeMux()
	mux.Handle("/hook", http.RedirectHandler("/elsewhere", http.StatusTemporaryRedirect))
	mux.HandleFunc("/elsewhere", func(http.ResponseWriter, *http.Request) { elsewhere = true })
	err := open(t, mux).Notify(t.Context(), notifytest.Message("i", "k", backout.StateDetected))
	if err == nil || elsewhere || !strings.Contains(err.Error(), "redirects are not followed") {
		t.Errorf("%v, went elsewhere %t", err, elsewhere)
	}
}

func TestWebhook_hidesItsAddress(t *testing.T) {
	w, err := New(Config{URL: "http://127.0.0.1:1/token-in-path", Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Notify(t.Context(), notifytest.Message("i", "k", backout.StateDetected)); err == nil || strings.Contains(err.Error(), "token-in-path") {
		t.Errorf("%v, want an error without the address's path", err)
	}
}

func TestNew_refuses(t *testing.T) {
	for want, c := range map[string]Config{"url: expected": {Secret: secret}, "secret: expected": {URL: "http://x", Secret: "whsec_short"}} {
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "short") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
