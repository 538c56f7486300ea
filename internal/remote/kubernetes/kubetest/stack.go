// Package kubetest runs Kubernetes for tests: etcd, kube-apiserver, the controllers,
// the scheduler and KWOK as processes of their own on the loopback interface, without
// containers. What is asked of the API is answered by the real one; only what a node
// does is played by KWOK (stages.yaml), so that pods get ready, crash or go without
// running anything.
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
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// ready is how long a part may take until it answers.
const ready = 60 * time.Second

// Stack is one running Kubernetes. Its methods may be used by several goroutines but
// for those that kill and start parts.
type Stack struct {
	// Dir has the keys, the data, the audit log and every process' log.
	Dir string
	// URL is the API server's address, CA the certificate in PEM that its own is signed by.
	URL string
	CA  []byte
	// Client acts as [Tester].
	Client *kubernetes.Clientset

	bin     string
	ports   ports
	keys    *authority
	tokens  map[string]string
	meter   *meter
	life    context.Context //nolint:containedctx // the stack's own, ended by Close
	end     context.CancelFunc
	mu      sync.Mutex
	process map[string]*process // guarded by mu
	order   []string            // guarded by mu: of starting
}

type ports struct{ etcd, peer, api int }

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
	check(t, err)
	return s
}

// New gives a stack for one test, stopped when the test ends.
func New(t testing.TB) *Stack {
	t.Helper()
	s, err := Open()
	check(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			s.PrintLogs(os.Stderr)
		}
		s.Close()
	})
	return s
}

func check(t testing.TB, err error) {
	t.Helper()
	switch {
	case errors.Is(err, ErrMissing) && os.Getenv("CI") == "":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
}

// Open starts a stack. It fails with [ErrMissing] when Kubernetes was not built, and
// otherwise when a part does not answer within a minute; its log is in the error.
func Open() (*Stack, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	// A port that was free may be taken by the time it is used.
	for try := 0; ; try++ {
		s, err := open(bin)
		if err == nil || try == 2 {
			return s, err
		}
	}
}

func open(bin string) (_ *Stack, err error) {
	dir, err := os.MkdirTemp("", "kubetest")
	if err != nil {
		return nil, err
	}
	s := &Stack{Dir: dir, bin: bin, process: map[string]*process{}}
	s.life, s.end = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if s.ports, err = freePorts(); err != nil {
		return nil, err
	}
	s.URL = fmt.Sprintf("https://127.0.0.1:%d", s.ports.api)
	if err := s.writeKeys(); err != nil {
		return nil, err
	}
	if s.Client, err = kubernetes.NewForConfig(s.Config(Tester)); err != nil {
		return nil, err
	}
	for _, step := range []func() error{s.startEtcd, s.startAPIServer, s.startMetrics, s.startControllers, func() error { return s.addNodes(1) }} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("start Kubernetes in %s: %w", dir, err)
		}
	}
	return s, nil
}

// Close stops every process, newest first, and removes the folder.
func (s *Stack) Close() {
	s.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.order) - 1; i >= 0; i-- {
		s.process[s.order[i]].kill()
	}
	s.order = nil
	if s.meter != nil {
		s.meter.close()
	}
	_ = os.RemoveAll(s.Dir)
}

// Config is how a client reaches the API server as one of the [Users].
func (s *Stack) Config(user string) *rest.Config {
	return &rest.Config{
		Host: s.URL, BearerToken: s.tokens[user], TLSClientConfig: rest.TLSClientConfig{CAData: s.CA},
		QPS: 200, Burst: 400, UserAgent: "kubetest/" + user,
	}
}

// Token is what a user shows to the API server.
func (s *Stack) Token(user string) string { return s.tokens[user] }

// Kubeconfig writes a kubeconfig for a user and gives its path.
func (s *Stack) Kubeconfig(user string) (string, error) {
	return s.kubeconfigAt(user, s.URL)
}

func (s *Stack) kubeconfigAt(user, url string) (string, error) {
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: u, user: {token: %q}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
current-context: c
`, url, filepath.Join(s.Dir, "ca.crt"), s.tokens[user])
	path := filepath.Join(s.Dir, "kubeconfig-"+user)
	if url != s.URL {
		path += "-elsewhere"
	}
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// addNodes makes n more nodes, which KWOK plays.
func (s *Stack) addNodes(n int) error {
	have, err := s.Client.CoreV1().Nodes().List(s.life, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for i := range n {
		name := fmt.Sprintf("n%d", len(have.Items)+i)
		_, err := s.Client.CoreV1().Nodes().Create(s.life, &corev1.Node{ObjectMeta: metav1.ObjectMeta{
			Name: name, Annotations: map[string]string{"kwok.x-k8s.io/node": "fake"}, Labels: map[string]string{"kubernetes.io/hostname": name},
		}}, metav1.CreateOptions{})
		if err != nil {
			return err
		}
	}
	return nil
}

// AddNodes makes n more nodes.
func (s *Stack) AddNodes(t testing.TB, n int) {
	t.Helper()
	if err := s.addNodes(n); err != nil {
		t.Fatal(err)
	}
}
