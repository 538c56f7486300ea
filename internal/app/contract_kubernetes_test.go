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

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app"
	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
	"github.com/backout-dev/backout/internal/web"
)

const pairStory = `apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: quotes}
spec: {type: service, lifecycle: production, owner: x}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: cart}
spec: {type: service, lifecycle: production, owner: x, dependsOn: [component:quotes]}
---
apiVersion: backout.dev/v1alpha1
kind: Journey
metadata: {name: buy}
spec: {services: [cart, quotes], valuePerMinute: "2000 EUR", tier: 0}
---
apiVersion: backout.dev/v1alpha1
kind: Policy
metadata: {name: p}
spec: {autonomy: ask}
---
apiVersion: backout.dev/v1alpha1
kind: Actuator
metadata: {name: kubernetes}
spec: {kubernetes: {fieldManagers: [pipeline, kubetest], patience: 40s}}
---
apiVersion: backout.dev/v1alpha1
kind: SignalSet
metadata: {name: s}
spec: {signals: [{name: errors, kind: errors, direction: up, query: 'sum by (service, location) (rate(e[$window])) * $step_s', total: 'sum by (service, location) (rate(r[$window])) * $step_s', opens: true}]}
---
apiVersion: backout.dev/v1alpha1
kind: Cluster
metadata: {name: eu-1}
spec: {environment: production, kubeconfig: %[1]q, namespaces: [%[2]s], bake: 500ms}
---
apiVersion: backout.dev/v1alpha1
kind: Component
metadata: {name: cart}
spec: {kind: deployment, service: cart, environment: production, location: eu-1, actuator: kubernetes, locator: eu-1/%[2]s/deployment/cart}
---
apiVersion: backout.dev/v1alpha1
kind: Component
metadata: {name: quotes}
spec: {kind: deployment, service: quotes, environment: production, location: eu-1, actuator: kubernetes, locator: eu-1/%[2]s/%[3]s/quotes}
---
apiVersion: backout.dev/v1alpha1
kind: Contract
metadata: {name: what-cart-asks}
spec: {consumer: "deployment:cart@production/eu-1", provider: "deployment:quotes@production/eu-1", reason: the format of a quote has changed, rules: [%[4]s]}
`

// pairCase is a provider and a consumer that were released together and have to go back
// together, in the order that their contract leaves.
type pairCase struct {
	rules  string // of the contract: what the consumer's versions need of the provider
	stages bool   // the provider is a StatefulSet, which can be held in between
	guilty string
	// released and taken back in these orders; forbidden are the consumer's and the
	// provider's version that never may be ready together.
	released, back []string
	forbidden      [2]string
}

// Two services that get along in some pairs of versions only go back in the order that
// lets no other pair meet, which depends on what the contract says and not on who is guilty
// or was released last.
func TestStory_twoServicesWithAContractGoBackInOrder(t *testing.T) {
	for name, c := range map[string]pairCase{
		// The new consumer speaks a format that the old provider does not know.
		"consumer first": {
			rules: "{when: {from: '2'}, needs: {from: '2'}}, {when: {to: '1'}, needs: {}}", guilty: "quotes",
			released: []string{"quotes", "cart"}, back: []string{"cart", "quotes"}, forbidden: [2]string{"2", "1"},
		},
		// The new provider has dropped the format that the old consumer speaks.
		"provider first": {
			rules: "{when: {to: '1'}, needs: {to: '1'}}, {when: {from: '2'}, needs: {}}", guilty: "cart", stages: true,
			released: []string{"cart", "quotes"}, back: []string{"quotes", "cart"}, forbidden: [2]string{"1", "2"},
		},
	} {
		t.Run(name, func(t *testing.T) { c.play(t) })
	}
}

