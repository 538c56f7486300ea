//go:build kubernetes

package kubernetes_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	client "k8s.io/client-go/kubernetes"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute/kubernetes"
	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
)

// during runs an effect and does something once its write has been made.
func (p *place) during(t *testing.T, e backout.Effect, meanwhile func()) (backout.Outcome, error) {
	t.Helper()
	type said struct {
		out backout.Outcome
		err error
	}
	answer := make(chan said, 1)
	go func() {
		out, err := p.actuator.Do(context.WithoutCancel(t.Context()), e)
		answer <- said{out, err}
	}()
	kubetest.Eventually(t, "the write of "+e.Key, func() (bool, string) {
		d, err := p.Client.AppsV1().Deployments(p.ns).Get(t.Context(), e.Component.Name, metav1.GetOptions{})
		return err == nil && d.Annotations[kubernetes.EffectNote] == e.Key, fmt.Sprint(err)
	})
	meanwhile()
	a := <-answer
	return a.out, a.err
}

func TestSomebodyDeploysInTheMiddle(t *testing.T) {
	s := kubetest.New(t)
	p := newPlace(t, s, "deployment")
	twoReleases(t, p, kubetest.Workload{Replicas: 3})
	resume := s.PauseControllers(t)
	out, err := p.during(t, p.effect("deployment", "web", "back", "2", "1"), func() { p.SetImage(t, kubetest.Person, p.ns, "web", "web:3") })
	resume()
	if out != backout.OutcomeNotDone || backout.CodeOf(err) != backout.CodeConflict {
		t.Fatalf("somebody deployed web:3 meanwhile: %s, %v; want not done and a conflict", out, err)
	}
	says(t, err.Error(), `"person"`, "asks for 3")
	p.Settled(t, p.ns, "web")
	if got := p.Images(t, p.ns, "web"); got["web:3"] != 3 || len(got) != 1 {
		t.Errorf("pods by image: %v, want theirs", got)
	}
	if n := len(p.writes(t)); n != 1 {
		t.Errorf("wrote %d times: %v", n, p.writes(t))
	}
}

func TestConcurrentWrites_areSeenByTheAPIServer(t *testing.T) {
	p := newPlace(t, kubetest.Start(t), "deployment")
	twoReleases(t, p, kubetest.Workload{Replicas: 1})
	// Between our look and our write somebody changes what it shall be, or only how it is.
	for name, c := range map[string]struct {
		body, sub string
		want      backout.Outcome
	}{
		"the spec":   {`{"spec":{"minReadySeconds":1}}`, "", backout.OutcomeNotDone},
		"the status": {`{"metadata":{"labels":{"seen":"yes"}}}`, "", backout.OutcomeDone},
	} {
		config, first := p.rest(), true
		config.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return tripper(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodPatch && !r.URL.Query().Has("dryRun") && first {
					first = false
					p.edit(t, kubetest.Person, "web", c.body)
				}
				return next.RoundTrip(r)
			})
		})
		cfg := p.config
		cfg.Clusters = map[string]client.Interface{"c": p.client(t, config)}
		out, err := kubernetes.New(cfg).Do(t.Context(), p.effect("deployment", "web", name, "2", "1"))
		if out != c.want || c.want == backout.OutcomeNotDone && backout.CodeOf(err) != backout.CodeConflict {
			t.Errorf("%s changed in between: %s, %v; want %s", name, out, err, c.want)
		}
		if c.want == backout.OutcomeNotDone {
			says(t, err.Error(), `"person"`)
			if !slices.Contains(p.writes(t), "patch deployments "+p.ns+"/web 409") {
				t.Errorf("the API server refused nothing: %v", p.writes(t))
			}
		} else {
			p.do(t, p.effect("deployment", "web", "undo", "1", "2"))
		}
	}
}

