package kubernetes

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func podReadyAfter(d time.Duration, is corev1.ConditionStatus) corev1.Pod {
	made := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(made)}}
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: is, LastTransitionTime: metav1.NewTime(made.Add(d))}}
	return p
}

func TestTakes_isWhatPodsTookBefore(t *testing.T) {
	yes, no := corev1.ConditionTrue, corev1.ConditionFalse
	slow := []corev1.Pod{podReadyAfter(40*time.Second, yes), podReadyAfter(30*time.Second, yes), podReadyAfter(time.Hour, yes)}
	for name, tc := range map[string]struct {
		pods []corev1.Pod
		w    workload
		want time.Duration
	}{
		"three one by one":      {slow, workload{wanted: 3, surge: 1}, 3 * 40 * time.Second},
		"each is watched":       {slow, workload{wanted: 3, surge: 1, minReady: 5}, 3 * 45 * time.Second},
		"all at once":           {slow, workload{wanted: 3, surge: 3}, 40 * time.Second},
		"in less than a second": {[]corev1.Pod{podReadyAfter(0, yes)}, workload{wanted: 2, surge: 1}, 2 * time.Second},
		"none is ready":         {[]corev1.Pod{podReadyAfter(time.Second, no)}, workload{wanted: 1}, 10 * time.Second},
	} {
		s := &sight{workload: &tc.w, pods: tc.pods}
		if got := s.takes(); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}
