package app

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app/wire"
	"github.com/backout-dev/backout/internal/attest"
	"github.com/backout-dev/backout/internal/store"
	"github.com/backout-dev/backout/internal/store/storetest"
)

// witness is a receiver of anchors that can refuse.
type witness struct {
	mu     sync.Mutex
	refuse bool     // guarded by mu
	got    [][]byte // guarded by mu
}

func (w *witness) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b, _ := io.ReadAll(r.Body)
	if w.refuse {
		rw.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.got = append(w.got, b)
}

// anchoring keeps anchors of a store with one incident in a file and at a witness.
func anchoring(t *testing.T) (*anchors, *witness, func(what string)) {
	t.Helper()
	w := &witness{}
	srv := httptest.NewServer(w)
	t.Cleanup(srv.Close)
	a := &anchors{store: storetest.New(t), files: []string{filepath.Join(t.TempDir(), "anchors.jsonl")}, url: srv.URL, ended: make(chan struct{}, 1)}
	if _, _, err := a.store.Open(t.Context(), store.Transition{Incident: backout.Incident{ID: "INC-1", Key: "k", State: backout.StateDetected}, At: time.Now(), By: "backout", What: "detected"}); err != nil {
		t.Fatal(err)
	}
	return a, w, func(what string) {
		t.Helper()
		if err := a.store.Note(t.Context(), "INC-1", time.Now(), "ann", what); err != nil {
			t.Fatal(err)
		}
		a.write(t.Context(), time.Now().UTC(), true)
	}
}

func (w *witness) copies(t *testing.T, a *anchors) (file, sent, stored [][]byte) {
	t.Helper()
	c, err := ReadAnchors(a.files[0])
	if err != nil {
		t.Fatal(err)
	}
	if stored, err = a.store.AnchorLines(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return c.Anchors, w.got, stored
}

func same(a, b [][]byte) bool {
	return bytes.Equal(bytes.Join(a, []byte("\n")), bytes.Join(b, []byte("\n")))
}

func TestAnchors_copiedEverywhere(t *testing.T) {
	a, w, note := anchoring(t)
	note("one")
	w.mu.Lock()
	w.refuse = true
	w.mu.Unlock()
	note("two")
	note("three")
	if told := a.told(); len(told) != 1 || !strings.Contains(told[0].Why, "503") {
		t.Errorf("a witness that refuses is told as %q", told)
	}
	w.mu.Lock()
	w.refuse = false
	w.mu.Unlock()
	a.write(t.Context(), time.Now().UTC(), false)
	file, sent, stored := w.copies(t, a)
	if len(stored) != 3 || !same(file, stored) || !same(sent, stored) || len(a.told()) != 0 {
		t.Errorf("%d stored, %d in the file, %d sent, %q", len(stored), len(file), len(sent), a.told())
	}
}

// A process that died while it wrote leaves half a line: it is written again.
func TestAnchors_halfALine(t *testing.T) {
	for name, cut := range map[string]int64{"the newline": 1, "half the line": 40} {
		t.Run(name, func(t *testing.T) {
			a, w, note := anchoring(t)
			note("one")
			note("two")
			info, err := os.Stat(a.files[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(a.files[0], info.Size()-cut); err != nil {
				t.Fatal(err)
			}
			note("three")
			if file, _, stored := w.copies(t, a); len(stored) != 3 || !same(file, stored) {
				t.Errorf("%s\nis not\n%s", bytes.Join(file, []byte("\n")), bytes.Join(stored, []byte("\n")))
			}
		})
	}
}

// A copy that contradicts the database may be the only witness: it is kept as it
// is, and every surface says so.
func TestAnchors_contradictionIsKept(t *testing.T) {
	a, _, note := anchoring(t)
	note("one")
	b, err := os.ReadFile(a.files[0])
	if err != nil {
		t.Fatal(err)
	}
	var other backout.Anchor
	if err := json.Unmarshal(b, &other); err != nil {
		t.Fatal(err)
	}
	other.Heads[0].Hash = "another"
	_, line, err := attest.Anchor(other)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.files[0], append(line, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	note("two")
	if now, _ := os.ReadFile(a.files[0]); !bytes.Equal(now, append(line, '\n')) {
		t.Errorf("the witness was written over: %s", now)
	}
	if told := a.told(); len(told) != 1 || !strings.Contains(told[0].Why, "backout audit verify") {
		t.Errorf("told as %q", told)
	}
}

// An end asks for an anchor at once; without one an hour may pass.
func TestAnchors_atTheEnd(t *testing.T) {
	a, _, _ := anchoring(t)
	a.url = ""
	done := make(chan error, 1)
	go func() { done <- a.run(t.Context()) }()
	waitFor(t, func() bool { l, _ := a.store.AnchorLines(t.Context(), 1); return len(l) == 1 })
	s := wire.Incidents{Store: a.store, Ended: a.due}
	inc, err := a.store.Incident(t.Context(), "INC-1")
	if err != nil {
		t.Fatal(err)
	}
	inc.State = backout.StateHalted
	if _, err := s.Transition(t.Context(), inc, backout.AuditEntry{At: time.Now(), By: "backout", What: "halted"}, nil); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { l, _ := a.store.AnchorLines(t.Context(), 1); return len(l) == 2 })
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for range 1000 {
		if ok() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("gave up waiting")
}