type tripper func(r *http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAPIServer_isKilledInTheMiddle(t *testing.T) {
	s := kubetest.New(t)
	p := newPlace(t, s, "deployment")
	twoReleases(t, p, kubetest.Workload{Replicas: 5})
	resume := s.PauseControllers(t)
	out, err := p.during(t, p.effect("deployment", "web", "back", "2", "1"), func() {
		s.KillAPIServer(t)
		time.Sleep(300 * time.Millisecond) // some looks fail
		s.StartAPIServer(t)
		resume()
	})
	if out != backout.OutcomeDone || err != nil {
		t.Fatalf("with the API server killed in between: %s, %v", out, err)
	}
	if got := p.Images(t, p.ns, "web"); got["web:1"] != 5 || len(got) != 1 {
		t.Errorf("pods by image: %v", got)
	}
	s.KillAPIServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if out, err := p.actuator.Do(ctx, p.effect("deployment", "web", "forth", "1", "2")); out != backout.OutcomeNotDone || backout.CodeOf(err) != backout.CodeUnavailable {
		t.Errorf("without an API server: %s, %v", out, err)
	}
	s.StartAPIServer(t)
}

// autoscale gives a workload an autoscaler that keeps every pod at half of its CPU.
func (p *place) autoscale(t *testing.T, kind, name string, least, most int32) {
	t.Helper()
	percent := int32(50)
	_, err := p.Client.AutoscalingV2().HorizontalPodAutoscalers(p.ns).Create(t.Context(), &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: kind, Name: name}, MinReplicas: &least, MaxReplicas: most,
			Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
				Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &percent},
			}}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

func (p *place) ready(t *testing.T, name string, n int32) {
	t.Helper()
	kubetest.Eventually(t, fmt.Sprintf("%d pods of %s", n, name), func() (bool, string) {
		d, err := p.Client.AppsV1().Deployments(p.ns).Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		return d.Status.ObservedGeneration >= d.Generation && d.Status.AvailableReplicas == n && d.Status.UpdatedReplicas == n && d.Status.Replicas == n, fmt.Sprintf("%+v", d.Status)
	})
}

func (p *place) minimum(t *testing.T, name string) (int32, string) {
	t.Helper()
	h, err := p.Client.AutoscalingV2().HorizontalPodAutoscalers(p.ns).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return *h.Spec.MinReplicas, h.Annotations[kubernetes.PinNote]
}

// scaledDown is a release that ran with 8 pods, and one after it that does so little that
// the autoscaler has left 2.
func scaledDown(t *testing.T, p *place) {
	t.Helper()
	d := kubetest.Workload{Name: "web", Image: "web:1", Replicas: 2, CPU: "100m"}.Deployment(p.ns)
	d.Spec.Template.Annotations = map[string]string{"kubetest/starts-after": "700ms"} // else nobody would have to wait
	if _, err := p.Client.AppsV1().Deployments(p.ns).Create(t.Context(), d, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	p.Settled(t, p.ns, "web")
	p.Load(p.ns, "web", 400)
	p.autoscale(t, "Deployment", "web", 2, 10)
	p.ready(t, "web", 8)
	p.SetImage(t, kubetest.Pipeline, p.ns, "web", "web:2")
	p.ready(t, "web", 8)
	p.Load(p.ns, "web", 50)
	p.ready(t, "web", 2)
}

func TestCapacity_comesFirstAndIsGivenBack(t *testing.T) {
	p := newPlace(t, kubetest.Start(t), "deployment")
	scaledDown(t, p)
	rev := p.survey(t, "deployment", "web", "1", "2")
	if len(rev.Levels) != 1 || rev.Levels[0].Instances != 8 {
		t.Errorf("survey: %+v, want it to come back with 8", rev.Levels)
	}
	// How many pods are ready when the release is written.
	able, config := int32(-1), p.rest()
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return tripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPatch && !r.URL.Query().Has("dryRun") && strings.HasSuffix(r.URL.Path, "/deployments/web") {
				d, err := p.Client.AppsV1().Deployments(p.ns).Get(r.Context(), "web", metav1.GetOptions{})
				if err != nil {
					return nil, err
				}
				able = d.Status.ReadyReplicas
			}
			return next.RoundTrip(r)
		})
	})
	p.config.Clusters = map[string]client.Interface{"c": p.client(t, config)}
	p.actuator = kubernetes.New(p.config)
	p.do(t, p.effect("deployment", "web", "back", "2", "1"))
	if able != 8 {
		t.Errorf("the release was written with %d pods ready, want 8", able)
	}
	want := []string{
		"patch horizontalpodautoscalers " + p.ns + "/web 200", "patch deployments/scale " + p.ns + "/web 200",
		"patch deployments " + p.ns + "/web 200", "patch horizontalpodautoscalers " + p.ns + "/web 200",
	}
	if got := p.writes(t); !slices.Equal(got, want) {
		t.Errorf("wrote %q, want %q", got, want)
	}
	if n, note := p.minimum(t, "web"); n != 2 || note != "" {
		t.Errorf("afterwards the minimum is %d, pinned %q; want 2 and not pinned", n, note)
	}
	for _, c := range p.Writes(t, p.user) {
		if c.Resource == "deployments" && c.Subresource == "scale" {
			says(t, string(c.Sent), `"replicas":8`)
		}
	}
}