func (c pairCase) play(t *testing.T) {
	s := kubetest.New(t)
	s.Grant(t, kubetest.Product, rbacv1.PolicyRule{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"get", "list", "watch"}},
		rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"deployments", "statefulsets"}, Verbs: []string{"patch"}},
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods/eviction"}, Verbs: []string{"create"}})
	kubeconfig, err := s.Kubeconfig(kubetest.Product)
	if err != nil {
		t.Fatal(err)
	}
	ns := s.Namespace(t)
	pods := s.Follow(t, ns)
	resources := map[string]string{"cart": "deployments", "quotes": "deployments"}
	if c.stages {
		resources["quotes"] = "statefulsets"
	}
	for name, resource := range resources {
		c.start(t, s, ns, name, resource)
	}
	dir := t.TempDir()
	write(t, dir, "story.yaml", fmt.Sprintf(pairStory, kubeconfig, ns, strings.TrimSuffix(resources["quotes"], "s"), c.rules))
	p := newProduct(place{"cart", "eu-1"}, place{"quotes", "eu-1"})
	p.through, p.lag = map[string]string{"cart": "quotes"}, 4*time.Second
	prometheus := httptest.NewServer(p)
	t.Cleanup(prometheus.Close)
	for _, of := range p.all {
		broken := "none"
		if of.service == c.guilty {
			broken = of.service + ":2"
		}
		p.look(t, of, s, ns, broken)
	}
	a, _ := run(t, app.Config{Catalog: dir, Data: t.TempDir(), Prometheus: prometheus.URL, Step: time.Second, Minute: 6 * time.Second})
	until(t, "the signals are known", func(context.Context) bool { s := a.Readiness(); return s.Series >= 2 && s.Warming == 0 })
	time.Sleep(6 * time.Second)
	for _, name := range c.released {
		c.release(t, s, ns, name, resources[name])
		time.Sleep(6 * time.Second) // one after the other, as pipelines do
	}
	inc := waitingPlan(t, a, len(c.back))
	var order []string
	for _, st := range inc.Plan.Steps() {
		order = append(order, st.Component.Name())
	}
	if !slices.Equal(order, c.back) {
		t.Fatalf("the plan moves %v, want %v", order, c.back)
	}
	approve(t, a, inc)
	for name := range resources {
		if got := s.Images(t, ns, name); len(got) != 1 || got[name+":1"] != 3 {
			t.Errorf("at the end %s has %v", name, got)
		}
	}
	c.judge(t, s, ns, resources, pods())
}

// start makes a workload of three pods that take half a second to get ready, so that versions
// stand side by side for a while.
func (c pairCase) start(t *testing.T, s *kubetest.Stack, ns, name, resource string) {
	t.Helper()
	d := kubetest.Workload{Name: name, Image: name + ":1", Replicas: 3, Deadline: 60, Labels: map[string]string{"backstage.io/kubernetes-id": name}}.Deployment(ns)
	d.Spec.Template.Annotations = map[string]string{"kubetest/starts-after": "500ms"}
	var err error
	if resource == "deployments" {
		_, err = s.Client.AppsV1().Deployments(ns).Create(t.Context(), d, metav1.CreateOptions{})
	} else {
		set := &appsv1.StatefulSet{ObjectMeta: d.ObjectMeta, Spec: appsv1.StatefulSetSpec{Replicas: d.Spec.Replicas, Selector: d.Spec.Selector, Template: d.Spec.Template, ServiceName: name}}
		_, err = s.Client.AppsV1().StatefulSets(ns).Create(t.Context(), set, metav1.CreateOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	allReady(t, s, ns, name, name+":1")
}

func (c pairCase) release(t *testing.T, s *kubetest.Stack, ns, name, resource string) {
	t.Helper()
	body := fmt.Sprintf(`{"spec":{"template":{"spec":{"containers":[{"name":"c","image":%q}]}}}}`, name+":2")
	err := s.As(t, kubetest.Pipeline).AppsV1().RESTClient().Patch(types.StrategicMergePatchType).Namespace(ns).Resource(resource).Name(name).
		VersionedParams(&metav1.PatchOptions{FieldManager: kubetest.Pipeline}, metav1.ParameterCodec).Body([]byte(body)).Do(t.Context()).Error()
	if err != nil {
		t.Fatal(err)
	}
	allReady(t, s, ns, name, name+":2")
}

func allReady(t *testing.T, s *kubetest.Stack, ns, name, image string) {
	t.Helper()
	kubetest.Eventually(t, "three pods of "+image, func() (bool, string) {
		all, err := s.Client.CoreV1().Pods(ns).List(t.Context(), metav1.ListOptions{LabelSelector: "app=" + name})
		if err != nil {
			return false, err.Error()
		}
		n := 0
		for _, p := range all.Items {
			if p.Spec.Containers[0].Image == image && isReady(&p) {
				n++
			}
		}
		return n == 3 && len(all.Items) == 3, fmt.Sprintf("%d of %d", n, len(all.Items))
	})
}

func isReady(p *corev1.Pod) bool {
	return p.DeletionTimestamp == nil && slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// waitingPlan waits for an incident with a plan of so many steps that a person is asked
// about.
func waitingPlan(t *testing.T, a *app.App, steps int) backout.Incident {
	t.Helper()
	var inc backout.Incident
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the incident: %s (%s), attribution %+v, ruling %+v; health %+v", inc.State, inc.Why, inc.Attribution, inc.Plan, a.Health(context.WithoutCancel(t.Context())).Degraded)
		}
	})
	until(t, "a plan waits for a person", func(ctx context.Context) bool {
		all, err := a.Incidents(ctx)
		if err == nil && len(all) > 0 {
			inc = all[0]
		}
		return inc.State == backout.StateWaiting && inc.Plan != nil && len(inc.Plan.Steps()) == steps
	})
	return inc
}

