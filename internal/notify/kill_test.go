package notify_test

import (
	"database/sql"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	_ "modernc.org/sqlite" // the driver behind "sqlite"

	"github.com/backout-dev/backout/internal/notify"
	"github.com/backout-dev/backout/internal/notify/webhook"
	"github.com/backout-dev/backout/internal/store"
)

const (
	childFile = "BACKOUT_TEST_TELL_FILE"
	childURL  = "BACKOUT_TEST_TELL_URL"
)

func openFile(t *testing.T, file string) *store.Store {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s, err := store.New(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestTell_child is the process that is killed: it drains a real outbox to a real
// webhook.
func TestTell_child(t *testing.T) {
	file := os.Getenv(childFile)
	if file == "" {
		t.Skip("runs as the child of TestTell_killedBetweenSendAndAcknowledgement")
	}
	hook, err := webhook.New(webhook.Config{URL: os.Getenv(childURL), Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})
	if err != nil {
		t.Fatal(err)
	}
	o := outbox(t, openFile(t, file), notify.Channel{Name: "hook", Notifier: hook})
	if err := o.Drain(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
}

// The program is killed (SIGKILL) when the receiver has a message and before it
// has acknowledged it. After the restart the receiver has everything, in order,
// and the one message that came twice has the same id both times.
func TestTell_killedBetweenSendAndAcknowledgement(t *testing.T) {
	file := filepath.Join(t.TempDir(), "store.db")
	s, now := openFile(t, file), time.Now()
	messages := []string{}
	var mu sync.Mutex
	var victim *exec.Cmd
	ids := []string{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that the sender is gone
		mu.Lock()
		defer mu.Unlock()
		ids = append(ids, r.Header.Get("webhook-id"))
		if len(ids) == 2 {
			if err := victim.Process.Kill(); err != nil {
				t.Error(err)
			}
			select { // nobody hears the answer
			case <-r.Context().Done():
			case <-time.After(10 * time.Second):
				t.Error("the sender did not go")
			}
		}
	}))
	defer srv.Close()
	for _, key := range []string{"one", "two", "end"} {
		m := message(key, now, key == "end")
		messages = append(messages, m.ID())
		post(t, s, now, []string{"hook"}, m)
	}
	run := func() error {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTell_child$")
		cmd.Env = append(os.Environ(), childFile+"="+file, childURL+"="+srv.URL)
		mu.Lock()
		victim = cmd
		err := cmd.Start()
		mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		return cmd.Wait()
	}
	if err := run(); err == nil {
		t.Fatal("the child was not killed")
	}
	if err := run(); err != nil {
		t.Fatalf("after the restart: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if d := cmp.Diff([]string{messages[0], messages[1], messages[1], messages[2]}, ids); d != "" {
		t.Errorf("ids that the receiver saw (-want +got):\n%s", d)
	}
	all, err := s.Deliveries(t.Context(), "i")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		if d.Sent.IsZero() {
			t.Errorf("%s is not noted as delivered", d.Message.Key)
		}
	}
}
