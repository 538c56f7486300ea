//go:build kubernetes

package kubernetes_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute/kubernetes"
	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
)

// Of kinds without a condition for it, why a pod can't be made is told by the controller's
// events; who may not list them hears only that it is missing.
func TestQuota_usedUpMeanwhileIsToldOfEachKind(t *testing.T) {
	for kind, pods := range map[string]int32{"statefulset": 2, "daemonset": 1} {
		for _, may := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, events %t", kind, may), func(t *testing.T) {
				s := kubetest.New(t)
				p := newPlace(t, s, kind)
				if !may {
					p.withoutEvents(t)
				}
				w := kubetest.Workload{Name: "web", Image: "web:1", Replicas: pods, CPU: "200m"}
				if kind == "statefulset" {
					p.statefulSet(t, w)
				} else {
					p.daemonSet(t, w, int(pods))
				}
				p.image(t, kind+"s", "web", "web:2")
				p.images(t, "web", map[string]int{"web:2": int(pods)})
				p.well(t, kind, "web", "2")
				p.config.Patience = 8 * time.Second
				p.actuator = kubernetes.New(p.config)
				resume := s.PauseControllers(t)
				type said struct {
					out backout.Outcome
					err error
				}
				answer := make(chan said, 1)
				go func() {
					out, err := p.actuator.Do(background(t), p.effect(kind, "web", "back", "2", "1"))
					answer <- said{out, err}
				}()
				kubetest.Eventually(t, "the write", func() (bool, string) {
					got := p.writes(t)
					return slices.Contains(got, "patch "+kind+"s "+p.ns+"/web 200"), fmt.Sprint(got)
				})
				// Less than those that are there have: none that goes makes room.
				hard := corev1.ResourceList{corev1.ResourceRequestsCPU: resource.MustParse("100m")}
				if _, err := p.Client.CoreV1().ResourceQuotas(p.ns).Create(t.Context(), &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "tight"}, Spec: corev1.ResourceQuotaSpec{Hard: hard}}, metav1.CreateOptions{}); err != nil {
					t.Fatal(err)
				}
				resume()
				got := <-answer
				if got.out != backout.OutcomeUnknown || got.err == nil {
					t.Fatalf("%s, %v", got.out, got.err)
				}
				says(t, got.err.Error(), fmt.Sprintf("of %d pods of it ready", pods))
				if tells := strings.Contains(got.err.Error(), "quota: tight"); tells != may {
					t.Errorf("with the right to list events %t: %v", may, got.err)
				}
			})
		}
	}
}

// withoutEvents takes the right to list events away.
func (p *place) withoutEvents(t *testing.T) {
	t.Helper()
	roles, err := p.Client.RbacV1().Roles(p.ns).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(roles.Items) != 1 {
		t.Fatalf("%d roles, %v", len(roles.Items), err)
	}
	role := roles.Items[0]
	role.Rules = slices.DeleteFunc(role.Rules, func(r rbacv1.PolicyRule) bool { return slices.Contains(r.Resources, "events") })
	if _, err := p.Client.RbacV1().Roles(p.ns).Update(t.Context(), &role, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}
