package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/web"
)

// paper does what a terminal does with the few codes that the screen uses.
type paper struct {
	lines    []string
	row, col int
}

var codes = regexp.MustCompile(`\x1b\[(\d*)([ABJK])`)

func (p *paper) write(t *testing.T, b string) {
	t.Helper()
	for len(b) > 0 {
		for len(p.lines) <= p.row {
			p.lines = append(p.lines, "")
		}
		switch m := codes.FindStringSubmatchIndex(b); {
		case m != nil && m[0] == 0:
			n, _ := strconv.Atoi(b[m[2]:m[3]])
			switch b[m[4]] {
			case 'A':
				p.row -= n
			case 'B':
				p.row += n
			case 'K':
				p.lines[p.row] = p.lines[p.row][:p.col]
			case 'J':
				p.lines = append(p.lines[:p.row], "")
			}
			b = b[m[1]:]
		case b[0] == '\r':
			p.col, b = 0, b[1:]
		case b[0] == '\n':
			p.row, b = p.row+1, b[1:]
		case b[0] == '\x1b':
			t.Fatalf("a code that terminals need not know: %q", b)
		default:
			l := p.lines[p.row]
			p.lines[p.row] = l[:p.col] + b[:1] + l[min(len(l), p.col+1):]
			p.col, b = p.col+1, b[1:]
		}
	}
}

func TestScreen_onlyWhatChanged(t *testing.T) {
	var b bytes.Buffer
	s, p := &screen{w: &b}, &paper{}
	draw := func(want int, lines ...string) {
		t.Helper()
		b.Reset()
		if err := s.draw(lines, 24); err != nil {
			t.Fatal(err)
		}
		if b.Len() > want {
			t.Errorf("%d bytes for a small change: %q", b.Len(), b.String())
		}
		p.write(t, b.String())
		if got := strings.Join(p.lines, "\n"); strings.TrimRight(got, "\n") != strings.Join(lines, "\n") || p.row != len(lines) || p.col != 0 {
			t.Errorf("the screen shows %q at %d,%d, want %q", p.lines, p.row, p.col, lines)
		}
	}
	draw(99, "head 1", "a long line that stays", "b", "foot")
	draw(0, "head 1", "a long line that stays", "b", "foot")
	draw(30, "head", "a long line that stays", "b", "foot")
	draw(60, "head", "a long line that stays", "b2", "c", "d", "foot")
	draw(60, "head", "x", "foot")
	draw(30, "head", "x", "foot", "more")
}

func TestScreen_tooLow(t *testing.T) {
	var b bytes.Buffer
	s := &screen{w: &b}
	if err := s.draw([]string{"1", "2", "3", "4", "5", "6"}, 5); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != "1\r\n2\r\n3\r\n(3 more lines; the terminal is too low)\r\n" {
		t.Errorf("%q", got)
	}
}

// shop answers a live view; it can be away, and remembers what was decided.
type liveShop struct {
	mu      sync.Mutex
	away    bool                  // guarded by mu
	inc     backout.Incident      // guarded by mu
	run     backout.Run           // guarded by mu
	decided []string              // guarded by mu
	degrade []backout.Degradation // guarded by mu
}

func (s *liveShop) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *liveShop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch {
	case s.away:
		w.WriteHeader(http.StatusServiceUnavailable)
	case r.URL.Path == "/api/v1/live":
		_ = json.NewEncoder(w).Encode(web.Live{At: time.Now(), Status: web.Status{Mode: "ask", Degraded: s.degrade}, Incident: &s.inc, Run: &s.run})
	case r.URL.Path == "/events":
		_, _ = fmt.Fprint(w, "event: changed\ndata: x\n\n") // and the stream ends: it is followed again
	case r.Method == http.MethodPost:
		b, _ := io.ReadAll(r.Body)
		s.decided = append(s.decided, r.URL.Path+" "+string(b))
		_ = json.NewEncoder(w).Encode(s.inc)
	}
}

func serveLive(t *testing.T) (*liveShop, *web.Client) {
	t.Helper()
	at := time.Now().UTC()
	p := backout.Plan{Waves: []backout.Wave{{Steps: []backout.Step{{ID: "a", Component: "flag:express@production/eu-1", Kind: backout.KindFlag, From: "on", To: "off"}}}}}
	s := &liveShop{inc: backout.Incident{ID: "INC-1", State: backout.StateExecuting, Why: "Take back", Onset: at, Attempts: []backout.Attempt{{ID: "INC-1/1", Plan: p, StartedAt: at}}}}
	s.run = backout.Run{Attempt: "INC-1/1", State: backout.RunActive, Entries: []backout.Entry{{Seq: 1, At: at, Kind: backout.EntryStarted, Text: "carries out 1 step"}}}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return s, &web.Client{URL: srv.URL}
}

