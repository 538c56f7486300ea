package ingest_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/ingest"
	"github.com/backout-dev/backout/internal/ingest/alertmanager"
	"github.com/backout-dev/backout/internal/ingest/cdevents"
	"github.com/backout-dev/backout/internal/ingest/signature"
	"github.com/backout-dev/backout/internal/ingest/webhook"
)

// sink is where every webhook's facts end.
type sink struct {
	calls atomic.Int64
	mu    sync.Mutex
	err   error // guarded by mu: of the next call
}

func (s *sink) take() error {
	s.calls.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.err
	s.err = nil
	return err
}

func (s *sink) Record(context.Context, []backout.Observation) error { return s.take() }
func (s *sink) Alert(context.Context, []backout.Alert) error        { return s.take() }

// ways are all webhooks, each with a report that it takes and one that it doesn't.
var ways = map[string]struct {
	path, media, good, bad string
	open                   func(*ingest.Door, *sink) (http.Handler, error)
}{
	"webhook": {webhook.Path, "application/json", good, strings.Replace(good, `"2.0"`, `""`, 1), func(d *ingest.Door, s *sink) (http.Handler, error) {
		return webhook.New(webhook.Config{Recorder: s, Door: d})
	}},
	"cdevents": {cdevents.Path, "application/cloudevents+json", deployed, strings.Replace(deployed, "production/eu-1", "", 1), func(d *ingest.Door, s *sink) (http.Handler, error) {
		return cdevents.New(cdevents.Config{Recorder: s, Alerts: s, Door: d})
	}},
	"alertmanager": {alertmanager.Path, "application/json", firing, strings.Replace(firing, "firing", "burning", 1), func(d *ingest.Door, s *sink) (http.Handler, error) {
		return alertmanager.New(alertmanager.Config{Alerts: s, Door: d})
	}},
}

const (
	deployed = `{"specversion":"1.0","id":"1","source":"/ci","type":"dev.cdevents.service.deployed.0.3.0","datacontenttype":"application/json","data":{
		"context":{"specversion":"0.6.0","id":"1","source":"/ci","type":"dev.cdevents.service.deployed.0.3.0","timestamp":"2026-03-04T05:00:00Z"},
		"subject":{"id":"cart","content":{"environment":{"id":"production/eu-1"},"artifactId":"pkg:oci/cart@2.0"}}}}`
	firing = `{"version":"4","alerts":[{"status":"firing","labels":{"alertname":"HighErrors","service":"cart"},"startsAt":"2026-03-04T05:00:00Z","fingerprint":"abc"}]}`
	secret = "a secret that is long enough"
)

func verifier(t *testing.T) ingest.Verifier {
	t.Helper()
	v, err := signature.New([]string{"an older secret, still valid", "whsec_" + base64.StdEncoding.EncodeToString([]byte(secret))})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// signed is a request with the signature of Standard Webhooks.
func signed(t *testing.T, path, media, id, body string) *http.Request {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	stamp := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = io.WriteString(mac, id+"."+stamp+"."+body)
	r.Header.Set("Content-Type", media)
	r.Header.Set("Webhook-Id", id)
	r.Header.Set("Webhook-Timestamp", stamp)
	r.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return r
}

func ask(h http.Handler, r *http.Request) (int, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// each runs a test on every webhook.
func each(t *testing.T, c ingest.DoorConfig, test func(t *testing.T, h http.Handler, s *sink, path, media, good, bad string)) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			c.Now = func() time.Time { return now }
			door, err := ingest.NewDoor(c)
			if err != nil {
				t.Fatal(err)
			}
			s := &sink{}
			h, err := way.open(door, s)
			if err != nil {
				t.Fatal(err)
			}
			test(t, h, s, way.path, way.media, way.good, way.bad)
		})
	}
}

