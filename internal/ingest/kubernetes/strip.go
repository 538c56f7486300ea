package kubernetes

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/backout-dev/backout/internal/remote/kubernetes"
)

// What is kept of an object beside its own fields, as annotations that nobody else sees.
const (
	seenTemplateBy = "seen/template-by" // who wrote the template, and when
	seenReplicasBy = "seen/replicas-by"
	seenSpecBy     = "seen/spec-by"
	seenMarks      = "seen/marks"  // which tools have to do with it
	seenRefs       = "seen/refs"   // what its pods take in
	seenImages     = "seen/images" // container=image
	seenHash       = "seen/hash"   // of what is in it
)

// strip keeps of an object what is looked at, so that twenty thousand pods fit into
// some tens of megabytes; of what is in ConfigMaps and Secrets a hash only.
func (s *sight) strip(o any) (any, error) {
	m, ok := o.(metav1.Object)
	if !ok || len(m.GetManagedFields()) == 0 && m.GetAnnotations()[seenMarks] != "" {
		return o, nil // a tombstone, or stripped before
	}
	switch o := o.(type) {
	case *corev1.Pod:
		return stripPod(o), nil
	case *appsv1.Deployment:
		d := &appsv1.Deployment{ObjectMeta: stripTemplated(o, &o.Spec.Template)}
		d.Spec.Replicas, d.Spec.Strategy, d.Spec.Template.Labels, d.Status = o.Spec.Replicas, o.Spec.Strategy, o.Spec.Template.Labels, o.Status
		d.Status.Conditions = nil
		return d, nil
	case *appsv1.StatefulSet:
		d := &appsv1.StatefulSet{ObjectMeta: stripTemplated(o, &o.Spec.Template)}
		d.Spec.Replicas, d.Spec.Template.Labels, d.Status = o.Spec.Replicas, o.Spec.Template.Labels, o.Status
		return d, nil
	case *appsv1.DaemonSet:
		d := &appsv1.DaemonSet{ObjectMeta: stripTemplated(o, &o.Spec.Template)}
		d.Spec.Template.Labels, d.Status = o.Spec.Template.Labels, o.Status
		return d, nil
	case *appsv1.ReplicaSet:
		return &appsv1.ReplicaSet{ObjectMeta: stripTemplated(o, &o.Spec.Template)}, nil
	case *appsv1.ControllerRevision:
		return stripRevision(o), nil
	case *corev1.ConfigMap:
		meta := stripMeta(o, map[string]string{seenHash: kubernetes.HashConfigMap(o), seenSpecBy: by(kubernetes.WriterOf(o, "data", "binaryData"))})
		return &corev1.ConfigMap{ObjectMeta: meta}, nil
	case *corev1.Secret:
		meta := stripMeta(o, map[string]string{seenHash: kubernetes.HashSecret(s.key, o), seenSpecBy: by(kubernetes.WriterOf(o, "data", "stringData"))})
		return &corev1.Secret{ObjectMeta: meta}, nil
	case *autoscalingv2.HorizontalPodAutoscaler:
		h := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: stripMeta(o, map[string]string{seenSpecBy: by(kubernetes.WriterOf(o, "spec.minReplicas", "spec.maxReplicas"))})}
		h.Spec.ScaleTargetRef, h.Spec.MinReplicas, h.Spec.MaxReplicas = o.Spec.ScaleTargetRef, o.Spec.MinReplicas, o.Spec.MaxReplicas
		return h, nil
	case *policyv1.PodDisruptionBudget:
		return &policyv1.PodDisruptionBudget{ObjectMeta: stripMeta(o, map[string]string{seenSpecBy: by(kubernetes.WriterOf(o, "spec"))}), Spec: o.Spec}, nil
	case *corev1.ResourceQuota:
		return &corev1.ResourceQuota{ObjectMeta: stripMeta(o, map[string]string{seenSpecBy: by(kubernetes.WriterOf(o, "spec"))}), Spec: o.Spec}, nil
	case *corev1.Node:
		n := &corev1.Node{ObjectMeta: stripMeta(o, map[string]string{seenSpecBy: by(kubernetes.WriterOf(o, "spec.unschedulable"))})}
		n.Spec.Unschedulable, n.Status.NodeInfo.KubeletVersion = o.Spec.Unschedulable, o.Status.NodeInfo.KubeletVersion
		return n, nil
	}
	return o, nil
}

// stripMeta keeps what names an object, whose it is, and what we noted.
func stripMeta(o metav1.Object, noted map[string]string) metav1.ObjectMeta {
	out := metav1.ObjectMeta{
		Name: o.GetName(), Namespace: o.GetNamespace(), UID: o.GetUID(), ResourceVersion: o.GetResourceVersion(), Generation: o.GetGeneration(),
		CreationTimestamp: o.GetCreationTimestamp(), DeletionTimestamp: o.GetDeletionTimestamp(), OwnerReferences: o.GetOwnerReferences(),
	}
	for k, v := range o.GetLabels() {
		if strings.HasPrefix(k, "app.kubernetes.io/") || k == backstageID || k == appsv1.DefaultDeploymentUniqueLabelKey || k == appsv1.ControllerRevisionHashLabelKey {
			if out.Labels == nil {
				out.Labels = map[string]string{}
			}
			out.Labels[k] = v
		}
	}
	out.Annotations = maps.Clone(noted)
	for _, k := range []string{backstageID, revisionNote, kubernetes.PutNote} {
		if v := o.GetAnnotations()[k]; v != "" {
			out.Annotations[k] = v
		}
	}
	var marks []string
	for _, m := range kubernetes.Marks(o) {
		marks = append(marks, m.String())
	}
	out.Annotations[seenMarks] = strings.Join(marks, ", ") + "."
	return out
}

