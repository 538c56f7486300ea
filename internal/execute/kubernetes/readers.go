package kubernetes

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// readersOf lists the pods that read a ConfigMap only when they begin, and that somebody
// replaces.
func readersOf(ctx context.Context, c kubernetes.Interface, ns, name string) ([]corev1.Pod, error) {
	pods, err := c.CoreV1().Pods(ns).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(pods.Items, func(p corev1.Pod) bool {
		over := p.DeletionTimestamp != nil || p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded
		return over || metav1.GetControllerOf(&p) == nil || !readsOnce(p.Spec, name)
	}), nil
}

// wantedReaders counts the pods that there shall be of what reads a ConfigMap only when it
// begins. Kinds that may not be listed are left out: then only what is there counts.
func wantedReaders(ctx context.Context, c kubernetes.Interface, ns, name string) (int, error) {
	n := 0
	count := func(t corev1.PodTemplateSpec, pods int32) {
		if readsOnce(t.Spec, name) {
			n += int(pods)
		}
	}
	sets, err1 := c.AppsV1().ReplicaSets(ns).List(ctx, metav1.ListOptions{})
	if err1 == nil {
		for _, s := range sets.Items {
			count(s.Spec.Template, number(s.Spec.Replicas, 1))
		}
	}
	ordered, err2 := c.AppsV1().StatefulSets(ns).List(ctx, metav1.ListOptions{})
	if err2 == nil {
		for _, s := range ordered.Items {
			count(s.Spec.Template, number(s.Spec.Replicas, 1))
		}
	}
	everywhere, err3 := c.AppsV1().DaemonSets(ns).List(ctx, metav1.ListOptions{})
	if err3 == nil {
		for _, s := range everywhere.Items {
			count(s.Spec.Template, s.Status.DesiredNumberScheduled)
		}
	}
	for _, err := range []error{err1, err2, err3} {
		if err != nil && !apierrors.IsForbidden(err) {
			return 0, err
		}
	}
	return n, nil
}

// readsOnce reports whether a pod reads a ConfigMap only when it begins: into its
// environment, or a file of it by a subPath, which nobody renews.
func readsOnce(spec corev1.PodSpec, name string) bool {
	volumes := map[string]bool{}
	for _, v := range spec.Volumes {
		volumes[v.Name] = v.ConfigMap != nil && v.ConfigMap.Name == name
	}
	for _, c := range spec.Containers {
		if slices.ContainsFunc(c.EnvFrom, func(e corev1.EnvFromSource) bool { return e.ConfigMapRef != nil && e.ConfigMapRef.Name == name }) ||
			slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool {
				return e.ValueFrom != nil && e.ValueFrom.ConfigMapKeyRef != nil && e.ValueFrom.ConfigMapKeyRef.Name == name
			}) ||
			slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return volumes[m.Name] && m.SubPath != "" }) {
			return true
		}
	}
	return false
}