func TestEvery_signatures(t *testing.T) {
	each(t, ingest.DoorConfig{Tokens: []string{"token"}, Signatures: verifier(t)}, func(t *testing.T, h http.Handler, s *sink, path, media, good, _ string) {
		forged := signed(t, path, media, "m1", good)
		forged.Body = io.NopCloser(strings.NewReader(good + " "))
		unsigned := httptest.NewRequest(http.MethodPost, path, strings.NewReader(good))
		unsigned.Header.Set("Content-Type", media)
		wrong := unsigned.Clone(t.Context())
		wrong.Header.Set("Authorization", "Bearer another")
		for name, r := range map[string]*http.Request{"forged": forged, "unsigned": unsigned, "another token": wrong} {
			if code, said := ask(h, r); code != 401 || s.calls.Load() != 0 {
				t.Errorf("%s: answer %d %s", name, code, said)
			}
		}
		holder := unsigned.Clone(t.Context())
		holder.Body = io.NopCloser(strings.NewReader(good))
		holder.Header.Set("Authorization", "Bearer token")
		for name, r := range map[string]*http.Request{"signed": signed(t, path, media, "m1", good), "with a token": holder} {
			if code, said := ask(h, r); code != 202 {
				t.Errorf("%s: answer %d %s", name, code, said)
			}
		}
	})
}

// A replayed message is answered and has no effect; one that failed may come again.
func TestEvery_replays(t *testing.T) {
	each(t, ingest.DoorConfig{Signatures: verifier(t)}, func(t *testing.T, h http.Handler, s *sink, path, media, good, _ string) {
		s.err = errors.New("disk full")
		for i, want := range []struct {
			code  int
			says  string
			calls int64
		}{{500, "could not be recorded", 1}, {202, "accepted", 2}, {202, `"duplicate":true`, 2}} {
			code, said := ask(h, signed(t, path, media, "m1", good))
			if code != want.code || !strings.Contains(said, want.says) || s.calls.Load() != want.calls || strings.Contains(said, "disk") {
				t.Errorf("time %d: answer %d %s after %d calls, want %+v", i+1, code, said, s.calls.Load(), want)
			}
		}
		if code, _ := ask(h, signed(t, path, media, "m2", good)); code != 202 || s.calls.Load() != 3 {
			t.Errorf("another message: answer %d after %d calls", code, s.calls.Load())
		}
	})
}

func TestEvery_refusesWhatItCantRead(t *testing.T) {
	each(t, ingest.DoorConfig{Signatures: verifier(t), MaxBody: 4000}, func(t *testing.T, h http.Handler, s *sink, path, media, good, bad string) {
		get := signed(t, path, media, "m0", "")
		get.Method = http.MethodGet
		for name, c := range map[string]struct {
			r    *http.Request
			code int
			says string
		}{
			"oversized":      {signed(t, path, media, "m1", good+strings.Repeat(" ", 4000)), 413, "too large"},
			"wrong schema":   {signed(t, path, media, "m2", bad), 400, `"errors":[{"field":"`},
			"not JSON":       {signed(t, path, media, "m3", "<xml/>"), 400, "has mistakes"},
			"nothing":        {signed(t, path, media, "m4", ""), 400, "has mistakes"},
			"another format": {signed(t, path, "text/html", "m5", good), 415, "Content-Type"},
			"GET":            {get, 405, "POST"},
		} {
			code, said := ask(h, c.r)
			if code != c.code || !strings.Contains(said, c.says) || !json.Valid([]byte(said)) || s.calls.Load() > 0 {
				t.Errorf("%s: answer %d %s, want %d %s", name, code, said, c.code, c.says)
			}
		}
	})
}

// halting is a body that ends only when the gate opens, so that what was read of
// it stays in memory.
type halting struct {
	io.Reader
	gate <-chan struct{}
	here *atomic.Int64 // counts the bodies that were read but for their end
}

func (h *halting) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		h.here.Add(1)
		<-h.gate
	}
	return n, err
}

