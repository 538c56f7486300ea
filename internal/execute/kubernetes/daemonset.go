package kubernetes

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

type daemonSet struct{}

func (daemonSet) resource() string { return "daemonsets" }

func (k daemonSet) read(ctx context.Context, c kubernetes.Interface, ns, name string) (*workload, error) {
	d, err := c.AppsV1().DaemonSets(ns).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	st := d.Status
	w := &workload{
		kind: k, kindName: "DaemonSet", meta: d.ObjectMeta, template: d.Spec.Template, selector: d.Spec.Selector, print: fingerprint(string(d.UID), d.Spec),
		hashKey: appsv1.ControllerRevisionHashLabelKey, wanted: st.DesiredNumberScheduled, minReady: d.Spec.MinReadySeconds, history: number(d.Spec.RevisionHistoryLimit, 10),
		onDelete: d.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType, unavailable: 1,
	}
	if r := d.Spec.UpdateStrategy.RollingUpdate; r != nil {
		w.surge, w.unavailable = scaled(r.MaxSurge, w.wanted, true), scaled(r.MaxUnavailable, w.wanted, true)
	}
	w.seen = st.ObservedGeneration >= d.Generation
	w.settled = w.seen && st.NumberAvailable == w.wanted && (w.onDelete || st.UpdatedNumberScheduled == w.wanted)
	return w, nil
}

func (daemonSet) history(ctx context.Context, c kubernetes.Interface, w *workload) ([]past, error) {
	return revisions(ctx, c, w, func(r appsv1.ControllerRevision) string { return r.Labels[appsv1.ControllerRevisionHashLabelKey] })
}

// shares: the controller changes every node's pod as fast as maxUnavailable lets it, and
// can't be held in between.
func (daemonSet) shares(*workload) []float64 { return []float64{1} }
