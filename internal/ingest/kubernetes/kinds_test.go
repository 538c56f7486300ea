//go:build kubernetes

package kubernetes_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/backout-dev/backout"
	source "github.com/backout-dev/backout/internal/ingest/kubernetes"
	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
)

func patch(image string) []byte {
	return fmt.Appendf(nil, `{"spec":{"template":{"spec":{"containers":[{"name":"c","image":%q}]}}}}`, image)
}

func TestStatefulSetsAndDaemonSets_haveRevisionsToo(t *testing.T) {
	s := kubetest.Start(t)
	s.Grant(t, kubetest.Product, readOnly...)
	ns := s.Namespace(t)
	d := kubetest.Workload{Name: "db", Image: "db:1", Replicas: 2}.Deployment(ns)
	if _, err := s.Client.AppsV1().StatefulSets(ns).Create(t.Context(), &appsv1.StatefulSet{ObjectMeta: d.ObjectMeta, Spec: appsv1.StatefulSetSpec{Replicas: d.Spec.Replicas, Selector: d.Spec.Selector, Template: d.Spec.Template, ServiceName: "db"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	d = kubetest.Workload{Name: "agent", Image: "agent:1"}.Deployment(ns)
	if _, err := s.Client.AppsV1().DaemonSets(ns).Create(t.Context(), &appsv1.DaemonSet{ObjectMeta: d.ObjectMeta, Spec: appsv1.DaemonSetSpec{Selector: d.Spec.Selector, Template: d.Spec.Template}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	pods := func(image string, n int) {
		t.Helper()
		name, _, _ := strings.Cut(image, ":")
		kubetest.Eventually(t, image, func() (bool, string) {
			got := s.Images(t, ns, name)
			return len(got) == 1 && got[image] == n, fmt.Sprint(got)
		})
	}
	pods("db:1", 2)
	pods("agent:1", 1)
	l := newLedger()
	run(t, open(t, s, l, "", ns))
	set := func(db, agent string) {
		t.Helper()
		if _, err := s.Client.AppsV1().StatefulSets(ns).Patch(t.Context(), "db", types.StrategicMergePatchType, patch(db), metav1.PatchOptions{FieldManager: "dba"}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Client.AppsV1().DaemonSets(ns).Patch(t.Context(), "agent", types.StrategicMergePatchType, patch(agent), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		pods(db, 2)
		pods(agent, 1)
	}
	set("db:2", "agent:2")
	l.await(t, ns+".statefulset.db@", "1>2")
	l.await(t, ns+".daemonset.agent@", "1>2")
	set("db:1", "agent:1") // the old ControllerRevision comes back under a new number
	l.await(t, ns+".statefulset.db@", "1>2 2>1")
	l.await(t, ns+".daemonset.agent@", "1>2 2>1")
	if c := l.changes(ns + ".statefulset.db@")[0]; c.Actor != "dba" {
		t.Errorf("actor %q, want dba", c.Actor)
	}
}

func TestLimits_areFacts(t *testing.T) {
	s := kubetest.Start(t)
	s.Grant(t, kubetest.Product, readOnly...)
	ns := s.Namespace(t)
	budgets, quotas, scalers := s.Client.PolicyV1().PodDisruptionBudgets(ns), s.Client.CoreV1().ResourceQuotas(ns), s.Client.AutoscalingV2().HorizontalPodAutoscalers(ns)
	two, least := intstr.FromInt32(2), int32(4)
	s.Deploy(t, ns, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 4})
	s.Settled(t, ns, "web")
	for _, err := range []error{
		second(budgets.Create(t.Context(), &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: policyv1.PodDisruptionBudgetSpec{MinAvailable: &two, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}}, metav1.CreateOptions{})),
		second(quotas.Create(t.Context(), &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "q"}, Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("20")}}}, metav1.CreateOptions{})),
		second(scalers.Create(t.Context(), &autoscalingv2.HorizontalPodAutoscaler{
			ObjectMeta: metav1.ObjectMeta{Name: "web", OwnerReferences: nil, Labels: map[string]string{"scaledobject.keda.sh/name": "web-so"}},
			Spec:       autoscalingv2.HorizontalPodAutoscalerSpec{ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}, MinReplicas: &least, MaxReplicas: 9},
		}, metav1.CreateOptions{})),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	l := newLedger()
	src := open(t, s, l, "", ns)
	run(t, src)
	if f, _ := src.Found(); len(f.Components) != 1 || f.Components[0].MinAvailable != 2 || f.Components[0].MaxSurge != 1 {
		t.Errorf("found %+v, want a budget of 2 and a surge of 1", f.Components)
	}
	merge := func(body string) []byte { return []byte(body) }
	if _, err := budgets.Patch(t.Context(), "web", types.MergePatchType, merge(`{"spec":{"minAvailable":3}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := quotas.Patch(t.Context(), "q", types.MergePatchType, merge(`{"spec":{"hard":{"pods":"8"}}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := scalers.Patch(t.Context(), "web", types.MergePatchType, merge(`{"spec":{"minReplicas":3}}`), metav1.PatchOptions{FieldManager: "keda-operator"}); err != nil {
		t.Fatal(err)
	}
	l.await(t, "infrastructure:"+ns+".budget.web@", "min 2>min 3")
	l.await(t, "infrastructure:"+ns+".quota.q@", "pods=20>pods=8")
	l.await(t, "infrastructure:"+ns+".web.scale@", "4..9>3..9")
	if c := l.changes(".scale@")[0]; c.Actor != "keda-operator (KEDA web-so)" {
		t.Errorf("actor %q, want who wrote it and which tool stands behind", c.Actor)
	}
	kubetest.Eventually(t, "the new budget", func() (bool, string) {
		f, _ := src.Found()
		return slices.ContainsFunc(f.Components, func(c backout.Component) bool { return c.Locator != "" && c.MinAvailable == 3 }), fmt.Sprintf("%+v", f.Components)
	})
}

func second[T any](_ T, err error) error { return err }

func TestNode_cordonedIsAChange(t *testing.T) {
	s := kubetest.New(t)
	s.Grant(t, kubetest.Product, readOnly...)
	l := newLedger()
	run(t, open(t, s, l, "", ""))
	s.AddNodes(t, 1)
	if _, err := s.Client.CoreV1().Nodes().Patch(t.Context(), "n0", types.MergePatchType, []byte(`{"spec":{"unschedulable":true}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	l.await(t, "infrastructure:node.", "kwok>kwok+cordoned")
}

func TestRelease_stuckIsAChangeThatHardlyAnybodyMet(t *testing.T) {
	s := kubetest.Start(t)
	s.Grant(t, kubetest.Product, readOnly...)
	ns := s.Namespace(t)
	s.Deploy(t, ns, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 4, Deadline: 1})
	s.Settled(t, ns, "web")
	l := newLedger()
	src := open(t, s, l, "", ns, func(c *source.Config) { c.Snapshots, c.Bake = l, 50*time.Millisecond })
	run(t, src)
	kubetest.Eventually(t, "a snapshot of what works", func() (bool, string) { l.mu.Lock(); defer l.mu.Unlock(); return len(l.snapshots) == 1, "" })
	s.SetImage(t, kubetest.Pipeline, ns, "web", "web:bad")
	s.Stuck(t, ns, "web")
	l.await(t, ns+".web@", "1>bad")
	c := l.changes(ns + ".web@")[0]
	if got := c.Exposure.Share(time.Now()); got > 0.05 {
		t.Errorf("share %g of a release of which no pod is ready", got)
	}
	l.mu.Lock()
	snap, bad := l.snapshots[string(c.Component)+" 1"], len(l.snapshots)
	l.mu.Unlock()
	if bad != 1 || snap.Replicas != 4 || snap.Images["c"] != "web:1" || !strings.HasPrefix(snap.Digests["c"], "sha256:") {
		t.Errorf("%d snapshots, of the good one %+v: what is stuck was never verified", bad, snap)
	}
	if missing, err := src.Missing(t.Context(), snap); err != nil || len(missing) != 0 {
		t.Errorf("the good release lacks %v, %v", missing, err)
	}
	if err := s.Client.AppsV1().ReplicaSets(ns).Delete(t.Context(), snap.Revision, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	kubetest.Eventually(t, "its revision is missed", func() (bool, string) {
		missing, err := src.Missing(t.Context(), snap)
		return err == nil && len(missing) == 1 && strings.Contains(missing[0], "is gone"), fmt.Sprint(missing, err)
	})
}

func TestDeclaredComponent_isTheWorkload(t *testing.T) {
	s := kubetest.Start(t)
	s.Grant(t, kubetest.Product, readOnly...)
	ns := s.Namespace(t)
	s.Deploy(t, ns, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 1})
	s.Settled(t, ns, "web")
	l := newLedger()
	run(t, open(t, s, l, "", ns, func(c *source.Config) {
		c.Components = []backout.Component{{ID: "deployment:front@production/eu-1", Kind: backout.KindDeployment, Name: "front", Environment: "production", Location: "eu-1", Locator: "c1/" + ns + "/deployment/web"}}
	}))
	s.SetImage(t, kubetest.Pipeline, ns, "web", "web:2")
	l.await(t, "deployment:front@production/eu-1", "1>2")
}

func TestRights_whatIsNotGrantedIsToldAndDoneWithout(t *testing.T) {
	s := kubetest.New(t)
	s.Grant(t, kubetest.Product, readOnly[0], readOnly[1], readOnly[2], readOnly[3])
	ns := s.Namespace(t)
	putConfig(t, s, kubetest.Tester, ns, "env", "1")
	s.Deploy(t, ns, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 1, ConfigMaps: []string{"env"}})
	s.Settled(t, ns, "web")
	l := newLedger()
	stop := run(t, open(t, s, l, "", ns))
	stop()
	// From now on workloads and pods only.
	roles, err := s.Client.RbacV1().ClusterRoles().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range roles.Items {
		if strings.HasPrefix(r.Name, "t-") {
			r.Rules = []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list", "watch"}}, readOnly[1]}
			if _, err := s.Client.RbacV1().ClusterRoles().Update(t.Context(), &r, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	kubetest.Eventually(t, "the right is gone", func() (bool, string) {
		_, err := s.As(t, kubetest.Product).CoreV1().Secrets(ns).List(t.Context(), metav1.ListOptions{})
		return apierrors.IsForbidden(err), fmt.Sprint(err)
	})
	var said atomic.Value
	run(t, open(t, s, l, "", ns, func(c *source.Config) {
		c.Trouble = func(err error) { said.Store(fmt.Sprint(err)) }
	}))
	if got := fmt.Sprint(said.Load()); !strings.Contains(got, "forbidden") || !strings.Contains(got, "secrets "+ns) {
		t.Errorf("it tells %q, want what it may not read", got)
	}
	s.SetImage(t, kubetest.Pipeline, ns, "web", "web:2")
	l.await(t, ns+".web@", "1>2")
	if got := l.moves("config:"); got != "" {
		t.Errorf("what it may not read any more has changed for it: %s", got)
	}
}
