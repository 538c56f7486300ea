package kubernetes_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/backout-dev/backout/internal/remote/kubernetes"
)

func TestPutBy_isOursOnlyWhileItStandsAsWePutIt(t *testing.T) {
	o := &metav1.ObjectMeta{}
	if by := kubernetes.PutBy(o, ""); by != "" {
		t.Errorf("without a note: %q", by)
	}
	o.Annotations = map[string]string{kubernetes.PutNote: kubernetes.Put("2..10", "i-7/1")}
	for state, want := range map[string]string{"2..10": "i-7/1", "3..10": "", "": ""} {
		if by := kubernetes.PutBy(o, state); by != want {
			t.Errorf("at %q it was put by %q, want %q", state, by, want)
		}
	}
}
