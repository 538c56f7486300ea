//go:build kubernetes

package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
)

func TestMain(m *testing.M) { os.Exit(kubetest.Main(m)) }

func kubeconfig(t *testing.T, s *kubetest.Stack, user string) string {
	t.Helper()
	path, err := s.Kubeconfig(user)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// catalogOf is a folder with one document.
func catalogOf(t *testing.T, doc string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "cluster.yaml"), []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// serves runs a backout in shadow mode that measures nothing, until end or the test's end.
func serves(t *testing.T, catalog string) (a *App, ctx context.Context, end func()) {
	t.Helper()
	a, err := New(t.Context(), Config{Catalog: catalog, Data: t.TempDir(), Prometheus: "http://127.0.0.1:1", Autonomy: backout.AutonomyShadow})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	end = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	t.Cleanup(end)
	return a, ctx, end
}

// A catalog that names a cluster is all that it takes: the changes there are in the world.
func TestServe_readsTheClusterThatTheCatalogNames(t *testing.T) {
	s := kubetest.Start(t)
	s.Grant(t, kubetest.Product, rbacv1.PolicyRule{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"get", "list", "watch"}})
	ns := s.Namespace(t)
	s.Deploy(t, ns, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 2, Labels: map[string]string{"backstage.io/kubernetes-id": "shopfront"}})
	s.Settled(t, ns, "web")
	doc := fmt.Sprintf("apiVersion: backout.dev/v1alpha1\nkind: Cluster\nmetadata: {name: eu-1}\nspec: {environment: production, kubeconfig: %q, namespaces: [%s], bake: 1s}\n", kubeconfig(t, s, kubetest.Product), ns)
	a, ctx, _ := serves(t, catalogOf(t, doc))
	id := backout.ComponentID("deployment:" + ns + ".web@production/eu-1")
	kubetest.Eventually(t, "the graph has the workload", func() (bool, string) {
		g := reading{a}.Graph()
		c, ok := g.Component(id)
		_, service := g.Service("shopfront")
		return ok && service && c.Instances == 2, fmt.Sprintf("%+v", g.Components)
	})
	s.SetImage(t, kubetest.Pipeline, ns, "web", "web:2")
	s.Settled(t, ns, "web")
	kubetest.Eventually(t, "the world has the change", func() (bool, string) {
		w, err := a.facts.World(ctx, time.Now().UTC(), false)
		if err != nil {
			return false, err.Error()
		}
		if len(w.Changes) == 0 {
			return false, "no change"
		}
		c := w.Changes[0]
		return c.Component == id && c.From == "1" && c.To == "2" && len(c.Services) == 1 && c.Services[0] == "shopfront", fmt.Sprintf("%+v", w.Changes)
	})
	kubetest.Eventually(t, "the release is verified and kept", func() (bool, string) {
		all, err := a.store.Snapshots(ctx, id)
		if err != nil || len(all) == 0 {
			return false, fmt.Sprint(err)
		}
		return all[0].Version == "2" && all[0].Replicas == 2 && strings.HasPrefix(all[0].Digests["c"], "sha256:"), fmt.Sprintf("%+v", all)
	})
	all, err := a.store.Snapshots(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if missing, err := a.clusters[0].Missing(ctx, all[0]); err != nil || len(missing) > 0 {
		t.Errorf("the release that runs lacks %v, %v", missing, err)
	}
	if w := s.Writes(t, kubetest.Product); len(w) > 0 {
		t.Errorf("it has written: %v", w)
	}
}

// Who asks the doctor what is missing, and grants it, need not start anything again.
func TestDoctor_hasItAskedAgainWhatWeMayRead(t *testing.T) {
	s := kubetest.Start(t)
	workloads := rbacv1.PolicyRule{APIGroups: []string{"", "apps"}, Resources: []string{"pods", "deployments", "statefulsets", "daemonsets", "replicasets", "controllerrevisions"}, Verbs: []string{"get", "list", "watch"}}
	s.Grant(t, kubetest.Product, workloads)
	ns := s.Namespace(t)
	doc := fmt.Sprintf("apiVersion: backout.dev/v1alpha1\nkind: Cluster\nmetadata: {name: eu-1}\nspec: {environment: production, kubeconfig: %q, namespaces: [%s]}\n", kubeconfig(t, s, kubetest.Product), ns)
	a, ctx, _ := serves(t, catalogOf(t, doc))
	lacks := func() bool {
		for _, d := range a.Diagnose(ctx).Health.Degraded {
			if strings.Contains(d.Why, "secrets "+ns) {
				return true
			}
		}
		return false
	}
	kubetest.Eventually(t, "it says what it may not read", func() (bool, string) { return lacks(), "" })
	s.Grant(t, kubetest.Product, rbacv1.PolicyRule{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"get", "list", "watch"}})
	kubetest.Eventually(t, "it reads what was granted", func() (bool, string) { return !lacks(), "" })
}
