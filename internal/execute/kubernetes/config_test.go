//go:build kubernetes

package kubernetes_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	client "k8s.io/client-go/kubernetes"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/execute/executetest"
	"github.com/backout-dev/backout/internal/execute/kubernetes"
	remote "github.com/backout-dev/backout/internal/remote/kubernetes"
	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
)

func (p *place) configMap(t *testing.T, name string, data map[string]string) backout.Version {
	t.Helper()
	m, err := p.Client.CoreV1().ConfigMaps(p.ns).Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: data}, metav1.CreateOptions{FieldManager: kubetest.Pipeline})
	if err != nil {
		t.Fatal(err)
	}
	return backout.Version(remote.HashConfigMap(m))
}

// edited changes a ConfigMap in place, as the pipeline.
func (p *place) edited(t *testing.T, name, data string) backout.Version {
	t.Helper()
	m, err := p.As(t, kubetest.Pipeline).CoreV1().ConfigMaps(p.ns).Patch(t.Context(), name, types.MergePatchType, []byte(`{"data":`+data+`}`), metav1.PatchOptions{FieldManager: kubetest.Pipeline})
	if err != nil {
		t.Fatal(err)
	}
	return backout.Version(remote.HashConfigMap(m))
}

func (p *place) data(t *testing.T, name string) map[string]string {
	t.Helper()
	m, err := p.Client.CoreV1().ConfigMaps(p.ns).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m.Data
}

// restart lets every pod of web begin anew, with the template that it has.
func (p *place) restart(t *testing.T) {
	t.Helper()
	time.Sleep(1100 * time.Millisecond) // times in the API have seconds
	began := time.Now().Truncate(time.Second)
	if err := p.Client.CoreV1().Pods(p.ns).DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "app=web"}); err != nil {
		t.Fatal(err)
	}
	kubetest.Eventually(t, "every pod is a new one", func() (bool, string) {
		pods, err := p.Client.CoreV1().Pods(p.ns).List(t.Context(), metav1.ListOptions{LabelSelector: "app=web"})
		if err != nil || len(pods.Items) != 2 {
			return false, fmt.Sprint(err)
		}
		return !slices.ContainsFunc(pods.Items, func(pod corev1.Pod) bool {
			return pod.CreationTimestamp.Time.Before(began) || pod.Status.Phase != corev1.PodRunning
		}), ""
	})
	p.Settled(t, p.ns, "web")
}

// contents knows what was in ConfigMaps, as somebody who kept it does.
func contents(all ...map[string]string) func(context.Context, backout.Component, backout.Version) (kubernetes.Content, bool, error) {
	return func(_ context.Context, _ backout.Component, v backout.Version) (kubernetes.Content, bool, error) {
		for _, data := range all {
			if backout.Version(remote.HashConfigMap(&corev1.ConfigMap{Data: data})) == v {
				return kubernetes.Content{Data: data}, true, nil
			}
		}
		return kubernetes.Content{}, false, nil
	}
}

func TestConfigMap_conforms(t *testing.T) {
	p := newPlace(t, kubetest.Start(t), "configmap")
	good := map[string]string{"limit": "10", "only": "before"}
	to := p.configMap(t, "web", good)
	p.Deploy(t, p.ns, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 2, ConfigMaps: []string{"web"}})
	p.Settled(t, p.ns, "web")
	from := p.edited(t, "web", `{"limit":"0","only":null,"new":"x"}`)
	p.config.Content = contents(good)
	p.actuator = kubernetes.New(p.config)
	c := p.component("configmap", "web")
	if l := p.live(t, "configmap", "web"); l.Healthy || l.Shares[from] != 0 {
		t.Errorf("before a pod has read it: %+v", l)
	}
	p.restart(t)
	p.well(t, "configmap", "web", from)
	executetest.Conform(t, executetest.Subject{
		Actuator: p.actuator, Component: c, Stack: stack(c.ID, to, from), From: from, To: to, Settle: 20 * time.Second,
		Disturb: func(t *testing.T) {
			body := fmt.Sprintf(`{"metadata":{"labels":{"seen":"%d"}}}`, time.Now().UnixNano())
			if _, err := p.Client.CoreV1().ConfigMaps(p.ns).Patch(t.Context(), "web", types.MergePatchType, []byte(body), metav1.PatchOptions{}); err != nil {
				t.Fatal(err)
			}
		},
		Moves: func() int {
			return len(slices.DeleteFunc(p.writes(t), func(w string) bool { return w != "patch configmaps "+p.ns+"/web 200" }))
		},
		Reopen: func(*testing.T) execute.Actuator { return kubernetes.New(p.config) },
	})
	if got := p.data(t, "web"); fmt.Sprint(got) != fmt.Sprint(good) {
		t.Errorf("at the end there is %v in it, want %v exactly", got, good)
	}
	for _, w := range p.writes(t) {
		if w != "patch configmaps "+p.ns+"/web 200" && !strings.HasPrefix(w, "create pods/eviction") {
			t.Errorf("it wrote %s", w)
		}
	}
	d := p.Settled(t, p.ns, "web")
	if d.Generation != 1 {
		t.Errorf("the Deployment was written: it is at generation %d", d.Generation)
	}
}

