//go:build kubernetes

package kubetest_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
	"github.com/backout-dev/backout/internal/remote/kubernetes/local"
)

func TestMain(m *testing.M) { os.Exit(kubetest.Main(m)) }

func TestDeployment_settlesSticksAndGoesBack(t *testing.T) {
	s := kubetest.Start(t)
	ns := s.Namespace(t)
	s.Deploy(t, ns, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 3, Deadline: 2})
	s.Settled(t, ns, "web")
	s.SetImage(t, kubetest.Pipeline, ns, "web", "web:bad-2")
	s.Stuck(t, ns, "web")
	if got := s.Images(t, ns, "web"); got["web:1"] < 2 || got["web:bad-2"] < 1 {
		t.Errorf("pods by image while it is stuck: %v", got)
	}
	s.SetImage(t, kubetest.Person, ns, "web", "web:1")
	s.Settled(t, ns, "web")
	writes := s.Writes(t, kubetest.Pipeline)
	if len(writes) != 1 || writes[0].Verb != "patch" || writes[0].Name != "web" || writes[0].Code != 200 || len(writes[0].Sent) == 0 {
		t.Errorf("the audit log has %v of the pipeline, want its one patch of web", writes)
	}
}

func TestStrangers_areRefusedAndTold(t *testing.T) {
	s := kubetest.Start(t)
	ns := s.Namespace(t)
	_, err := s.As(t, kubetest.Stranger).CoreV1().ConfigMaps(ns).Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "x"}}, metav1.CreateOptions{})
	if !apierrors.IsForbidden(err) {
		t.Errorf("a stranger's write: %v, want forbidden", err)
	}
	if w := s.Writes(t, kubetest.Stranger); len(w) != 1 || w[0].Code != 403 {
		t.Errorf("the audit log has %v, want one refused write", w)
	}
}

func TestAutoscaler_scalesByTheLoadThatIsSet(t *testing.T) {
	s := kubetest.Start(t)
	ns := s.Namespace(t)
	s.Deploy(t, ns, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 2, CPU: "100m"})
	s.Settled(t, ns, "web")
	s.Load(ns, "web", 400)
	least, percent := int32(1), int32(50)
	_, err := s.Client.AutoscalingV2().HorizontalPodAutoscalers(ns).Create(t.Context(), &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}, MinReplicas: &least, MaxReplicas: 10,
			Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
				Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &percent},
			}}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	replicas := func(want int32) {
		t.Helper()
		kubetest.Eventually(t, fmt.Sprintf("%d replicas", want), func() (bool, string) {
			d, err := s.Client.AppsV1().Deployments(ns).Get(t.Context(), "web", metav1.GetOptions{})
			if err != nil {
				return false, err.Error()
			}
			h, _ := s.Client.AutoscalingV2().HorizontalPodAutoscalers(ns).Get(t.Context(), "web", metav1.GetOptions{})
			return d.Status.ReadyReplicas == want, fmt.Sprintf("%d ready; %+v", d.Status.ReadyReplicas, h.Status)
		})
	}
	replicas(8) // 400m over pods that should use 50m each
	s.Load(ns, "web", 100)
	replicas(2)
}

