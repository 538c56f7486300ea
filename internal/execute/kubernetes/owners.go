package kubernetes

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	remote "github.com/backout-dev/backout/internal/remote/kubernetes"
)

// FieldManager is under which name everything that backout does is written. The managed
// fields of an object, and the audit log, tell by it what was ours.
const FieldManager = "backout"

// byHand are field managers behind which is a person with kubectl: what they wrote they
// don't write again by themselves.
func byHand(manager string) bool {
	return manager == "kubectl" || strings.HasPrefix(manager, "kubectl-")
}

// kept says who writes a workload and would write it again after us; "" when nobody is
// known to. Then it is only observed.
func (a *Actuator) kept(m *metav1.ObjectMeta) string {
	if marks := remote.Marks(m); len(marks) > 0 {
		return marks[0].String()
	}
	if o := metav1.GetControllerOf(m); o != nil {
		return o.Kind + " " + o.Name
	}
	for _, name := range writers(m) {
		if !byHand(name) && !slices.Contains(a.config.Managers, name) {
			return fmt.Sprintf("a field manager that is not known to write once only, %q", name)
		}
	}
	return ""
}

// writers lists who has a part of the pod template, but us.
func writers(m *metav1.ObjectMeta) []string {
	var out []string
	for _, f := range m.ManagedFields {
		if f.Manager == FieldManager || f.Subresource != "" || slices.Contains(out, f.Manager) {
			continue
		}
		if w := remote.WriterOf(&metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{f}}, "spec.template"); w.Manager != "" {
			out = append(out, f.Manager)
		}
	}
	return out
}

// lastWriter is who wrote a part of an object last, for people.
func lastWriter(m *metav1.ObjectMeta, path string) string {
	if w := remote.WriterOf(m, path); w.Manager != "" {
		return fmt.Sprintf("%q at %s", w.Manager, w.At.Format("15:04:05"))
	}
	return "somebody"
}
