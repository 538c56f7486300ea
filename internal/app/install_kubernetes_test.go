//go:build kubernetes

package app

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
)

// kindsOf gives the resource of each kind that an installation has, and whether it is in
// a namespace.
var kindsOf = map[string]struct {
	resource   string
	namespaced bool
}{
	"Namespace": {"namespaces", false}, "ServiceAccount": {"serviceaccounts", true}, "ClusterRole": {"clusterroles", false},
	"ClusterRoleBinding": {"clusterrolebindings", false}, "RoleBinding": {"rolebindings", true}, "ConfigMap": {"configmaps", true}, "StatefulSet": {"statefulsets", true},
}

// install applies a manifest, and gives the data of its ConfigMap. What has no namespace
// of its own goes into the one that is given.
func install(t *testing.T, s *kubetest.Stack, manifest io.Reader, namespace string) map[string]string {
	t.Helper()
	client, err := dynamic.NewForConfig(s.Config(kubetest.Tester))
	if err != nil {
		t.Fatal(err)
	}
	var data map[string]string
	for d := yaml.NewYAMLOrJSONDecoder(manifest, 4096); ; {
		o := &unstructured.Unstructured{}
		if err := d.Decode(&o.Object); errors.Is(err, io.EOF) {
			return data
		} else if err != nil {
			t.Fatal(err)
		}
		if len(o.Object) == 0 { // nothing between two lines
			continue
		}
		kind, ok := kindsOf[o.GetKind()]
		if !ok {
			t.Fatalf("the manifest has a %s", o.GetKind())
		}
		group := o.GroupVersionKind()
		var to dynamic.ResourceInterface = client.Resource(schema.GroupVersionResource{Group: group.Group, Version: group.Version, Resource: kind.resource})
		if kind.namespaced {
			to = client.Resource(schema.GroupVersionResource{Group: group.Group, Version: group.Version, Resource: kind.resource}).Namespace(cmp.Or(o.GetNamespace(), namespace))
		}
		if _, err := to.Apply(t.Context(), o.GetName(), o, metav1.ApplyOptions{FieldManager: "kubectl"}); err != nil {
			t.Fatalf("%s %s: %v", o.GetKind(), o.GetName(), err)
		}
		if o.GetKind() == "ConfigMap" {
			data, _, _ = unstructured.NestedStringMap(o.Object, "data")
		}
	}
}

// The manifest as it stands in the repository is accepted, its catalog is right, and its
// rights are enough to see a workload and its change; nothing is written with them.
func TestInstall_readsWithItsOwnRights(t *testing.T) {
	s := kubetest.New(t)
	manifest, err := os.Open("../../deploy/kubernetes/install.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer manifest.Close()
	data := install(t, s, manifest, "")
	token, err := s.Client.CoreV1().ServiceAccounts("backout").CreateToken(t.Context(), "backout", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"token": token.Status.Token, "ca.crt": string(s.CA)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range data {
		// In a pod it would find these by itself.
		text = strings.Replace(text, "inCluster: true", fmt.Sprintf("server: %q, tokenFrom: {file: token}, caFile: ca.crt", s.URL), 1)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ns := s.Namespace(t)
	s.Deploy(t, ns, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 2})
	s.Settled(t, ns, "web")
	a, ctx, _ := serves(t, dir)
	id := backout.ComponentID("deployment:" + ns + ".web@production/main")
	kubetest.Eventually(t, "the workload is found", func() (bool, string) {
		_, ok := reading{a}.Graph().Component(id)
		return ok, fmt.Sprint(a.Health(ctx).Degraded)
	})
	s.SetImage(t, kubetest.Pipeline, ns, "web", "web:2")
	kubetest.Eventually(t, "its change is seen", func() (bool, string) {
		w, err := a.facts.World(ctx, time.Now().UTC(), false)
		if err != nil {
			return false, err.Error()
		}
		for _, c := range w.Changes {
			if c.Component == id && c.To == "2" {
				return true, ""
			}
		}
		return false, fmt.Sprint(w.Changes)
	})
	for _, d := range a.Health(ctx).Degraded {
		if d.Source == backout.DegradedChanges {
			t.Errorf("it lacks a right: %+v", d)
		}
	}
	if w := s.Writes(t, "system:serviceaccount:backout:backout"); len(w) > 0 {
		t.Errorf("in shadow mode it has written: %v", w)
	}
}
