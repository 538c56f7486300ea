// Package kubetest gives tests a Kubernetes of their own, run by package local: what is
// asked of its API is answered by the real one, what a node does is played by KWOK.
//
// A package's tests share one stack, each with a namespace of its own:
//
//	func TestMain(m *testing.M) { os.Exit(kubetest.Main(m)) }
//
//	func TestScale(t *testing.T) {
//		s := kubetest.Start(t)
//		ns := s.Namespace(t)
//		s.Deploy(t, ns, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 3})
//		s.Settled(t, ns, "web")
//	}
//
// A test that kills a part takes a stack of its own from [New]. Such tests carry the
// build tag kubernetes and run with `make test-kubernetes`.
package kubetest

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/backout-dev/backout/internal/remote/kubernetes/local"
)

// ready is how long a test waits for something.
const ready = 60 * time.Second

// The users of a stack. Each has a token of its own, so that the audit log tells who
// wrote what.
const (
	Tester   = local.Operator // the tests themselves: may do everything
	Person   = local.Person   // somebody who works by hand: may do everything
	Pipeline = local.Pipeline // a delivery tool: may do everything
	Product  = local.Product  // what is tested: may do what a test grants with Grant
	Stranger = local.Stranger // may do nothing
)

// Call is one line of the audit log.
type Call = local.Call

// Stack is one running Kubernetes for tests.
type Stack struct{ *local.Stack }

var shared = sync.OnceValues(func() (*Stack, error) {
	s, err := Open()
	if err == nil {
		opened.add(s)
	}
	return s, err
})

// opened are the shared stack, if it was asked for, and whether a test failed on it.
var opened = &registry{}

type registry struct {
	mu     sync.Mutex
	stacks []*Stack // guarded by mu
}

func (r *registry) add(s *Stack) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stacks = append(r.stacks, s)
}

func (r *registry) close(failed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.stacks {
		if failed {
			s.PrintLogs(os.Stderr)
		}
		s.Close()
	}
}

// Main runs a package's tests and stops the shared stack afterwards.
func Main(m *testing.M) int {
	code := m.Run()
	opened.close(code != 0)
	return code
}

// Start gives the stack that the package's tests share; it starts with the first who
// asks. Where there is no Kubernetes the test is skipped; in CI it fails.
func Start(t testing.TB) *Stack {
	t.Helper()
	s, err := shared()
	Check(t, err)
	return s
}

// New gives a stack for one test, stopped when the test ends.
func New(t testing.TB) *Stack {
	t.Helper()
	s, err := Open()
	Check(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			s.PrintLogs(os.Stderr)
		}
		s.Close()
	})
	return s
}

// Check ends a test for which there is no Kubernetes: it is skipped where nobody has
// built one; in CI, and when one did not start, it fails.
func Check(t testing.TB, err error) {
	t.Helper()
	switch {
	case errors.Is(err, local.ErrMissing) && os.Getenv("CI") == "":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
}

// Open starts a stack that whoever asks must close: see [local.Open].
func Open() (*Stack, error) {
	s, err := local.Open(context.Background(), local.Config{Agent: "kubetest"})
	if err != nil {
		return nil, err
	}
	return &Stack{s}, nil
}

// AddNodes makes n more nodes.
func (s *Stack) AddNodes(t testing.TB, n int) {
	t.Helper()
	if err := s.Stack.AddNodes(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

// Audit gives the calls that a user has made so far, in order; of everybody but
// Kubernetes itself when user is "".
func (s *Stack) Audit(t testing.TB, user string) []Call {
	t.Helper()
	// Not the test's context: a test may look at the log while it is cleaned up.
	all, err := s.Calls(context.Background(), user)
	if err != nil {
		t.Fatal(err)
	}
	return all
}
