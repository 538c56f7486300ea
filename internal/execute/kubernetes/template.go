package kubernetes

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/backout-dev/backout"
)

// sameness names what a pod template says, so that a workload's can be found again among
// those that the cluster keeps. What controllers add is left out.
func sameness(t corev1.PodTemplateSpec) string {
	doc, err := json.Marshal(plain(t))
	if err != nil {
		return "" // what was read from JSON can be written as JSON
	}
	sum := sha256.Sum256(doc)
	return hex.EncodeToString(sum[:])
}

// plain is a copy of a template without the labels that controllers add.
func plain(t corev1.PodTemplateSpec) corev1.PodTemplateSpec {
	out := t.DeepCopy()
	for _, k := range []string{"pod-template-hash", "controller-revision-hash", "pod-template-generation"} {
		delete(out.Labels, k)
	}
	if len(out.Labels) == 0 {
		out.Labels = nil
	}
	if len(out.Annotations) == 0 {
		out.Annotations = nil
	}
	return *out
}

// called names releases, in the order in which they came: by the tag of the first
// image, and by the revision's own hash as well when an older one has that tag.
func called(all []past) {
	byAge := slices.Clone(all)
	slices.SortStableFunc(byAge, func(a, b past) int { return a.at.Compare(b.at) })
	names, taken := map[string]backout.Version{}, map[backout.Version]bool{}
	for _, p := range byAge {
		v := backout.Version(tag(p.template))
		if taken[v] {
			v += backout.Version("+" + p.name[strings.LastIndex(p.name, "-")+1:])
		}
		names[p.name], taken[v] = v, true
	}
	for i := range all {
		all[i].version = names[all[i].name]
	}
}

// tag is what a template's first image is called behind its name: its tag, or the first
// 12 digits of its digest, or latest.
func tag(t corev1.PodTemplateSpec) string {
	if len(t.Spec.Containers) == 0 {
		return "latest"
	}
	name, digest, pinned := strings.Cut(t.Spec.Containers[0].Image, "@")
	if i := strings.LastIndex(name, ":"); i > strings.LastIndex(name, "/") {
		return name[i+1:]
	}
	if _, hash, ok := strings.Cut(digest, ":"); pinned && ok {
		return hash[:min(12, len(hash))]
	}
	return "latest"
}

// reference is one object that a template needs for its pods to start.
type reference struct {
	Kind string // ConfigMap or Secret
	Name string
}

// references lists what a template needs, each once, in order. What is marked optional
// is left out: pods start without it.
func references(t corev1.PodTemplateSpec) []reference {
	var out []reference
	add := func(kind, name string, optional *bool) {
		r := reference{kind, name}
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
	slices.SortFunc(out, func(a, b reference) int { return strings.Compare(a.Kind+"/"+a.Name, b.Kind+"/"+b.Name) })
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
