package admission

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/backout-dev/backout"
)

// policy is the policy that keeps holds; me is who we are.
func (k *Keeper) policy(holds []Held, me string) *admissionv1.ValidatingAdmissionPolicy {
	fail := admissionv1.Fail
	return &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app.kubernetes.io/managed-by": manager}},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
				Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update},
				Rule:       admissionv1.Rule{APIGroups: []string{"apps"}, APIVersions: []string{"v1"}, Resources: []string{"deployments", "statefulsets", "daemonsets"}},
			}}}},
			FailurePolicy: &fail,
			Variables: []admissionv1.Variable{
				// We take something back, or somebody breaks the glass.
				{Name: "allowed", Expression: fmt.Sprintf("request.userInfo.username == %s || (has(request.userInfo.groups) && request.userInfo.groups.exists(g, g in %s))", literal(me), list(k.Groups))},
				// Something else would run than now: scaling and labels are no deployment.
				{Name: "deploys", Expression: "oldObject == null || object.spec.template.spec != oldObject.spec.template.spec"},
				{Name: "images", Expression: "object.spec.template.spec.containers.map(c, c.image) + (has(object.spec.template.spec.initContainers) ? object.spec.template.spec.initContainers.map(c, c.image) : [])"},
			},
			Validations: k.rules(holds),
		},
	}
}

// rules are one for each hold, in an order of their own.
func (k *Keeper) rules(holds []Held) []admissionv1.Validation {
	forbidden := metav1.StatusReasonForbidden
	var out []admissionv1.Validation
	for _, h := range holds {
		w, _ := k.workload(h)
		out = append(out, admissionv1.Validation{
			Expression: fmt.Sprintf("request.namespace != %s || request.kind.kind != %s || object.metadata.name != %s || variables.allowed || !variables.deploys || !(%s)",
				literal(w.namespace), literal(w.kind), literal(w.name), bad(h.Hold)),
			Message: told(h.Hold), Reason: &forbidden,
		})
	}
	slices.SortFunc(out, func(a, b admissionv1.Validation) int {
		return strings.Compare(a.Expression+a.Message, b.Expression+b.Message)
	})
	return out
}

// bad says of variables.images that they are what a hold keeps away.
func bad(h backout.Hold) string {
	if h.Releases() == backout.ReleasePerson {
		return "true"
	}
	var is []string
	if h.BadDigest != "" {
		is = append(is, "i.endsWith("+literal("@"+h.BadDigest)+")")
	}
	if h.BadTo != "" {
		is = append(is, "i.endsWith("+literal(":"+string(h.BadTo))+")", "i.contains("+literal(":"+string(h.BadTo)+"@")+")")
	}
	return "variables.images.exists(i, " + strings.Join(is, " || ") + ")"
}

// told is what whoever is refused reads. The cluster wants it on one line.
func told(h backout.Hold) string {
	until := "a person ends it"
	if !h.Until.IsZero() {
		until = h.Until.UTC().Format(time.RFC3339)
	}
	what := "Nothing is deployed to it meanwhile"
	if h.Releases() != backout.ReleasePerson {
		version := string(h.BadTo)
		if version == "" {
			version = h.BadDigest
		}
		what = "What would run was bad (" + version + "); another version passes"
	}
	s := fmt.Sprintf("%s is held by %s until %s: %s. %s. To end the hold: backout hold release %s", h.Component, h.Owner, until, h.Reason, what, h.Component)
	return strings.Join(strings.Fields(s), " ")
}

// literal is a text in CEL, whose escapes are Go's.
func literal(s string) string { return strconv.QuoteToASCII(s) }

func list(all []string) string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = literal(s)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// apply has the policy and its binding be there. Another replica may be faster.
func (k *Keeper) apply(ctx context.Context, p *admissionv1.ValidatingAdmissionPolicy) error {
	api := k.Cluster.Client.AdmissionregistrationV1()
	was, err := api.ValidatingAdmissionPolicies().Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		_, err = api.ValidatingAdmissionPolicies().Create(ctx, p, metav1.CreateOptions{FieldManager: manager})
	case err == nil && (!equality.Semantic.DeepEqual(was.Spec.Variables, p.Spec.Variables) || !equality.Semantic.DeepEqual(was.Spec.Validations, p.Spec.Validations)):
		was.Spec = p.Spec
		_, err = api.ValidatingAdmissionPolicies().Update(ctx, was, metav1.UpdateOptions{FieldManager: manager})
	}
	if err == nil {
		_, err = api.ValidatingAdmissionPolicyBindings().Get(ctx, name, metav1.GetOptions{})
	}
	if apierrors.IsNotFound(err) {
		_, err = api.ValidatingAdmissionPolicyBindings().Create(ctx, &admissionv1.ValidatingAdmissionPolicyBinding{
			ObjectMeta: p.ObjectMeta,
			Spec:       admissionv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny}},
		}, metav1.CreateOptions{FieldManager: manager})
	}
	if err != nil {
		return fmt.Errorf("have the cluster refuse what is held: %w", k.Cluster.Explain(err))
	}
	return nil
}

// dismantle removes the policy and its binding.
func (k *Keeper) dismantle(ctx context.Context) error {
	api := k.Cluster.Client.AdmissionregistrationV1()
	_, err := api.ValidatingAdmissionPolicies().Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil // it is the last to go
	}
	if err == nil {
		err = api.ValidatingAdmissionPolicyBindings().Delete(ctx, name, metav1.DeleteOptions{})
	}
	if err == nil || apierrors.IsNotFound(err) {
		err = api.ValidatingAdmissionPolicies().Delete(ctx, name, metav1.DeleteOptions{})
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("remove the policy of holds: %w", k.Cluster.Explain(err))
	}
	return nil
}
