package notify_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backout-dev/backout/internal/notify"
	"github.com/backout-dev/backout/internal/notify/webhook"
	"github.com/backout-dev/backout/internal/store"
	"github.com/backout-dev/backout/internal/store/storetest"
)

const key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// listener is a real receiver of webhooks that behaves as told.
type listener struct {
	mu    sync.Mutex
	does  func(w http.ResponseWriter) // guarded by mu; nil = acknowledges
	calls []string                    // guarded by mu: ids of what arrived, acknowledged or not
	texts []string                    // guarded by mu: what it acknowledged
}

func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	var d webhook.Document
	_ = json.Unmarshal(b, &d)
	l.mu.Lock()
	l.calls = append(l.calls, r.Header.Get("webhook-id"))
	does := l.does
	if does == nil {
		l.texts = append(l.texts, d.Message.Text)
	}
	l.mu.Unlock()
	if does != nil {
		does(w)
	}
}

func (l *listener) set(does func(http.ResponseWriter)) { l.mu.Lock(); l.does = does; l.mu.Unlock() }
func (l *listener) counts() (calls, acknowledged int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.calls), len(l.texts)
}

func deliveries(t *testing.T, s *store.Store) []store.Delivery {
	t.Helper()
	all, err := s.Deliveries(t.Context(), "i")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func hook(t *testing.T, url string) notify.Notifier {
	t.Helper()
	h, err := webhook.New(webhook.Config{URL: url, Secret: key})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// The first channel is broken in every way that a receiver can be; the end of the
// incident gets out by the second one, within a minute and a try.
func TestSecond_getsTheEndOut(t *testing.T) {
	status := func(code int, header ...string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
		}
	}
	hangup := func(w http.ResponseWriter) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = c.Close()
		}
	}
	for name, c := range map[string]struct {
		does   func(http.ResponseWriter)
		within time.Duration // until the second channel has it
		least  int           // calls of the first one
	}{
		"answers 500":                        {status(500), time.Minute, 4},
		"asks to wait an hour":               {status(429, "Retry-After", "3600"), time.Second, 1},
		"asks to wait three seconds":         {status(429, "Retry-After", "3"), time.Minute, 4},
		"is gone":                            {status(404), time.Second, 1},
		"redirects":                          {status(302, "Location", "https://elsewhere.example"), time.Second, 1},
		"takes the message and hangs up":     {hangup, time.Minute, 4},
		"has a certificate of somebody else": {nil, time.Minute, 0},
		"is down":                            {nil, time.Minute, 0},
	} {
		t.Run(name, func(t *testing.T) {
			first, second := &listener{}, &listener{}
			first.set(c.does)
			a, b := httptest.NewServer(first), httptest.NewServer(second)
			defer a.Close()
			defer b.Close()
			url := a.URL
			switch name {
			case "is down":
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				url = "http://" + l.Addr().String()
				_ = l.Close()
			case "has a certificate of somebody else":
				tls := httptest.NewTLSServer(first)
				defer tls.Close()
				url = tls.URL
			}
			s, start := storetest.New(t), time.Now().UTC()
			o := outbox(t, s, notify.Channel{Name: "pager", Notifier: hook(t, url), Fallback: "chat"}, notify.Channel{Name: "chat", Notifier: hook(t, b.URL)})
			post(t, s, start, []string{"pager"}, message("begin", start, false), message("end", start, true))
			took := time.Duration(-1)
			for now := start; now.Sub(start) < 3*time.Minute && took < 0; now = now.Add(500 * time.Millisecond) {
				if err := o.Drain(t.Context(), now); err != nil {
					t.Fatal(err)
				}
				if _, n := second.counts(); n > 0 {
					took = now.Sub(start)
				}
			}
			if took < 0 || took > c.within {
				t.Errorf("the second channel heard after %s, want within %s", took, c.within)
			}
			if n, _ := first.counts(); n < c.least {
				t.Errorf("the first channel was tried %d times, want at least %d", n, c.least)
			}
			if second.texts[0] != "end" || len(second.texts) != 1 {
				t.Errorf("the second channel heard %q, want the end alone", second.texts)
			}
			for _, d := range deliveries(t, s) {
				if d.Message.Terminal && (d.Sent.IsZero() || !strings.HasPrefix(d.Failure, "delivered by chat, since pager: ")) {
					t.Errorf("the end: sent %s, %q: want it noted how it got out", d.Sent, d.Failure)
				}
			}
		})
	}
}

