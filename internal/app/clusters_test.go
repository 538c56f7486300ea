package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/catalog"
	remote "github.com/backout-dev/backout/internal/remote/kubernetes"
)

func TestWithFound_whatIsDeclaredCounts(t *testing.T) {
	declared := backout.Component{ID: "deployment:web@production/eu", Service: "web", Instances: 3}
	g := backout.Graph{Services: []backout.Service{{ID: "web", Tier: 0, Owner: "ann"}}, Components: []backout.Component{declared}}
	same, other := declared, backout.Component{ID: "deployment:shop.cart@production/eu", Service: "cart"}
	same.Instances = 9
	got := withFound(g, []backout.Service{{ID: "web", Tier: 2}, {ID: "cart", Tier: 2}, {ID: "cart", Tier: 2}}, []backout.Component{same, other})
	want := backout.Graph{Services: []backout.Service{{ID: "web", Tier: 0, Owner: "ann"}, {ID: "cart", Tier: 2}}, Components: []backout.Component{declared, other}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(g.Services) != 1 || len(g.Components) != 1 {
		t.Error("the catalog's own graph was changed")
	}
}

func TestReachOf_readsWhatIsReferredTo(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte("abc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CLUSTER_TOKEN", "xyz")
	for name, c := range map[string]struct {
		in   catalog.Cluster
		want remote.Config
		says string
	}{
		"a relative kubeconfig": {catalog.Cluster{Kubeconfig: "k", Context: "eu"}, remote.Config{Kubeconfig: dir + "/k", Context: "eu"}, ""},
		"an absolute one":       {catalog.Cluster{Kubeconfig: "/etc/k"}, remote.Config{Kubeconfig: "/etc/k"}, ""},
		"a token file":          {catalog.Cluster{Server: "https://x", CAFile: "ca", Token: catalog.Reference{File: "token"}}, remote.Config{Server: "https://x", CAFile: dir + "/ca", TokenFile: dir + "/token"}, ""},
		"a token variable":      {catalog.Cluster{Server: "https://x", Token: catalog.Reference{Env: "CLUSTER_TOKEN"}}, remote.Config{Server: "https://x", Token: "xyz"}, ""},
		"an empty variable":     {catalog.Cluster{Server: "https://x", Token: catalog.Reference{Env: "CLUSTER_NO_TOKEN"}}, remote.Config{}, "CLUSTER_NO_TOKEN is empty"},
		"from inside":           {catalog.Cluster{InCluster: true}, remote.Config{InCluster: true}, ""},
	} {
		got, err := reachOf(c.in, dir)
		if c.says != "" {
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v, want %q", name, err, c.says)
			}
			continue
		}
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}
