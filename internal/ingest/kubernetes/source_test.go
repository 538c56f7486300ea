//go:build kubernetes

package kubernetes_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/backout-dev/backout"
	source "github.com/backout-dev/backout/internal/ingest/kubernetes"
	"github.com/backout-dev/backout/internal/remote/kubernetes"
	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
)

func TestMain(m *testing.M) { os.Exit(kubetest.Main(m)) }

// readOnly is all that the source needs.
var readOnly = []rbacv1.PolicyRule{
	{APIGroups: []string{""}, Resources: []string{"pods", "configmaps", "secrets", "resourcequotas", "nodes"}, Verbs: []string{"get", "list", "watch"}},
	{APIGroups: []string{"apps"}, Resources: []string{"deployments", "statefulsets", "daemonsets", "replicasets", "controllerrevisions"}, Verbs: []string{"get", "list", "watch"}},
	{APIGroups: []string{"autoscaling"}, Resources: []string{"horizontalpodautoscalers"}, Verbs: []string{"get", "list", "watch"}},
	{APIGroups: []string{"policy"}, Resources: []string{"poddisruptionbudgets"}, Verbs: []string{"get", "list", "watch"}},
}

// ledger keeps what it is given, as the store does: once for each native id.
type ledger struct {
	mu        sync.Mutex
	obs       []backout.Observation       // guarded by mu
	twice     []backout.Observation       // guarded by mu: recorded again
	memory    map[string][]byte           // guarded by mu
	snapshots map[string]backout.Snapshot // guarded by mu
	fails     bool                        // guarded by mu: nothing can be recorded
}

func newLedger() *ledger {
	return &ledger{memory: map[string][]byte{}, snapshots: map[string]backout.Snapshot{}}
}

func (l *ledger) Record(_ context.Context, list []backout.Observation) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fails {
		return &backout.Error{Code: backout.CodeUnavailable, Message: "the disk is full"}
	}
	for _, o := range list {
		if slices.ContainsFunc(l.obs, func(x backout.Observation) bool { return x.Source == o.Source && x.NativeID == o.NativeID }) {
			l.twice = append(l.twice, o)
			continue
		}
		l.obs = append(l.obs, o)
	}
	return nil
}

func (l *ledger) Load(_ context.Context, name string) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.memory[name], nil
}

func (l *ledger) Save(_ context.Context, name string, _ time.Time, state []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.memory[name] = slices.Clone(state)
	return nil
}

func (l *ledger) Keep(_ context.Context, s backout.Snapshot) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.snapshots[string(s.Component)+" "+string(s.Version)] = s
	return nil
}

func (l *ledger) setFails(is bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fails = is
}

// changes folds what was recorded of components whose name contains a text.
func (l *ledger) changes(of string) []backout.Change {
	l.mu.Lock()
	defer l.mu.Unlock()
	all, _ := backout.Fold(slices.Clone(l.obs))
	return slices.DeleteFunc(all, func(c backout.Change) bool { return !strings.Contains(string(c.Component), of) })
}

// moves are the changes in short.
func (l *ledger) moves(of string) string {
	var out []string
	for _, c := range l.changes(of) {
		out = append(out, fmt.Sprintf("%s>%s", c.From, c.To))
	}
	return strings.Join(out, " ")
}

// open makes a source on a stack, by a wire when there is one, for one namespace.
func open(t *testing.T, s *kubetest.Stack, l *ledger, url, namespace string, change ...func(*source.Config)) *source.Source {
	t.Helper()
	if url == "" {
		url = s.URL
	}
	cluster, err := kubernetes.Open(kubernetes.Config{Name: "c1", Server: url, CA: s.CA, Token: s.Token(kubetest.Product), Agent: "test"})
	if err != nil {
		t.Fatal(err)
	}
	c := source.Config{Cluster: cluster, Environment: "production", Location: "eu-1", Recorder: l, Memory: l, Log: slog.New(slog.NewTextHandler(testWriter{t}, nil))}
	if namespace != "" {
		c.Namespaces = []string{namespace}
	}
	for _, f := range change {
		f(&c)
	}
	src, err := source.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// run starts a source and waits until it knows everything; stop ends it as a process
// ends that is told to.
func run(t *testing.T, src *source.Source) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- src.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	kubetest.Eventually(t, "the world is complete", func() (bool, string) { _, ok := src.Found(); return ok, "" })
	return stop
}