// lines collects what a pipe gets.
type linesWritten struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (l *linesWritten) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *linesWritten) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.b.String(), text)
}

// A pipe gets each change once, also over a restart of the server, and the view ends
// with the incident that was named.
func TestWatch_pipedOverARestart(t *testing.T) {
	for _, output := range []string{"text", "json"} {
		t.Run(output, func(t *testing.T) {
			s, cl := serveLive(t)
			out := &linesWritten{}
			done := make(chan error, 1)
			go func() {
				done <- (&env{out: out, errs: io.Discard}).watchStatus(t.Context(), cl, "INC-1", output, "ann")
			}()
			await := func(text string) {
				t.Helper()
				for range 600 {
					if out.has(text) {
						return
					}
					time.Sleep(10 * time.Millisecond)
				}
				t.Fatalf("no %q in %s", text, out.b.String())
			}
			await("carries out 1 step")
			s.set(func() { s.away = true })
			await("reconnecting, as of ")
			s.set(func() {
				s.away, s.degrade = false, []backout.Degradation{backout.Degraded(backout.DegradedMetrics, "queue_depth", time.Time{}, "no answer")}
				s.run.Entries = append(s.run.Entries, backout.Entry{Seq: 2, At: time.Now(), Kind: backout.EntryEffect, Step: "a", Outcome: backout.OutcomeDone, Share: 1, Text: "express is off"})
			})
			await("connected again")
			await("express is off")
			await("can't see now: metrics queue_depth")
			s.set(func() { s.inc.State, s.inc.Why = backout.StateRecovered, "verified" })
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			text := out.b.String()
			for _, once := range []string{"carries out 1 step", "express is off", "recovered: verified", "connected again"} {
				if strings.Count(text, once) != 1 && output == "text" {
					t.Errorf("%q is said %d times:\n%s", once, strings.Count(text, once), text)
				}
			}
			if strings.Contains(text, "\x1b") {
				t.Error("a pipe gets escape codes")
			}
			for l := range strings.Lines(text) {
				if output == "json" && !json.Valid([]byte(l)) {
					t.Errorf("not an object: %s", l)
				}
			}
		})
	}
}

func TestWatch_keysAskFirst(t *testing.T) {
	s, cl := serveLive(t)
	v := &liveView{env: &env{out: io.Discard, errs: io.Discard}, client: cl, by: "ann"}
	if err := v.ask(t.Context()); err != nil {
		t.Fatal(err)
	}
	press := func(keys string) (quit bool) {
		for _, k := range []byte(keys) {
			quit = v.key(t.Context(), k)
		}
		return quit
	}
	for _, c := range []struct {
		keys, prompt string
		decided      int
	}{
		{"p", "pause INC-1: it stays as it is now. Only 'yes' does it: ", 0},
		{"y\r", "pause was not asked for", 0},
		{"xno\r", "abort was not asked for", 0},
		{"xye\x1b", "nothing was asked for", 0},
		{"pyez\x7fs\r", "pause was requested at ", 1},
		{"xyes\r", "abort was requested at ", 2},
	} {
		if quit := press(c.keys); quit || !strings.HasPrefix(v.frame.Prompt, c.prompt) || len(s.decided) != c.decided {
			t.Errorf("%q: %q, %d decisions, want %q, %d", c.keys, v.frame.Prompt, len(s.decided), c.prompt, c.decided)
		}
	}
	if want := `/api/v1/incidents/INC-1/pause {"by":"ann","digest":"","reason":"from the live view"}`; len(s.decided) == 0 || s.decided[0] != want {
		t.Errorf("%q, want %s", s.decided, want)
	}
	if press("w"); !v.frame.Why || press("q") != true || press("\x03") != true {
		t.Error("w shows why, q and control-c quit")
	}
	s.set(func() { s.away = true })
	if press("pyes\r"); !strings.HasPrefix(v.frame.Prompt, "pause was refused: ") {
		t.Errorf("%q", v.frame.Prompt)
	}
}

func TestWatch_serverThatNeverAnswered(t *testing.T) {
	cl := &web.Client{URL: "http://127.0.0.1:1"}
	if err := (&env{out: io.Discard, errs: io.Discard}).watchStatus(context.Background(), cl, "", "text", "ann"); err == nil || !strings.Contains(err.Error(), "no answer from") {
		t.Errorf("%v", err)
	}
	if code, _, errs := runAlone("status", "INC-1"); code != 2 || !strings.Contains(errs, "--watch") {
		t.Errorf("exit %d, %q", code, errs)
	}
}
