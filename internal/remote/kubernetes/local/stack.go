// Package local runs Kubernetes on this machine: etcd, kube-apiserver, the controllers,
// the scheduler and KWOK as processes of their own on the loopback interface, without
// containers. What is asked of the API is answered by the real one; only what a node
// does is played by KWOK (stages.yaml), so that pods get ready, crash or go without
// running anything. Tests use it by package kubetest, the demo as it is.
//
// The programs are built once by test/kubestack/build.sh, which `make kubestack` calls.
package local

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
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
	// Client acts as [Operator].
	Client *kubernetes.Clientset

	config Config
	bin    string
	ports  ports
	keys   *authority
	tokens map[string]string
	meter  *meter
	life   context.Context //nolint:containedctx // the stack's own, ended by Close
	end    context.CancelFunc
	failed chan error

	mu      sync.Mutex
	process map[string]*process // guarded by mu
	order   []string            // guarded by mu: of starting
}

type ports struct{ etcd, peer, api int }

// Config says how a stack is run. The zero value is usable.
type Config struct {
	// Dir keeps everything and is left there by Close; "" = a temporary folder that
	// Close removes.
	Dir string
	// Agent is how clients made by [Stack.Config] call themselves, and so the field manager
	// of what they write; "" = local.
	Agent string
	// Say hears the name of each part before it is started; nil = nobody does.
	Say func(part string)
}

// Open starts a stack, which ends with [Stack.Close], or with ctx before it answers. It
// fails with [ErrMissing] when Kubernetes was not built, and otherwise when a part does
// not answer within a minute; its log is in the error.
func Open(ctx context.Context, c Config) (*Stack, error) {
	bin, err := binaries(ctx)
	if err != nil {
		return nil, err
	}
	c.Agent = cmp.Or(c.Agent, "local")
	if c.Say == nil {
		c.Say = func(string) {}
	}
	// A port that was free may be taken by the time it is used.
	for try := 0; ; try++ {
		s, err := open(ctx, bin, c)
		if err == nil || try == 2 || ctx.Err() != nil {
			return s, err
		}
	}
}

func open(ctx context.Context, bin string, c Config) (_ *Stack, err error) {
	if c.Dir != "" { // the processes run in it
		if c.Dir, err = filepath.Abs(c.Dir); err != nil {
			return nil, fmt.Errorf("start Kubernetes: %w", err)
		}
	}
	s := &Stack{Dir: c.Dir, config: c, bin: bin, process: map[string]*process{}, failed: make(chan error, 1)}
	if c.Dir == "" {
		s.Dir, err = os.MkdirTemp("", "kubestack")
	} else if err = os.RemoveAll(c.Dir); err == nil { // of an earlier run
		err = os.MkdirAll(c.Dir, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("start Kubernetes: %w", err)
	}
	// It outlives ctx: whoever opened it still asks it things while everything ends.
	s.life, s.end = context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, s.end)
	defer stop()
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
	if s.Client, err = kubernetes.NewForConfig(s.Config(Operator)); err != nil {
		return nil, err
	}
	for _, step := range []func() error{s.startEtcd, s.startAPIServer, s.startMetrics, s.startControllers, func() error { return s.AddNodes(s.life, 1) }} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("start Kubernetes in %s: %w", s.Dir, err)
		}
	}
	return s, ctx.Err()
}

// Failed gives an error when a part has ended that nobody has killed.
func (s *Stack) Failed() <-chan error { return s.failed }

// Close stops every process, newest first, and removes the folder if it was temporary.
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
	if s.config.Dir == "" {
		_ = os.RemoveAll(s.Dir)
	}
}

// Config is how a client reaches the API server as one of the [Users].
func (s *Stack) Config(user string) *rest.Config {
	return &rest.Config{
		Host: s.URL, BearerToken: s.tokens[user], TLSClientConfig: rest.TLSClientConfig{CAData: s.CA},
		QPS: 200, Burst: 400, UserAgent: s.config.Agent + "/" + user,
	}
}

// Token is what a user shows to the API server.
func (s *Stack) Token(user string) string { return s.tokens[user] }

// Kubeconfig writes a kubeconfig for a user, who may read it alone, and gives its path.
func (s *Stack) Kubeconfig(user string) (string, error) {
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: u, user: {token: %q}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
current-context: c
`, s.URL, filepath.Join(s.Dir, "ca.crt"), s.tokens[user])
	path := filepath.Join(s.Dir, "kubeconfig-"+user)
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// AddNodes makes n more nodes, which KWOK plays.
func (s *Stack) AddNodes(ctx context.Context, n int) error {
	have, err := s.Client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for i := range n {
		name := fmt.Sprintf("n%d", len(have.Items)+i)
		_, err := s.Client.CoreV1().Nodes().Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{
			Name: name, Annotations: map[string]string{"kwok.x-k8s.io/node": "fake"}, Labels: map[string]string{"kubernetes.io/hostname": name},
		}}, metav1.CreateOptions{})
		if err != nil {
			return err
		}
	}
	return nil
}