func TestConfigMap_thatNobodyKeptIsNotOffered(t *testing.T) {
	p := newPlace(t, kubetest.Start(t), "configmap")
	to := p.configMap(t, "web", map[string]string{"a": "1"})
	from := p.edited(t, "web", `{"a":"2"}`)
	c := p.component("configmap", "web")
	rev, err := p.actuator.Survey(t.Context(), c, stack(c.ID, to, from))
	if err != nil || len(rev.Levels) > 0 || !strings.Contains(rev.Why, "nobody kept") {
		t.Errorf("survey: %+v, %v", rev, err)
	}
	e := p.effect("configmap", "web", "x", from, to)
	p.refused(t, e, backout.CodeNotFound, "nobody kept")
}

func TestConfig_comesBackWithTheRelease(t *testing.T) {
	p := newPlace(t, kubetest.Start(t), "deployment", "configmap")
	good, bad := map[string]string{"limit": "10"}, map[string]string{"limit": "0"}
	p.configMap(t, "web", good)
	p.Deploy(t, p.ns, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 2, ConfigMaps: []string{"web"}})
	p.Settled(t, p.ns, "web")
	p.edited(t, "web", `{"limit":"0"}`)
	p.SetImage(t, kubetest.Pipeline, p.ns, "web", "web:2")
	p.Settled(t, p.ns, "web")
	p.config.Ran = func(_ context.Context, _ backout.ComponentID, v backout.Version) (kubernetes.Ran, bool, error) {
		if v != "1" {
			return kubernetes.Ran{}, false, nil
		}
		return kubernetes.Ran{Configs: map[string]kubernetes.Content{"web": {Data: good}}}, true, nil
	}
	// Only the first release was seen to work: what the second had in it, the ConfigMap keeps.
	p.actuator = kubernetes.New(p.config)
	if rev := p.survey(t, "deployment", "web", "1", "2"); len(rev.Levels) != 1 || rev.Levels[0].Loss != backout.LossNone {
		t.Errorf("survey: %+v", rev)
	}
	for _, m := range []struct {
		key      string
		from, to backout.Version
		want     map[string]string
	}{{"back", "2", "1", good}, {"undo", "1", "2", bad}, {"again", "2", "1", good}} {
		before := len(p.writes(t))
		p.do(t, p.effect("deployment", "web", m.key, m.from, m.to))
		if got := p.data(t, "web"); fmt.Sprint(got) != fmt.Sprint(m.want) {
			t.Errorf("after %s there is %v in it, want %v", m.key, got, m.want)
		}
		if got, want := p.writes(t)[before:], []string{"patch configmaps " + p.ns + "/web 200", "patch deployments " + p.ns + "/web 200"}; !slices.Equal(got, want) {
			t.Errorf("%s wrote %q, want %q: first what pods read", m.key, got, want)
		}
	}
	// Gone altogether, it is made again.
	if err := p.Client.CoreV1().ConfigMaps(p.ns).Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	p.SetImage(t, kubetest.Pipeline, p.ns, "web", "web:3")
	p.Settled(t, p.ns, "web")
	p.do(t, p.effect("deployment", "web", "made", "3", "1"))
	if got := p.data(t, "web"); fmt.Sprint(got) != fmt.Sprint(good) {
		t.Errorf("after it was gone there is %v in it", got)
	}
}

