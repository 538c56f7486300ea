// Package release names the releases of a workload: what its pods are made from.
//
// Kubernetes has three names for that, none of which will do. An image's tag says
// nothing of the environment and the limits that came with it; a revision's number
// changes when the same release comes back; a hash in a pod's label is counted anew by
// every kind. So a release is named by what is in the pod template: whoever reads the
// same template, from a workload, a ReplicaSet or a ControllerRevision, gets the same
// name.
package release

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// notOurs are labels and annotations of a template that don't belong to the release:
// what controllers add, and what only makes pods start anew.
var notOurs = []string{
	"pod-template-hash", "controller-revision-hash", "pod-template-generation", "rollouts-pod-template-hash",
	"kubectl.kubernetes.io/restartedAt",
}

// ID names the release that a pod template is: the tag of its first container's image
// and the first eight hex digits of a hash over the template, such as 2.4-1f0c9a3b.
// The tag is there for people and for order ([backout.CompareVersions]); the hash makes
// the name change with an environment variable, a reference or a limit.
func ID(t corev1.PodTemplateSpec) string {
	doc, err := json.Marshal(Plain(t))
	if err != nil {
		return "" // a template was read from JSON: it can be written as JSON
	}
	sum := sha256.Sum256(doc)
	hash := hex.EncodeToString(sum[:4])
	if len(t.Spec.Containers) == 0 {
		return hash
	}
	return fmt.Sprintf("%s-%s", Tag(t.Spec.Containers[0].Image), hash)
}

// Plain is a copy of a template without what does not belong to the release.
func Plain(t corev1.PodTemplateSpec) corev1.PodTemplateSpec {
	out := t.DeepCopy()
	for _, m := range []map[string]string{out.Labels, out.Annotations} {
		for _, k := range notOurs {
			delete(m, k)
		}
	}
	if len(out.Labels) == 0 {
		out.Labels = nil
	}
	if len(out.Annotations) == 0 {
		out.Annotations = nil
	}
	return *out
}

// Tag is what an image is called behind its name: its tag, or the first 12 digits of its
// digest, or latest.
func Tag(image string) string {
	name, digest, pinned := strings.Cut(image, "@")
	if i := strings.LastIndex(name, ":"); i > strings.LastIndex(name, "/") {
		return name[i+1:]
	}
	if _, hash, ok := strings.Cut(digest, ":"); pinned && ok {
		return hash[:min(12, len(hash))]
	}
	return "latest"
}

// Reference is one object that a template needs for its pods to start.
type Reference struct {
	Kind string // ConfigMap or Secret
	Name string
}

// References lists what a template needs, each once, in order. What is marked optional
// is left out: pods start without it.
func References(t corev1.PodTemplateSpec) []Reference {
	var out []Reference
	add := func(kind, name string, optional *bool) {
		r := Reference{kind, name}
		if name != "" && (optional == nil || !*optional) && !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	for _, c := range slices.Concat(t.Spec.InitContainers, t.Spec.Containers) {
		for _, e := range c.EnvFrom {
			if r := e.ConfigMapRef; r != nil {
				add("ConfigMap", r.Name, r.Optional)
			}
			if r := e.SecretRef; r != nil {
				add("Secret", r.Name, r.Optional)
			}
		}
		for _, e := range c.Env {
			if e.ValueFrom == nil {
				continue
			}
			if r := e.ValueFrom.ConfigMapKeyRef; r != nil {
				add("ConfigMap", r.Name, r.Optional)
			}
			if r := e.ValueFrom.SecretKeyRef; r != nil {
				add("Secret", r.Name, r.Optional)
			}
		}
	}
	for _, v := range t.Spec.Volumes {
		volume(v, add)
	}
	slices.SortFunc(out, func(a, b Reference) int { return strings.Compare(a.Kind+"/"+a.Name, b.Kind+"/"+b.Name) })
	return out
}

func volume(v corev1.Volume, add func(kind, name string, optional *bool)) {
	if r := v.ConfigMap; r != nil {
		add("ConfigMap", r.Name, r.Optional)
	}
	if r := v.Secret; r != nil {
		add("Secret", r.SecretName, r.Optional)
	}
	if v.Projected == nil {
		return
	}
	for _, s := range v.Projected.Sources {
		if r := s.ConfigMap; r != nil {
			add("ConfigMap", r.Name, r.Optional)
		}
		if r := s.Secret; r != nil {
			add("Secret", r.Name, r.Optional)
		}
	}
}

// Data names what is in a ConfigMap: the first twelve hex digits of a hash over its
// data, whatever its labels and annotations.
func Data(m corev1.ConfigMap) string {
	doc, err := json.Marshal(struct {
		Data   map[string]string
		Binary map[string][]byte
	}{m.Data, m.BinaryData})
	if err != nil {
		return "" // maps of text and bytes can be written as JSON
	}
	sum := sha256.Sum256(doc)
	return hex.EncodeToString(sum[:6])
}
