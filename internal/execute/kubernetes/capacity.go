package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/backout-dev/backout"
	remote "github.com/backout-dev/backout/internal/remote/kubernetes"
)

// PinNote is the annotation in which an autoscaler's bounds stand while we have pinned
// its minimum: whoever comes after a kill gives them back from it.
const PinNote = "backout.dev/pinned"

// pin is what PinNote holds.
type pin struct {
	Effect string `json:"effect"` // key of the effect that pinned it
	// Min is what it was before; nil = it was left out. Pinned is what we put there.
	Min    *int32    `json:"min"`
	Pinned int32     `json:"pinned"`
	At     time.Time `json:"at,omitzero"`
}

// autoscaler is what decides how many pods a workload has.
type autoscaler struct {
	object autoscalingv2.HorizontalPodAutoscaler
	keeper string // who writes it and would write it again; "" = nobody is known to
	note   *pin   // nil = not pinned by us
}

// ours reports whether we may pin it.
func (h *autoscaler) ours() bool { return h.keeper == "" }

func readAutoscaler(ctx context.Context, c kubernetes.Interface, w *workload) (*autoscaler, error) {
	if w.kindName == "DaemonSet" {
		return nil, nil // as many as there are nodes
	}
	type scaled struct {
		in kubernetes.Interface
		ns string
	}
	list, err := once(ctx, scaled{c, w.meta.Namespace}, func() (*autoscalingv2.HorizontalPodAutoscalerList, error) {
		return c.AutoscalingV2().HorizontalPodAutoscalers(w.meta.Namespace).List(ctx, metav1.ListOptions{})
	})
	if err != nil {
		return nil, fmt.Errorf("list autoscalers: %w", err)
	}
	i := slices.IndexFunc(list.Items, func(h autoscalingv2.HorizontalPodAutoscaler) bool {
		t := h.Spec.ScaleTargetRef
		return t.Kind == w.kindName && t.Name == w.meta.Name && strings.HasPrefix(t.APIVersion, "apps/")
	})
	if i < 0 {
		return nil, nil
	}
	return autoscalerOf(list.Items[i])
}

func autoscalerOf(o autoscalingv2.HorizontalPodAutoscaler) (*autoscaler, error) {
	h := &autoscaler{object: o}
	if marks := remote.Marks(&h.object); len(marks) > 0 {
		h.keeper = marks[0].String()
	}
	if text := h.object.Annotations[PinNote]; text != "" {
		h.note = &pin{}
		if err := json.Unmarshal([]byte(text), h.note); err != nil {
			return nil, fmt.Errorf("autoscaler %s: annotation %s: %w", h.object.Name, PinNote, err)
		}
	}
	return h, nil
}

// floor is how many pods the way to a release begins with: as many as there are, or as
// many as it ran with when it was live, as far as the autoscaler may go. An autoscaler
// takes pods away when what is broken asks for little; the release that works would meet
// the whole load with those that are left. 0 = capacity is not ours to decide.
func (s *sight) floor(p past) int32 {
	if s.scaler == nil || !s.scaler.ours() {
		return 0
	}
	return min(max(s.wanted, p.pods), s.scaler.object.Spec.MaxReplicas)
}

// hold pins the autoscaler's minimum to n and scales the workload there at once, where
// there are fewer.
func (s *sight) hold(ctx context.Context, e backout.Effect, n int32) error {
	h := s.scaler
	least := number(h.object.Spec.MinReplicas, 1)
	if h.note == nil && n > least {
		text, err := json.Marshal(pin{Effect: e.Key, Min: h.object.Spec.MinReplicas, Pinned: n, At: time.Now().UTC().Truncate(time.Second)})
		if err != nil {
			return err
		}
		if err := s.patchAutoscaler(ctx, e, &n, string(text)); err != nil {
			return fmt.Errorf("pin autoscaler %s: %w", h.object.Name, err)
		}
	}
	if n <= s.wanted {
		return nil
	}
	body := fmt.Sprintf(`{"spec":{"replicas":%d}}`, n)
	err := s.rest().Patch(types.MergePatchType).Namespace(s.meta.Namespace).Resource(s.kind.resource()).Name(s.meta.Name).SubResource("scale").
		VersionedParams(&metav1.PatchOptions{FieldManager: FieldManager}, metav1.ParameterCodec).Body([]byte(body)).Do(ctx).Error()
	if err != nil {
		return fmt.Errorf("scale %s: %w", s.workload, err)
	}
	return nil
}

// unpin gives the autoscaler its bounds back, unless somebody else has changed the
// minimum since: then theirs stands.
func (s *sight) unpin(ctx context.Context, e backout.Effect) error {
	h, err := readAutoscaler(ctx, s.client, s.workload)
	if err != nil || h == nil || h.note == nil {
		return err
	}
	s.scaler = h
	least := h.before()
	if err := s.patchAutoscaler(ctx, e, least, ""); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("give autoscaler %s its bounds back: %w", h.object.Name, err)
	}
	return nil
}

// before is the minimum that a pinned autoscaler is given back.
func (h *autoscaler) before() *int32 {
	if number(h.object.Spec.MinReplicas, 1) != h.note.Pinned {
		return h.object.Spec.MinReplicas // somebody else has chosen
	}
	return h.note.Min
}

// patchAutoscaler sets minimum and note together, if nobody has written it since it was
// read; a note of "" goes away.
func (s *sight) patchAutoscaler(ctx context.Context, e backout.Effect, least *int32, note string) error {
	bounds := fmt.Sprintf("%d..%d", number(least, 1), s.scaler.object.Spec.MaxReplicas) // as facts call them
	notes := map[string]any{PinNote: nil, remote.PutNote: remote.Put(bounds, string(e.Attempt))}
	if note != "" {
		notes[PinNote] = note
	}
	body, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": s.scaler.object.ResourceVersion, "annotations": notes},
		"spec":     map[string]any{"minReplicas": least},
	})
	if err != nil {
		return err
	}
	_, err = s.client.AutoscalingV2().HorizontalPodAutoscalers(s.meta.Namespace).Patch(ctx, s.scaler.object.Name, types.MergePatchType, body, metav1.PatchOptions{FieldManager: FieldManager})
	return err
}
