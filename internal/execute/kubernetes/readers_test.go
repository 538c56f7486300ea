//go:build kubernetes

package kubernetes_test

import (
	"context"
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/execute/kubernetes"
	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
)

// A process that dies when it has asked a pod to go, before there is another one: whoever
// comes next must not take that for the end, though no pod is left that has not read it.
func TestConfigMap_killedBetweenTwoPodsIsNotDone(t *testing.T) {
	s := kubetest.New(t)
	for kind, replicas := range map[string]int32{"deployment": 1, "statefulset": 1, "daemonset": 1} {
		t.Run(kind, func(t *testing.T) {
			p := newPlace(t, s, "configmap")
			good := map[string]string{"limit": "10"}
			to := p.configMap(t, "web", good)
			w := kubetest.Workload{Name: "web", Image: "web:1", Replicas: replicas, ConfigMaps: []string{"web"}}
			switch kind {
			case "deployment":
				p.Deploy(t, p.ns, w)
			case "statefulset":
				p.statefulSet(t, w)
			case "daemonset":
				p.daemonSet(t, w, int(replicas))
			}
			p.images(t, "web", map[string]int{"web:1": int(replicas)})
			from := p.edited(t, "web", `{"limit":"0"}`)
			p.config.Content = contents(good)
			e := p.effect("configmap", "web", "back", from, to)
			resume := s.PauseControllers(t)
			defer resume()
			ctx, die := context.WithCancel(t.Context())
			dead := make(chan struct{})
			go func() { defer close(dead); _, _ = kubernetes.New(p.config).Do(ctx, e) }()
			kubetest.Eventually(t, "a pod was asked to go", func() (bool, string) {
				pods, err := p.Client.CoreV1().Pods(p.ns).List(t.Context(), metav1.ListOptions{LabelSelector: "app=web"})
				return err == nil && len(pods.Items) < int(replicas), fmt.Sprint(err)
			})
			die()
			<-dead
			if got := p.data(t, "web")["limit"]; got != "10" {
				t.Fatalf("it has %q when it was killed", got)
			}
			p.actuator = kubernetes.New(p.config)
			r, err := p.actuator.Probe(t.Context(), e.Component)
			if err != nil || r.Live.Healthy || execute.Reached(r, e) {
				t.Errorf("after the kill, with a pod missing: %+v, %v; want that it is not reached", r.Live, err)
			}
			resume()
			p.do(t, e)
			p.well(t, "configmap", "web", to)
			pods, err := p.Client.CoreV1().Pods(p.ns).List(t.Context(), metav1.ListOptions{LabelSelector: "app=web"})
			if err != nil || len(pods.Items) != int(replicas) {
				t.Fatalf("%d pods, %v", len(pods.Items), err)
			}
		})
	}
}
