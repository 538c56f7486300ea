package catalog_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/backout-dev/backout/internal/catalog"
)

func TestCluster(t *testing.T) {
	for name, c := range map[string]struct{ spec, want string }{ // want: file:line of the first problem and part of what is expected; "" = none
		"by kubeconfig":     {"kubeconfig: k, context: eu", ""},
		"by server":         {"server: 'https://10.0.0.1:6443', tokenFrom: {file: t}, caFile: ca.crt", ""},
		"from inside":       {"inCluster: true, namespaces: [shop, pay], timeout: 5s, bake: 1m", ""},
		"no way":            {"location: x", "c.yaml:1:: spec.kubeconfig, server, inCluster: expected one of them"},
		"two ways":          {"kubeconfig: k, inCluster: true", "expected one of them"},
		"a context of none": {"inCluster: true, context: eu", "context: expected only with kubeconfig"},
		"plain HTTP":        {"server: 'http://10.0.0.1', tokenFrom: {env: T}", "expected an address such as https"},
		"no token":          {"server: 'https://10.0.0.1'", "tokenFrom: expected"},
		"token of none":     {"inCluster: true, tokenFrom: {env: T}", "expected only with server"},
		"a misspelt field":  {"inCluster: true, namespace: shop", "c.yaml:4:spec.namespace: unknown field"},
		"a name twice":      {"inCluster: true, namespaces: [a, a]", "c.yaml:4:spec.namespaces[1]: found \"a\": expected a name, once"},
		"no span":           {"inCluster: true, bake: soon", "c.yaml:4:spec.bake: found \"soon\": expected a duration"},
		"no bake":           {"inCluster: true, bake: 0s", "bake: expected more than nothing"},
		"a bad place":       {"inCluster: true, location: eu/1", "none of @ : / ="},
	} {
		doc := "apiVersion: backout.dev/v1alpha1\nkind: Cluster\nmetadata: {name: eu-1}\nspec: {environment: production, " + c.spec + "}\n"
		got, err := catalog.Load(fstest.MapFS{"c.yaml": {Data: []byte(doc)}})
		switch {
		case c.want == "" && (err != nil || len(got.Clusters) != 1 || got.Clusters[0].Location != "eu-1" || got.Clusters[0].Bake <= 0):
			t.Errorf("%s: %+v, %v", name, got.Clusters, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	one := "apiVersion: backout.dev/v1alpha1\nkind: Cluster\nmetadata: {name: NAME}\nspec: {environment: production, location: eu, inCluster: true}\n"
	_, err := catalog.Load(fstest.MapFS{"a.yaml": {Data: []byte(strings.Replace(one, "NAME", "a", 1))}, "b.yaml": {Data: []byte(strings.Replace(one, "NAME", "b", 1))}})
	if err == nil || !strings.Contains(err.Error(), "production/eu is declared at a.yaml:1 already") {
		t.Errorf("two clusters at one place: %v", err)
	}
}
