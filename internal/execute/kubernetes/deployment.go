package kubernetes

import (
	"context"
	"fmt"
	"math"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
)

// The annotations in which the deployment controller notes a ReplicaSet's revision, and
// how many pods the Deployment wanted while that one was in use.
const (
	revisionNote = "deployment.kubernetes.io/revision"
	desiredNote  = "deployment.kubernetes.io/desired-replicas"
)

type deployment struct{}

func (deployment) resource() string { return "deployments" }

func (k deployment) read(ctx context.Context, c kubernetes.Interface, ns, name string) (*workload, error) {
	d, err := c.AppsV1().Deployments(ns).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	spec := d.Spec
	spec.Replicas = nil
	w := &workload{
		kind: k, kindName: "Deployment", meta: d.ObjectMeta, template: d.Spec.Template, selector: d.Spec.Selector, print: fingerprint(string(d.UID), spec),
		hashKey: appsv1.DefaultDeploymentUniqueLabelKey, wanted: number(d.Spec.Replicas, 1), paused: d.Spec.Paused, minReady: d.Spec.MinReadySeconds,
		history: number(d.Spec.RevisionHistoryLimit, 10),
	}
	if r := d.Spec.Strategy.RollingUpdate; r != nil {
		w.surge, w.unavailable = scaled(r.MaxSurge, w.wanted, true), scaled(r.MaxUnavailable, w.wanted, false)
		if w.surge+w.unavailable == 0 {
			w.unavailable = 1 // as the controller has it
		}
	} else {
		w.unavailable = w.wanted // Recreate
	}
	st := d.Status
	w.seen = st.ObservedGeneration >= d.Generation
	w.settled = w.seen && st.UpdatedReplicas == w.wanted && st.AvailableReplicas == w.wanted && st.Replicas == w.wanted
	for _, cond := range st.Conditions {
		switch {
		case cond.Type == appsv1.DeploymentReplicaFailure && cond.Status == corev1.ConditionTrue:
			w.trouble = cond.Reason + ": " + cond.Message
		case cond.Type == appsv1.DeploymentProgressing && cond.Status == corev1.ConditionFalse && w.seen:
			w.late = true
		}
	}
	return w, nil
}

func (deployment) history(ctx context.Context, c kubernetes.Interface, w *workload) ([]past, error) {
	list, err := c.AppsV1().ReplicaSets(w.meta.Namespace).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(w.selector)})
	if err != nil {
		return nil, fmt.Errorf("list ReplicaSets of %s: %w", w, err)
	}
	var out []past
	for _, rs := range list.Items {
		if !controlled(&rs, w.meta) {
			continue
		}
		p := past{
			template: rs.Spec.Template, hash: rs.Labels[appsv1.DefaultDeploymentUniqueLabelKey], name: rs.Name, at: rs.CreationTimestamp.Time,
		}
		p.revision, _ = strconv.ParseInt(rs.Annotations[revisionNote], 10, 64)
		if n, err := strconv.ParseInt(rs.Annotations[desiredNote], 10, 32); err == nil {
			p.pods = int32(n)
		}
		out = append(out, p)
	}
	return newest(out), nil
}

// shares: a Deployment can't be held at a share. Pausing it in the middle stops wherever
// the pods happen to be, and maxSurge only bounds the pace.
func (deployment) shares(*workload) []float64 { return []float64{1} }

func number(n *int32, otherwise int32) int32 {
	if n == nil {
		return otherwise
	}
	return *n
}

// scaled is a number of pods that may be written as a share of all.
func scaled(v *intstr.IntOrString, of int32, up bool) int32 {
	n, err := intstr.GetScaledValueFromIntOrPercent(intstr.ValueOrDefault(v, intstr.FromInt32(0)), int(of), up)
	if err != nil || n < 0 {
		return 0
	}
	return int32(min(n, math.MaxInt32))
}
