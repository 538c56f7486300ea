//go:build kubernetes

package kubernetes_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute/kubernetes"
	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
)

// granted lists what a manifest grants, such as "patch apps deployments".
func granted(t *testing.T, manifest string) []string {
	t.Helper()
	doc, err := os.ReadFile("../../../deploy/kubernetes/rbac-" + manifest + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	var role rbacv1.ClusterRole
	if err := yaml.UnmarshalStrict(doc, &role); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range role.Rules {
		for _, verb := range r.Verbs {
			out = append(out, verb+" "+r.APIGroups[0]+" "+r.Resources[0])
		}
		if len(r.APIGroups) != 1 || len(r.Resources) != 1 || slices.Contains(r.Verbs, "*") {
			t.Errorf("%s grants %+v: expected one resource a rule, and verbs by name", manifest, r)
		}
	}
	slices.Sort(out)
	return out
}

// used lists what the service account has done so far, in the same words. It fails when
// it was refused anything.
func (p *place) used(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, c := range p.Audit(t, p.user) {
		if c.Group == "authorization.k8s.io" {
			continue
		}
		if c.Code == 403 {
			t.Errorf("it was refused: %s", c)
		}
		out = append(out, c.Verb+" "+c.Group+" "+strings.TrimSuffix(c.Resource+"/"+c.Subresource, "/"))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Nothing is granted that is not used, and nothing is asked for that is not granted.
func TestManifests_grantWhatIsUsedAndNothingElse(t *testing.T) {
	s := kubetest.New(t)
	zero, one := intstr.FromInt32(0), intstr.FromInt32(1)
	t.Run("deployment", func(t *testing.T) {
		p := newPlace(t, s, "deployment")
		p.configMap(t, "web", map[string]string{"a": "1"})
		p.Deploy(t, p.ns, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 2, CPU: "100m", ConfigMaps: []string{"web"}})
		p.Settled(t, p.ns, "web")
		p.edit(t, kubetest.Pipeline, "web", `{"spec":{"strategy":{"rollingUpdate":{"maxSurge":1,"maxUnavailable":0}}}}`)
		p.Load(p.ns, "web", 200)
		p.autoscale(t, "Deployment", "web", 2, 10)
		p.ready(t, "web", 4)
		p.SetImage(t, kubetest.Pipeline, p.ns, "web", "web:2")
		p.ready(t, "web", 4)
		p.Load(p.ns, "web", 50)
		p.ready(t, "web", 2)
		if rev := p.survey(t, "deployment", "web", "1", "2"); len(rev.Levels) != 1 {
			t.Errorf("survey: %+v", rev)
		}
		p.do(t, p.effect("deployment", "web", "back", "2", "1"))
		if got, want := p.used(t), granted(t, "deployment"); !slices.Equal(got, want) {
			t.Errorf("used    %q\ngranted %q", got, want)
		}
	})
	t.Run("statefulset", func(t *testing.T) {
		p := newPlace(t, s, "statefulset")
		p.configMap(t, "web", map[string]string{"a": "1"})
		p.statefulSet(t, kubetest.Workload{Name: "asked", Image: "web:1", Replicas: 1}, func(d *appsv1.StatefulSet) { d.Spec.UpdateStrategy.Type = appsv1.OnDeleteStatefulSetStrategyType })
		p.statefulSet(t, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 2, ConfigMaps: []string{"web"}})
		p.Load(p.ns, "web", 50)
		p.autoscale(t, "StatefulSet", "web", 2, 10)
		p.config.Ran = func(_ context.Context, c backout.ComponentID, _ backout.Version) (kubernetes.Ran, bool, error) {
			return kubernetes.Ran{Pods: 4}, strings.Contains(string(c), ".web@"), nil
		}
		p.actuator = kubernetes.New(p.config)
		for _, name := range []string{"web", "asked"} {
			p.image(t, "statefulsets", name, "web:2")
			kubetest.Eventually(t, "the second release is noted", func() (bool, string) {
				rev := p.survey(t, "statefulset", name, "1", "2")
				return rev.Current == "2", rev.Why
			})
			if name == "web" {
				p.well(t, "statefulset", name, "2")
			}
			p.do(t, p.effect("statefulset", name, "there", "1", "2"))
			p.doWithAPodMissing(t, p.effect("statefulset", name, "back", "2", "1"))
		}
		if got, want := p.used(t), granted(t, "statefulset"); !slices.Equal(got, want) {
			t.Errorf("used    %q\ngranted %q", got, want)
		}
	})
	t.Run("daemonset", func(t *testing.T) {
		p := newPlace(t, s, "daemonset")
		p.configMap(t, "web", map[string]string{"a": "1"})
		p.daemonSet(t, kubetest.Workload{Name: "asked", Image: "web:1"}, 1, func(d *appsv1.DaemonSet) { d.Spec.UpdateStrategy.Type = appsv1.OnDeleteDaemonSetStrategyType })
		p.daemonSet(t, kubetest.Workload{Name: "web", Image: "web:1", ConfigMaps: []string{"web"}}, 1, func(d *appsv1.DaemonSet) {
			d.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateDaemonSet{MaxSurge: &one, MaxUnavailable: &zero}
		})
		for _, name := range []string{"web", "asked"} {
			p.image(t, "daemonsets", name, "web:2")
			kubetest.Eventually(t, "the second release is noted", func() (bool, string) {
				rev := p.survey(t, "daemonset", name, "1", "2")
				return rev.Current == "2", rev.Why
			})
			if name == "web" {
				p.well(t, "daemonset", name, "2")
			}
			p.do(t, p.effect("daemonset", name, "there", "1", "2"))
			p.doWithAPodMissing(t, p.effect("daemonset", name, "back", "2", "1"))
		}
		if got, want := p.used(t), granted(t, "daemonset"); !slices.Equal(got, want) {
			t.Errorf("used    %q\ngranted %q", got, want)
		}
	})
}

// doWithAPodMissing does an effect while the controllers are too slow to replace a pod that
// has gone: why they don't is asked for then.
func (p *place) doWithAPodMissing(t *testing.T, e backout.Effect) {
	t.Helper()
	resume := p.PauseControllers(t)
	pods, err := p.Client.CoreV1().Pods(p.ns).List(t.Context(), metav1.ListOptions{LabelSelector: "app=" + e.Component.Name})
	if err != nil || len(pods.Items) == 0 {
		t.Fatalf("%d pods, %v", len(pods.Items), err)
	}
	if err := p.Client.CoreV1().Pods(p.ns).Delete(t.Context(), pods.Items[0].Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(time.Second, resume)
	p.do(t, e)
}

func TestKEDA_keepsItsAutoscaler(t *testing.T) {
	p := newPlace(t, kubetest.Start(t), "deployment")
	scaledDown(t, p)
	mark := `{"metadata":{"labels":{"scaledobject.keda.sh/name":"web-queue"}}}`
	if _, err := p.Client.AutoscalingV2().HorizontalPodAutoscalers(p.ns).Patch(t.Context(), "web", types.MergePatchType, []byte(mark), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	rev := p.survey(t, "deployment", "web", "1", "2")
	says(t, rev.Why, "KEDA web-queue decides how many pods there are", "capacity is not pinned")
	if len(rev.Levels) != 1 {
		t.Errorf("survey: %+v", rev)
	}
	p.do(t, p.effect("deployment", "web", "back", "2", "1"))
	if got := p.writes(t); !slices.Equal(got, []string{"patch deployments " + p.ns + "/web 200"}) {
		t.Errorf("wrote %q, want the Deployment alone", got)
	}
}
