package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

type statefulSet struct{}

func (statefulSet) resource() string { return "statefulsets" }

func (k statefulSet) read(ctx context.Context, c kubernetes.Interface, ns, name string) (*workload, error) {
	d, err := c.AppsV1().StatefulSets(ns).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	spec := d.Spec
	spec.Replicas = nil
	w := &workload{
		kind: k, kindName: "StatefulSet", meta: d.ObjectMeta, template: d.Spec.Template, selector: d.Spec.Selector, print: fingerprint(string(d.UID), spec),
		hashKey: appsv1.ControllerRevisionHashLabelKey, wanted: number(d.Spec.Replicas, 1), minReady: d.Spec.MinReadySeconds, history: number(d.Spec.RevisionHistoryLimit, 10),
		onDelete: d.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType, ordered: d.Spec.PodManagementPolicy != appsv1.ParallelPodManagement, unavailable: 1,
		claims: len(d.Spec.VolumeClaimTemplates) > 0,
	}
	w.parts = !w.onDelete
	if r := d.Spec.UpdateStrategy.RollingUpdate; r != nil {
		w.partition = number(r.Partition, 0)
		w.set = w.partition
		w.unavailable = max(1, scaled(r.MaxUnavailable, w.wanted, false))
	}
	if o := d.Spec.Ordinals; o != nil {
		// A partition is an ordinal: with ordinals that begin elsewhere it counts from there.
		w.first = o.Start
	}
	w.partition = min(max(0, w.partition-w.first), w.wanted)
	st := d.Status
	w.seen = st.ObservedGeneration >= d.Generation
	updated := st.UpdatedReplicas
	if st.CurrentRevision == st.UpdateRevision {
		updated = st.CurrentReplicas
	}
	w.settled = w.seen && st.Replicas == w.wanted && st.ReadyReplicas == w.wanted && (w.onDelete || updated >= w.wanted-w.partition)
	return w, nil
}

func (statefulSet) history(ctx context.Context, c kubernetes.Interface, w *workload) ([]past, error) {
	return revisions(ctx, c, w, func(r appsv1.ControllerRevision) string { return r.Name })
}

// revisions lists the ControllerRevisions of a workload; hash says what its pods have in
// their label.
func revisions(ctx context.Context, c kubernetes.Interface, w *workload, hash func(appsv1.ControllerRevision) string) ([]past, error) {
	list, err := c.AppsV1().ControllerRevisions(w.meta.Namespace).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(w.selector)})
	if err != nil {
		return nil, fmt.Errorf("list ControllerRevisions of %s: %w", w, err)
	}
	var out []past
	for _, r := range list.Items {
		if !controlled(&r, w.meta) {
			continue
		}
		var doc struct {
			Spec struct {
				Template corev1.PodTemplateSpec `json:"template"`
			} `json:"spec"`
		}
		if err := json.Unmarshal(r.Data.Raw, &doc); err != nil {
			return nil, fmt.Errorf("read ControllerRevision %s: %w", r.Name, err)
		}
		out = append(out, past{template: doc.Spec.Template, hash: hash(r), name: r.Name, revision: r.Revision, at: r.CreationTimestamp.Time})
	}
	return newest(out), nil
}

// shares are whole pods: a partition keeps those with the lowest ordinals as they are.
func (statefulSet) shares(w *workload) []float64 {
	out := []float64{}
	if w.wanted > 1 && w.parts {
		for _, n := range []int32{1, (w.wanted + 1) / 2} {
			if f := float64(n) / float64(w.wanted); f < 1 && !slices.Contains(out, f) {
				out = append(out, f)
			}
		}
	}
	return append(out, 1)
}

// lowest is the partition by which so many of the pods change.
func (w *workload) lowest(pods int32) int32 {
	if pods >= w.wanted {
		return 0
	}
	return w.first + w.wanted - pods
}

// PartitionNote is the annotation of a StatefulSet in which its partition stands while a
// stage of ours has another one set, so that whoever comes after an aborted run knows what
// it was.
const PartitionNote = "backout.dev/partition"

// partNote is what PartitionNote holds.
type partNote struct {
	Effect string    `json:"effect"` // key of the effect that set it
	Was    int32     `json:"was"`
	Put    int32     `json:"put"`
	At     time.Time `json:"at"`
}

// partitionOf reads the note; nil where there is none, or one that can't be read any more.
func partitionOf(m metav1.Object) *partNote {
	var n partNote
	if json.Unmarshal([]byte(m.GetAnnotations()[PartitionNote]), &n) != nil {
		return nil
	}
	return &n
}

// partitionNote is the note to stand by a stage of so many pods; "" when the partition
// will be what it was before we came, or none at all.
func (s *sight) partitionNote(key string, pods int32) string {
	put := s.lowest(pods)
	if !s.parts || put == 0 {
		return ""
	}
	n := partNote{Effect: key, Was: s.set, Put: put, At: time.Now().UTC().Truncate(time.Second)}
	if old := partitionOf(&s.meta); old != nil && old.Put == s.set {
		n.Was = old.Was // set by an earlier stage
	}
	doc, err := json.Marshal(n)
	if err != nil || n.Was == put {
		return ""
	}
	return string(doc)
}

// share is how many of those wanted a share is, rounded up: less than asked for would not
// be reached.
func (w *workload) share(share float64) int32 {
	return int32(math.Ceil(share*float64(w.wanted) - 1e-6))
}

// ordinal is the place of a pod among the others of its workload, from 0 on.
func (w *workload) ordinal(p corev1.Pod) int32 {
	_, n, _ := strings.Cut(p.Name, w.meta.Name+"-")
	i, err := strconv.ParseInt(n, 10, 32)
	if err != nil {
		return 0
	}
	return int32(i) - w.first
}
