//go:build kubernetes

package kubernetes_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	client "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute/executetest"
	"github.com/backout-dev/backout/internal/execute/kubernetes"
	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
)

// TestMain also runs the test binary as the process that gets killed.
func TestMain(m *testing.M) {
	if orders := os.Getenv(envOrders); orders != "" {
		if err := obey(orders); err != nil {
			fmt.Fprintln(os.Stderr, "victim:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(kubetest.Main(m))
}

// place is one namespace with an actuator that acts in it as a service account, which
// may do what the manifests in deploy/kubernetes say and nothing else.
type place struct {
	*kubetest.Stack
	ns, user string
	actuator *kubernetes.Actuator
	config   kubernetes.Config
	token    string
}

func newPlace(t *testing.T, s *kubetest.Stack, manifests ...string) *place {
	t.Helper()
	p := &place{Stack: s, ns: s.Namespace(t)}
	p.user = "system:serviceaccount:" + p.ns + ":backout"
	if _, err := s.Client.CoreV1().ServiceAccounts(p.ns).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "backout"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, m := range manifests {
		p.grant(t, m)
	}
	hour := int64(3600)
	token, err := s.Client.CoreV1().ServiceAccounts(p.ns).CreateToken(t.Context(), "backout", &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &hour}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p.token = token.Status.Token
	p.config = kubernetes.Config{
		Clusters: map[string]client.Interface{"c": p.client(t, p.rest())}, Managers: []string{"kubetest", kubetest.Pipeline, kubetest.Person},
		Tick: 50 * time.Millisecond, Patience: 30 * time.Second, Capacity: 10 * time.Second,
	}
	p.actuator = kubernetes.New(p.config)
	return p
}

// grant makes the role of a manifest and binds it in this namespace alone.
func (p *place) grant(t *testing.T, manifest string) {
	t.Helper()
	doc, err := os.ReadFile("../../../deploy/kubernetes/rbac-" + manifest + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	var role rbacv1.ClusterRole
	if err := yaml.UnmarshalStrict(doc, &role); err != nil {
		t.Fatal(err)
	}
	here := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: role.Name}, Rules: role.Rules}
	if _, err := p.Client.RbacV1().Roles(p.ns).Create(t.Context(), here, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	bind := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: "backout", Namespace: p.ns}},
	}
	if _, err := p.Client.RbacV1().RoleBindings(p.ns).Create(t.Context(), bind, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (p *place) rest() *rest.Config {
	return &rest.Config{Host: p.URL, BearerToken: p.token, TLSClientConfig: rest.TLSClientConfig{CAData: p.CA}, QPS: 200, Burst: 400, UserAgent: "backout/test"}
}

func (p *place) client(t *testing.T, c *rest.Config) client.Interface {
	t.Helper()
	out, err := client.NewForConfig(c)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (p *place) component(kind, name string) backout.Component {
	return backout.Component{
		ID: backout.NewComponentID(backout.KindDeployment, p.ns+"."+name, "production", "c"), Kind: backout.KindDeployment, Name: name,
		Environment: "production", Location: "c", Actuator: "kubernetes", Locator: "c/" + p.ns + "/" + kind + "/" + name,
	}
}

func (p *place) effect(kind, name, key string, from, to backout.Version) backout.Effect {
	return backout.Effect{Key: "a/1/" + key, Attempt: "a/1", Component: p.component(kind, name), From: from, To: to, Share: 1}
}

// do does an effect and demands that it is done.
func (p *place) do(t *testing.T, e backout.Effect) {
	t.Helper()
	out, err := p.actuator.Do(t.Context(), e)
	if out != backout.OutcomeDone || err != nil {
		t.Fatalf("%s: %s, %v", e.Key, out, err)
	}
}

// refused does an effect and demands that it is not done, for a reason that says so, and
// that nothing was written.
func (p *place) refused(t *testing.T, e backout.Effect, code backout.Code, says ...string) {
	t.Helper()
	before := len(p.Writes(t, p.user))
	out, err := p.actuator.Do(t.Context(), e)
	if out != backout.OutcomeNotDone || backout.CodeOf(err) != code {
		t.Fatalf("%s: %s, %s, %v; want not done, %s", e.Key, out, backout.CodeOf(err), err, code)
	}
	for _, word := range says {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v does not say %q", e.Key, err, word)
		}
	}
	if w := p.Writes(t, p.user)[before:]; len(w) > 0 {
		t.Errorf("%s was refused, and written: %v", e.Key, w)
	}
}

func (p *place) survey(t *testing.T, kind, name string, versions ...backout.Version) backout.Reversal {
	t.Helper()
	c := p.component(kind, name)
	rev, err := p.actuator.Survey(t.Context(), c, stack(c.ID, versions...))
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

// stack is the changes from one version to the next.
func stack(id backout.ComponentID, versions ...backout.Version) []backout.Change {
	var out []backout.Change
	for i := range len(versions) - 1 {
		out = append(out, backout.Change{Component: id, From: versions[i], To: versions[i+1]})
	}
	return out
}

// writes lists what the service account has changed, in few words.
func (p *place) writes(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, c := range p.Writes(t, p.user) {
		if strings.Contains(c.URI, "dryRun=") {
			continue
		}
		out = append(out, strings.TrimPrefix(c.String(), p.user+" "))
	}
	return out
}

// faulty stands between an actuator and the API server. The next write that is no
// question meets the fault.
type faulty struct {
	next  http.RoundTripper
	mu    sync.Mutex
	fault executetest.Fault // guarded by mu
}

func (f *faulty) arrange(_ *testing.T, fault executetest.Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

func (f *faulty) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPatch || r.URL.Query().Has("dryRun") {
		return f.next.RoundTrip(r)
	}
	f.mu.Lock()
	fault := f.fault
	f.fault = ""
	f.mu.Unlock()
	switch fault {
	case executetest.FaultHangs:
		<-r.Context().Done()
		return nil, r.Context().Err()
	case executetest.FaultErrs:
		resp, err := f.next.RoundTrip(r)
		if err == nil {
			_ = resp.Body.Close()
		}
		return nil, errors.New("the line broke")
	case executetest.FaultLies:
		lie := r.Clone(r.Context())
		q := lie.URL.Query()
		q.Set("dryRun", "All")
		lie.URL.RawQuery = q.Encode()
		return f.next.RoundTrip(lie)
	}
	return f.next.RoundTrip(r)
}

func says(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%q does not say %q", text, w)
		}
	}
}

// viewer lets the service account read what the stock role for that lets one read. (The
// role "view" itself is put together by a controller that does not run here.)
func viewer(ns string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "viewer"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "system:aggregate-to-view"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: "backout", Namespace: ns}},
	}
}

// background is a context that outlives a test's own end by a little.
func background(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}
