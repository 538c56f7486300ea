//go:build kubernetes

package app_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app"
	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
)

// product is a Prometheus in which services in some clusters have served without trouble
// for ever, and fail as far as their pods run an image that is broken although they are
// ready. The shares are looked up in the clusters.
type product struct {
	mu   sync.Mutex
	seen map[place][]seen // guarded by mu
	// through says for services of which other one half of the failures are theirs too,
	// since they call it.
	through map[string]string
	lag     time.Duration // from when pods are ready until what is broken in them shows
	all     []place
}

// place is a service in a cluster.
type place struct{ service, location string }

type seen struct {
	at    time.Time
	share float64
}

func newProduct(all ...place) *product { return &product{seen: map[place][]seen{}, all: all} }

// look notes what runs somewhere until the test ends.
func (p *product) look(t *testing.T, at place, s *kubetest.Stack, ns, broken string) {
	p.watch(t.Context(), at, func(ctx context.Context) (share float64, ok bool) {
		images, err := s.CountImages(ctx, ns, at.service)
		all := 0
		for _, n := range images {
			all += n
		}
		return float64(images[broken]) / float64(max(all, 1)), err == nil
	})
}

// watch notes ten times a second which share somewhere is broken, until the context
// ends. A look that failed is left out: it may be the one that the test's end has cut off.
func (p *product) watch(ctx context.Context, at place, look func(context.Context) (share float64, ok bool)) {
	tick := time.NewTicker(100 * time.Millisecond)
	go func() {
		defer tick.Stop()
		for ctx.Err() == nil {
			if share, ok := look(ctx); ok {
				p.mu.Lock()
				p.seen[at] = append(p.seen[at], seen{time.Now(), share})
				p.mu.Unlock()
			}
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	}()
}

// share of a service's pods that were broken.
func (p *product) share(of place, at float64) (share float64) {
	for _, s := range p.seen[of] {
		if float64(s.at.Add(p.lag).UnixMilli())/1000 <= at {
			share = s.share
		}
	}
	return share
}

// value is how many of 1000 requests failed, or all of them.
func (p *product) value(of place, at float64, failed bool) float64 {
	r := rand.New(rand.NewPCG(uint64(at*10), uint64(len(of.location)+len(of.service)))) //nolint:gosec // the same each time that it is asked
	if !failed {
		return 1000
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	share := p.share(of, at)
	if other := p.through[of.service]; other != "" {
		share = max(share, p.share(place{other, of.location}, at)/2)
	}
	return 5 + 2*r.NormFloat64() + 900*share
}

func (p *product) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	at := func(name string) float64 { f, _ := strconv.ParseFloat(r.Form.Get(name), 64); return f }
	failed := strings.Contains(r.Form.Get("query"), "e[")
	kind, times := "matrix", []float64{}
	if strings.HasSuffix(r.URL.Path, "query_range") {
		for s := at("start"); s <= at("end")+1e-6; s += at("step") {
			times = append(times, s)
		}
	} else {
		kind, times = "vector", []float64{at("time")}
	}
	var series []string
	for _, of := range p.all {
		var points []string
		for _, s := range times {
			points = append(points, fmt.Sprintf(`[%.3f,"%.3f"]`, s, max(0, p.value(of, s, failed))))
		}
		values := `"values":[` + strings.Join(points, ",") + `]`
		if kind == "vector" {
			values = `"value":` + points[0]
		}
		series = append(series, fmt.Sprintf(`{"metric":{"service":%q,"location":%q},%s}`, of.service, of.location, values))
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"status":"success","data":{"resultType":%q,"result":[%s]}}`, kind, strings.Join(series, ","))
}

const story = `apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: web}
spec: {type: service, lifecycle: production, owner: x}
---
apiVersion: backout.dev/v1alpha1
kind: Journey
metadata: {name: buy}
spec: {services: [web], valuePerMinute: "120 EUR", tier: 0}
---
apiVersion: backout.dev/v1alpha1
kind: Policy
metadata: {name: p}
spec: {autonomy: ask}
---
apiVersion: backout.dev/v1alpha1
kind: Actuator
metadata: {name: kubernetes}
spec: {kubernetes: {fieldManagers: [pipeline, kubetest], patience: 30s}}
---
apiVersion: backout.dev/v1alpha1
kind: SignalSet
metadata: {name: s}
spec: {signals: [{name: errors, kind: errors, direction: up, query: 'sum by (service, location) (rate(e[$window])) * $step_s', total: 'sum by (service, location) (rate(r[$window])) * $step_s', opens: true}]}
`

// Two clusters, of which one is guilty: an image that gets ready and fails its requests is
// shipped to one of them, something else to the other. Found by metrics alone, taken back
// there and nowhere else, once a person has said yes.
func TestStory_badButHealthyInOneOfTwoClusters(t *testing.T) {
	clusters := map[string]*kubetest.Stack{"eu-1": kubetest.Start(t), "us-1": kubetest.New(t)}
	p := newProduct(place{"web", "eu-1"}, place{"web", "us-1"})
	prometheus := httptest.NewServer(p)
	t.Cleanup(prometheus.Close)
	dir := t.TempDir()
	write(t, dir, "story.yaml", story)
	ns := map[string]string{}
	for location, s := range clusters {
		s.Grant(t, kubetest.Product, rbacv1.PolicyRule{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"get", "list", "watch"}},
			rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"patch"}})
		kubeconfig, err := s.Kubeconfig(kubetest.Product)
		if err != nil {
			t.Fatal(err)
		}
		ns[location] = s.Namespace(t)
		s.Deploy(t, ns[location], kubetest.Workload{Name: "web", Image: "web:1", Replicas: 3, Labels: map[string]string{"backstage.io/kubernetes-id": "web"}})
		s.Settled(t, ns[location], "web")
		write(t, dir, location+".yaml", fmt.Sprintf("apiVersion: backout.dev/v1alpha1\nkind: Cluster\nmetadata: {name: %s}\nspec: {environment: production, kubeconfig: %q, namespaces: [%s], bake: 500ms}\n", location, kubeconfig, ns[location]))
		p.look(t, place{"web", location}, s, ns[location], "web:2")
	}
	a, _ := run(t, app.Config{Catalog: dir, Data: t.TempDir(), Prometheus: prometheus.URL, Step: time.Second, Minute: 3 * time.Second})
	id := backout.ComponentID("deployment:" + ns["eu-1"] + ".web@production/eu-1")
	until(t, "the signals are known", func(context.Context) bool { s := a.Readiness(); return s.Series >= 2 && s.Warming == 0 })
	time.Sleep(3 * time.Second)
	clusters["us-1"].SetImage(t, kubetest.Pipeline, ns["us-1"], "web", "web:3")
	clusters["eu-1"].SetImage(t, kubetest.Pipeline, ns["eu-1"], "web", "web:2")
	inc := waitingPlan(t, a, 1)
	steps := inc.Plan.Steps()
	if steps[0].Component != id || steps[0].From != "2" || steps[0].To != "1" {
		t.Fatalf("the plan has %+v, want %s from 2 to 1 and nothing else", steps, id)
	}
	approve(t, a, inc)
	if d := clusters["eu-1"].Settled(t, ns["eu-1"], "web"); d.Spec.Template.Spec.Containers[0].Image != "web:1" {
		t.Errorf("eu-1 runs %s", d.Spec.Template.Spec.Containers[0].Image)
	}
	if d := clusters["us-1"].Settled(t, ns["us-1"], "web"); d.Spec.Template.Spec.Containers[0].Image != "web:3" {
		t.Errorf("us-1 runs %s", d.Spec.Template.Spec.Containers[0].Image)
	}
	for location, want := range map[string]bool{"eu-1": true, "us-1": false} {
		wrote := false
		for _, w := range clusters[location].Writes(t, kubetest.Product) {
			if w.Namespace == ns[location] && w.Verb == "patch" && w.Code < 300 {
				wrote = true
			}
		}
		if wrote != want {
			t.Errorf("in %s we have written: %t, want %t", location, wrote, want)
		}
	}
}
