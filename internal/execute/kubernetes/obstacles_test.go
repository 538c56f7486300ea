//go:build kubernetes

package kubernetes_test

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
)

// edit changes a Deployment as somebody.
func (p *place) edit(t *testing.T, user, name, body string) {
	t.Helper()
	if _, err := p.As(t, user).AppsV1().Deployments(p.ns).Patch(t.Context(), name, types.StrategicMergePatchType, []byte(body), metav1.PatchOptions{FieldManager: user}); err != nil {
		t.Fatal(err)
	}
}

func TestRights_areToldBeforeAnythingIsTouched(t *testing.T) {
	s := kubetest.Start(t)
	p := newPlace(t, s)
	twoReleases(t, p, kubetest.Workload{Replicas: 2})
	if rev := p.survey(t, "deployment", "web", "1", "2"); rev.Known || rev.Why == "" {
		t.Errorf("without any right: %+v", rev)
	}
	p.refused(t, p.effect("deployment", "web", "blind", "2", "1"), backout.CodeForbidden, "cannot get resource")
	// Who may read and not write is told which right is missing.
	if _, err := s.Client.RbacV1().RoleBindings(p.ns).Create(t.Context(), viewer(p.ns), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	kubetest.Eventually(t, "it may read", func() (bool, string) {
		rev := p.survey(t, "deployment", "web", "1", "2")
		return rev.Known, rev.Why
	})
	rev := p.survey(t, "deployment", "web", "1", "2")
	says(t, rev.Why, "patch deployments", p.ns)
	if len(rev.Levels) > 0 {
		t.Errorf("it offers %+v", rev.Levels)
	}
	p.refused(t, p.effect("deployment", "web", "reader", "2", "1"), backout.CodeForbidden, "patch deployments")
}

func TestTools_keepWhatIsTheirs(t *testing.T) {
	s := kubetest.Start(t)
	for name, c := range map[string]struct {
		workload kubetest.Workload
		manager  string // of a write to the template
		says     string
	}{
		"argo": {kubetest.Workload{Annotations: map[string]string{"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"}}, "", "Argo CD shop"},
		"helm": {kubetest.Workload{Labels: map[string]string{"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "shop"}}, "", "Helm shop"},
		"flux": {kubetest.Workload{Labels: map[string]string{"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux"}}, "", "Flux flux/apps"},
		"else": {kubetest.Workload{}, "home-grown-operator", `"home-grown-operator"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, s, "deployment")
			c.workload.Replicas = 1
			twoReleases(t, p, c.workload)
			if c.manager != "" {
				body := `{"spec":{"template":{"metadata":{"annotations":{"a":"b"}}}}}`
				if _, err := p.Client.AppsV1().Deployments(p.ns).Patch(t.Context(), "web", types.MergePatchType, []byte(body), metav1.PatchOptions{FieldManager: c.manager}); err != nil {
					t.Fatal(err)
				}
				p.Settled(t, p.ns, "web")
			}
			rev := p.survey(t, "deployment", "web", "1", "2")
			says(t, rev.Why, "observed only", c.says)
			if !rev.Known || len(rev.Levels) > 0 {
				t.Errorf("survey: %+v", rev)
			}
			p.refused(t, p.effect("deployment", "web", "x", "2", "1"), backout.CodeForbidden, c.says)
		})
	}
}

func TestLeftovers_ofOthersDontStay(t *testing.T) {
	p := newPlace(t, kubetest.Start(t), "deployment")
	p.Deploy(t, p.ns, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 2})
	p.Settled(t, p.ns, "web")
	p.edit(t, kubetest.Pipeline, "web", `{"spec":{"template":{"spec":{"containers":[{"name":"c","image":"web:2","env":[{"name":"MODE","value":"new"}]},{"name":"sidecar","image":"proxy:1"}]}}}}`)
	p.Settled(t, p.ns, "web")
	p.do(t, p.effect("deployment", "web", "back", "2", "1"))
	d := p.Settled(t, p.ns, "web")
	if n := d.Spec.Template.Spec.Containers; len(n) != 1 || n[0].Image != "web:1" || len(n[0].Env) > 0 {
		t.Errorf("after going back the containers are %+v", n)
	}
	if d.Annotations["backout.dev/effect"] != "a/1/back" {
		t.Errorf("annotations %v do not name the effect", d.Annotations)
	}
	p.do(t, p.effect("deployment", "web", "forth", "1", "2"))
	if n := p.Settled(t, p.ns, "web").Spec.Template.Spec.Containers; len(n) != 2 || n[0].Image != "web:2" || len(n[0].Env) != 1 {
		t.Errorf("after going forth the containers are %+v", n)
	}
}

func TestConfig_thatIsGoneTakesTheReleaseOffTheList(t *testing.T) {
	p := newPlace(t, kubetest.Start(t), "deployment", "secrets")
	for _, name := range []string{"old", "new"} {
		if _, err := p.Client.CoreV1().ConfigMaps(p.ns).Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.Client.CoreV1().Secrets(p.ns).Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "key"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	p.Deploy(t, p.ns, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 1, ConfigMaps: []string{"old"}, Secrets: []string{"key"}})
	p.Settled(t, p.ns, "web")
	p.edit(t, kubetest.Pipeline, "web", `{"spec":{"template":{"spec":{"containers":[{"name":"c","image":"web:2","envFrom":[{"configMapRef":{"name":"new"}}]}]}}}}`)
	p.Settled(t, p.ns, "web")
	if rev := p.survey(t, "deployment", "web", "1", "2"); len(rev.Levels) != 1 {
		t.Fatalf("while everything is there: %+v", rev)
	}
	for _, err := range []error{
		p.Client.CoreV1().ConfigMaps(p.ns).Delete(t.Context(), "old", metav1.DeleteOptions{}), p.Client.CoreV1().Secrets(p.ns).Delete(t.Context(), "key", metav1.DeleteOptions{}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	rev := p.survey(t, "deployment", "web", "1", "2")
	says(t, rev.Why, "ConfigMap old is gone", "Secret key is gone")
	if len(rev.Levels) > 0 {
		t.Errorf("it offers %+v", rev.Levels)
	}
	p.refused(t, p.effect("deployment", "web", "x", "2", "1"), backout.CodeForbidden, "ConfigMap old is gone")
}

func TestHistory_warnsBeforeItDropsAReleaseAndSaysWhenItHas(t *testing.T) {
	p := newPlace(t, kubetest.Start(t), "deployment")
	d := kubetest.Workload{Name: "web", Image: "web:1", Replicas: 1}.Deployment(p.ns)
	limit := int32(2)
	d.Spec.RevisionHistoryLimit = &limit
	if _, err := p.Client.AppsV1().Deployments(p.ns).Create(t.Context(), d, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	versions := []backout.Version{"1"}
	for n, want := range []string{"", "", "the next release drops 1", "1 is not among the 3 releases"} {
		if n > 0 {
			versions = append(versions, backout.Version(fmt.Sprint(n+1)))
			p.SetImage(t, kubetest.Pipeline, p.ns, "web", "web:"+string(versions[n]))
		}
		p.Settled(t, p.ns, "web")
		kubetest.Eventually(t, fmt.Sprintf("after %d releases it says %q", n+1, want), func() (bool, string) {
			rev := p.survey(t, "deployment", "web", versions...)
			return rev.Why == want || want != "" && len(rev.Why) >= len(want) && rev.Why[:len(want)] == want, rev.Why
		})
	}
	p.refused(t, p.effect("deployment", "web", "x", "4", "1"), backout.CodeNotFound, "does not keep 1")
}

func TestQuota_withoutRoomIsToldBeforeAnythingIsTouched(t *testing.T) {
	p := newPlace(t, kubetest.Start(t), "deployment")
	twoReleases(t, p, kubetest.Workload{Replicas: 2})
	p.edit(t, kubetest.Person, "web", `{"spec":{"strategy":{"rollingUpdate":{"maxSurge":1,"maxUnavailable":0}}}}`)
	p.Settled(t, p.ns, "web")
	if _, err := p.Client.CoreV1().ResourceQuotas(p.ns).Create(t.Context(), &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: "tight"}, Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("2")}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	kubetest.Eventually(t, "the quota is in the way", func() (bool, string) {
		rev := p.survey(t, "deployment", "web", "1", "2")
		return len(rev.Levels) == 0, fmt.Sprintf("%+v", rev)
	})
	says(t, p.survey(t, "deployment", "web", "1", "2").Why, "quota tight has no room", "2 of 2 pods")
	p.refused(t, p.effect("deployment", "web", "x", "2", "1"), backout.CodeForbidden, "quota tight")
	// Where a pod may go first there is a way.
	p.edit(t, kubetest.Person, "web", `{"spec":{"strategy":{"rollingUpdate":{"maxSurge":0,"maxUnavailable":1}}}}`)
	p.Settled(t, p.ns, "web")
	p.do(t, p.effect("deployment", "web", "y", "2", "1"))
}

// A release that asks for more than the one after it may not fit any more, of whatever kind
// its workload is; just so much is enough.
func TestQuota_withoutRoomForTheWholeReleaseIsToldBefore(t *testing.T) {
	s := kubetest.Start(t)
	for kind, pods := range map[string]int32{"deployment": 2, "statefulset": 2, "daemonset": 1} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, s, kind)
			w := kubetest.Workload{Name: "web", Image: "web:1", Replicas: pods, CPU: "500m"}
			switch kind {
			case "deployment":
				p.Deploy(t, p.ns, w)
				p.Settled(t, p.ns, "web")
			case "statefulset":
				p.statefulSet(t, w)
			case "daemonset":
				p.daemonSet(t, w, int(pods))
			}
			p.smaller(t, kind+"s", "web:2", "100m")
			p.well(t, kind, "web", "2")
			whole := resource.NewMilliQuantity(500*int64(pods), resource.DecimalSI)
			if kind == "deployment" { // of two, none may be missing: one of before stays until the last is ready
				whole.Add(resource.MustParse("100m"))
			}
			quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "tight"}, Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourceRequestsCPU: resource.MustParse("450m")}}}
			if _, err := p.Client.CoreV1().ResourceQuotas(p.ns).Create(t.Context(), quota, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			kubetest.Eventually(t, "the quota is in the way", func() (bool, string) {
				rev := p.survey(t, kind, "web", "1", "2")
				return len(rev.Levels) == 0, fmt.Sprintf("%+v", rev)
			})
			p.refused(t, p.effect(kind, "web", "x", "2", "1"), backout.CodeForbidden, "quota tight has no room", "of 450m requests.cpu")
			quota.Spec.Hard[corev1.ResourceRequestsCPU] = *whole
			if _, err := p.Client.CoreV1().ResourceQuotas(p.ns).Update(t.Context(), quota, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
			kubetest.Eventually(t, "there is room", func() (bool, string) {
				rev := p.survey(t, kind, "web", "1", "2")
				return len(rev.Levels) == 1, fmt.Sprintf("%+v", rev)
			})
			p.do(t, p.effect(kind, "web", "back", "2", "1"))
		})
	}
}

// smaller gives container c of web another image, and other requests for CPU.
func (p *place) smaller(t *testing.T, resource, image, cpu string) {
	t.Helper()
	body := fmt.Sprintf(`{"spec":{"template":{"spec":{"containers":[{"name":"c","image":%q,"resources":{"requests":{"cpu":%q}}}]}}}}`, image, cpu)
	err := p.As(t, kubetest.Pipeline).AppsV1().RESTClient().Patch(types.StrategicMergePatchType).Namespace(p.ns).Resource(resource).Name("web").
		VersionedParams(&metav1.PatchOptions{FieldManager: kubetest.Pipeline}, metav1.ParameterCodec).Body([]byte(body)).Do(t.Context()).Error()
	if err != nil {
		t.Fatal(err)
	}
}

func TestPaused_isSomebodysHold(t *testing.T) {
	p := newPlace(t, kubetest.Start(t), "deployment")
	twoReleases(t, p, kubetest.Workload{Replicas: 1})
	p.edit(t, kubetest.Person, "web", `{"spec":{"paused":true}}`)
	says(t, p.survey(t, "deployment", "web", "1", "2").Why, "is paused")
	p.refused(t, p.effect("deployment", "web", "x", "2", "1"), backout.CodeForbidden, "is paused")
}
