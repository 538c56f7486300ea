package kubetest

import (
	"context"
	"fmt"
	"syscall"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/backout-dev/backout/internal/remote/kubernetes/local"
)

// Freeze pauses the controller manager for good.
func (s *Stack) Freeze() error {
	return s.Signal(local.ControllerManager, syscall.SIGSTOP)
}

// Settle makes a Deployment with its ReplicaSet, its pods and a ConfigMap of the same
// name, as the controllers would leave them, while they are frozen. It is for large
// numbers, which real controllers take an hour for.
func (s *Stack) Settle(ctx context.Context, namespace, name string, pods int) error {
	c := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"k": name}}
	if _, err := s.Client.CoreV1().ConfigMaps(namespace).Create(ctx, c, metav1.CreateOptions{}); err != nil {
		return err
	}
	w := Workload{Name: name, Image: name + ":1", Replicas: int32(pods), ConfigMaps: []string{name}, Annotations: map[string]string{"deployment.kubernetes.io/revision": "1"}}
	d, err := s.Client.AppsV1().Deployments(namespace).Create(ctx, w.Deployment(namespace), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	const hash = "5d4f8c7b9d"
	template := *d.Spec.Template.DeepCopy()
	template.Labels[appsv1.DefaultDeploymentUniqueLabelKey] = hash
	r, err := s.Client.AppsV1().ReplicaSets(namespace).Create(ctx, &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Name: name + "-" + hash, Labels: template.Labels, Annotations: d.Annotations,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))},
		},
		Spec: appsv1.ReplicaSetSpec{Replicas: d.Spec.Replicas, Selector: &metav1.LabelSelector{MatchLabels: template.Labels}, Template: template},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	for i := range pods {
		spec := *template.Spec.DeepCopy()
		spec.NodeName = "n0"
		_, err := s.Client.CoreV1().Pods(namespace).Create(ctx, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Name: fmt.Sprintf("%s-%d", r.Name, i), Labels: template.Labels,
				OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(r, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))},
			}, Spec: spec,
		}, metav1.CreateOptions{})
		if err != nil {
			return err
		}
	}
	return nil
}