// killed is an effect whose process dies once the template is written: nothing of it is
// sent after that.
func (p *place) killed(t *testing.T, e backout.Effect) {
	t.Helper()
	dead, die := false, make(chan struct{})
	config := p.rest()
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return tripper(func(r *http.Request) (*http.Response, error) {
			if dead {
				<-die
				return nil, http.ErrServerClosed
			}
			if r.Method == http.MethodPatch && !r.URL.Query().Has("dryRun") && r.URL.Path == "/apis/apps/v1/namespaces/"+p.ns+"/deployments/web" {
				dead = true
			}
			return next.RoundTrip(r)
		})
	})
	cfg := p.config
	cfg.Clusters = map[string]client.Interface{"c": p.client(t, config)}
	gone := make(chan struct{})
	go func() { defer close(gone); _, _ = kubernetes.New(cfg).Do(context.WithoutCancel(t.Context()), e) }()
	t.Cleanup(func() {
		close(die)
		<-gone
	})
	kubetest.Eventually(t, "the release is back", func() (bool, string) {
		got := p.Images(t, p.ns, "web")
		return got["web:1"] == 8 && len(got) == 1, fmt.Sprint(got)
	})
	if n, note := p.minimum(t, "web"); n != 8 || note == "" {
		t.Fatalf("after the kill the minimum is %d, pinned %q", n, note)
	}
}

func TestCapacity_ofAKilledRunIsGivenBackByTheNext(t *testing.T) {
	s := kubetest.New(t)
	p := newPlace(t, s, "deployment")
	scaledDown(t, p)
	e := p.effect("deployment", "web", "back", "2", "1")
	p.killed(t, e)
	says(t, p.survey(t, "deployment", "web", "1", "2").Why, "autoscaler web is pinned to 8 by a/1/back")
	r, err := p.actuator.Probe(t.Context(), e.Component)
	if err != nil || r.Live.Healthy || r.Live.Shares["1"] >= 1 {
		t.Errorf("with capacity still pinned: %+v, %v; want not all there", r.Live, err)
	}
	before := len(p.writes(t))
	p.do(t, e)
	if got := p.writes(t)[before:]; !slices.Equal(got, []string{"patch horizontalpodautoscalers " + p.ns + "/web 200"}) {
		t.Errorf("the next process wrote %q, want the bounds alone", got)
	}
	if n, note := p.minimum(t, "web"); n != 2 || note != "" {
		t.Errorf("afterwards the minimum is %d, pinned %q", n, note)
	}
}

func TestPin_ofSomebodyElsesMinimumStands(t *testing.T) {
	p := newPlace(t, kubetest.Start(t), "deployment")
	twoReleases(t, p, kubetest.Workload{Replicas: 3})
	p.autoscale(t, "Deployment", "web", 5, 10)
	note, _ := json.Marshal(map[string]any{"effect": "a/1/x", "min": 2, "pinned": 8})
	body, _ := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{kubernetes.PinNote: string(note)}}})
	if _, err := p.Client.AutoscalingV2().HorizontalPodAutoscalers(p.ns).Patch(t.Context(), "web", types.MergePatchType, body, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	p.do(t, p.effect("deployment", "web", "x", "1", "2"))
	if n, left := p.minimum(t, "web"); n != 5 || left != "" {
		t.Errorf("somebody set the minimum to 5 after we pinned 8: it is %d, pinned %q", n, left)
	}
}
