package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/backout-dev/backout"
)

// EffectNote is the annotation of a workload with the key of the effect that put it where
// it is, for people who wonder.
const EffectNote = "backout.dev/effect"

func (s *sight) rest() rest.Interface { return s.client.AppsV1().RESTClient() }

// write puts a release's template into a workload, so that so many pods change. It is
// refused with a conflict when the workload is not what s shows any more.
func (s *sight) write(ctx context.Context, key string, p past, pods int32) error {
	exact, err := s.applies(ctx, key, p, pods)
	if err != nil {
		return err
	}
	if exact {
		return s.apply(ctx, key, p, pods, false, nil)
	}
	return s.replace(ctx, key, p, pods)
}

// applies tries an apply dry and reports whether exactly the release would come of it.
func (s *sight) applies(ctx context.Context, key string, p past, pods int32) (bool, error) {
	var after struct {
		Spec struct {
			Template corev1.PodTemplateSpec `json:"template"`
		} `json:"spec"`
	}
	switch err := s.apply(ctx, key, p, pods, true, &after); {
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsInternalError(err):
		// What it has can't be merged, such as two variables of one name. It may be whole.
		return false, nil
	case err != nil:
		return false, err
	}
	return sameness(after.Spec.Template) == sameness(p.template), nil
}

// apply is one server-side apply under our field manager. It takes over what other
// managers have: that these are such as may be taken over was looked at in the object
// with this very resourceVersion.
func (s *sight) apply(ctx context.Context, key string, p past, pods int32, dry bool, into any) error {
	spec, notes := map[string]any{"template": plain(p.template)}, map[string]string{EffectNote: key}
	if note := s.partitionNote(key, pods); note != "" {
		notes[PartitionNote] = note // left out it goes, since it was ours
	}
	if s.parts {
		spec["updateStrategy"] = map[string]any{"type": "RollingUpdate", "rollingUpdate": map[string]any{"partition": s.lowest(pods)}}
	}
	body, err := json.Marshal(map[string]any{
		"apiVersion": "apps/v1", "kind": s.kindName, "spec": spec,
		"metadata": map[string]any{"name": s.meta.Name, "namespace": s.meta.Namespace, "resourceVersion": s.meta.ResourceVersion, "annotations": notes},
	})
	if err != nil {
		return err
	}
	yes := true
	return s.patch(ctx, types.ApplyYAMLPatchType, body, metav1.PatchOptions{FieldManager: FieldManager, Force: &yes}, dry, into)
}

// replace puts the template in as a whole: what others added to it goes.
func (s *sight) replace(ctx context.Context, key string, p past, pods int32) error {
	// To set the resourceVersion, not to test it, gives a conflict where it has moved.
	ops := []op{{"replace", "/metadata/resourceVersion", s.meta.ResourceVersion}, {"replace", "/spec/template", plain(p.template)}}
	if s.parts {
		ops = append(ops, op{"add", "/spec/updateStrategy/rollingUpdate/partition", s.lowest(pods)})
	}
	if s.meta.Annotations == nil {
		ops = append(ops, op{"add", "/metadata/annotations", map[string]string{}})
	}
	ops = append(ops, op{"add", noteAt(EffectNote), key})
	if note := s.partitionNote(key, pods); note != "" {
		ops = append(ops, op{"add", noteAt(PartitionNote), note})
	} else if s.meta.Annotations[PartitionNote] != "" {
		ops = append(ops, op{Op: "remove", Path: noteAt(PartitionNote)})
	}
	body, err := json.Marshal(ops)
	if err != nil {
		return err
	}
	return s.patch(ctx, types.JSONPatchType, body, metav1.PatchOptions{FieldManager: FieldManager}, false, nil)
}

// op is one step of a JSON patch.
type op struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"` // nil is meant, and removing ignores it
}

// noteAt is where an annotation stands in an object.
func noteAt(name string) string {
	return "/metadata/annotations/" + strings.ReplaceAll(name, "/", "~1")
}

// patch sends one write. Retries are ours to decide, so the client makes none.
func (s *sight) patch(ctx context.Context, as types.PatchType, body []byte, o metav1.PatchOptions, dry bool, into any) error {
	if dry {
		o.DryRun = []string{metav1.DryRunAll}
	}
	raw, err := s.rest().Patch(as).Namespace(s.meta.Namespace).Resource(s.kind.resource()).Name(s.meta.Name).
		VersionedParams(&o, metav1.ParameterCodec).SetHeader("Accept", "application/json").MaxRetries(0).Body(body).Do(ctx).Raw()
	if err != nil || into == nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

// refusal says what became of a write that failed: an API server that answered with a
// refusal did not do it, one that did not answer may have.
func refusal(deed string, err error) (backout.Outcome, error) {
	var status apierrors.APIStatus
	var dial *net.OpError
	code, out := backout.CodeUnavailable, backout.OutcomeUnknown
	switch {
	case apierrors.IsConflict(err):
		code, out = backout.CodeConflict, backout.OutcomeNotDone
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		code, out = backout.CodeForbidden, backout.OutcomeNotDone
	case apierrors.IsNotFound(err):
		code, out = backout.CodeNotFound, backout.OutcomeNotDone
	case apierrors.IsTooManyRequests(err):
		out = backout.OutcomeNotDone
	case errors.As(err, &status) && status.Status().Code >= 400 && status.Status().Code < 500:
		code, out = backout.CodeInvalid, backout.OutcomeNotDone
	case errors.As(err, &dial) && dial.Op == "dial", errors.Is(err, syscall.ECONNREFUSED):
		out = backout.OutcomeNotDone // it was never sent
	}
	return out, &backout.Error{Code: code, Message: deed, Err: fmt.Errorf("%w", err)}
}
