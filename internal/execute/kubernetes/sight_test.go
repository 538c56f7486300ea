package kubernetes

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/backout-dev/backout"
)

// shown is a workload at release "new" that was at "old", with pods such as old, new,
// old! (not ready).
func shown(wanted int32, pods ...string) *sight {
	s := &sight{workload: &workload{hashKey: "h", wanted: wanted, seen: true, settled: true}, asked: "new"}
	s.releases = []past{{version: "new", hash: "new"}, {version: "old", hash: "old"}}
	for _, p := range pods {
		hash, broken := strings.CutSuffix(p, "!")
		pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"h": hash}}}
		if !broken {
			pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		}
		s.pods = append(s.pods, pod)
	}
	return s
}

func TestLive(t *testing.T) {
	pinned := shown(2, "new", "new")
	pinned.scaler = &autoscaler{note: &pin{}}
	partition := shown(4, "old", "old", "old", "old")
	partition.partition = 4
	unsettled := shown(2, "new", "new")
	unsettled.settled = false
	for name, c := range map[string]struct {
		s       *sight
		shares  map[backout.Version]float64
		healthy bool
	}{
		"all there":                       {shown(2, "new", "new"), map[backout.Version]float64{"new": 1}, true},
		"in the middle":                   {shown(4, "new", "old", "old", "old"), map[backout.Version]float64{"new": .25, "old": .75}, true},
		"not ready counts for nobody":     {shown(4, "new!", "old", "old", "old"), map[backout.Version]float64{"new": 0, "old": .75}, false},
		"surge counts as well":            {shown(3, "new!", "old", "old", "old"), map[backout.Version]float64{"new": 0, "old": .75}, false},
		"no pod yet of what is asked for": {shown(3, "old", "old", "old"), map[backout.Version]float64{"new": 0, "old": .75}, false},
		"held by a partition":             {partition, map[backout.Version]float64{"new": 0, "old": 1}, true},
		"pods are missing":                {shown(4, "new", "new"), map[backout.Version]float64{"new": .5}, true}, // settled says no in life
		"capacity is pinned":              {pinned, map[backout.Version]float64{"new": 2. / 3}, false},
		"the controller is not done":      {unsettled, map[backout.Version]float64{"new": 1}, false},
		"none wanted":                     {shown(0), map[backout.Version]float64{"new": 1}, true},
		"of a release that is gone":       {shown(2, "new", "?"), map[backout.Version]float64{"new": .5}, true},
	} {
		l := c.s.live(time.Time{})
		if !maps.Equal(l.Shares, c.shares) || l.Healthy != c.healthy {
			t.Errorf("%s: %v, healthy %t; want %v, %t", name, l.Shares, l.Healthy, c.shares, c.healthy)
		}
	}
}

func TestStuck_saysWhatTimeDoesNotMend(t *testing.T) {
	waiting := func(reason string) corev1.Pod {
		p := shown(1, "new!").pods[0]
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Image: "web:gone", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: "no such image"}}}}
		return p
	}
	for reason, want := range map[string]string{
		"ImagePullBackOff": "ImagePullBackOff of web:gone (no such image)", "CrashLoopBackOff": "CrashLoopBackOff of web:gone (no such image)",
		"CreateContainerConfigError": "CreateContainerConfigError of web:gone (no such image)", "ContainerCreating": "",
	} {
		s := shown(1)
		s.pods = []corev1.Pod{waiting(reason), waiting(reason)}
		if got := s.stuck(); got != want {
			t.Errorf("%s: %q, want %q once", reason, got, want)
		}
		s.asked = "old"
		if got := s.stuck(); got != "" {
			t.Errorf("%s of a release that nobody asks for: %q", reason, got)
		}
	}
	s := shown(1)
	s.trouble, s.late = "FailedCreate: exceeded quota", true
	if got := s.stuck(); got != "FailedCreate: exceeded quota; ProgressDeadlineExceeded" {
		t.Errorf("%q", got)
	}
}

func TestFloor_isTheLargerOfWhatThereIsAndWhatItRanWith(t *testing.T) {
	scaler := func(most int32, keeper string) *autoscaler {
		return &autoscaler{keeper: keeper, object: autoscalingv2.HorizontalPodAutoscaler{Spec: autoscalingv2.HorizontalPodAutoscalerSpec{MaxReplicas: most}}}
	}
	for name, c := range map[string]struct {
		scaler *autoscaler
		ran    int32
		want   int32
	}{
		"it ran with more":          {scaler(10, ""), 8, 8},
		"it ran with less":          {scaler(10, ""), 2, 3},
		"as far as it may go":       {scaler(5, ""), 8, 5},
		"nobody noted it":           {scaler(10, ""), 0, 3},
		"nobody scales":             {nil, 8, 0},
		"a tool has the autoscaler": {scaler(10, "KEDA web"), 8, 0},
	} {
		s := shown(3)
		s.scaler = c.scaler
		if got := s.floor(past{pods: c.ran}); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestShares_areWholePods(t *testing.T) {
	for wanted, want := range map[int32][]float64{0: {1}, 1: {1}, 2: {.5, 1}, 3: {1. / 3, 2. / 3, 1}, 10: {.1, .5, 1}} {
		w := &workload{wanted: wanted, parts: true}
		if got := (statefulSet{}).shares(w); !slices.Equal(got, want) {
			t.Errorf("of %d pods: %v, want %v", wanted, got, want)
		}
		for _, f := range want {
			if n := w.share(f); float64(n) < f*float64(wanted)-1e-9 || float64(n)-f*float64(wanted) >= 1 {
				t.Errorf("a share of %v of %d pods is %d", f, wanted, n)
			}
		}
	}
	w := &workload{wanted: 4, first: 5}
	if w.lowest(1) != 8 || w.lowest(4) != 0 {
		t.Errorf("with ordinals from 5 on: %d, %d; want 8 and 0", w.lowest(1), w.lowest(4))
	}
}

func TestDemand_isWhatAQuotaCounts(t *testing.T) {
	p := template("web:1", func(t *corev1.PodTemplateSpec) {
		r := corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("100m")}, Limits: corev1.ResourceList{"memory": resource.MustParse("1Gi")}}
		t.Spec.Containers[0].Resources = r
		t.Spec.Containers = append(t.Spec.Containers, corev1.Container{Name: "d", Resources: r})
	})
	got := demand(p)
	for name, want := range map[corev1.ResourceName]string{"pods": "1", "requests.cpu": "200m", "cpu": "200m", "limits.memory": "2Gi"} {
		if q := got[name]; q.String() != want {
			t.Errorf("%s: %s, want %s", name, q.String(), want)
		}
	}
}

func TestLocator_isRefusedWhenItCannotBe(t *testing.T) {
	for locator, want := range map[string]string{
		"c/shop/Deployment/web": "no cluster is called", "shop/deployment/web": "expected cluster/namespace/kind/name", "c//deployment/web": "expected cluster/namespace/kind/name",
		"": "expected cluster/namespace/kind/name", "c/shop/deployment/web/x": "expected cluster/namespace/kind/name", "c/shop/job/web": "expected a deployment",
	} {
		_, err := New(Config{}).look(t.Context(), backout.Component{Locator: locator})
		if backout.CodeOf(err) != backout.CodeInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want one that says %q", locator, err, want)
		}
	}
}