// A receiver that answers too slowly has not acknowledged; an end that is older than a
// minute by then goes to the second channel at the first failure.
func TestSecond_tooSlow(t *testing.T) {
	if testing.Short() {
		t.Skip("waits ten seconds for a slow receiver")
	}
	first, second := &listener{}, &listener{}
	done := make(chan struct{})
	first.set(func(http.ResponseWriter) { <-done })
	a, b := httptest.NewServer(first), httptest.NewServer(second)
	defer b.Close()
	defer a.Close()
	defer close(done)
	s, start := storetest.New(t), time.Now().UTC()
	o := outbox(t, s, notify.Channel{Name: "pager", Notifier: hook(t, a.URL), Fallback: "chat"}, notify.Channel{Name: "chat", Notifier: hook(t, b.URL)})
	post(t, s, start, []string{"pager"}, message("end", start, true))
	began := time.Now()
	if err := o.Drain(t.Context(), start.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, n := second.counts(); n != 1 || time.Since(began) > 15*time.Second {
		t.Errorf("the second channel heard %d ends after %s", n, time.Since(began))
	}
}

// Both channels are away: the end is shown as undelivered for as long, is tried on
// both, and gets out once one is back, however late.
func TestSecond_bothAway(t *testing.T) {
	first, second := &listener{}, &listener{}
	down := func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) }
	first.set(down)
	second.set(down)
	a, b := httptest.NewServer(first), httptest.NewServer(second)
	defer a.Close()
	defer b.Close()
	s, start := storetest.New(t), time.Now().UTC()
	o := outbox(t, s, notify.Channel{Name: "pager", Notifier: hook(t, a.URL), Fallback: "chat"}, notify.Channel{Name: "chat", Notifier: hook(t, b.URL)})
	post(t, s, start, []string{"pager"}, message("end", start, true))
	now := start
	for ; now.Sub(start) < 26*time.Hour; now = now.Add(time.Minute) {
		if err := o.Drain(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		all, err := s.Undelivered(t.Context(), now.Add(-24*time.Hour), 10)
		if err != nil || len(all) != 1 || !strings.Contains(all[0].Failure, "502") {
			t.Fatalf("after %s undelivered %+v, %v", now.Sub(start), all, err)
		}
	}
	if n, _ := second.counts(); n < 100 {
		t.Errorf("the second channel was tried %d times in a day", n)
	}
	second.set(nil)
	if err := o.Drain(t.Context(), now.Add(5*time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, n := second.counts(); n != 1 {
		t.Errorf("the second channel acknowledged %d ends", n)
	}
	if all, err := s.Undelivered(t.Context(), now.Add(-24*time.Hour), 10); err != nil || len(all) != 0 {
		t.Errorf("undelivered %+v, %v", all, err)
	}
}

// How soon the second channel is asked can be stated.
func TestSecond_afterAStatedTime(t *testing.T) {
	first, second := &listener{}, &listener{}
	first.set(func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) })
	a, b := httptest.NewServer(first), httptest.NewServer(second)
	defer a.Close()
	defer b.Close()
	s, start := storetest.New(t), time.Now().UTC()
	o := outbox(t, s, notify.Channel{Name: "pager", Notifier: hook(t, a.URL), Fallback: "chat", SecondAfter: 2 * time.Second}, notify.Channel{Name: "chat", Notifier: hook(t, b.URL)})
	post(t, s, start, []string{"pager"}, message("end", start, true))
	for _, after := range []time.Duration{0, time.Second} {
		if err := o.Drain(t.Context(), start.Add(after)); err != nil {
			t.Fatal(err)
		}
	}
	if _, n := second.counts(); n != 1 {
		t.Errorf("the second channel heard %d ends in two seconds", n)
	}
}
