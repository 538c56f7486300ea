//go:build kubernetes

package kubernetes_test

import (
	"fmt"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	client "k8s.io/client-go/kubernetes"
	"net/http"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/execute/executetest"
	"github.com/backout-dev/backout/internal/execute/kubernetes"
	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
)

// twoReleases deploys web:1 and then web:2 and waits until all of it is there.
func twoReleases(t *testing.T, p *place, w kubetest.Workload) {
	t.Helper()
	w.Name, w.Image = "web", "web:1"
	p.Deploy(t, p.ns, w)
	p.Settled(t, p.ns, "web")
	p.SetImage(t, kubetest.Pipeline, p.ns, "web", "web:2")
	p.Settled(t, p.ns, "web")
}

func TestDeployment_conforms(t *testing.T) {
	p := newPlace(t, kubetest.Start(t), "deployment")
	twoReleases(t, p, kubetest.Workload{Replicas: 3})
	between := &faulty{}
	config := p.rest()
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { between.next = next; return between })
	p.config.Clusters = map[string]client.Interface{"c": p.client(t, config)}
	c, minutes := p.component("deployment", "web"), 0
	executetest.Conform(t, executetest.Subject{
		Actuator: kubernetes.New(p.config), Component: c, Stack: stack(c.ID, "1", "2"), From: "2", To: "1", Arrange: between.arrange,
		Disturb: func(t *testing.T) {
			minutes++
			body := fmt.Sprintf(`{"spec":{"progressDeadlineSeconds":%d}}`, 60*minutes)
			if _, err := p.Client.AppsV1().Deployments(p.ns).Patch(t.Context(), "web", types.MergePatchType, []byte(body), metav1.PatchOptions{}); err != nil {
				t.Fatal(err)
			}
		},
		Moves: func() int {
			return len(slices.DeleteFunc(p.writes(t), func(w string) bool { return w != "patch deployments "+p.ns+"/web 200" }))
		},
		Reopen: func(*testing.T) execute.Actuator { return kubernetes.New(p.config) },
	})
	for _, w := range p.writes(t) {
		if w != "patch deployments "+p.ns+"/web 200" {
			t.Errorf("besides the Deployment it wrote %s", w)
		}
	}
}

func TestDeployment_stuckReleaseIsTakenBack(t *testing.T) {
	p := newPlace(t, kubetest.Start(t), "deployment")
	p.Deploy(t, p.ns, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 3, Deadline: 2})
	p.Settled(t, p.ns, "web")
	p.SetImage(t, kubetest.Pipeline, p.ns, "web", "web:bad-2")
	p.Stuck(t, p.ns, "web")
	r, err := p.actuator.Probe(t.Context(), p.component("deployment", "web"))
	if err != nil || r.Live.Healthy || r.Live.Shares["1"] >= 1 || r.Live.Shares["1"] < 0.5 {
		t.Fatalf("while it is stuck: %+v, %v; want most at 1, not all, not healthy", r, err)
	}
	if rev := p.survey(t, "deployment", "web", "1", "bad-2"); len(rev.Levels) != 1 || rev.Current != "bad-2" {
		t.Errorf("survey while it is stuck: %+v", rev)
	}
	p.do(t, p.effect("deployment", "web", "back", "bad-2", "1"))
	p.Settled(t, p.ns, "web")
	if got := p.Images(t, p.ns, "web"); len(got) != 1 || got["web:1"] != 3 {
		t.Errorf("pods by image: %v", got)
	}
	// The other way round it is told why it does not get there.
	out, err := p.actuator.Do(t.Context(), p.effect("deployment", "web", "forth", "1", "bad-2"))
	if out != backout.OutcomeUnknown || err == nil {
		t.Fatalf("to a release that crashes: %s, %v", out, err)
	}
	says(t, err.Error(), "CrashLoopBackOff", "web:bad-2", "ProgressDeadlineExceeded")
}

func TestProbe_countsAReleaseThatHasNoPodsYet(t *testing.T) {
	s := kubetest.New(t)
	p := newPlace(t, s, "deployment")
	twoReleases(t, p, kubetest.Workload{Replicas: 3})
	resume := s.PauseControllers(t)
	p.SetImage(t, kubetest.Pipeline, p.ns, "web", "web:3")
	r, err := p.actuator.Probe(t.Context(), p.component("deployment", "web"))
	if err != nil || r.Live.Healthy || r.Live.Shares["2"] != 0.75 {
		t.Errorf("web:3 is asked for, and has no pods: %+v, %v; want 3 of 4 at 2", r.Live, err)
	}
	e := p.effect("deployment", "web", "x", "3", "2")
	if execute.Reached(r, e) {
		t.Error("a release that is about to be left is taken for reached")
	}
	resume()
	p.do(t, e)
	if got := p.Images(t, p.ns, "web"); got["web:2"] != 3 || len(got) != 1 {
		t.Errorf("pods by image: %v", got)
	}
}