// approve lets a person say yes to an incident's plan, and waits until it has helped.
func approve(t *testing.T, a *app.App, inc backout.Incident) {
	t.Helper()
	if _, err := a.Decide(t.Context(), web.Decision{Incident: inc.ID, Verb: "approve", By: backout.Principal{Name: "ann", Role: backout.RoleApprover}, Digest: inc.Plan.Digest, Reason: "seen"}); err != nil {
		t.Fatal(err)
	}
	until(t, "it has recovered", func(ctx context.Context) bool {
		all, err := a.Incidents(ctx)
		return err == nil && len(all) > 0 && all[0].State == backout.StateRecovered
	})
}

// judge plays the pods again and looks at each moment at which versions were ready
// together, and reads in the audit log what was written when.
func (c pairCase) judge(t *testing.T, s *kubetest.Stack, ns string, resources map[string]string, events []watch.Event) {
	t.Helper()
	ready := map[string]string{} // by pod: its image
	met, mixed := map[[2]string]bool{}, map[string]bool{}
	for _, e := range events {
		p, ok := e.Object.(*corev1.Pod)
		if !ok {
			t.Fatalf("the watch broke: %+v", e)
		}
		delete(ready, p.Name)
		if e.Type != watch.Deleted && isReady(p) {
			ready[p.Name] = p.Spec.Containers[0].Image
		}
		live := map[string]map[string]bool{"cart": {}, "quotes": {}}
		for _, image := range ready {
			name, tag, _ := strings.Cut(image, ":")
			live[name][tag] = true
		}
		for name, tags := range live {
			mixed[name] = mixed[name] || len(tags) > 1
		}
		for consumer := range live["cart"] {
			for provider := range live["quotes"] {
				met[[2]string{consumer, provider}] = true
			}
		}
	}
	if met[c.forbidden] {
		t.Errorf("cart %s and quotes %s were ready together", c.forbidden[0], c.forbidden[1])
	}
	if len(met) != 3 || !mixed["cart"] || !mixed["quotes"] {
		t.Errorf("seen together: %v, side by side: %v; want all pairs but one, and both in between", met, mixed)
	}
	var wrote []string
	for _, w := range s.Writes(t, kubetest.Product) {
		if w.Namespace == ns && w.Code < 300 && !strings.Contains(w.URI, "dryRun=") {
			wrote = append(wrote, w.Verb+" "+w.Resource+"/"+w.Name)
		}
	}
	want := []string{"patch " + resources[c.back[0]] + "/" + c.back[0], "patch " + resources[c.back[1]] + "/" + c.back[1]}
	if !slices.Equal(slices.Compact(slices.Clone(wrote)), want) {
		t.Errorf("wrote %q, want %q and nothing else", wrote, want)
	}
	if stages := len(wrote) - 1; c.stages && stages < 2 {
		t.Errorf("quotes can be moved in stages, and was written %d times: %q", stages, wrote)
	}
}
