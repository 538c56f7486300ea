//go:build kubernetes

package kubernetes_test

import (
	"fmt"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/execute/executetest"
	"github.com/backout-dev/backout/internal/execute/kubernetes"
	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
)

// statefulSet deploys a StatefulSet and waits until it is there.
func (p *place) statefulSet(t *testing.T, w kubetest.Workload, edit ...func(*appsv1.StatefulSet)) {
	t.Helper()
	d := w.Deployment(p.ns)
	set := &appsv1.StatefulSet{ObjectMeta: d.ObjectMeta, Spec: appsv1.StatefulSetSpec{Replicas: d.Spec.Replicas, Selector: d.Spec.Selector, Template: d.Spec.Template, ServiceName: w.Name}}
	for _, e := range edit {
		e(set)
	}
	if _, err := p.Client.AppsV1().StatefulSets(p.ns).Create(t.Context(), set, metav1.CreateOptions{FieldManager: kubetest.Pipeline}); err != nil {
		t.Fatal(err)
	}
	p.images(t, w.Name, map[string]int{w.Image: int(w.Replicas)})
}

func (p *place) daemonSet(t *testing.T, w kubetest.Workload, nodes int, edit ...func(*appsv1.DaemonSet)) {
	t.Helper()
	d := w.Deployment(p.ns)
	set := &appsv1.DaemonSet{ObjectMeta: d.ObjectMeta, Spec: appsv1.DaemonSetSpec{Selector: d.Spec.Selector, Template: d.Spec.Template}}
	for _, e := range edit {
		e(set)
	}
	if _, err := p.Client.AppsV1().DaemonSets(p.ns).Create(t.Context(), set, metav1.CreateOptions{FieldManager: kubetest.Pipeline}); err != nil {
		t.Fatal(err)
	}
	p.images(t, w.Name, map[string]int{w.Image: nodes})
}

// image gives container c of a workload another image, as the pipeline.
func (p *place) image(t *testing.T, resource, name, image string) {
	t.Helper()
	body := fmt.Sprintf(`{"spec":{"template":{"spec":{"containers":[{"name":"c","image":%q}]}}}}`, image)
	err := p.As(t, kubetest.Pipeline).AppsV1().RESTClient().Patch(types.StrategicMergePatchType).Namespace(p.ns).Resource(resource).Name(name).
		VersionedParams(&metav1.PatchOptions{FieldManager: kubetest.Pipeline}, metav1.ParameterCodec).Body([]byte(body)).Do(t.Context()).Error()
	if err != nil {
		t.Fatal(err)
	}
}

// images waits until a workload's pods are those, and for ones that can get ready until
// the actuator sees that they are.
func (p *place) images(t *testing.T, name string, want map[string]int) {
	t.Helper()
	kubetest.Eventually(t, fmt.Sprintf("pods of %s: %v", name, want), func() (bool, string) {
		got := p.Images(t, p.ns, name)
		return fmt.Sprint(got) == fmt.Sprint(want), fmt.Sprint(got)
	})
}

func (p *place) live(t *testing.T, kind, name string) backout.Live {
	t.Helper()
	r, err := p.actuator.Probe(t.Context(), p.component(kind, name))
	if err != nil {
		t.Fatal(err)
	}
	return r.Live
}

// well waits until a workload is wholly at a version.
func (p *place) well(t *testing.T, kind, name string, v backout.Version) {
	t.Helper()
	kubetest.Eventually(t, name+" is well at "+string(v), func() (bool, string) {
		l := p.live(t, kind, name)
		return l.Healthy && l.Shares[v] == 1, fmt.Sprintf("%+v", l)
	})
}

// conform runs the suite on a workload that is at release 2 and was at 1.
func (p *place) conform(t *testing.T, kind, resource string) {
	t.Helper()
	p.well(t, kind, "web", "2")
	c, seconds := p.component(kind, "web"), 0
	executetest.Conform(t, executetest.Subject{
		Actuator: p.actuator, Component: c, Stack: stack(c.ID, "1", "2"), From: "2", To: "1",
		Disturb: func(t *testing.T) {
			seconds++
			body := fmt.Sprintf(`{"spec":{"revisionHistoryLimit":%d}}`, 10+seconds)
			err := p.Client.AppsV1().RESTClient().Patch(types.MergePatchType).Namespace(p.ns).Resource(resource).Name("web").Body([]byte(body)).Do(t.Context()).Error()
			if err != nil {
				t.Fatal(err)
			}
		},
		Moves: func() int {
			return len(slices.DeleteFunc(p.writes(t), func(w string) bool { return w != "patch "+resource+" "+p.ns+"/web 200" }))
		},
		Reopen: func(*testing.T) execute.Actuator { return kubernetes.New(p.config) },
	})
}

func TestStatefulSet_conforms(t *testing.T) {
	p := newPlace(t, kubetest.Start(t), "statefulset")
	p.statefulSet(t, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 3})
	p.image(t, "statefulsets", "web", "web:2")
	p.conform(t, "statefulset", "statefulsets")
}

