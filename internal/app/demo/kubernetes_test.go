//go:build kubernetes

package demo_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app/demo"
	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
	"github.com/backout-dev/backout/internal/remote/kubernetes/local"
)

// narration keeps what is told, and calls somebody when a word is said.
type narration struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
	word string
	said func()
}

func (n *narration) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.word != "" && bytes.Contains(b, []byte(n.word)) {
		n.word = ""
		go n.said()
	}
	return n.text.Write(b)
}

func (n *narration) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

// processes are those that a performance in this folder has started and that are there.
func processes(dir string) map[int]string {
	out := map[int]string{}
	found, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range found {
		line, err := os.ReadFile(f)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if err == nil && bytes.Contains(line, []byte(dir)) {
			out[pid] = strings.ReplaceAll(string(line), "\x00", " ")
		}
	}
	return out
}

func ended(t *testing.T, dir string) {
	t.Helper()
	for pid, line := range processes(dir) {
		t.Errorf("process %d is left: %s", pid, line)
	}
}

// The story on a cluster, with a seed that nobody has seen: it ends as it should, and by
// the API server's own log backout has written to the guilty workload and nothing else.
func TestKubernetes_storyEndsAsExpected(t *testing.T) {
	c := demo.Config{Scenario: "payment-degraded", Seed: uint64(rand.IntN(1_000_000)) + 1, Kubernetes: true, Dir: t.TempDir()}
	c.Blind = c.Seed%2 == 0
	told := &narration{}
	c.Story = told
	t.Logf("--seed %d --blind=%t", c.Seed, c.Blind)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	r, err := demo.Run(ctx, c)
	kubetest.Check(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(told)
		}
	})
	ended(t, c.Dir)
	if !r.AsExpected || r.UnsafeRequests+int64(r.UnsafeStates) > 0 {
		t.Errorf("ended %s, %d unsafe requests and %d unsafe states: %s", r.Outcome, r.UnsafeRequests, r.UnsafeStates, r.Why)
	}
	id, _, _ := strings.Cut(r.Truth[0], "=")
	guilty := backout.ComponentID(id).Name()
	calls, err := local.ReadAudit(filepath.Join(c.Dir, "kubernetes", "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	wrote, shipped := 0, 0
	for _, call := range calls {
		switch {
		case !call.Writes() || call.Dry() || call.Code >= 300:
		case call.User == local.Pipeline:
			if call.Verb == "patch" {
				shipped++
			}
		case call.User == "system:serviceaccount:backout:backout":
			wrote++
			if call.Verb != "patch" || call.Resource != "deployments" || call.Namespace != "shop" || call.Name != guilty {
				t.Errorf("backout wrote %s, want patches of deployment shop/%s and nothing else", call, guilty)
			}
		}
	}
	if wrote == 0 || shipped < 3 {
		t.Errorf("backout wrote %d times, pipelines %d times: %s", wrote, shipped, "want some of both")
	}
	if !strings.Contains(told.String(), "patch deployments shop/"+guilty+": 200") {
		t.Error("the story does not tell what was written")
	}
}

func TestKubernetes_endsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	dir, at := t.TempDir(), time.Time{}
	told := &narration{word: "learns what normal", said: func() { at = time.Now(); cancel() }}
	_, err := demo.Run(ctx, demo.Config{Scenario: "payment-degraded", Seed: 1, Kubernetes: true, Dir: dir, Story: told})
	if !errors.Is(err, context.Canceled) {
		kubetest.Check(t, err)
		t.Fatalf("ended with %v: %s", err, told)
	}
	if took := time.Since(at); took > 10*time.Second {
		t.Errorf("it ended %s after it was told to", took)
	}
	ended(t, dir)
}

// Without its cluster a performance is over, and that is said.
func TestKubernetes_endsWhenAPartDoes(t *testing.T) {
	dir := t.TempDir()
	told := &narration{word: "learns what normal", said: func() {
		for pid, line := range processes(dir) {
			if strings.Contains(line, local.APIServer+" ") {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}}
	_, err := demo.Run(t.Context(), demo.Config{Scenario: "payment-degraded", Seed: 1, Kubernetes: true, Dir: dir, Story: told})
	if errors.Is(err, local.ErrMissing) {
		kubetest.Check(t, err)
	}
	if err == nil || !strings.Contains(err.Error(), local.APIServer) {
		t.Errorf("the API server was killed, and the demo ended with %v", err)
	}
	ended(t, dir)
}
