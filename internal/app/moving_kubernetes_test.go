//go:build kubernetes

package app

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
)

const clusterThatIsMoved = `apiVersion: backout.dev/v1alpha1
kind: Cluster
metadata: {name: eu-1}
spec: {environment: production, kubeconfig: %q, namespaces: [%s], bake: 500ms}
---
apiVersion: backout.dev/v1alpha1
kind: Actuator
metadata: {name: kubernetes}
spec: {kubernetes: {fieldManagers: [pipeline, kubetest], patience: 30s}}
`

// What was found in a cluster is moved by the same names: a release that facts tell of by
// its hash, since its tag was taken, and what it ran with when it was seen to work.
func TestServe_movesWhatItFound(t *testing.T) {
	s := kubetest.Start(t)
	s.Grant(t, kubetest.Product, rbacv1.PolicyRule{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"get", "list", "watch"}},
		rbacv1.PolicyRule{APIGroups: []string{"", "apps"}, Resources: []string{"deployments", "configmaps"}, Verbs: []string{"patch", "create"}})
	ns := s.Namespace(t)
	if _, err := s.Client.CoreV1().ConfigMaps(ns).Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Data: map[string]string{"limit": "10"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	a, ctx, _ := serves(t, catalogOf(t, fmt.Sprintf(clusterThatIsMoved, kubeconfig(t, s, kubetest.Product), ns)))
	edit := func(body string) {
		t.Helper()
		if _, err := s.As(t, kubetest.Pipeline).AppsV1().Deployments(ns).Patch(t.Context(), "web", types.StrategicMergePatchType, []byte(body), metav1.PatchOptions{FieldManager: kubetest.Pipeline}); err != nil {
			t.Fatal(err)
		}
		s.Settled(t, ns, "web")
	}
	s.Deploy(t, ns, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 2, ConfigMaps: []string{"web"}})
	s.Settled(t, ns, "web")
	// The same tag with another environment: facts call it 1+hash.
	edit(`{"spec":{"template":{"spec":{"containers":[{"name":"c","env":[{"name":"MODE","value":"fast"}]}]}}}}`)
	id := backout.ComponentID("deployment:" + ns + ".web@production/eu-1")
	var good backout.Version
	kubetest.Eventually(t, "the second release is kept", func() (bool, string) {
		all, err := a.store.Snapshots(ctx, id)
		if err != nil || len(all) == 0 {
			return false, fmt.Sprint(err)
		}
		good = all[0].Version
		return len(good) > 2 && good[:2] == "1+", fmt.Sprintf("%+v", all)
	})
	if _, err := s.As(t, kubetest.Pipeline).CoreV1().ConfigMaps(ns).Patch(t.Context(), "web", types.MergePatchType, []byte(`{"data":{"limit":"0"}}`), metav1.PatchOptions{FieldManager: kubetest.Pipeline}); err != nil {
		t.Fatal(err)
	}
	edit(`{"spec":{"template":{"spec":{"containers":[{"name":"c","image":"web:2"}]}}}}`)
	kubetest.Eventually(t, "the way back is surveyed", func() (bool, string) {
		w, err := a.facts.World(ctx, time.Now().UTC(), true)
		if err != nil {
			return false, err.Error()
		}
		rev := w.Reversals[id]
		for _, l := range rev.Levels {
			if l.Version == good && l.Loss == backout.LossNone {
				return rev.Current == "2", fmt.Sprintf("%+v", rev)
			}
		}
		return false, fmt.Sprintf("%+v", rev)
	})
	c, ok := a.facts.graph().Component(id)
	if !ok {
		t.Fatal("the graph has lost the workload")
	}
	out, err := a.facts.actuators["kubernetes"].Do(ctx, backout.Effect{Key: "x/1/web/0", Attempt: "x/1", Component: c, From: "2", To: good, Share: 1})
	if out != backout.OutcomeDone || err != nil {
		t.Fatalf("%s, %v", out, err)
	}
	d := s.Settled(t, ns, "web")
	if c := d.Spec.Template.Spec.Containers[0]; c.Image != "web:1" || len(c.Env) != 1 {
		t.Errorf("it runs %+v, want the release %s", c, good)
	}
	m, err := s.Client.CoreV1().ConfigMaps(ns).Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil || m.Data["limit"] != "10" {
		t.Errorf("in its ConfigMap there is %v, %v", m.Data, err)
	}
	id = backout.ComponentID("config:" + ns + ".configmap.web@production/eu-1")
	kubetest.Eventually(t, "what we put into the ConfigMap is known as ours", func() (bool, string) {
		obs, err := a.store.Observations(ctx, time.Now().Add(-time.Hour))
		if err != nil {
			return false, err.Error()
		}
		ours, others := 0, 0
		for _, o := range obs {
			if o.Component == id && o.Attempt == "x/1" {
				ours++
			} else if o.Component == id {
				others++
			}
		}
		return ours == 1 && others == 1, fmt.Sprintf("%+v", obs)
	})
	kubetest.Eventually(t, "the ConfigMap can be moved by itself", func() (bool, string) {
		c, ok := a.facts.graph().Component(id)
		return ok && c.Actuator == "kubernetes" && c.Locator == "eu-1/"+ns+"/configmap/web", fmt.Sprintf("%+v", c)
	})
}