func TestDaemonSet_conforms(t *testing.T) {
	s := kubetest.New(t)
	s.AddNodes(t, 2)
	p := newPlace(t, s, "daemonset")
	p.daemonSet(t, kubetest.Workload{Name: "web", Image: "web:1"}, 3)
	p.image(t, "daemonsets", "web", "web:2")
	p.conform(t, "daemonset", "daemonsets")
}

func TestStatefulSet_goesBackInStagesOfWholePods(t *testing.T) {
	p := newPlace(t, kubetest.Start(t), "statefulset")
	p.statefulSet(t, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 4})
	p.image(t, "statefulsets", "web", "web:2")
	p.well(t, "statefulset", "web", "2")
	rev := p.survey(t, "statefulset", "web", "1", "2")
	if !slices.Equal(rev.Shares, []float64{0.25, 0.5, 1}) {
		t.Fatalf("shares on offer: %v", rev.Shares)
	}
	for i, share := range rev.Shares {
		e := p.effect("statefulset", "web", fmt.Sprint("stage-", i), "2", "1")
		e.Share = share
		p.do(t, e)
		want := map[string]int{"web:1": int(4 * share), "web:2": 4 - int(4*share)}
		if share == 1 {
			delete(want, "web:2")
		}
		p.images(t, "web", want)
		if l := p.live(t, "statefulset", "web"); !l.Healthy || l.Shares["1"] != share {
			t.Errorf("at a share of %v: %+v", share, l)
		}
	}
	// An earlier stage is reached already: nothing is moved back.
	e := p.effect("statefulset", "web", "late", "2", "1")
	e.Share = 0.25
	before := len(p.writes(t))
	p.do(t, e)
	if w := p.writes(t)[before:]; len(w) > 0 {
		t.Errorf("a stage that is over was written again: %v", w)
	}
	// From the middle back to where it came from.
	e = p.effect("statefulset", "web", "half", "1", "2")
	e.Share = 0.5
	p.do(t, e)
	p.do(t, p.effect("statefulset", "web", "undo", "2", "1"))
	p.images(t, "web", map[string]int{"web:1": 4})
}

func TestStatefulSet_brokenPodDoesNotKeepTheReleaseOut(t *testing.T) {
	p := newPlace(t, kubetest.Start(t), "statefulset")
	p.statefulSet(t, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 3})
	p.well(t, "statefulset", "web", "1")
	p.image(t, "statefulsets", "web", "web:bad")
	p.images(t, "web", map[string]int{"web:1": 2, "web:bad": 1})
	p.do(t, p.effect("statefulset", "web", "back", "bad", "1"))
	p.images(t, "web", map[string]int{"web:1": 3})
}

func TestShares_thatAKindCannotBeHeldAtAreRefused(t *testing.T) {
	p := newPlace(t, kubetest.Start(t), "deployment", "daemonset")
	twoReleases(t, p, kubetest.Workload{Replicas: 4})
	e := p.effect("deployment", "web", "half", "2", "1")
	e.Share = 0.5
	p.refused(t, e, backout.CodeInvalid, "moved whole")
	if rev := p.survey(t, "deployment", "web", "1", "2"); !slices.Equal(rev.Shares, []float64{1}) {
		t.Errorf("shares on offer: %v", rev.Shares)
	}
}

func TestBudget_isAskedWherePodsAreAskedToGo(t *testing.T) {
	s := kubetest.New(t)
	s.AddNodes(t, 1)
	p := newPlace(t, s, "daemonset")
	p.daemonSet(t, kubetest.Workload{Name: "web", Image: "web:1"}, 2, func(d *appsv1.DaemonSet) {
		d.Spec.UpdateStrategy.Type = appsv1.OnDeleteDaemonSetStrategyType
	})
	p.image(t, "daemonsets", "web", "web:2")
	kubetest.Eventually(t, "the second release is noted", func() (bool, string) {
		rev := p.survey(t, "daemonset", "web", "1", "2")
		return rev.Current == "2", rev.Why
	})
	p.do(t, p.effect("daemonset", "web", "forth", "1", "2"))
	p.images(t, "web", map[string]int{"web:2": 2})
	all := intstr.FromInt32(2)
	budget := &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "all"}, Spec: policyv1.PodDisruptionBudgetSpec{MinAvailable: &all, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}},
	}
	if _, err := p.Client.PolicyV1().PodDisruptionBudgets(p.ns).Create(t.Context(), budget, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	kubetest.Eventually(t, "the budget is in the way", func() (bool, string) {
		rev := p.survey(t, "daemonset", "web", "1", "2")
		return len(rev.Levels) == 0, fmt.Sprintf("%+v", rev)
	})
	says(t, p.survey(t, "daemonset", "web", "1", "2").Why, "disruption budget all lets no pod")
	p.refused(t, p.effect("daemonset", "web", "x", "2", "1"), backout.CodeForbidden, "disruption budget all")
	if err := p.Client.PolicyV1().PodDisruptionBudgets(p.ns).Delete(t.Context(), "all", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	p.do(t, p.effect("daemonset", "web", "back", "2", "1"))
	p.images(t, "web", map[string]int{"web:1": 2})
}