func TestBudgetAndQuota_areEnforced(t *testing.T) {
	s := kubetest.Start(t)
	ns := s.Namespace(t)
	one := intstr.FromInt32(2)
	if _, err := s.Client.PolicyV1().PodDisruptionBudgets(ns).Create(t.Context(), &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: policyv1.PodDisruptionBudgetSpec{MinAvailable: &one, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.Deploy(t, ns, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 2})
	s.Settled(t, ns, "web")
	kubetest.Eventually(t, "the budget is counted", func() (bool, string) {
		b, err := s.Client.PolicyV1().PodDisruptionBudgets(ns).Get(t.Context(), "web", metav1.GetOptions{})
		return err == nil && b.Status.CurrentHealthy == 2, fmt.Sprint(err)
	})
	pods, err := s.Client.CoreV1().Pods(ns).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(pods.Items) == 0 {
		t.Fatal(err)
	}
	err = s.Client.CoreV1().Pods(ns).EvictV1(t.Context(), &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: pods.Items[0].Name}})
	if !apierrors.IsTooManyRequests(err) {
		t.Errorf("an eviction beyond the budget: %v, want too many requests", err)
	}
	if _, err := s.Client.CoreV1().ResourceQuotas(ns).Create(t.Context(), &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: "q"}, Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("2")}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	kubetest.Eventually(t, "the quota is counted", func() (bool, string) {
		q, err := s.Client.CoreV1().ResourceQuotas(ns).Get(t.Context(), "q", metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		n := q.Status.Used[corev1.ResourcePods]
		return n.Value() == 2, n.String()
	})
	s.SetImage(t, kubetest.Tester, ns, "web", "web:2")
	kubetest.Eventually(t, "the quota is in the way", func() (bool, string) {
		d, err := s.Client.AppsV1().Deployments(ns).Get(t.Context(), "web", metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		for _, c := range d.Status.Conditions {
			if c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue {
				return true, ""
			}
		}
		return false, fmt.Sprintf("%+v", d.Status.Conditions)
	})
}

func TestAPIServer_isKilledInTheMiddle(t *testing.T) {
	s := kubetest.New(t)
	ns := s.Namespace(t)
	s.Deploy(t, ns, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 5})
	s.Settled(t, ns, "web")
	resume := s.PauseControllers(t)
	s.SetImage(t, kubetest.Person, ns, "web", "web:2")
	s.KillAPIServer(t)
	if _, err := s.Client.CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{}); err == nil {
		t.Error("it answers although it was killed")
	}
	s.StartAPIServer(t)
	if got := s.Images(t, ns, "web"); got["web:1"] != 5 {
		t.Errorf("pods by image while the controllers are paused: %v", got)
	}
	resume()
	s.Settled(t, ns, "web")
	if got := s.Images(t, ns, "web"); got["web:2"] != 5 {
		t.Errorf("pods by image: %v, want 5 of web:2", got)
	}
}

// A part that ends by itself is told, one that is killed on purpose is not; what was
// noted in a folder of one's own stays there.
func TestStack_tellsWhatEndsAndKeepsItsFolder(t *testing.T) {
	dir := t.TempDir() + "/k"
	var parts []string
	s, err := local.Open(t.Context(), local.Config{Dir: dir, Say: func(part string) { parts = append(parts, part) }})
	kubetest.Check(t, err)
	defer s.Close()
	if len(parts) != 5 || parts[0] != "etcd" {
		t.Errorf("told of %v, want the five parts", parts)
	}
	s.Kill(local.APIServer)
	if err := s.StartAPIServer(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-s.Failed():
		t.Errorf("killed on purpose, and told: %v", err)
	default:
	}
	if err := s.Signal(local.ControllerManager, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-s.Failed():
		if !strings.Contains(err.Error(), local.ControllerManager) {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("nobody was told that a part has ended")
	}
	if _, err := s.Calls(t.Context(), ""); err != nil {
		t.Error(err)
	}
	s.Close()
	if got, err := local.ReadAudit(s.AuditLog()); err != nil || len(got) == 0 {
		t.Errorf("the audit log afterwards: %d calls, %v", len(got), err)
	}
	if conn, err := net.DialTimeout("tcp", s.URL[len("https://"):], time.Second); err == nil {
		_ = conn.Close()
		t.Error("the API server still listens")
	}
}

func TestOpen_endsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	began := time.Now()
	s, err := local.Open(ctx, local.Config{Say: func(part string) {
		if part == local.APIServer {
			cancel()
		}
	}})
	if errors.Is(err, local.ErrMissing) {
		kubetest.Check(t, err)
	}
	if err == nil {
		s.Close()
		t.Fatal("it started although its context had ended")
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it gave up after %s", took)
	}
}
