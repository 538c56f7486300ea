package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// hinders says why a release can't be gone back to, with its name; "" when nothing is
// known to be in the way.
func (s *sight) hinders(ctx context.Context, p past, todo []restoration) (string, error) {
	why, err := s.lacks(ctx, p, todo)
	if why == "" && err == nil {
		why, err = s.blocked(ctx, p)
	}
	if err != nil || why == "" {
		return "", err
	}
	return fmt.Sprintf("%s: %s", p.version, why), nil
}

// lacks says what a release needs to start and is not there; "" when it has everything.
// Whether its image can still be pulled nobody in the cluster knows before it is tried.
// ConfigMaps that are put back anyway may be gone.
func (s *sight) lacks(ctx context.Context, p past, todo []restoration) (string, error) {
	var gone []string
	for _, r := range references(p.template) {
		if slices.ContainsFunc(todo, func(t restoration) bool { return r.Kind == "ConfigMap" && t.name == r.Name }) {
			continue
		}
		var err error
		if r.Kind == "ConfigMap" {
			_, err = s.client.CoreV1().ConfigMaps(s.meta.Namespace).Get(ctx, r.Name, metav1.GetOptions{})
		} else {
			_, err = s.secret(ctx, r.Name)
		}
		switch {
		case apierrors.IsNotFound(err):
			gone = append(gone, r.Kind+" "+r.Name+" is gone")
		case apierrors.IsForbidden(err) && r.Kind == "Secret":
			// Not to be let at secrets is a choice. The pods say it if one is gone.
		case err != nil:
			return "", explain("look for what a release needs", err)
		}
	}
	return strings.Join(gone, ", "), nil
}

// secret looks whether a Secret is there, without being sent what is in it.
func (s *sight) secret(ctx context.Context, name string) (any, error) {
	return s.client.CoreV1().RESTClient().Get().Namespace(s.meta.Namespace).Resource("secrets").Name(name).
		SetHeader("Accept", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1").Do(ctx).Raw()
}

// blocked says why the way to a release is blocked though it is there; "" when nothing
// is known to be in the way.
func (s *sight) blocked(ctx context.Context, p past) (string, error) {
	if s.paused {
		return s.String() + " is paused: somebody holds its rollout", nil
	}
	if why, err := s.quotaBlocks(ctx, p); why != "" || err != nil {
		return why, err
	}
	if s.evicts() {
		return s.budgetBlocks(ctx)
	}
	return "", nil
}

// missing is how many pods of a release must be made before any other pod goes: those
// that may not be missing meanwhile.
func (s *sight) missing(p past) int32 {
	_, able := s.have(p.version)
	others := int32(0)
	for _, pod := range s.pods {
		if s.of(pod) != p.version && !ready(pod) {
			others++ // pods that don't work go first
		}
	}
	if able >= s.wanted || s.unavailable > 0 || others > 0 {
		return 0
	}
	return 1
}

// quotaBlocks: pods that go make room for those that come. What is there in the end must
// fit, and where none may go first there must be room for one more before.
func (s *sight) quotaBlocks(ctx context.Context, p past) (string, error) {
	need := s.missing(p)
	list, err := s.client.CoreV1().ResourceQuotas(s.meta.Namespace).List(ctx, metav1.ListOptions{})
	if apierrors.IsForbidden(err) && need == 0 {
		return "", nil // whoever granted rights before this was looked for hears of it from the controller
	}
	if err != nil {
		return "", explain("look for quotas", err)
	}
	for _, q := range list.Items {
		for name, one := range demand(p.template) {
			hard, limited := q.Status.Hard[name]
			if need == 0 || !limited {
				continue
			}
			used := q.Status.Used[name]
			if used.Add(one); used.Cmp(hard) > 0 {
				had := q.Status.Used[name]
				return fmt.Sprintf("quota %s has no room for one pod more: %s of %s %s are used, and maxUnavailable 0 lets no pod go first", q.Name, had.String(), hard.String(), name), nil
			}
		}
		if why := s.overfills(q, p, need); why != "" {
			return why, nil
		}
	}
	return "", nil
}

// overfills says that a quota can't have all pods of a release instead of those that are
// there, of which so many stay until the last one is ready; "" when it can, when it counts
// only some pods, or counts some that are just going.
func (s *sight) overfills(q corev1.ResourceQuota, p past, need int32) string {
	if len(q.Spec.Scopes) > 0 || q.Spec.ScopeSelector != nil || s.going > 0 {
		return ""
	}
	all, _ := s.have(p.version)
	for name, one := range demand(p.template) {
		hard, limited := q.Status.Hard[name]
		if !limited {
			continue
		}
		used := q.Status.Used[name]
		stay := need // of those that may not go before the last one is ready
		for _, pod := range s.pods {
			if s.of(pod) == p.version {
				continue
			}
			if stay--; stay < 0 {
				used.Sub(demand(corev1.PodTemplateSpec{Spec: pod.Spec})[name])
			}
		}
		for range max(0, s.wanted-all) {
			used.Add(one)
		}
		if used.Cmp(hard) > 0 {
			return fmt.Sprintf("quota %s has no room for all of its pods: with them %s of %s %s would be used", q.Name, used.String(), hard.String(), name)
		}
	}
	return ""
}

// demand is what one pod takes of a quota.
func demand(t corev1.PodTemplateSpec) corev1.ResourceList {
	out := corev1.ResourceList{corev1.ResourcePods: resource.MustParse("1")}
	add := func(prefix string, from corev1.ResourceList) {
		for name, q := range from {
			key := corev1.ResourceName(prefix) + name
			sum := out[key]
			sum.Add(q)
			out[key] = sum
		}
	}
	for _, c := range t.Spec.Containers {
		add("requests.", c.Resources.Requests)
		add("limits.", c.Resources.Limits)
		add("", c.Resources.Requests) // a quota may leave the prefix out
	}
	return out
}

// evicts reports whether pods must be asked to go, since their controller does not do it:
// it only changes pods that somebody deletes, or it waits for a pod to get ready first
// that never will.
func (s *sight) evicts() bool { return s.onDelete || s.ordered }

// budgetBlocks: an eviction asks the disruption budget, other ways of a pod's end don't.
func (s *sight) budgetBlocks(ctx context.Context) (string, error) {
	if !s.onDelete {
		return "", nil // only pods that are not ready are evicted, and Do says so if a budget keeps them
	}
	list, err := s.client.PolicyV1().PodDisruptionBudgets(s.meta.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", explain("look for disruption budgets", err)
	}
	for _, b := range list.Items {
		if matches(b.Spec.Selector, s.workload) && b.Status.ExpectedPods > 0 && b.Status.DisruptionsAllowed == 0 {
			return fmt.Sprintf("disruption budget %s lets no pod of %s go: %d of the %d that it demands are healthy", b.Name, s.workload, b.Status.CurrentHealthy, b.Status.DesiredHealthy), nil
		}
	}
	return "", nil
}
