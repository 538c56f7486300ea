//go:build kubernetes

package pods_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/playground"
	"github.com/backout-dev/backout/internal/playground/pods"
	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
)

func TestMain(m *testing.M) { os.Exit(kubetest.Main(m)) }

// told is what was heard of one workload.
type told struct {
	mu  sync.Mutex
	all [][]playground.Pod // guarded by mu
}

func (l *told) hear(_ playground.Workload, ready []playground.Pod) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, ready)
}

// counts are the ready pods by version, as told last.
func (l *told) counts() map[backout.Version]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[backout.Version]int{}
	if n := len(l.all); n > 0 {
		for _, p := range l.all[n-1] {
			out[p.Version]++
		}
	}
	return out
}

func (l *told) await(t *testing.T, v backout.Version, n int) {
	t.Helper()
	kubetest.Eventually(t, fmt.Sprintf("%d pods of %s and no other", n, v), func() (bool, string) {
		got := l.counts()
		return got[v] == n && len(got) == 1, fmt.Sprint(got)
	})
}

func TestPods_deployShipAndFollow(t *testing.T) {
	s := kubetest.Start(t)
	kubeconfig, err := s.Kubeconfig(kubetest.Pipeline)
	if err != nil {
		t.Fatal(err)
	}
	p, err := pods.New(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	w := playground.Workload{
		Component: "deployment:web@production/eu-1", Location: "eu-1", Namespace: s.Namespace(t), Name: "web", Service: "web", System: "front",
		Version: "1.0.0", Replicas: 3, Pace: playground.Pace{AtOnce: 1, Each: time.Second},
	}
	all := []playground.Workload{w}
	if err := p.Deploy(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	l, ended := &told{}, make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	go func() { ended <- p.Follow(ctx, all, l.hear) }()
	l.await(t, "1.0.0", 3)

	began := time.Now()
	if err := p.Ship(t.Context(), w, "1.0.0", "1.1.0", "release-bot"); err != nil {
		t.Fatal(err)
	}
	l.await(t, "1.1.0", 3)
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("three pods, each watched for a second before the next, were there after %s", took)
	}
	l.mu.Lock()
	for _, ready := range l.all {
		if len(ready) > 0 && slices.ContainsFunc(ready, func(p playground.Pod) bool { return p.Version == "1.1.0" }) && len(ready) < 3 {
			t.Errorf("%d pods were ready in the middle of the rollout, want three at least", len(ready))
		}
	}
	l.mu.Unlock()
	d := s.Settled(t, w.Namespace, "web")
	if d.Labels["app.kubernetes.io/part-of"] != "front" || d.Spec.Template.Spec.Containers[0].Image != "shop/web:1.1.0" {
		t.Errorf("labels %v, containers %+v", d.Labels, d.Spec.Template.Spec.Containers)
	}
	if !slices.ContainsFunc(d.ManagedFields, func(f metav1.ManagedFieldsEntry) bool { return f.Manager == "release-bot" }) {
		t.Errorf("nobody can see who shipped it: %+v", d.ManagedFields)
	}

	// Somebody else has moved it meanwhile: nothing is written.
	err = p.Ship(t.Context(), w, "1.0.0", "1.2.0", "release-bot")
	if backout.CodeOf(err) != backout.CodeConflict {
		t.Errorf("shipped from a version that is not there: %v", err)
	}
	if got := s.Settled(t, w.Namespace, "web").Spec.Template.Spec.Containers[0].Image; got != "shop/web:1.1.0" {
		t.Errorf("the workload asks for %s", got)
	}

	w.Pace = playground.Pace{AtOnce: 3}
	if err := p.Ship(t.Context(), w, "1.1.0", "1.2.0", "release-bot"); err != nil {
		t.Fatal(err)
	}
	l.await(t, "1.2.0", 3)
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Error("it still follows after its context has ended")
	}
}
