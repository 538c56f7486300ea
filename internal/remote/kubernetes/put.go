package kubernetes

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PutNote is the annotation by which a state that we ourselves have put into a ConfigMap
// or an autoscaler is known again: the state, and which attempt put it.
const PutNote = "backout.dev/put"

// Put is what PutNote holds for a state.
func Put(state, attempt string) string { return state + " " + attempt }

// PutBy is the attempt that put an object into a state; "" when it was somebody else, also
// somebody after us.
func PutBy(o metav1.Object, state string) string {
	was, attempt, _ := strings.Cut(o.GetAnnotations()[PutNote], " ")
	if was != state {
		return ""
	}
	return attempt
}
