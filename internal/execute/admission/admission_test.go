//go:build kubernetes

package admission

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	client "k8s.io/client-go/kubernetes"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/remote/kubernetes"
	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
)

func TestMain(m *testing.M) { os.Exit(kubetest.Main(m)) }

// keeper is ours in a cluster, with the rights that it says it needs and no others.
func keeper(t *testing.T, s *kubetest.Stack) *Keeper {
	t.Helper()
	rules := []rbacv1.PolicyRule{ // as deploy/ grants them
		{APIGroups: []string{"admissionregistration.k8s.io"}, Resources: []string{"validatingadmissionpolicies", "validatingadmissionpolicybindings"}, Verbs: []string{"create"}},
		{APIGroups: []string{"admissionregistration.k8s.io"}, Resources: []string{"validatingadmissionpolicies", "validatingadmissionpolicybindings"}, ResourceNames: []string{name}, Verbs: []string{"get", "update", "delete"}},
		{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"get", "patch"}}, // what an actuator has besides
	}
	s.Grant(t, kubetest.Product, rules...)
	c, err := kubernetes.Open(kubernetes.Config{Name: "eu", Server: s.URL, CA: s.CA, Token: s.Token(kubetest.Product), Agent: "test"})
	if err != nil {
		t.Fatal(err)
	}
	k := &Keeper{Cluster: c, Groups: []string{"firefighters", "break-glass"}}
	t.Cleanup(func() {
		if _, err := k.Clear(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return k
}

func held(ns, kind, workload string, h backout.Hold) Held {
	h.Component = backout.ComponentID("deployment:" + ns + "." + workload + "@prod/eu")
	h.Owner, h.Reason, h.Until = "INC-7", "it broke\nthe \"checkout\"", time.Now().Add(time.Hour)
	return Held{Hold: h, Locator: "eu/" + ns + "/" + kind + "/" + workload}
}

func set(t *testing.T, c client.Interface, ns, workload, image string, dry ...string) error {
	t.Helper()
	body := fmt.Sprintf(`{"spec":{"template":{"spec":{"containers":[{"name":"c","image":%q}]}}}}`, image)
	_, err := c.AppsV1().Deployments(ns).Patch(t.Context(), workload, types.StrategicMergePatchType, []byte(body), metav1.PatchOptions{DryRun: dry})
	return err
}

// inForce waits until a cluster acts on what was written: it learns of it by a watch.
func inForce(t *testing.T, c client.Interface, ns, workload, image string) {
	t.Helper()
	kubetest.Eventually(t, image+" is refused", func() (bool, string) {
		err := set(t, c, ns, workload, image, metav1.DryRunAll)
		return apierrors.IsForbidden(err), fmt.Sprint(err)
	})
}

func TestKeep_refusesWhatIsHeld(t *testing.T) {
	s := kubetest.Start(t)
	k, ns := keeper(t, s), s.Namespace(t)
	for _, name := range []string{"web", "api", "free"} {
		s.Deploy(t, ns, kubetest.Workload{Name: name, Image: name + ":1", Replicas: 1})
		s.Settled(t, ns, name)
	}
	digest := "sha256:" + strings.Repeat("ab", 32)
	holds := []Held{
		held(ns, "deployment", "web", backout.Hold{BadTo: "2", BadDigest: digest}),
		held(ns, "deployment", "api", backout.Hold{}),
		{Hold: backout.Hold{Component: "flag:x@prod/eu", Owner: "a"}, Locator: "x"},                       // nothing of a cluster's
		{Hold: backout.Hold{Component: "deployment:y@prod/us", Owner: "a"}, Locator: "us/n/deployment/y"}, // another cluster's
	}
	if err := k.Keep(t.Context(), holds); err != nil {
		t.Fatal(err)
	}
	pipeline := s.As(t, kubetest.Pipeline)
	inForce(t, pipeline, ns, "web", "web:2")
	err := set(t, pipeline, ns, "web", "web:2")
	for _, word := range []string{"deployment:" + ns + ".web@prod/eu is held by INC-7 until", `it broke the "checkout"`, "What would run was bad (2); another version passes", "backout hold release"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("the pipeline is not told %q: %v", word, err)
		}
	}
	inForce(t, pipeline, ns, "api", "api:2")
	for name, c := range map[string]struct {
		workload, image string
		passes          bool
	}{
		"the bad digest":              {"web", "web@" + digest, false},
		"the bad digest, with a tag":  {"web", "web:3@" + digest, false},
		"the bad version, pinned":     {"web", "web:2@sha256:" + strings.Repeat("cd", 32), false},
		"a version that ends so":      {"web", "web:12", true},
		"another version":             {"web", "web:3", true},
		"anything, where all is held": {"api", "api:3", false},
		"what nobody holds":           {"free", "free:2", true},
	} {
		if err := set(t, pipeline, ns, c.workload, c.image); (err == nil) != c.passes {
			t.Errorf("%s: %v, want passes %t", name, err, c.passes)
		}
	}
	// Scaling and what changes nothing that runs are no deployments.
	if _, err := pipeline.AppsV1().Deployments(ns).Patch(t.Context(), "api", types.MergePatchType, []byte(`{"spec":{"replicas":2},"metadata":{"labels":{"a":"b"}}}`), metav1.PatchOptions{}); err != nil {
		t.Errorf("scaling: %v", err)
	}
	// We take back, and who breaks the glass may do anything.
	if err := set(t, k.Cluster.Client, ns, "api", "api:0"); err != nil {
		t.Errorf("we ourselves: %v", err)
	}
	config := s.Config(kubetest.Tester)
	config.Impersonate.UserName, config.Impersonate.Groups = "ann", []string{"break-glass", "system:masters"}
	ann, err := client.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := set(t, ann, ns, "web", "web:2"); err != nil {
		t.Errorf("a member of break-glass: %v", err)
	}
	if err := set(t, s.As(t, kubetest.Person), ns, "api", "api:4"); err == nil {
		t.Error("a person who is in no such group passes")
	}
}

func TestKeep_writesWhatChangedOnly(t *testing.T) {
	s := kubetest.Start(t)
	k, ns := keeper(t, s), s.Namespace(t)
	s.Deploy(t, ns, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 1})
	first := []Held{held(ns, "deployment", "web", backout.Hold{BadTo: "2"})}
	keep := func(h []Held) (writes []string) {
		t.Helper()
		before := len(s.Writes(t, kubetest.Product))
		if err := k.Keep(t.Context(), h); err != nil {
			t.Fatal(err)
		}
		for _, w := range s.Writes(t, kubetest.Product)[before:] {
			if w.Resource != "selfsubjectreviews" {
				writes = append(writes, w.Verb+" "+w.Resource)
			}
		}
		return writes
	}
	if got := strings.Join(keep(first), ", "); got != "create validatingadmissionpolicies, create validatingadmissionpolicybindings" {
		t.Errorf("a first hold writes: %s", got)
	}
	if got := keep(first); len(got) != 0 {
		t.Errorf("the same again writes: %v", got)
	}
	inForce(t, s.As(t, kubetest.Pipeline), ns, "web", "web:2")
	changed := []Held{first[0]}
	changed[0].BadTo = "3"
	if got := strings.Join(keep(changed), ", "); got != "update validatingadmissionpolicies" {
		t.Errorf("a changed hold writes: %s", got)
	}
	inForce(t, s.As(t, kubetest.Pipeline), ns, "web", "web:3")
	if got := strings.Join(keep(nil), ", "); got != "delete validatingadmissionpolicybindings, delete validatingadmissionpolicies" {
		t.Errorf("the end of the last one writes: %s", got)
	}
	kubetest.Eventually(t, "web:3 passes", func() (bool, string) {
		err := set(t, s.As(t, kubetest.Pipeline), ns, "web", "web:3")
		return err == nil, fmt.Sprint(err)
	})
}

