package kubernetes

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

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
func (a *Actuator) kept(m *metav1.ObjectMeta) string { return a.keeper(m, "spec.template") }

// keeper says the same of the parts of any object.
func (a *Actuator) keeper(m *metav1.ObjectMeta, parts ...string) string {
	if marks := remote.Marks(m); len(marks) > 0 {
		return marks[0].String()
	}
	if o := metav1.GetControllerOf(m); o != nil {
		return o.Kind + " " + o.Name
	}
	for _, name := range writers(m, parts) {
		if !byHand(name) && !slices.Contains(a.config.Managers, name) {
			return fmt.Sprintf("a field manager that is not known to write once only, %q", name)
		}
	}
	return ""
}

// writers lists who has something in those parts, but us.
func writers(m *metav1.ObjectMeta, parts []string) []string {
	var out []string
	for _, f := range m.ManagedFields {
		if f.Manager == FieldManager || f.Subresource != "" || slices.Contains(out, f.Manager) {
			continue
		}
		if w := remote.WriterOf(&metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{f}}, parts...); w.Manager != "" {
			out = append(out, f.Manager)
		}
	}
	return out
}

// lastWriter is who wrote those parts of an object last, for people. Times are noted to the
// second: of several within the last one each may be who.
func lastWriter(m *metav1.ObjectMeta, parts ...string) string {
	last, who := time.Time{}, []string{}
	for _, f := range m.ManagedFields {
		w := remote.WriterOf(&metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{f}}, parts...)
		if w.Manager == "" || w.Manager == FieldManager || w.At.Before(last) {
			continue
		}
		if w.At.After(last) {
			last, who = w.At, nil
		}
		who = append(who, strconv.Quote(w.Manager))
	}
	if len(who) == 0 {
		return "somebody"
	}
	return strings.Join(who, " or ") + " at " + last.Format(time.TimeOnly)
}
