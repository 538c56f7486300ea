package kubernetes

import (
	"encoding/json"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Tool is something that writes objects in a cluster by itself: what it wrote it will
// write again.
type Tool string

// The tools whose marks are known.
const (
	ArgoCD       Tool = "Argo CD"
	Flux         Tool = "Flux"
	Helm         Tool = "Helm"
	Flagger      Tool = "Flagger"
	KEDA         Tool = "KEDA"
	ArgoRollouts Tool = "Argo Rollouts"
)

// Mark says that a tool has to do with an object, and by what of its own: an
// application, a release, a canary.
type Mark struct {
	Tool Tool   `json:"tool"`
	By   string `json:"by,omitempty"`
}

// String is the tool and what of it.
func (m Mark) String() string { return strings.TrimSpace(string(m.Tool) + " " + m.By) }

// Marks finds the tools that have to do with an object, by its labels, annotations,
// owners and managers; in a fixed order.
func Marks(o metav1.Object) []Mark {
	label, note := o.GetLabels(), o.GetAnnotations()
	var out []Mark
	say := func(is bool, tool Tool, by string) {
		if is && (len(out) == 0 || out[len(out)-1].Tool != tool) {
			out = append(out, Mark{tool, by})
		}
	}
	app, _, _ := strings.Cut(note["argocd.argoproj.io/tracking-id"], ":")
	say(app != "", ArgoCD, app)
	say(label["argocd.argoproj.io/instance"] != "", ArgoCD, label["argocd.argoproj.io/instance"])
	say(managed(o, "argocd-"), ArgoCD, "")
	say(label["kustomize.toolkit.fluxcd.io/name"] != "", Flux, label["kustomize.toolkit.fluxcd.io/namespace"]+"/"+label["kustomize.toolkit.fluxcd.io/name"])
	say(label["helm.toolkit.fluxcd.io/name"] != "", Flux, label["helm.toolkit.fluxcd.io/namespace"]+"/"+label["helm.toolkit.fluxcd.io/name"])
	say(managed(o, "kustomize-controller"), Flux, "")
	say(note["meta.helm.sh/release-name"] != "", Helm, note["meta.helm.sh/release-namespace"]+"/"+note["meta.helm.sh/release-name"])
	say(label["app.kubernetes.io/managed-by"] == "Helm", Helm, label["app.kubernetes.io/instance"])
	for _, r := range o.GetOwnerReferences() {
		say(r.Kind == "Canary" && strings.HasPrefix(r.APIVersion, "flagger.app/"), Flagger, r.Name)
		say(r.Kind == "ScaledObject" && strings.HasPrefix(r.APIVersion, "keda.sh/"), KEDA, r.Name)
		say(r.Kind == "Rollout" && strings.HasPrefix(r.APIVersion, "argoproj.io/"), ArgoRollouts, r.Name)
	}
	say(label["scaledobject.keda.sh/name"] != "", KEDA, label["scaledobject.keda.sh/name"])
	return out
}

func managed(o metav1.Object, prefix string) bool {
	for _, m := range o.GetManagedFields() {
		if strings.HasPrefix(m.Manager, prefix) {
			return true
		}
	}
	return false
}

// Writer is who wrote a part of an object last, and when, to the second.
type Writer struct {
	Manager string
	At      time.Time
}

// WriterOf finds who wrote something at or under one of the paths last, by the managed
// fields: a path such as "spec.template", without lists. Zero when nobody is noted. What
// was written as a subresource counts only when it is the one that scales. Whoever only
// made the map that others now fill is no writer of what is in it. Of two in the same
// second it is the one who owns less: whoever makes an object owns most of it.
func WriterOf(o metav1.Object, paths ...string) Writer {
	var out Writer
	size := 0
	for _, path := range paths {
		least := bare
		for _, m := range o.GetManagedFields() {
			if counts(m) && owns(m, path) == filled {
				least = filled
			}
		}
		for _, m := range o.GetManagedFields() {
			if !counts(m) || owns(m, path) < least {
				continue
			}
			n := len(m.FieldsV1.GetRawBytes())
			if m.Time.After(out.At) || m.Time.Time.Equal(out.At) && n < size {
				out, size = Writer{m.Manager, m.Time.UTC()}, n
			}
		}
	}
	return out
}

func counts(m metav1.ManagedFieldsEntry) bool {
	return m.FieldsV1 != nil && m.Time != nil && (m.Subresource == "" || m.Subresource == "scale")
}

// ownership is what somebody has of a part of an object.
type ownership int

const (
	none   ownership = iota
	bare             // the value itself, or a map that others fill
	filled           // something in it
)

func owns(m metav1.ManagedFieldsEntry, path string) ownership {
	raw := m.FieldsV1.GetRawBytes()
	var in map[string]json.RawMessage
	for step := range strings.SplitSeq(path, ".") {
		in = nil
		if json.Unmarshal(raw, &in) != nil {
			return none
		}
		next, ok := in["f:"+step]
		if !ok {
			return none
		}
		raw = next
	}
	in = nil
	if json.Unmarshal(raw, &in) != nil {
		return none
	}
	_, made := in["."]
	switch {
	case len(in) == 0:
		return bare
	case made && len(in) == 1:
		return none
	}
	return filled
}
