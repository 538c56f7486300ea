//go:build kubernetes

package app_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app"
	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
)

// lookInto notes what a service's pods have read: as programs do, each reads its ConfigMap
// once, when it starts, and is broken for as long as it lives if it found that content.
func (p *product) lookInto(t *testing.T, at place, s *kubetest.Stack, ns, broken string) {
	read := map[types.UID]string{}
	p.watch(t.Context(), at, func(ctx context.Context) (share float64, ok bool) {
		config, err := s.Client.CoreV1().ConfigMaps(ns).Get(ctx, at.service, metav1.GetOptions{})
		if err != nil {
			return 0, false
		}
		pods, err := s.Client.CoreV1().Pods(ns).List(ctx, metav1.ListOptions{LabelSelector: "app=" + at.service})
		if err != nil {
			return 0, false
		}
		all, bad := 0, 0
		for _, pod := range pods.Items {
			if _, started := read[pod.UID]; !started {
				read[pod.UID] = config.Data["limit"]
			}
			if isReady(&pod) {
				all++
				if read[pod.UID] == broken {
					bad++
				}
			}
		}
		return float64(bad) / float64(max(all, 1)), true
	})
}

// A ConfigMap is changed in place, and pods that start afterwards fail their requests;
// meanwhile another service is released. The content is found to be the cause by metrics
// alone, and it alone goes back: pods read it anew, and no Deployment is written.
func TestStory_configMapIsTheCulprit(t *testing.T) {
	s := kubetest.New(t)
	s.Grant(t, kubetest.Product, rbacv1.PolicyRule{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"get", "list", "watch"}},
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"patch"}},
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods/eviction"}, Verbs: []string{"create"}},
		rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"patch"}})
	kubeconfig, err := s.Kubeconfig(kubetest.Product)
	if err != nil {
		t.Fatal(err)
	}
	ns := s.Namespace(t)
	good := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Data: map[string]string{"limit": "10"}}
	if _, err := s.As(t, kubetest.Pipeline).CoreV1().ConfigMaps(ns).Create(t.Context(), good, metav1.CreateOptions{FieldManager: kubetest.Pipeline}); err != nil {
		t.Fatal(err)
	}
	for name, configs := range map[string][]string{"web": {"web"}, "search": nil} {
		s.Deploy(t, ns, kubetest.Workload{Name: name, Image: name + ":1", Replicas: 3, ConfigMaps: configs, Labels: map[string]string{"backstage.io/kubernetes-id": name}})
		s.Settled(t, ns, name)
	}
	dir := t.TempDir()
	write(t, dir, "story.yaml", story+"---\napiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: search}\nspec: {type: service, lifecycle: production, owner: x}\n")
	write(t, dir, "eu-1.yaml", fmt.Sprintf("apiVersion: backout.dev/v1alpha1\nkind: Cluster\nmetadata: {name: eu-1}\nspec: {environment: production, kubeconfig: %q, namespaces: [%s], bake: 500ms}\n", kubeconfig, ns))
	p := newProduct(place{"web", "eu-1"}, place{"search", "eu-1"})
	prometheus := httptest.NewServer(p)
	t.Cleanup(prometheus.Close)
	p.lookInto(t, p.all[0], s, ns, "0")
	p.look(t, p.all[1], s, ns, "none")
	a, _ := run(t, app.Config{Catalog: dir, Data: t.TempDir(), Prometheus: prometheus.URL, Step: time.Second, Minute: 3 * time.Second})
	until(t, "the signals are known", func(context.Context) bool { s := a.Readiness(); return s.Series >= 2 && s.Warming == 0 })
	time.Sleep(3 * time.Second)
	s.SetImage(t, kubetest.Pipeline, ns, "search", "search:2")
	if _, err := s.As(t, kubetest.Pipeline).CoreV1().ConfigMaps(ns).Patch(t.Context(), "web", types.MergePatchType, []byte(`{"data":{"limit":"0"}}`), metav1.PatchOptions{FieldManager: kubetest.Pipeline}); err != nil {
		t.Fatal(err)
	}
	if err := s.Client.CoreV1().Pods(ns).DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "app=web"}); err != nil {
		t.Fatal(err)
	}
	inc := waitingPlan(t, a, 1)
	id := backout.ComponentID("config:" + ns + ".configmap.web@production/eu-1")
	if st := inc.Plan.Steps()[0]; st.Component != id {
		t.Fatalf("the plan moves %s, want %s and nothing else", st.Component, id)
	}
	approve(t, a, inc)
	if m, err := s.Client.CoreV1().ConfigMaps(ns).Get(t.Context(), "web", metav1.GetOptions{}); err != nil || m.Data["limit"] != "10" {
		t.Errorf("at the end there is %v in it, %v", m.Data, err)
	}
	wrote := map[string]int{}
	for _, w := range s.Writes(t, kubetest.Product) {
		if w.Namespace == ns && w.Code < 300 && !strings.Contains(w.URI, "dryRun=") {
			wrote[strings.TrimSuffix(w.Verb+" "+w.Resource+"/"+w.Subresource, "/")]++
		}
	}
	kinds := make([]string, 0, len(wrote))
	for k := range wrote {
		kinds = append(kinds, k)
	}
	slices.Sort(kinds)
	if !slices.Equal(kinds, []string{"create pods/eviction", "patch configmaps"}) || wrote["patch configmaps"] != 1 || wrote["create pods/eviction"] < 3 {
		t.Errorf("wrote %v, want the content once, and the three pods asked to go", wrote)
	}
}
