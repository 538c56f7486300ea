// Package pods runs the playground's deployments in a Kubernetes cluster: it makes them,
// ships releases as a pipeline does, and tells which pods are ready.
package pods

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/playground"
	"github.com/backout-dev/backout/internal/remote/kubernetes"
)

// The labels of everything that is made here, which Kubernetes recommends.
const (
	serviceLabel = "app.kubernetes.io/name"
	systemLabel  = "app.kubernetes.io/part-of"
)

const container = "service"

// Pods is one cluster. Any number of calls may run at once.
type Pods struct{ cluster *kubernetes.Cluster }

var _ playground.Pods = (*Pods)(nil)

// New reaches the cluster of a kubeconfig file, without asking it anything.
func New(kubeconfig string) (*Pods, error) {
	c, err := kubernetes.Open(kubernetes.Config{Name: "shop", Kubeconfig: kubeconfig, QPS: 200, Burst: 400, Agent: playground.Deployer})
	if err != nil {
		return nil, fmt.Errorf("reach the shop's cluster: %w", err)
	}
	return &Pods{c}, nil
}

// Deploy makes the namespaces and the workloads.
func (p *Pods) Deploy(ctx context.Context, all []playground.Workload) error {
	spaces := map[string]bool{}
	for _, w := range all {
		spaces[w.Namespace] = true
	}
	made := metav1.CreateOptions{FieldManager: playground.Deployer}
	for _, ns := range slices.Sorted(maps.Keys(spaces)) {
		_, err := p.cluster.Client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}, made)
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("make namespace %s: %w", ns, p.cluster.Explain(err))
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, w := range all {
		g.Go(func() error {
			if _, err := p.cluster.Client.AppsV1().Deployments(w.Namespace).Create(ctx, deployment(w), made); err != nil {
				return fmt.Errorf("make deployment %s: %w", w.Name, p.cluster.Explain(err))
			}
			return nil
		})
	}
	return g.Wait()
}

// deployment is a workload as Kubernetes has it. No pod is taken away before another is
// there for it.
func deployment(w playground.Workload) *appsv1.Deployment {
	n, deadline := int32(w.Replicas), int32(60)
	surge, out := intstr.FromInt(w.Pace.AtOnce), intstr.FromInt32(0)
	pods := map[string]string{serviceLabel: w.Service}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: w.Name, Namespace: w.Namespace, Labels: map[string]string{serviceLabel: w.Service, systemLabel: w.System}},
		Spec: appsv1.DeploymentSpec{
			Replicas: &n, MinReadySeconds: int32(w.Pace.Each / time.Second), ProgressDeadlineSeconds: &deadline, Selector: &metav1.LabelSelector{MatchLabels: pods},
			Strategy: appsv1.DeploymentStrategy{Type: appsv1.RollingUpdateDeploymentStrategyType, RollingUpdate: &appsv1.RollingUpdateDeployment{MaxSurge: &surge, MaxUnavailable: &out}},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: pods},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: container, Image: image(w, w.Version)}}},
			},
		},
	}
}

func image(w playground.Workload, v backout.Version) string {
	return "shop/" + w.Service + ":" + string(v)
}

// Ship writes the image of a version where that of the one before stands, in one patch
// under the name of who ships.
func (p *Pods) Ship(ctx context.Context, w playground.Workload, from, to backout.Version, by string) error {
	const at = "/spec/template/spec/containers/0/image"
	type op struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	body, err := json.Marshal([]op{
		{"test", at, image(w, from)}, {"replace", at, image(w, to)},
		{"add", "/spec/minReadySeconds", int(w.Pace.Each / time.Second)}, {"replace", "/spec/strategy/rollingUpdate/maxSurge", w.Pace.AtOnce},
	})
	if err != nil {
		return fmt.Errorf("ship %s: %w", w.Component, err)
	}
	_, err = p.cluster.Client.AppsV1().Deployments(w.Namespace).Patch(ctx, w.Name, types.JSONPatchType, body, metav1.PatchOptions{FieldManager: by})
	if apierrors.IsInvalid(err) { // the test did not hold: somebody else has moved it
		return &backout.Error{Code: backout.CodeConflict, Message: fmt.Sprintf("%s is not at %s any more", w.Component, from), Err: err}
	}
	if err != nil {
		return fmt.Errorf("ship %s: %w", w.Component, p.cluster.Explain(err))
	}
	return nil
}
