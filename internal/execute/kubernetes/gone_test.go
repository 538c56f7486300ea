//go:build kubernetes

package kubernetes_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/execute/engine"
	"github.com/backout-dev/backout/internal/execute/kubernetes"
	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
)

// pulled lets the pods that wait for an image have it, as on nodes that pulled it while it
// was still there.
func (p *place) pulled(t *testing.T, image string, want int) {
	t.Helper()
	kubetest.Eventually(t, "pods that have "+image, func() (bool, string) {
		pods, err := p.Client.CoreV1().Pods(p.ns).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			return false, err.Error()
		}
		n := 0
		for _, pod := range pods.Items {
			if pod.Spec.Containers[0].Image != image || len(pod.Status.ContainerStatuses) == 0 {
				continue
			}
			if able(&pod) {
				n++
				continue
			}
			body := fmt.Sprintf(`{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"},{"type":"ContainersReady","status":"True"}],"containerStatuses":[{"name":"c","image":%q,"imageID":"registry.test/web@sha256:0","ready":true,"restartCount":0,"state":{"running":{},"waiting":null}}]}}`, image)
			_, _ = p.Client.CoreV1().Pods(p.ns).Patch(t.Context(), pod.Name, types.StrategicMergePatchType, []byte(body), metav1.PatchOptions{}, "status")
		}
		return n == want, fmt.Sprint(n)
	})
}

func able(p *corev1.Pod) bool {
	return p.DeletionTimestamp == nil && slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// fewest plays the events of pods again, of which the first ones tell what stood there at
// the beginning, and gives the lowest number that was ready at
// once, and whether some pod backed off from pulling its image.
func fewest(t *testing.T, events []watch.Event, begin int) (least int, backedOff bool) {
	t.Helper()
	up := map[string]bool{}
	for i, e := range events {
		p, ok := e.Object.(*corev1.Pod)
		if !ok {
			t.Fatalf("the watch broke: %+v", e)
		}
		delete(up, p.Name)
		if e.Type != watch.Deleted && able(p) {
			up[p.Name] = true
		}
		for _, c := range p.Status.ContainerStatuses {
			backedOff = backedOff || c.State.Waiting != nil && c.State.Waiting.Reason == "ImagePullBackOff"
		}
		if i == begin-1 || i >= begin && len(up) < least {
			least = len(up)
		}
	}
	return least, backedOff
}

// A registry has dropped the image of the release to go back to. A run finds that out with
// as few pods as the workload's own strategy risks, halts with the reason, and leaves the
// workload where it was.
func TestImage_thatIsGoneHaltsTheRunAndIsTakenBack(t *testing.T) {
	s := kubetest.New(t)
	s.AddNodes(t, 1)
	for kind, want := range map[string]struct {
		pods, least int
	}{
		"deployment": {4, 3}, // maxUnavailable 25 %
		"daemonset":  {2, 1}, // maxUnavailable 1
	} {
		t.Run(kind, func(t *testing.T) {
			p := newPlace(t, s, kind)
			w := kubetest.Workload{Name: "web", Image: "web:1-gone", Replicas: int32(want.pods), Deadline: 3}
			if kind == "deployment" {
				p.Deploy(t, p.ns, w)
			} else {
				p.daemonSet(t, w, want.pods)
				p.config.Patience = 6 * time.Second // no deadline is a DaemonSet's own
			}
			p.pulled(t, "web:1-gone", want.pods)
			p.image(t, kind+"s", "web", "web:2")
			if kind == "daemonset" {
				p.images(t, "web", map[string]int{"web:2": want.pods})
			} else {
				p.Settled(t, p.ns, "web")
			}
			p.well(t, kind, "web", "2")
			pods := p.Follow(t, p.ns)
			before := len(p.writes(t))
			r := p.run(t, kind, "2", "1-gone")
			if r.State != backout.RunHalted {
				t.Fatalf("the run ended %s: %+v", r.State, r.Entries)
			}
			says(t, r.Why, "image of 1-gone can't be had", "taken back to 2", "ImagePullBackOff of web:1-gone", "not found", "not_done")
			says(t, r.Entries[len(r.Entries)-1].Text, "nothing moved by this attempt is left moved")
			p.images(t, "web", map[string]int{"web:2": want.pods})
			p.well(t, kind, "web", "2")
			least, backedOff := fewest(t, pods(), want.pods)
			if least < want.least || !backedOff {
				t.Errorf("in between %d pods were ready, want %d at least; seen to back off: %t", least, want.least, backedOff)
			}
			if got := p.writes(t)[before:]; !slices.Equal(got, slices.Repeat([]string{"patch " + kind + "s " + p.ns + "/web 200"}, 2)) {
				t.Errorf("wrote %q, want it there and back", got)
			}
		})
	}
}

// run carries out an attempt of one step with a guard and a gate that agree to everything.
func (p *place) run(t *testing.T, kind string, from, to backout.Version) backout.Run {
	t.Helper()
	f, err := engine.Open(t.Context(), filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(t.Context(), engine.Config{Database: f, Executor: "one"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close(time.Second) })
	x, err := execute.New(t.Context(), execute.Config{
		Engine: e, Actuators: map[string]execute.Actuator{"kubernetes": kubernetes.New(p.config)}, Guard: willing{}, Gate: willing{},
		Tick: 10 * time.Millisecond, MaxTick: 50 * time.Millisecond, Settle: 300 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Launch(); err != nil {
		t.Fatal(err)
	}
	c := p.component(kind, "web")
	plan := backout.Plan{Action: backout.ActionRollBack, Waves: []backout.Wave{{Steps: []backout.Step{{ID: "web", Component: c.ID, From: from, To: to, Stages: []backout.Stage{{Share: 1}}}}}}}
	id := backout.AttemptID(strings.ReplaceAll(p.ns, "-", "") + "/1")
	if err := x.Start(t.Context(), execute.Request{Attempt: backout.Attempt{ID: id, Digest: plan.ExecutableDigest(), Plan: plan}, Components: []backout.Component{c}}); err != nil {
		t.Fatal(err)
	}
	r, err := x.Wait(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
