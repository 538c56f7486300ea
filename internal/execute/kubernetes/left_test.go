//go:build kubernetes

package kubernetes_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute/kubernetes"
	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
)

func (p *place) left(t *testing.T, want int) []kubernetes.Left {
	t.Helper()
	all, err := p.actuator.Left(t.Context(), "c", []string{p.ns})
	if err != nil || len(all) != want {
		t.Fatalf("left: %v, %v; want %d", all, err, want)
	}
	return all
}

// What a killed run has pinned is found and given back with the rights that it was pinned
// with, unless somebody wrote the object since it was listed.
func TestLeft_pinOfAKilledRunIsTakenAway(t *testing.T) {
	p := newPlace(t, kubetest.New(t), "deployment")
	scaledDown(t, p)
	p.left(t, 0)
	began := time.Now()
	p.killed(t, p.effect("deployment", "web", "back", "2", "1"))
	l := p.left(t, 1)[0]
	says(t, l.String()+"; "+l.Then, "autoscaler "+p.ns+"/web", "pinned to 8, and was 2", "its minimum is 2")
	if l.Attempt != "a/1" || l.At.Before(began.Add(-2*time.Second)) || l.At.After(time.Now()) {
		t.Errorf("set by %q at %v", l.Attempt, l.At)
	}
	edit := `{"metadata":{"labels":{"seen":"yes"}}}`
	if _, err := p.Client.AutoscalingV2().HorizontalPodAutoscalers(p.ns).Patch(t.Context(), "web", types.MergePatchType, []byte(edit), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := p.actuator.Take(t.Context(), l); backout.CodeOf(err) != backout.CodeConflict {
		t.Errorf("somebody wrote it since: %v", err)
	}
	before := len(p.writes(t))
	// Its status is written all the time, which is a conflict as well.
	kubetest.Eventually(t, "it is taken away", func() (bool, string) {
		err := p.actuator.Take(t.Context(), p.left(t, 1)[0])
		return err == nil, fmt.Sprint(err)
	})
	if got := slices.DeleteFunc(p.writes(t)[before:], func(w string) bool { return w == "patch horizontalpodautoscalers "+p.ns+"/web 409" }); !slices.Equal(got, []string{"patch horizontalpodautoscalers " + p.ns + "/web 200"}) {
		t.Errorf("wrote %q", got)
	}
	if n, note := p.minimum(t, "web"); n != 2 || note != "" {
		t.Errorf("afterwards the minimum is %d, pinned %q", n, note)
	}
	p.left(t, 0)
}

// The partition of a stage is found, says what it was, and is taken away; what somebody
// else has set since stands.
func TestLeft_partitionOfAStageIsTakenAway(t *testing.T) {
	p := newPlace(t, kubetest.Start(t), "statefulset")
	p.statefulSet(t, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 4})
	p.image(t, "statefulsets", "web", "web:2")
	p.well(t, "statefulset", "web", "2")
	stage := func(key string, from, to backout.Version, share float64) {
		e := p.effect("statefulset", "web", key, from, to)
		e.Share = share
		p.do(t, e)
	}
	stage("db/0", "2", "1", .25)
	stage("db/1", "2", "1", .5)
	l := p.left(t, 1)[0]
	says(t, l.String()+"; "+l.Then, "StatefulSet "+p.ns+"/web", "its partition is 2, and was 0", "2 of its 4 pods go to 1")
	if l.Attempt != "a/1" || time.Since(l.At) > time.Minute {
		t.Errorf("set by %q at %v", l.Attempt, l.At)
	}
	before := len(p.writes(t))
	if err := p.actuator.Take(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	p.images(t, "web", map[string]int{"web:1": 4})
	if got := p.writes(t)[before:]; !slices.Equal(got, []string{"patch statefulsets " + p.ns + "/web 200"}) {
		t.Errorf("wrote %q", got)
	}
	p.left(t, 0)
	p.well(t, "statefulset", "web", "1")
	// A run that ends leaves nothing.
	stage("on/0", "1", "2", .5)
	p.left(t, 1)
	stage("on/1", "1", "2", 1)
	p.left(t, 0)
	// Somebody's own partition stays.
	stage("off/0", "2", "1", .25)
	p.patchSet(t, `{"spec":{"updateStrategy":{"rollingUpdate":{"partition":1}}}}`)
	l = p.left(t, 1)[0]
	says(t, l.String(), "was set to 3, and somebody has made it 1 since")
	kubetest.Eventually(t, "its note goes", func() (bool, string) {
		err := p.actuator.Take(t.Context(), p.left(t, 1)[0])
		return err == nil, fmt.Sprint(err)
	})
	p.left(t, 0)
	d, err := p.Client.AppsV1().StatefulSets(p.ns).Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil || *d.Spec.UpdateStrategy.RollingUpdate.Partition != 1 {
		t.Errorf("their partition is %+v, %v", d.Spec.UpdateStrategy.RollingUpdate, err)
	}
}

func (p *place) patchSet(t *testing.T, body string) {
	t.Helper()
	if _, err := p.Client.AppsV1().StatefulSets(p.ns).Patch(t.Context(), "web", types.MergePatchType, []byte(body), metav1.PatchOptions{FieldManager: kubetest.Person}); err != nil {
		t.Fatal(err)
	}
}