func (*halting) Close() error { return nil }

// A flood of large reports is turned away, and those let in take the memory that
// the limits promise.
func TestEvery_floodHasBoundedMemory(t *testing.T) {
	const seats, waiting, flood, size = 4, 8, 600, 1 << 20
	each(t, ingest.DoorConfig{Signatures: verifier(t), Tokens: []string{"token"}, InFlight: seats, Waiting: waiting, MaxBody: size, Timeout: time.Minute}, func(t *testing.T, h http.Handler, _ *sink, path, media, good, _ string) {
		body := good + strings.Repeat(" ", size-len(good)) // one copy, which all senders share
		gate, here := make(chan struct{}), atomic.Int64{}
		before := heap()
		var codes [600]atomic.Int64
		var all, turned sync.WaitGroup
		turned.Add(flood - seats - waiting)
		for range flood {
			r := httptest.NewRequest(http.MethodPost, path, &halting{strings.NewReader(body), gate, &here})
			r.Header.Set("Content-Type", media)
			r.Header.Set("Authorization", "Bearer token")
			all.Go(func() {
				code, _ := ask(h, r)
				codes[code].Add(1)
				if code == 429 {
					turned.Done()
				}
			})
		}
		turned.Wait()
		await(&here, seats)
		// Strangers have places of their own, so the flood does not keep them out.
		stranger := make(chan int, 1)
		r := signed(t, path, media, "m1", body)
		r.Body = &halting{strings.NewReader(body), gate, &here}
		go func() { code, _ := ask(h, r); stranger <- code }()
		await(&here, seats+1)
		grown := heap() - before
		t.Logf("%d reports of %d KiB at a time, %d let in: the heap grew by %.1f MiB", flood+1, size>>10, here.Load(), float64(grown)/(1<<20))
		if least, most := int64(seats*size), int64((seats+1)*3*size); grown < least || grown > most {
			t.Errorf("the heap grew by %d bytes, want %d to %d", grown, least, most)
		}
		close(gate)
		all.Wait()
		if got := <-stranger; got != 202 {
			t.Errorf("a signed report beside the flood: answer %d", got)
		}
		if ok, away := codes[202].Load(), codes[429].Load(); ok != seats+waiting || away != flood-seats-waiting {
			t.Errorf("%d taken and %d turned away, want %d and %d", ok, away, seats+waiting, flood-seats-waiting)
		}
	})
}

func await(n *atomic.Int64, want int64) {
	for n.Load() < want {
		runtime.Gosched()
	}
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC() // twice: what a pool holds outlives the first
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Senders that dawdle lose their places, all of them at once, and others come in.
func TestEvery_slowSenders(t *testing.T) {
	each(t, ingest.DoorConfig{Signatures: verifier(t), InFlight: 2, Waiting: 10, Timeout: 200 * time.Millisecond}, func(t *testing.T, h http.Handler, s *sink, path, media, good, _ string) {
		server := httptest.NewServer(h)
		defer server.Close()
		begin := time.Now()
		var slow sync.WaitGroup
		for range 6 {
			slow.Go(func() {
				body, stop := io.Pipe()
				defer func() { _ = stop.Close() }()
				go func() { _, _ = stop.Write([]byte(good[:20])) }()
				like := signed(t, path, media, "slow", good)
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+path, body)
				if err != nil {
					t.Error(err)
					return
				}
				r.Header = like.Header
				if res, err := http.DefaultClient.Do(r); err == nil {
					_ = res.Body.Close()
					if res.StatusCode != http.StatusBadRequest {
						t.Errorf("a slow sender: answer %s, want 400", res.Status)
					}
				}
			})
		}
		slow.Wait()
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("six slow senders in two places took %s, want 600ms", took)
		}
		if code, said := ask(h, signed(t, path, media, "m1", good)); code != 202 {
			t.Errorf("afterwards: answer %d %s", code, said)
		}
	})
}
