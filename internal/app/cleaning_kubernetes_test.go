//go:build kubernetes

package app

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/backout-dev/backout"
	moves "github.com/backout-dev/backout/internal/execute/kubernetes"
	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
)

// What runs left is listed, with what would become of it, and taken away when it is asked
// for: of attempts that have ended, and of those that nobody knows once they are old.
func TestClean_takesAwayWhatEndedAttemptsLeft(t *testing.T) {
	s := kubetest.New(t)
	// Exactly what deploy/kubernetes grants for this, in this namespace.
	s.Grant(t, kubetest.Product, rbacv1.PolicyRule{APIGroups: []string{"autoscaling"}, Resources: []string{"horizontalpodautoscalers"}, Verbs: []string{"list", "patch"}},
		rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"controllerrevisions"}, Verbs: []string{"list"}})
	ns := s.Namespace(t)
	now := time.Now().UTC()
	for name, c := range map[string]struct {
		key string
		at  time.Time
	}{
		"ended":   {"INC-1/1/web/0", now},
		"running": {"INC-1/2/web/0", now.Add(-72 * time.Hour)},
		"new":     {"INC-9/1/web/0", now.Add(-23 * time.Hour)},
		"old":     {"INC-9/2/web/0", now.Add(-25 * time.Hour)},
	} {
		pinned(t, s, ns, name, c.key, c.at)
	}
	attempts := func(_ context.Context, id backout.AttemptID) (backout.Attempt, error) {
		switch id {
		case "INC-1/1":
			return backout.Attempt{ID: id, StartedAt: now, EndedAt: now, Result: backout.RunAborted}, nil
		case "INC-1/2":
			return backout.Attempt{ID: id, StartedAt: now, Result: backout.RunPaused}, nil
		}
		return backout.Attempt{}, &backout.Error{Code: backout.CodeNotFound, Message: "no such attempt"}
	}
	dir := catalogOf(t, fmt.Sprintf("apiVersion: backout.dev/v1alpha1\nkind: Cluster\nmetadata: {name: eu-1}\nspec: {environment: production, kubeconfig: %q, namespaces: [%s]}\n", kubeconfig(t, s, kubetest.Product), ns))
	clean := func(dry bool, ask func(context.Context, backout.AttemptID) (backout.Attempt, error), want map[string]string) {
		t.Helper()
		said, err := CleanClusters(t.Context(), Cleaning{Catalog: dir, Dry: dry, Attempt: ask})
		if err != nil {
			t.Fatal(err)
		}
		for name, word := range want {
			if !slices.ContainsFunc(said, func(line string) bool {
				return strings.HasPrefix(line, "cluster eu-1: autoscaler "+ns+"/"+name+": its minimum is pinned to 8, and was 2: ") && strings.Contains(line, word)
			}) {
				t.Errorf("of %s nothing says %q:\n%s", name, word, strings.Join(said, "\n"))
			}
		}
		if len(said) != len(want)+1 || !strings.Contains(said[len(said)-1], "does not let us look for holds") {
			t.Errorf("it said\n%s", strings.Join(said, "\n"))
		}
	}
	clean(true, attempts, map[string]string{"ended": "with --clean its minimum is 2", "running": `attempt INC-1/2 has not ended`, "new": `knows of no attempt "INC-9/1"`, "old": "with --clean its minimum is 2"})
	if w := s.Writes(t, kubetest.Product); len(w) > 0 {
		t.Errorf("to list has written %v", w)
	}
	// A backout that does not let us ask may be running any of them.
	refuses := func(context.Context, backout.AttemptID) (backout.Attempt, error) {
		return backout.Attempt{}, &backout.Error{Code: backout.CodeForbidden, Message: "no token"}
	}
	clean(false, refuses, map[string]string{"ended": "it stays: backout does not say", "running": "it stays", "new": "it stays", "old": "it stays: backout does not say"})
	clean(false, attempts, map[string]string{"ended": "taken away: its minimum is 2", "running": "it stays", "new": "it stays", "old": "taken away"})
	var wrote []string
	for _, w := range s.Writes(t, kubetest.Product) {
		wrote = append(wrote, fmt.Sprintf("%s %s/%s %d", w.Verb, w.Resource, w.Name, w.Code))
	}
	slices.Sort(wrote)
	if want := []string{"patch horizontalpodautoscalers/ended 200", "patch horizontalpodautoscalers/old 200"}; !slices.Equal(wrote, want) {
		t.Errorf("wrote %q, want %q", wrote, want)
	}
	clean(true, nobodyAnswers, map[string]string{"running": "with --clean its minimum is 2", "new": "no backout answers"})
	for _, name := range []string{"ended", "old"} {
		h, err := s.Client.AutoscalingV2().HorizontalPodAutoscalers(ns).Get(t.Context(), name, metav1.GetOptions{})
		if err != nil || *h.Spec.MinReplicas != 2 || h.Annotations[moves.PinNote] != "" {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
	}
}

// pinned makes an autoscaler as an effect leaves it that died.
func pinned(t *testing.T, s *kubetest.Stack, ns, name, key string, at time.Time) {
	t.Helper()
	note, err := json.Marshal(map[string]any{"effect": key, "min": 2, "pinned": 8, "at": at})
	if err != nil {
		t.Fatal(err)
	}
	eight := int32(8)
	_, err = s.Client.AutoscalingV2().HorizontalPodAutoscalers(ns).Create(t.Context(), &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{moves.PinNote: string(note)}},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			MinReplicas: &eight, MaxReplicas: 10, ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: name},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}