func (l *ledger) await(t *testing.T, of, want string) {
	t.Helper()
	kubetest.Eventually(t, of+" has "+want, func() (bool, string) { got := l.moves(of); return got == want, got })
}

func putConfig(t *testing.T, s *kubetest.Stack, user, ns, name, value string) {
	t.Helper()
	api := s.As(t, user).CoreV1().ConfigMaps(ns)
	c := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"k": value}}
	if _, err := api.Create(t.Context(), c, metav1.CreateOptions{FieldManager: user}); err == nil {
		return
	}
	if _, err := api.Update(t.Context(), c, metav1.UpdateOptions{FieldManager: user}); err != nil {
		t.Fatal(err)
	}
}

func TestRollout_isOneChangeWithItsStages(t *testing.T) {
	s := kubetest.Start(t)
	s.Grant(t, kubetest.Product, readOnly...)
	ns := s.Namespace(t)
	putConfig(t, s, kubetest.Tester, ns, "env", "1")
	s.Deploy(t, ns, kubetest.Workload{Name: "web", Image: "web:1.0", Replicas: 10, ConfigMaps: []string{"env"}, Labels: map[string]string{"app.kubernetes.io/name": "shopfront", "app.kubernetes.io/part-of": "shop"}})
	s.Settled(t, ns, "web")
	l := newLedger()
	src := open(t, s, l, "", ns)
	run(t, src)
	if got := l.moves(""); got != "" {
		t.Errorf("at first sight %s is told: what stands there is no change", got)
	}
	began := time.Now().Add(-time.Second)
	s.SetImage(t, kubetest.Pipeline, ns, "web", "web:1.1")
	s.Settled(t, ns, "web")
	id := "deployment:" + ns + ".web@production/eu-1"
	l.await(t, id, "1.0>1.1")
	kubetest.Eventually(t, "all of it is told", func() (bool, string) {
		c := l.changes(id)[0]
		st := c.Exposure.Stages
		return st[len(st)-1].Share == 1, fmt.Sprintf("%+v", st)
	})
	c := l.changes(id)[0]
	for i, st := range c.Exposure.Stages {
		if st.At.Before(began.Truncate(time.Second)) || st.At.After(time.Now()) || i > 0 && st.Share <= c.Exposure.Stages[i-1].Share {
			t.Errorf("stage %d of %+v", i, c.Exposure.Stages)
		}
	}
	if n := len(c.Exposure.Stages[len(c.Exposure.Stages)-1].Instances); n != 10 {
		t.Errorf("%d instances at the end, want 10", n)
	}
	if !strings.Contains(c.Actor, kubetest.Pipeline) || !strings.Contains(c.Title, "configmap env") || !strings.HasPrefix(c.Digest, "sha256:") && c.Digest != "" {
		t.Errorf("actor %q, title %q, digest %q: want who did it and what came with it", c.Actor, c.Title, c.Digest)
	}
	found, _ := src.Found()
	if len(found.Services) != 1 || found.Services[0].ID != "shopfront" || found.Services[0].System != "shop" || found.Components[0].Instances != 10 || found.Components[0].Locator != "c1/"+ns+"/deployment/web" {
		t.Errorf("found %+v", found)
	}
	s.SetImage(t, kubetest.Person, ns, "web", "web:1.0")
	l.await(t, id, "1.0>1.1 1.1>1.0")
	putConfig(t, s, kubetest.Person, ns, "env", "2")
	kubetest.Eventually(t, "the configuration's change", func() (bool, string) {
		all := l.changes("config:" + ns + ".configmap.env@")
		return len(all) == 1 && all[0].From != "" && all[0].Actor == kubetest.Person, fmt.Sprintf("%+v", all)
	})
	if _, err := s.Client.AppsV1().Deployments(ns).Patch(t.Context(), "web", types.MergePatchType, []byte(`{"spec":{"replicas":3}}`), metav1.PatchOptions{FieldManager: "scaler"}); err != nil {
		t.Fatal(err)
	}
	l.await(t, "infrastructure:"+ns+".web.scale@", "10>3")
	if w := s.Writes(t, kubetest.Product); len(w) > 0 {
		t.Errorf("it has written: %v", w)
	}
	if calls := s.Audit(t, kubetest.Product); len(calls) == 0 || !strings.HasPrefix(calls[0].UserAgent, "backout/") {
		t.Errorf("the audit log has %d calls of ours", len(calls))
	}
}

