//go:build kubernetes

package app

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
)

// What is held is refused by the cluster, also once backout has ended; the end of the
// hold, or a cleaning, lets it pass again.
func TestServe_clustersKeepWhatIsHeld(t *testing.T) {
	s := kubetest.Start(t)
	s.Grant(t, kubetest.Product,
		rbacv1.PolicyRule{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"get", "list", "watch"}},
		rbacv1.PolicyRule{APIGroups: []string{"admissionregistration.k8s.io"}, Resources: []string{"validatingadmissionpolicies", "validatingadmissionpolicybindings"}, Verbs: []string{"create", "update", "delete"}})
	ns := s.Namespace(t)
	s.Deploy(t, ns, kubetest.Workload{Name: "web", Image: "web:1", Replicas: 1})
	s.Settled(t, ns, "web")
	doc := fmt.Sprintf("apiVersion: backout.dev/v1alpha1\nkind: Cluster\nmetadata: {name: eu-1}\nspec: {environment: production, kubeconfig: %q, namespaces: [%s], holds: true, breakGlass: [sre]}\n", kubeconfig(t, s, kubetest.Product), ns)
	dir := catalogOf(t, doc)
	a, ctx, end := serves(t, dir)
	id := backout.ComponentID("deployment:" + ns + ".web@production/eu-1")
	kubetest.Eventually(t, "the graph has the workload", func() (bool, string) {
		_, ok := reading{a}.Graph().Component(id)
		return ok, ""
	})
	pipeline := func(image string) error {
		body := fmt.Sprintf(`{"spec":{"template":{"spec":{"containers":[{"name":"c","image":%q}]}}}}`, image)
		_, err := s.As(t, kubetest.Pipeline).AppsV1().Deployments(ns).Patch(t.Context(), "web", types.StrategicMergePatchType, []byte(body), metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	}
	refused := func() (bool, string) {
		err := pipeline("web:2")
		return err != nil && strings.Contains(err.Error(), "is held by ann until"), fmt.Sprint(err)
	}
	passes := func() (bool, string) {
		err := pipeline("web:2")
		return err == nil, fmt.Sprint(err)
	}
	hold := backout.Hold{Component: id, Owner: "ann", Reason: "a look first", Until: time.Now().Add(time.Hour)}
	if _, err := a.Hold(ctx, hold); err != nil {
		t.Fatal(err)
	}
	kubetest.Eventually(t, "the cluster refuses", refused)
	if _, err := a.Release(ctx, id, "", backout.Principal{Name: "ann"}, "looked"); err != nil {
		t.Fatal(err)
	}
	kubetest.Eventually(t, "the cluster lets it pass", passes)
	if _, err := a.Hold(ctx, hold); err != nil {
		t.Fatal(err)
	}
	kubetest.Eventually(t, "the cluster refuses again", refused)
	end()
	if ok, why := refused(); !ok {
		t.Errorf("once backout has ended: %s", why)
	}
	said, err := CleanClusters(t.Context(), Cleaning{Catalog: dir, Attempt: nobodyAnswers})
	if err != nil || strings.Join(said, "\n") != "cluster eu-1: 1 of our holds removed, and no policy of ours is left" {
		t.Errorf("%q %v", said, err)
	}
	kubetest.Eventually(t, "the cluster lets it pass", passes)
}

// A cluster that does not let us is told of, with what to do.
func TestServe_saysThatAClusterKeepsNothing(t *testing.T) {
	s := kubetest.Start(t)
	doc := fmt.Sprintf("apiVersion: backout.dev/v1alpha1\nkind: Cluster\nmetadata: {name: eu-1}\nspec: {environment: production, kubeconfig: %q, holds: true}\n", kubeconfig(t, s, kubetest.Stranger))
	a, ctx, _ := serves(t, catalogOf(t, doc))
	kubetest.Eventually(t, "it is degraded", func() (bool, string) {
		for _, d := range a.Health(ctx).Degraded {
			if d.Source == backout.DegradedHolds {
				return strings.Contains(d.Why, "remove the policy of holds") && d.Means != "", d.Why
			}
		}
		return false, "nothing is said of holds"
	})
}

// nobodyAnswers is a backout that is gone for good.
func nobodyAnswers(context.Context, backout.AttemptID) (backout.Attempt, error) {
	return backout.Attempt{}, &backout.Error{Code: backout.CodeUnavailable, Message: "no answer"}
}
