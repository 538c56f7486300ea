package kubernetes

import (
	"cmp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/backout-dev/backout"
)

func labelSet(m map[string]string) labels.Set { return labels.Set(m) }

// serviceOf is the service that a workload is a part of: as Backstage knows it, as
// Kubernetes' recommended labels name it, or by its own name.
func serviceOf(m metav1.Object, name string) backout.ServiceID {
	l, a := m.GetLabels(), m.GetAnnotations()
	return backout.ServiceID(cmp.Or(l[backstageID], a[backstageID], l["app.kubernetes.io/name"], name))
}

func (s *sight) id(kind backout.ComponentKind, name string) backout.ComponentID {
	return backout.NewComponentID(kind, name, s.config.Environment, s.config.Location)
}

// locator is where an actuator finds a workload.
func (s *sight) locator(w workload) string {
	return s.config.Cluster.Name + "/" + w.namespace + "/" + w.kind + "/" + w.name
}

// component is a workload's name for us: the one that somebody declared for it, or
// namespace.name, with its kind between when it is no Deployment, since a Deployment may
// have the same name.
func (s *sight) component(w workload) backout.ComponentID {
	service := serviceOf(w.meta, w.name)
	here := func(c backout.Component) bool {
		return c.Kind == backout.KindDeployment && c.Environment == s.config.Environment && c.Location == s.config.Location
	}
	for _, is := range []func(backout.Component) bool{
		func(c backout.Component) bool { return c.Locator == s.locator(w) },
		func(c backout.Component) bool { return c.Locator == "" && c.Name == w.name && c.Service == service },
	} {
		if i := slices.IndexFunc(s.config.Components, func(c backout.Component) bool { return here(c) && is(c) }); i >= 0 {
			return s.config.Components[i].ID
		}
	}
	name := w.namespace + "." + w.name
	if w.kind != aDeployment {
		name = w.namespace + "." + w.kind + "." + w.name
	}
	return s.id(backout.KindDeployment, name)
}

// system is what a workload's service is a part of, by Kubernetes' recommended labels.
func system(m metav1.Object) string { return m.GetLabels()["app.kubernetes.io/part-of"] }

// workloadKey takes the key of a workload apart; false of anything else.
func workloadKey(key string) (kind, namespace, name string, ok bool) {
	parts := strings.SplitN(key, "/", 3)
	if len(parts) != 3 || !slices.Contains([]string{aDeployment, aStatefulSet, aDaemonSet}, parts[0]) {
		return "", "", "", false
	}
	return parts[0], parts[1], parts[2], true
}
