package kubernetes

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/backout-dev/backout"
)

// Left is something that an effect of ours set for a while and that still stands: an
// autoscaler's pinned minimum, or the partition of a stage. A run that goes on takes it
// away by itself; of one that was aborted, or of a backout that is gone, it stays.
type Left struct {
	Cluster string
	Object  string            // such as autoscaler shop/web
	Attempt backout.AttemptID // that set it
	At      time.Time         // when; zero = it does not say
	Is      string            // what stands there, in words
	Then    string            // what becomes of it when it is taken away, in words
	// undo takes it away, if nobody has written the object since it was looked at.
	undo func(ctx context.Context) error
}

// String says what stands where.
func (l Left) String() string { return l.Object + ": " + l.Is }

// Left lists what is left in a cluster's namespaces (none = all), by reading only what an
// actuator may read anyway: where it may list no autoscalers or no revisions there, it
// has moved nothing of that kind. It fails with code unavailable when the cluster can't be
// seen.
func (a *Actuator) Left(ctx context.Context, cluster string, namespaces []string) ([]Left, error) {
	if a.config.Clusters[cluster] == nil {
		return nil, invalid("no cluster is called %q", cluster)
	}
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	var out []Left
	for _, ns := range namespaces {
		for _, find := range []func(context.Context, string, string) ([]Left, error){a.pinned, a.parted} {
			found, err := find(ctx, cluster, ns)
			if err != nil && !apierrors.IsForbidden(err) {
				return nil, explain("look for what is left in "+cmp.Or(ns, "all namespaces"), err)
			}
			out = append(out, found...)
		}
	}
	return out, nil
}

// Take takes away what is left, with the right by which it was set. It fails with code
// conflict when the object was written since it was listed.
func (a *Actuator) Take(ctx context.Context, l Left) error {
	err := l.undo(ctx)
	if err == nil || apierrors.IsNotFound(err) { // gone altogether: nothing is left
		return nil
	}
	_, err = refusal("take away what is left of "+l.Object, err)
	return err
}

// attemptOf is the attempt in an effect's key, which is incident/number/step/stage; "" in
// anything else.
func attemptOf(key string) backout.AttemptID {
	p := strings.SplitN(key, "/", 3)
	if len(p) < 3 {
		return ""
	}
	return backout.AttemptID(p[0] + "/" + p[1])
}

// pinned lists autoscalers with a minimum of ours.
func (a *Actuator) pinned(ctx context.Context, cluster, ns string) ([]Left, error) {
	client := a.config.Clusters[cluster]
	list, err := client.AutoscalingV2().HorizontalPodAutoscalers(ns).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var out []Left
	for _, o := range list.Items {
		h, err := autoscalerOf(o)
		if err != nil || h.note == nil {
			continue // a note that can't be read says nothing that could be given back
		}
		s := &sight{workload: &workload{meta: metav1.ObjectMeta{Namespace: o.Namespace}}, client: client, scaler: h}
		e := backout.Effect{Key: h.note.Effect, Attempt: attemptOf(h.note.Effect)}
		out = append(out, Left{
			Cluster: cluster, Object: "autoscaler " + o.Namespace + "/" + o.Name, Attempt: e.Attempt, At: since(h.note.At, o.ManagedFields),
			Is: pinWords(h), Then: fmt.Sprintf("its minimum is %d", number(h.before(), 1)),
			undo: func(ctx context.Context) error { return s.patchAutoscaler(ctx, e, h.before(), "") },
		})
	}
	return out, nil
}

func pinWords(h *autoscaler) string {
	if is := number(h.object.Spec.MinReplicas, 1); is != h.note.Pinned {
		return fmt.Sprintf("its minimum was pinned to %d, and somebody has made it %d since", h.note.Pinned, is)
	}
	return fmt.Sprintf("its minimum is pinned to %d, and was %d", h.note.Pinned, number(h.note.Min, 1))
}

// parted lists StatefulSets with a partition of ours. They are found by their revisions,
// since no actuator may list the workloads themselves.
func (a *Actuator) parted(ctx context.Context, cluster, ns string) ([]Left, error) {
	client := a.config.Clusters[cluster]
	list, err := client.AppsV1().ControllerRevisions(ns).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	type place struct{ ns, name string }
	var all []place
	for _, r := range list.Items {
		if o := metav1.GetControllerOf(&r); o != nil && o.Kind == "StatefulSet" && strings.HasPrefix(o.APIVersion, "apps/") {
			all = append(all, place{r.Namespace, o.Name})
		}
	}
	slices.SortFunc(all, func(a, b place) int { return strings.Compare(a.ns+"/"+a.name, b.ns+"/"+b.name) })
	var out []Left
	for _, p := range slices.Compact(all) {
		s, err := a.look(ctx, backout.Component{Locator: cluster + "/" + p.ns + "/statefulset/" + p.name})
		switch code := backout.CodeOf(err); {
		case code == backout.CodeNotFound, code == backout.CodeForbidden:
			continue
		case err != nil:
			return nil, err
		}
		if n := partitionOf(&s.meta); n != nil {
			out = append(out, s.partitionLeft(cluster, *n))
		}
	}
	return out, nil
}

func (s *sight) partitionLeft(cluster string, n partNote) Left {
	l := Left{
		Cluster: cluster, Object: s.String(), Attempt: attemptOf(n.Effect), At: since(n.At, s.meta.ManagedFields),
		Is: fmt.Sprintf("its partition was set to %d, and somebody has made it %d since", n.Put, s.set), Then: "our note of it is gone",
	}
	to := s.set
	if s.set == n.Put {
		to = n.Was
		l.Is, l.Then = fmt.Sprintf("its partition is %d, and was %d", n.Put, n.Was), fmt.Sprintf("its partition is %d", n.Was)
		if moved := s.beyond(to); moved > 0 {
			l.Then += fmt.Sprintf(", and %d of its %d pods go to %s, which it asks for", moved, s.wanted, s.asked)
		}
	}
	l.undo = func(ctx context.Context) error {
		ops := []op{{"replace", "/metadata/resourceVersion", s.meta.ResourceVersion}, {Op: "remove", Path: noteAt(PartitionNote)}}
		if to != s.set {
			ops = append(ops, op{"add", "/spec/updateStrategy/rollingUpdate/partition", to})
		}
		body, err := json.Marshal(ops)
		if err != nil {
			return err
		}
		return s.patch(ctx, types.JSONPatchType, body, metav1.PatchOptions{FieldManager: FieldManager}, false, nil)
	}
	return l
}

// beyond counts the pods of another release than the one asked for, that a partition
// would not keep.
func (s *sight) beyond(partition int32) (n int32) {
	for _, p := range s.pods {
		if s.of(p) != s.asked && s.ordinal(p)+s.first >= partition {
			n++
		}
	}
	return n
}

// since is when something was set: as its note says, or when we wrote the object last.
func since(noted time.Time, fields []metav1.ManagedFieldsEntry) time.Time {
	for _, f := range fields {
		if noted.IsZero() && f.Manager == FieldManager && f.Time != nil {
			noted = f.Time.UTC()
		}
	}
	return noted
}