// A cluster goes on refusing while we are away, also after its API server died.
func TestKeep_outlivesUs(t *testing.T) {
	s := kubetest.New(t)
	k, ns := keeper(t, s), s.Namespace(t)
	s.Deploy(t, ns, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 1})
	if err := k.Keep(t.Context(), []Held{held(ns, "deployment", "web", backout.Hold{BadTo: "2"})}); err != nil {
		t.Fatal(err)
	}
	inForce(t, s.As(t, kubetest.Pipeline), ns, "web", "web:2")
	s.KillAPIServer(t)
	s.StartAPIServer(t)
	inForce(t, s.As(t, kubetest.Pipeline), ns, "web", "web:2")
	again := &Keeper{Cluster: k.Cluster}
	if n, err := again.Clear(t.Context()); err != nil || n != 1 {
		t.Errorf("cleared %d, %v", n, err)
	}
	if n, err := again.Clear(t.Context()); err != nil || n != 0 {
		t.Errorf("cleared again %d, %v", n, err)
	}
}

func TestKeep_saysWhatItMayNot(t *testing.T) {
	s := kubetest.Start(t)
	c, err := kubernetes.Open(kubernetes.Config{Name: "eu", Server: s.URL, CA: s.CA, Token: s.Token(kubetest.Stranger)})
	if err != nil {
		t.Fatal(err)
	}
	err = (&Keeper{Cluster: c}).Keep(t.Context(), []Held{held("default", "deployment", "web", backout.Hold{})})
	if err == nil || !strings.Contains(err.Error(), "have the cluster refuse what is held") {
		t.Error(err)
	}
}

// A hold that comes after the last one ended is kept as well as the first.
func TestKeep_againAfterTheLastEnded(t *testing.T) {
	s := kubetest.Start(t)
	k, ns := keeper(t, s), s.Namespace(t)
	s.Deploy(t, ns, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 1})
	for range 3 {
		if err := k.Keep(t.Context(), []Held{held(ns, "deployment", "web", backout.Hold{})}); err != nil {
			t.Fatal(err)
		}
		inForce(t, s.As(t, kubetest.Pipeline), ns, "web", "web:2")
		if err := k.Keep(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		kubetest.Eventually(t, "web:2 passes", func() (bool, string) {
			err := set(t, s.As(t, kubetest.Pipeline), ns, "web", "web:2", metav1.DryRunAll)
			return err == nil, fmt.Sprint(err)
		})
		time.Sleep(3 * time.Second) // so long that the API server has forgotten the policy
	}
}