func TestNothing_isLostOrDoubled(t *testing.T) {
	s := kubetest.New(t)
	s.Grant(t, kubetest.Product, readOnly...)
	ns := s.Namespace(t)
	putConfig(t, s, kubetest.Tester, ns, "env", "1")
	s.Deploy(t, ns, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 2, ConfigMaps: []string{"env"}})
	s.Settled(t, ns, "web")
	l, wire := newLedger(), s.Wire(t)
	stop := run(t, open(t, s, l, wire.URL, ns))
	deploy := func(tag string) {
		t.Helper()
		s.SetImage(t, kubetest.Pipeline, ns, "web", "web:"+tag)
		s.Settled(t, ns, "web")
	}
	id, config := "deployment:"+ns+".web@", "config:"+ns
	deploy("2")
	l.await(t, id, "1>2")

	t.Log("away, with two releases and a new configuration meanwhile")
	stop()
	deploy("3")
	deploy("4")
	putConfig(t, s, kubetest.Person, ns, "env", "2")
	stop = run(t, open(t, s, l, wire.URL, ns))
	l.await(t, id, "1>2 2>3 3>4")
	if n := len(l.changes(config)); n != 1 {
		t.Errorf("%d changes of the configuration, want the one made meanwhile", n)
	}

	t.Log("the API server is killed in the middle")
	s.SetImage(t, kubetest.Pipeline, ns, "web", "web:5")
	s.KillAPIServer(t)
	s.StartAPIServer(t)
	s.Settled(t, ns, "web")
	l.await(t, id, "1>2 2>3 3>4 4>5")

	t.Log("cut off until the watch has expired")
	seen, err := s.Client.AppsV1().Deployments(ns).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wire.Cut()
	deploy("6")
	s.Compact(t)
	s.KillAPIServer(t)
	s.StartAPIServer(t)
	putConfig(t, s, kubetest.Person, ns, "env", "3")
	s.Compact(t)
	gone, err := s.Client.AppsV1().Deployments(ns).Watch(t.Context(), metav1.ListOptions{ResourceVersion: seen.ResourceVersion})
	if err == nil {
		err = apierrors.FromObject((<-gone.ResultChan()).Object)
		gone.Stop()
	}
	if !apierrors.IsResourceExpired(err) && !apierrors.IsGone(err) {
		t.Fatalf("a watch from before the cut: %v, want that it has expired", err)
	}
	wire.Mend()
	l.await(t, id, "1>2 2>3 3>4 4>5 5>6")
	kubetest.Eventually(t, "the configuration's second change", func() (bool, string) { return len(l.changes(config)) == 2, l.moves(config) })

	t.Log("killed before what was seen was kept, and back to an old release")
	l.mu.Lock()
	before := map[string][]byte{}
	for k, v := range l.memory {
		before[k] = v
	}
	l.mu.Unlock()
	deploy("4")
	l.await(t, id, "1>2 2>3 3>4 4>5 5>6 6>4")
	stop()
	count := func() int { l.mu.Lock(); defer l.mu.Unlock(); return len(l.obs) }
	had := count()
	l.mu.Lock()
	l.memory = before
	l.mu.Unlock()
	stop = run(t, open(t, s, l, wire.URL, ns))
	kubetest.Eventually(t, "it finds the same again", func() (bool, string) { l.mu.Lock(); defer l.mu.Unlock(); return len(l.twice) > 0, "" })
	if got := l.moves(id); got != "1>2 2>3 3>4 4>5 5>6 6>4" || count() != had {
		t.Errorf("changes %s, and %d new observations of what was known", got, count()-had)
	}

	t.Log("nothing can be recorded for a while")
	l.setFails(true)
	deploy("7")
	time.Sleep(500 * time.Millisecond) // so that it has tried
	l.setFails(false)
	l.await(t, id, "1>2 2>3 3>4 4>5 5>6 6>4 4>7")
	stop()
	if w := s.Writes(t, kubetest.Product); len(w) > 0 {
		t.Errorf("it has written: %v", w)
	}
}