func TestConfig_ofOthersStaysAndThatIsTold(t *testing.T) {
	s := kubetest.Start(t)
	good := map[string]string{"limit": "10"}
	for name, c := range map[string]struct {
		manifests []string
		shared    bool
		says      string
	}{
		"used by others": {[]string{"deployment", "configmap"}, true, "uses it too"},
		"no right to it": {[]string{"deployment"}, false, "we may not patch configmaps"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, s, c.manifests...)
			p.configMap(t, "web", good)
			p.Deploy(t, p.ns, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 1, ConfigMaps: []string{"web"}})
			if c.shared {
				p.Deploy(t, p.ns, kubetest.Workload{Name: "other", Image: "other:1", Replicas: 1, ConfigMaps: []string{"web"}})
				p.Settled(t, p.ns, "other")
			}
			p.Settled(t, p.ns, "web")
			p.edited(t, "web", `{"limit":"0"}`)
			p.SetImage(t, kubetest.Pipeline, p.ns, "web", "web:2")
			p.Settled(t, p.ns, "web")
			p.config.Ran = func(context.Context, backout.ComponentID, backout.Version) (kubernetes.Ran, bool, error) {
				return kubernetes.Ran{Configs: map[string]kubernetes.Content{"web": {Data: good}}}, true, nil
			}
			p.actuator = kubernetes.New(p.config)
			rev := p.survey(t, "deployment", "web", "1", "2")
			if len(rev.Levels) != 1 || rev.Levels[0].Loss != backout.LossUnknown {
				t.Fatalf("survey: %+v, want a level of which nobody knows what is lost", rev)
			}
			says(t, rev.Levels[0].Lost, "other data in", c.says)
			p.do(t, p.effect("deployment", "web", "back", "2", "1"))
			if got := p.data(t, "web")["limit"]; got != "0" {
				t.Errorf("it was written: %s", got)
			}
		})
	}
}

// When the release is refused after its ConfigMap was put back, that is taken back too.
func TestConfig_isTakenBackWhenTheReleaseIsRefused(t *testing.T) {
	p := newPlace(t, kubetest.Start(t), "deployment", "configmap")
	good := map[string]string{"limit": "10"}
	p.configMap(t, "web", good)
	p.Deploy(t, p.ns, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 1, ConfigMaps: []string{"web"}})
	p.Settled(t, p.ns, "web")
	p.edited(t, "web", `{"limit":"0"}`)
	p.SetImage(t, kubetest.Pipeline, p.ns, "web", "web:2")
	p.Settled(t, p.ns, "web")
	config, seen := p.rest(), ""
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return tripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPatch && !r.URL.Query().Has("dryRun") && strings.HasSuffix(r.URL.Path, "/deployments/web") {
				seen = p.data(t, "web")["limit"]
				p.SetImage(t, kubetest.Person, p.ns, "web", "web:3")
			}
			return next.RoundTrip(r)
		})
	})
	p.config.Clusters = map[string]client.Interface{"c": p.client(t, config)}
	p.config.Ran = func(context.Context, backout.ComponentID, backout.Version) (kubernetes.Ran, bool, error) {
		return kubernetes.Ran{Configs: map[string]kubernetes.Content{"web": {Data: good}}}, true, nil
	}
	out, err := kubernetes.New(p.config).Do(t.Context(), p.effect("deployment", "web", "back", "2", "1"))
	if out != backout.OutcomeNotDone || backout.CodeOf(err) != backout.CodeConflict {
		t.Fatalf("somebody deployed right before the write: %s, %v", out, err)
	}
	if got := p.data(t, "web")["limit"]; seen != "10" || got != "0" {
		t.Errorf("in the ConfigMap there was %q when the release was refused, and is %q now; want 10 and then 0", seen, got)
	}
}

func TestConfigMap_writtenInBetweenIsRefusedByTheAPIServer(t *testing.T) {
	p := newPlace(t, kubetest.Start(t), "configmap")
	good := map[string]string{"a": "1"}
	to := p.configMap(t, "web", good)
	from := p.edited(t, "web", `{"a":"2"}`)
	config := p.rest()
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return tripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPatch {
				p.edited(t, "web", `{"a":"3"}`)
			}
			return next.RoundTrip(r)
		})
	})
	p.config.Clusters = map[string]client.Interface{"c": p.client(t, config)}
	p.config.Content = contents(good)
	out, err := kubernetes.New(p.config).Do(t.Context(), p.effect("configmap", "web", "x", from, to))
	if out != backout.OutcomeNotDone || backout.CodeOf(err) != backout.CodeConflict {
		t.Fatalf("%s, %v; want not done and a conflict", out, err)
	}
	if got := p.data(t, "web")["a"]; got != "3" {
		t.Errorf("there is %q in it, want what somebody else wrote", got)
	}
}
