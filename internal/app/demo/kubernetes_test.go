//go:build kubernetes

package demo_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

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
