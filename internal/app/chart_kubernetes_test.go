//go:build kubernetes

package app

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/backout-dev/backout/internal/catalog"
	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
)

// helmTool is the Helm that the chart is tried with; it is run, not linked.
const helmTool = "helm.sh/helm/v3/cmd/helm@v3.22.0"

// oldest is the Kubernetes that the chart asks for; Helm would suppose one that is older.
const oldest = "1.30.0"

// helm runs Helm, and gives what it prints or how it fails.
func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute) // it may have to be built first
	defer cancel()
	var out, wrong bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", append(append([]string{"run", helmTool}, args...), "--kube-version", oldest)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = "../..", &out, &wrong
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod") // not ours: it is no part of the module
	if err := cmd.Run(); err != nil {
		return out.String() + wrong.String(), err
	}
	return out.String(), nil
}

// may asks the API server whether the service account of an installation may do something.
func may(t *testing.T, s *kubetest.Stack, namespace, verb, group, resource, in string) bool {
	t.Helper()
	config := rest.CopyConfig(s.Config(kubetest.Tester))
	config.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + namespace + ":b", Groups: []string{"system:serviceaccounts", "system:authenticated"}}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	resource, sub, _ := strings.Cut(resource, "/")
	r, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(t.Context(), &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: in, Verb: verb, Group: group, Resource: resource, Subresource: sub},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return r.Status.Allowed
}

// The chart, rendered at each level, is accepted by the API server; its pod starts the
// program with what that level means, its catalog is right, and its service account may
// do what the level says and nothing more.
func TestChart_levelsAreRights(t *testing.T) {
	s := kubetest.Start(t)
	if out, err := helm(t, "lint", "--strict", "deploy/helm/backout", "--set", "prometheus=http://p:9090", "--set", "catalog.shop\\.yaml=x"); err != nil {
		t.Fatalf("helm lint: %v\n%s", err, out)
	}
	services := filepath.Join(t.TempDir(), "shop.yaml")
	if err := os.WriteFile(services, []byte("apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: shopfront}\nspec: {type: service}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	other := s.Namespace(t)
	for _, c := range []struct {
		level, autonomy string
		values          []string
		acts, all       bool
	}{
		{"observe", "shadow", nil, false, true},
		{"advise", "ask", nil, false, true},
		{"act", "act", []string{"--set", "breakGlass={oncall}"}, true, true},
		{"act", "act", []string{"--set", "namespaces={" + other + "}"}, true, false},
	} {
		t.Run(c.level+strings.Join(c.values, " "), func(t *testing.T) {
			ns := s.Namespace(t)
			text, err := helm(t, append([]string{"template", "b", "deploy/helm/backout", "-n", ns, "--set", "level=" + c.level, "--set", "prometheus=http://p:9090", "--set-file", "catalog.shop\\.yaml=" + services}, c.values...)...)
			if err != nil {
				t.Fatalf("helm template: %v\n%s", err, text)
			}
			data := install(t, s, strings.NewReader(text), ns)
			dir := t.TempDir()
			for name, text := range data {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			read, err := catalog.Load(os.DirFS(dir))
			if err != nil || len(read.Clusters) != 1 || read.Clusters[0].Holds != c.acts {
				t.Errorf("its catalog: %v, %+v", err, read.Clusters)
			}
			if args := arguments(t, s, ns); !slices.Contains(args, "--autonomy="+c.autonomy) {
				t.Errorf("it runs %q", args)
			}
			for _, right := range []struct {
				verb, group, resource string
				want                  bool
			}{
				{"list", "apps", "deployments", true},
				{"watch", "", "pods", true},
				{"list", "", "nodes", c.all},
				{"patch", "apps", "statefulsets", c.acts},
				{"patch", "apps", "deployments/scale", c.acts},
				{"create", "", "pods/eviction", c.acts},
				{"create", "admissionregistration.k8s.io", "validatingadmissionpolicies", c.acts},
				{"delete", "apps", "deployments", false},
				{"delete", "", "persistentvolumeclaims", false},
				{"create", "rbac.authorization.k8s.io", "clusterrolebindings", false},
			} {
				in := other
				if right.resource == "nodes" || right.resource == "validatingadmissionpolicies" {
					in = ""
				}
				if got := may(t, s, ns, right.verb, right.group, right.resource, in); got != right.want {
					t.Errorf("it may %s %s: %t, want %t", right.verb, right.resource, got, right.want)
				}
			}
			if elsewhere := may(t, s, ns, "patch", "apps", "deployments", ns); elsewhere != (c.acts && c.all) {
				t.Errorf("it may patch in a namespace that was not named: %t", elsewhere)
			}
		})
	}
}

// arguments are those of the program in the pod that an installation makes.
func arguments(t *testing.T, s *kubetest.Stack, ns string) []string {
	t.Helper()
	set, err := s.Client.AppsV1().StatefulSets(ns).Get(t.Context(), "b", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pod := set.Spec.Template.Spec
	if c := pod.Containers[0].SecurityContext; c == nil || !*c.ReadOnlyRootFilesystem || *c.AllowPrivilegeEscalation || !*pod.SecurityContext.RunAsNonRoot || !slices.Equal(c.Capabilities.Drop, []corev1.Capability{"ALL"}) {
		t.Errorf("its pod has more power than it needs: %+v", pod)
	}
	return pod.Containers[0].Args
}

// What can't work is refused when the chart is rendered, in words.
func TestChart_refusesWhatCannotWork(t *testing.T) {
	for name, c := range map[string]struct {
		values []string
		want   string
	}{
		"no metrics":   {[]string{"--set", "catalog.a=b"}, "prometheus: expected the URL"},
		"no catalog":   {[]string{"--set", "prometheus=http://p"}, "catalog: expected at least one file"},
		"other level":  {[]string{"--set", "prometheus=http://p", "--set", "catalog.a=b", "--set", "level=all"}, `level "all": expected observe, advise or act`},
		"one database": {[]string{"--set", "prometheus=http://p", "--set", "catalog.a=b", "--set", "replicas=2"}, "expected database.secret"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := helm(t, append([]string{"template", "b", "deploy/helm/backout"}, c.values...)...)
			if err == nil || !strings.Contains(out, c.want) {
				t.Errorf("%v: %s, want %q", err, out, c.want)
			}
		})
	}
}