func TestSecrets_areNeverKept(t *testing.T) {
	s := kubetest.Start(t)
	s.Grant(t, kubetest.Product, readOnly...)
	ns := s.Namespace(t)
	put := func(value string) {
		t.Helper()
		api, sec := s.Client.CoreV1().Secrets(ns), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "pw"}, StringData: map[string]string{"password": value}}
		if _, err := api.Create(t.Context(), sec, metav1.CreateOptions{}); err != nil {
			if _, err := api.Update(t.Context(), sec, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	const words, other = "hunter2-is-the-word", "another-word-entirely"
	put(words)
	s.Deploy(t, ns, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 1, Secrets: []string{"pw"}})
	s.Settled(t, ns, "web")
	l := newLedger()
	stop := run(t, open(t, s, l, "", ns, func(c *source.Config) { c.Snapshots, c.Bake = l, time.Millisecond }))
	put(other)
	kubetest.Eventually(t, "the secret's change", func() (bool, string) { return len(l.changes("config:"+ns+".secret.pw@")) == 1, l.moves("") })
	kubetest.Eventually(t, "a snapshot", func() (bool, string) { l.mu.Lock(); defer l.mu.Unlock(); return len(l.snapshots) > 0, "" })
	stop()
	everything, err := json.Marshal(map[string]any{"obs": l.obs, "memory": string(l.memory["kubernetes/c1"]), "snapshots": l.snapshots})
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{words, other, "aHVudGVyMi1pcy10aGUtd29yZA", "YW5vdGhlci13b3JkLWVudGlyZWx5"} {
		if strings.Contains(string(everything), word) {
			t.Errorf("the secret %q was kept: %s", word, everything)
		}
	}
	if len(l.memory["kubernetes/c1"]) < 100 {
		t.Error("nothing was kept at all")
	}
}

func TestTwoClusters_areOneWorld(t *testing.T) {
	one, two := kubetest.Start(t), kubetest.New(t)
	l, ns := newLedger(), one.Namespace(t)
	if _, err := two.Client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for i, s := range []*kubetest.Stack{one, two} {
		s.Grant(t, kubetest.Product, readOnly...)
		s.Deploy(t, ns, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 1})
		s.Settled(t, ns, "web")
		cluster, err := kubernetes.Open(kubernetes.Config{Name: fmt.Sprintf("c%d", i+1), Server: s.URL, CA: s.CA, Token: s.Token(kubetest.Product)})
		if err != nil {
			t.Fatal(err)
		}
		src, err := source.New(source.Config{Cluster: cluster, Environment: "production", Location: backout.Location(fmt.Sprintf("eu-%d", i+1)), Namespaces: []string{ns}, Recorder: l, Memory: l})
		if err != nil {
			t.Fatal(err)
		}
		run(t, src)
	}
	two.SetImage(t, kubetest.Pipeline, ns, "web", "web:2")
	l.await(t, "deployment:"+ns+".web@production/eu-2", "1>2")
	if got := l.moves("eu-1"); got != "" {
		t.Errorf("in the first cluster %s, though only the second one was changed", got)
	}
}

// A workload that the controllers came to late is as old as it is: its first revision
// came with it, and is no change at first sight.
func TestFirstSight_lateControllersMakeNoChange(t *testing.T) {
	s := kubetest.Start(t)
	s.Grant(t, kubetest.Product, readOnly...)
	ns := s.Namespace(t)
	resume := s.PauseControllers(t)
	s.Deploy(t, ns, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 1})
	time.Sleep(2100 * time.Millisecond) // clusters date in whole seconds
	resume()
	s.Settled(t, ns, "web")
	l := newLedger()
	run(t, open(t, s, l, "", ns))
	if got := l.moves(""); got != "" {
		t.Errorf("at first sight %s is told", got)
	}
	s.SetImage(t, kubetest.Pipeline, ns, "web", "web:2")
	l.await(t, "deployment:"+ns+".web@production/eu-1", "1>2")
}