// The names of others that are read.
const (
	backstageID  = "backstage.io/kubernetes-id"
	revisionNote = "deployment.kubernetes.io/revision"
)

func stripTemplated(o metav1.Object, t *corev1.PodTemplateSpec) metav1.ObjectMeta {
	refs, _ := json.Marshal(kubernetes.RefsOf(&t.Spec)) // lists of texts
	return stripMeta(o, map[string]string{
		seenTemplateBy: by(kubernetes.WriterOf(o, "spec.template")), seenReplicasBy: by(kubernetes.WriterOf(o, "spec.replicas")),
		seenRefs: string(refs), seenImages: imagesOf(&t.Spec),
	})
}

// stripRevision reads the template that a ControllerRevision holds as a patch.
func stripRevision(o *appsv1.ControllerRevision) *appsv1.ControllerRevision {
	var patch struct {
		Spec struct {
			Template corev1.PodTemplateSpec `json:"template"`
		} `json:"spec"`
	}
	_ = json.Unmarshal(o.Data.Raw, &patch) // another's format has no images for us
	return &appsv1.ControllerRevision{ObjectMeta: stripTemplated(o, &patch.Spec.Template), Revision: o.Revision}
}

func stripPod(o *corev1.Pod) *corev1.Pod {
	out := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: o.Name, Namespace: o.Namespace, UID: o.UID, ResourceVersion: o.ResourceVersion, DeletionTimestamp: o.DeletionTimestamp, OwnerReferences: o.OwnerReferences,
	}}
	out.Annotations = map[string]string{seenMarks: "."}
	for _, k := range []string{appsv1.DefaultDeploymentUniqueLabelKey, appsv1.ControllerRevisionHashLabelKey} {
		if v := o.Labels[k]; v != "" {
			out.Labels = map[string]string{k: v}
		}
	}
	for _, c := range o.Status.Conditions {
		if c.Type == corev1.PodReady {
			out.Status.Conditions = []corev1.PodCondition{{Type: c.Type, Status: c.Status, LastTransitionTime: c.LastTransitionTime}}
		}
	}
	for _, c := range o.Status.ContainerStatuses {
		out.Status.ContainerStatuses = append(out.Status.ContainerStatuses, corev1.ContainerStatus{Name: c.Name, ImageID: c.ImageID})
	}
	return out
}

func imagesOf(p *corev1.PodSpec) string {
	var out []string
	for _, c := range p.Containers {
		out = append(out, c.Name+"="+c.Image)
	}
	return strings.Join(out, ",")
}

func by(w kubernetes.Writer) string {
	if w.At.IsZero() {
		return ""
	}
	return fmt.Sprintf("%d %s", w.At.Unix(), w.Manager)
}

// written takes apart what by has put together, and adds which tools stand behind.
func written(m metav1.Object, what string) (actor string, at time.Time) {
	seconds, manager, ok := strings.Cut(m.GetAnnotations()[what], " ")
	if n, err := strconv.ParseInt(seconds, 10, 64); ok && err == nil {
		at = time.Unix(n, 0).UTC()
	}
	marks := strings.TrimSuffix(m.GetAnnotations()[seenMarks], ".")
	switch {
	case marks == "":
		return manager, at
	case manager == "":
		return marks, at
	}
	return manager + " (" + marks + ")", at
}

func refsIn(m metav1.Object) kubernetes.Refs {
	var out kubernetes.Refs
	_ = json.Unmarshal([]byte(m.GetAnnotations()[seenRefs]), &out) // we wrote it
	return out
}

// imagesIn are the images by container.
func imagesIn(m metav1.Object) map[string]string {
	out := map[string]string{}
	for one := range strings.SplitSeq(m.GetAnnotations()[seenImages], ",") {
		if name, image, ok := strings.Cut(one, "="); ok {
			out[name] = image
		}
	}
	return out
}

// firstImage is the image of the first container: by convention the one that matters.
func firstImage(m metav1.Object) string {
	first, _, _ := strings.Cut(m.GetAnnotations()[seenImages], ",")
	_, image, _ := strings.Cut(first, "=")
	return image
}

// digestOf finds the digest in the name of an image; "" of one that is only tagged.
func digestOf(image string) string {
	if i := strings.LastIndex(image, "@"); i >= 0 {
		return image[i+1:]
	}
	return ""
}

// tagOf is what tells versions of an image apart: its tag, else the beginning of its
// digest, else latest.
func tagOf(image string) string {
	name, digest, pinned := strings.Cut(image, "@")
	if i := strings.LastIndex(name, ":"); i > strings.LastIndex(name, "/") {
		return name[i+1:]
	}
	if pinned {
		_, hex, _ := strings.Cut(digest, ":")
		return hex[:min(12, len(hex))]
	}
	return "latest"
}
