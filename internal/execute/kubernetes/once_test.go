//go:build kubernetes

package kubernetes_test

import (
	"context"
	"errors"
	"testing"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute/kubernetes"
	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
)

// One look at two workloads asks each question once, and what is shared once for both;
// the next look asks everything anew.
func TestMoment_asksEachQuestionOnce(t *testing.T) {
	p := newPlace(t, kubetest.Start(t), "deployment")
	var all []backout.Component
	for _, name := range []string{"web", "api"} {
		p.Deploy(t, p.ns, kubetest.Workload{Name: name, Image: name + ":1", Replicas: 2})
		p.Settled(t, p.ns, name)
		all = append(all, backout.Component{ID: backout.ComponentID("deployment:" + name + "@production/eu-1"), Locator: "c/" + p.ns + "/deployment/" + name})
	}
	look := func(ctx context.Context) {
		t.Helper()
		for _, c := range all {
			r, err := p.actuator.Probe(ctx, c)
			rev, serr := p.actuator.Survey(ctx, c, nil)
			if err := errors.Join(err, serr); err != nil || r.Live.Shares["1"] != 1 || !rev.Known {
				t.Fatalf("%s: %+v, %+v, %v", c.ID, r.Live, rev, err)
			}
		}
	}
	asked := func() map[string]int {
		out := map[string]int{}
		for _, c := range p.Audit(t, p.user) {
			out[c.Resource]++
		}
		return out
	}
	before := asked()
	for round := 1; round <= 2; round++ {
		look(kubernetes.Moment(t.Context()))
		now := asked()
		for resource, want := range map[string]int{"deployments": 2, "replicasets": 2, "pods": 2, "horizontalpodautoscalers": 1, "selfsubjectaccessreviews": 1} {
			if got := now[resource] - before[resource]; got != want*round {
				t.Errorf("after %d looks %s were asked for %d times, want %d", round, resource, got, want*round)
			}
		}
	}
	before = asked()
	look(t.Context())
	if got := asked()["deployments"] - before["deployments"]; got != 4 {
		t.Errorf("outside of a moment deployments were asked for %d times, want each time", got)
	}
}
