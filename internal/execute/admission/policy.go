package admission

import (
	"context"
	"fmt"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// expressions are the policy's variables, in CEL, and what each means. params is one
// hold's ConfigMap.
var expressions = []admissionv1.Variable{
	// This workload is the one that is held.
	{Name: "held", Expression: `params.data.name == object.metadata.name && params.data.kind == request.kind.kind.lowerAscii()`},
	// We take something back, or somebody breaks the glass.
	{Name: "allowed", Expression: `request.userInfo.username == params.data.user || (params.data.groups != '' && has(request.userInfo.groups) && request.userInfo.groups.exists(g, g in params.data.groups.split(',')))`},
	// Something else would run than now: scaling and labels are no deployment.
	{Name: "deploys", Expression: `oldObject == null || object.spec.template.spec != oldObject.spec.template.spec`},
	{Name: "images", Expression: `object.spec.template.spec.containers.map(c, c.image) + (has(object.spec.template.spec.initContainers) ? object.spec.template.spec.initContainers.map(c, c.image) : [])`},
	// It is the bad artifact, or the hold names none and keeps all away.
	{Name: "bad", Expression: `params.data.rule == 'person' || variables.images.exists(i, (params.data.digest != '' && i.endsWith('@' + params.data.digest)) || (params.data.version != '' && (i.endsWith(':' + params.data.version) || i.contains(':' + params.data.version + '@'))))`},
}

const (
	valid   = `!variables.held || variables.allowed || !variables.deploys || !variables.bad`
	message = `params.data.component + ' is held by ' + params.data.owner + ' until ' + params.data.until + ': ' + params.data.reason + '. ' + (params.data.rule == 'person' ? 'Nothing is deployed to it meanwhile' : 'What would run was bad (' + (params.data.version != '' ? params.data.version : params.data.digest) + '); another version passes') + '. To end the hold: backout hold release ' + params.data.component`
)

// policies are the policy and its binding as they must be.
func policies() (*admissionv1.ValidatingAdmissionPolicy, *admissionv1.ValidatingAdmissionPolicyBinding) {
	fail, forbidden, allow := admissionv1.Fail, metav1.StatusReasonForbidden, admissionv1.AllowAction
	meta := metav1.ObjectMeta{Name: name, Labels: map[string]string{ownLabel: manager}}
	return &admissionv1.ValidatingAdmissionPolicy{
			ObjectMeta: meta,
			Spec: admissionv1.ValidatingAdmissionPolicySpec{
				ParamKind: &admissionv1.ParamKind{APIVersion: "v1", Kind: "ConfigMap"},
				MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update},
					Rule:       admissionv1.Rule{APIGroups: []string{"apps"}, APIVersions: []string{"v1"}, Resources: []string{"deployments", "statefulsets", "daemonsets"}},
				}}}},
				FailurePolicy: &fail,
				Variables:     expressions,
				Validations:   []admissionv1.Validation{{Expression: valid, MessageExpression: message, Reason: &forbidden}},
			},
		}, &admissionv1.ValidatingAdmissionPolicyBinding{
			ObjectMeta: meta,
			Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
				PolicyName:        name,
				ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
				ParamRef: &admissionv1.ParamRef{
					Selector:                &metav1.LabelSelector{MatchLabels: map[string]string{heldLabel: "true", ownLabel: manager}},
					ParameterNotFoundAction: &allow,
				},
			},
		}
}

// policy has the policy and its binding be there, as this version of backout wants them.
func (k *Keeper) policy(ctx context.Context) error {
	p, b := policies()
	api := k.Cluster.Client.AdmissionregistrationV1()
	was, err := api.ValidatingAdmissionPolicies().Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		_, err = api.ValidatingAdmissionPolicies().Create(ctx, p, metav1.CreateOptions{FieldManager: manager})
	case err == nil && !(equality.Semantic.DeepEqual(was.Spec.Variables, p.Spec.Variables) && equality.Semantic.DeepEqual(was.Spec.Validations, p.Spec.Validations)):
		was.Spec = p.Spec
		_, err = api.ValidatingAdmissionPolicies().Update(ctx, was, metav1.UpdateOptions{FieldManager: manager})
	}
	if err == nil || apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err) {
		_, err = api.ValidatingAdmissionPolicyBindings().Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			_, err = api.ValidatingAdmissionPolicyBindings().Create(ctx, b, metav1.CreateOptions{FieldManager: manager})
		}
	}
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("have the cluster refuse what is held: %w", k.Cluster.Explain(err))
	}
	return nil
}

// dismantle removes the policy and its binding.
func (k *Keeper) dismantle(ctx context.Context) error {
	api := k.Cluster.Client.AdmissionregistrationV1()
	for _, remove := range []func() error{
		func() error {
			return api.ValidatingAdmissionPolicyBindings().Delete(ctx, name, metav1.DeleteOptions{})
		},
		func() error {
			return api.ValidatingAdmissionPolicies().Delete(ctx, name, metav1.DeleteOptions{})
		},
	} {
		if err := remove(); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("remove the policy of holds: %w", k.Cluster.Explain(err))
		}
	}
	return nil
}
