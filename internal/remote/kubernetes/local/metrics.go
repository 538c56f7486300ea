package local

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The service behind metrics.k8s.io.
const (
	metricsNamespace = "kube-system"
	metricsService   = "metrics-stand-in"
)

// meter is the metrics.k8s.io API: it serves the load that [Stack.Load] sets, spread over the
// pods that are ready, so that a real autoscaler has something to scale by. It is no
// metrics server: nothing is measured, and its objects carry the label kubestack=stand-in.
type meter struct {
	stack  *Stack
	server *http.Server

	mu    sync.Mutex
	loads map[[2]string]int64 // guarded by mu: namespace and app to CPU in thousandths
}

// Load says how much CPU, in thousandths of a core, all pods with the label app=name
// use together. Ready pods share it evenly; without a load they use one thousandth.
func (s *Stack) Load(namespace, name string, milli int64) {
	s.meter.mu.Lock()
	defer s.meter.mu.Unlock()
	s.meter.loads[[2]string{namespace, name}] = milli
}

// startMetrics serves it on a port of its own and makes the API server proxy to it.
func (s *Stack) startMetrics() error {
	cert, err := tls.LoadX509KeyPair(s.Dir+"/metrics.crt", s.Dir+"/metrics.key")
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.CA)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12,
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, // only the API server may ask
	})
	if err != nil {
		return err
	}
	s.meter = &meter{stack: s, loads: map[[2]string]int64{}}
	s.meter.server = &http.Server{Handler: s.meter, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = s.meter.server.Serve(l) }()
	return s.registerMetrics(l.Addr().(*net.TCPAddr).Port)
}

// registerMetrics makes the service, by an external name because a loopback address
// is no endpoint, and the APIService.
func (s *Stack) registerMetrics(port int) error {
	labels := map[string]string{"kubestack": "stand-in"}
	_, err := s.Client.CoreV1().Services(metricsNamespace).Create(s.life, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: metricsService, Labels: labels},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "localhost"},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("make metrics service: %w", err)
	}
	ca, err := os.ReadFile(s.Dir + "/ca.crt")
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{
		"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
		"metadata": map[string]any{"name": "v1beta1.metrics.k8s.io", "labels": labels},
		"spec": map[string]any{
			"group": "metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100, "caBundle": ca,
			"service": map[string]any{"name": metricsService, "namespace": metricsNamespace, "port": port},
		},
	})
	if err != nil {
		return err
	}
	if err := s.Client.RESTClient().Post().AbsPath("/apis/apiregistration.k8s.io/v1/apiservices").Body(body).SetHeader("Content-Type", "application/json").Do(s.life).Error(); err != nil {
		return fmt.Errorf("make APIService: %w", err)
	}
	return nil
}

func (m *meter) close() { _ = m.server.Close() }

// ServeHTTP answers discovery, and what pods and nodes use.
func (m *meter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const group = "/apis/metrics.k8s.io/v1beta1"
	path := strings.Trim(strings.TrimPrefix(r.URL.Path, group), "/")
	parts := strings.Split(path, "/")
	var body any
	var err error
	switch {
	case !strings.HasPrefix(r.URL.Path, group):
		http.NotFound(w, r)
		return
	case path == "":
		body = resourceList()
	case path == "pods":
		body, err = m.pods(r.Context(), "", r.URL.Query().Get("labelSelector"))
	case parts[0] == "namespaces" && len(parts) == 3 && parts[2] == "pods":
		body, err = m.pods(r.Context(), parts[1], r.URL.Query().Get("labelSelector"))
	case path == "nodes":
		body, err = m.nodes(r.Context())
	default:
		http.NotFound(w, r)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

func resourceList() metav1.APIResourceList {
	verbs := metav1.Verbs{"get", "list"}
	return metav1.APIResourceList{
		TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: "metrics.k8s.io/v1beta1",
		APIResources: []metav1.APIResource{{Name: "nodes", Kind: "NodeMetrics", Verbs: verbs}, {Name: "pods", Namespaced: true, Kind: "PodMetrics", Verbs: verbs}},
	}
}

func usage(milli int64) map[string]string {
	return map[string]string{"cpu": fmt.Sprintf("%dm", milli), "memory": "64Mi"}
}

func (m *meter) pods(ctx context.Context, namespace, selector string) (any, error) {
	all, err := m.stack.Client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, err
	}
	up := map[[2]string]int64{}
	for _, p := range all.Items {
		if podReady(&p) {
			up[[2]string{p.Namespace, p.Labels["app"]}]++
		}
	}
	items := []any{}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range all.Items {
		of := [2]string{p.Namespace, p.Labels["app"]}
		if !podReady(&p) {
			continue
		}
		containers := []any{}
		for _, c := range p.Spec.Containers {
			containers = append(containers, map[string]any{"name": c.Name, "usage": usage(max(1, m.loads[of]/up[of]/int64(len(p.Spec.Containers))))})
		}
		items = append(items, map[string]any{
			"metadata":  map[string]any{"name": p.Name, "namespace": p.Namespace, "labels": p.Labels},
			"timestamp": metav1.Now(), "window": "15s", "containers": containers,
		})
	}
	return map[string]any{"apiVersion": "metrics.k8s.io/v1beta1", "kind": "PodMetricsList", "metadata": map[string]any{}, "items": items}, nil
}

func (m *meter) nodes(ctx context.Context) (any, error) {
	all, err := m.stack.Client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	items := []any{}
	for _, n := range all.Items {
		items = append(items, map[string]any{"metadata": map[string]any{"name": n.Name}, "timestamp": metav1.Now(), "window": "15s", "usage": usage(100)})
	}
	return map[string]any{"apiVersion": "metrics.k8s.io/v1beta1", "kind": "NodeMetricsList", "metadata": map[string]any{}, "items": items}, nil
}

func podReady(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue && p.DeletionTimestamp == nil
		}
	}
	return false
}
