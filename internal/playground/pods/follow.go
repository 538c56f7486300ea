package pods

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/playground"
)

// byService finds the pods of a workload: namespace/service.
const byService = "service"

// Follow watches the pods of all namespaces, and tells of a workload whenever one of its
// pods has come, gone, or become ready or not.
func (p *Pods) Follow(ctx context.Context, all []playground.Workload, tell func(w playground.Workload, ready []playground.Pod)) error {
	known := map[string]playground.Workload{}
	for _, w := range all {
		known[w.Namespace+"/"+w.Service] = w
	}
	f := informers.NewSharedInformerFactoryWithOptions(p.cluster.Client, 0, informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.LabelSelector = serviceLabel }))
	pods := f.Core().V1().Pods().Informer()
	if err := pods.AddIndexers(cache.Indexers{byService: func(o any) ([]string, error) { return []string{key(o)}, nil }}); err != nil {
		return fmt.Errorf("follow pods: %w", err)
	}
	// The informer calls one at a time, after the event is in its index.
	look := func(o any) {
		if w, ok := known[key(o)]; ok {
			tell(w, ready(pods.GetIndexer(), key(o)))
		}
	}
	handler := cache.ResourceEventHandlerFuncs{AddFunc: look, DeleteFunc: look, UpdateFunc: func(_, now any) { look(now) }}
	if _, err := pods.AddEventHandler(handler); err != nil {
		return fmt.Errorf("follow pods: %w", err)
	}
	f.StartWithContext(ctx)
	defer f.Shutdown()
	<-ctx.Done()
	return nil
}

// key is which workload a pod is of; "" = of none.
func key(o any) string {
	if gone, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = gone.Obj
	}
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return ""
	}
	return pod.Namespace + "/" + pod.Labels[serviceLabel]
}

// ready lists a workload's pods that take requests, by name.
func ready(all cache.Indexer, of string) []playground.Pod {
	found, err := all.ByIndex(byService, of)
	if err != nil {
		return nil // there is such an index
	}
	var out []playground.Pod
	for _, o := range found {
		pod, ok := o.(*corev1.Pod)
		if !ok || pod.DeletionTimestamp != nil || !slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue }) {
			continue
		}
		i := slices.IndexFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == container })
		if i < 0 {
			continue
		}
		_, tag, _ := strings.Cut(pod.Spec.Containers[i].Image, ":")
		out = append(out, playground.Pod{Name: pod.Name, Version: backout.Version(tag)})
	}
	slices.SortFunc(out, func(a, b playground.Pod) int { return strings.Compare(a.Name, b.Name) })
	return out
}
