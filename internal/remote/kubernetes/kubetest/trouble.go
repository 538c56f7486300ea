package kubetest

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/backout-dev/backout/internal/remote/kubernetes/local"
)

// Writes gives the calls of a user that were meant to change something.
func (s *Stack) Writes(t testing.TB, user string) []Call {
	t.Helper()
	return slices.DeleteFunc(s.Audit(t, user), func(c Call) bool { return !c.Writes() })
}

// KillAPIServer kills the API server, as with kill -9.
func (s *Stack) KillAPIServer(t testing.TB) {
	t.Helper()
	s.Kill(local.APIServer)
}

// StartAPIServer starts it again on the same port, and returns when it is ready.
func (s *Stack) StartAPIServer(t testing.TB) {
	t.Helper()
	if err := s.Stack.StartAPIServer(); err != nil {
		t.Fatal(err)
	}
}

// PauseControllers freezes the controller manager, so that nothing converges, until
// the function that it gives is called or the test ends.
func (s *Stack) PauseControllers(t testing.TB) (resume func()) {
	t.Helper()
	if err := s.Signal(local.ControllerManager, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	resume = func() { _ = s.Signal(local.ControllerManager, syscall.SIGCONT) }
	t.Cleanup(resume)
	return resume
}

// Compact makes etcd forget everything but the present state, so that whoever wants to
// go on watching from before is told that it is gone (410). The API server remembers by
// itself what it has in memory: kill and start it as well.
func (s *Stack) Compact(t testing.TB) {
	t.Helper()
	post := func(path, body string) string {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Etcd()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		b, _ := io.ReadAll(resp.Body)
		return string(b)
	}
	said := post("/v3/kv/range", `{"key":"AA=="}`)
	_, rest, _ := strings.Cut(said, `"revision":"`)
	revision, _, ok := strings.Cut(rest, `"`)
	if !ok {
		t.Fatalf("etcd told no revision: %s", said)
	}
	if said := post("/v3/kv/compaction", fmt.Sprintf(`{"revision":%q,"physical":true}`, revision)); !strings.Contains(said, "header") {
		t.Fatalf("etcd does not compact: %s", said)
	}
}
