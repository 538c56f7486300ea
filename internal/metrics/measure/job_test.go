//go:build kubernetes

package measure

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/remote/kubernetes"
	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
)

func TestMain(m *testing.M) { os.Exit(kubetest.Main(m)) }

// jobs is a measurer for a cluster in which backout may run jobs and nothing else.
func jobs(t *testing.T, s *kubetest.Stack) Measurer {
	t.Helper()
	s.Grant(t, kubetest.Product, rbacv1.PolicyRule{APIGroups: []string{"batch"}, Resources: []string{"jobs"}, Verbs: []string{"get", "create"}})
	c, err := kubernetes.Open(kubernetes.Config{Name: "eu", Server: s.URL, CA: s.CA, Token: s.Token(kubetest.Product), Agent: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return Measurer{Clusters: map[string]*kubernetes.Cluster{"eu": c}}
}

func metric(ns, image string) backout.AnalysisMetric {
	return backout.AnalysisMetric{Name: "Place orders", Job: &backout.JobRun{Namespace: ns, Labels: map[string]string{"team": "shop"},
		Spec: json.RawMessage(fmt.Sprintf(`{"backoffLimit":0,"activeDeadlineSeconds":8,"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":%q}]}}}`, image))}}
}

// ended asks until the job has ended.
func ended(t *testing.T, m Measurer, id string, a backout.AnalysisMetric) backout.JobOutcome {
	t.Helper()
	for deadline := time.Now().Add(40 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		result, done, err := m.Measure(t.Context(), id, a, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if done {
			return result.(backout.JobOutcome)
		}
	}
	t.Fatal("the job never ends")
	return backout.JobOutcome{}
}

func TestMeasure_jobs(t *testing.T) {
	s := kubetest.Start(t)
	m, ns := jobs(t, s), s.Namespace(t)
	if got := ended(t, m, "i/1/smoke/0", metric(ns, "checks:1")); !got.Completed {
		t.Errorf("a job that completes: %+v", got)
	}
	// Another replica, or this one after a restart, finds what was run already.
	if got := ended(t, Measurer{Clusters: m.Clusters}, "i/1/smoke/0", metric(ns, "checks:1")); !got.Completed {
		t.Errorf("asked again: %+v", got)
	}
	if got := ended(t, m, "i/1/smoke/1", metric(ns, "checks:bad")); got.Completed || !strings.Contains(got.Why, "DeadlineExceeded") {
		t.Errorf("a job that fails: %+v", got)
	}
	all, err := s.Client.BatchV1().Jobs(ns).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/managed-by=backout,team=shop"})
	if err != nil || len(all.Items) != 2 {
		t.Fatalf("%v, %d jobs: want one for each measurement", err, len(all.Items))
	}
	for _, j := range all.Items {
		if j.Spec.TTLSecondsAfterFinished == nil || *j.Spec.TTLSecondsAfterFinished < keptJob {
			t.Errorf("job %s may be gone before anybody has looked", j.Name)
		}
	}
	writes := 0
	for _, w := range s.Writes(t, kubetest.Product) {
		if w.Namespace != ns {
			continue
		}
		if writes++; w.Verb != "create" || w.Resource != "jobs" {
			t.Errorf("wrote %s %s", w.Verb, w.Resource)
		}
	}
	if writes != 2 {
		t.Errorf("%d writes, want one for each job", writes)
	}
}

func TestMeasure_jobsThatCanNotRun(t *testing.T) {
	s := kubetest.Start(t)
	m, ns := jobs(t, s), s.Namespace(t)
	strange := metric(ns, "checks:1")
	strange.Job.Cluster = "us"
	nobody := Measurer{}
	for name, c := range map[string]struct {
		m    Measurer
		a    backout.AnalysisMetric
		want string
	}{
		"a cluster nobody declared": {m, strange, `cluster "us": expected one of eu`},
		"no cluster":                {nobody, metric(ns, "checks:1"), "no cluster is known"},
		"a namespace that is gone":  {m, metric("nowhere", "checks:1"), "nowhere"},
	} {
		if _, done, err := c.m.Measure(t.Context(), "x", c.a, time.Time{}); err == nil || done || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %t, %v; want %s", name, done, err, c.want)
		}
	}
	// A job of that name which somebody else has made says nothing about ours.
	a := metric(ns, "checks:1")
	theirs, err := newJob(*a.Job, jobName(a.Name, "y"), "somebody else's")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Client.BatchV1().Jobs(ns).Create(t.Context(), theirs, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, done, err := m.Measure(t.Context(), "y", a, time.Time{}); err == nil || done || !strings.Contains(err.Error(), "not ours") {
		t.Errorf("somebody else's job: %t, %v", done, err)
	}
}
