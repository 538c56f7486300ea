package kubernetes

import (
	"context"
	"fmt"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/backout-dev/backout"
)

// right is one thing that we must be allowed to do. deploy/kubernetes grants these and
// no others.
// A name of "" means any object of that resource.
type right struct{ verb, group, resource, sub, name string }

func (r right) String() string {
	return r.verb + " " + strings.TrimSuffix(r.resource+"/"+r.sub, "/")
}

// needs lists what moving a workload takes, as far as it writes. Reading was tried
// already when they are asked for.
func (s *sight) needs() []right {
	out := []right{{"patch", "apps", s.kind.resource(), "", s.meta.Name}}
	if s.evicts() {
		out = append(out, right{"create", "", "pods", "eviction", ""})
	}
	if s.scaler != nil && s.scaler.ours() {
		out = append(out, right{"patch", "autoscaling", "horizontalpodautoscalers", "", s.scaler.object.Name}, right{"patch", "apps", s.kind.resource(), "scale", s.meta.Name})
	}
	return out
}

// denied lists the rights that we lack, by asking the API server, which answers for
// whoever asks and for whatever authorizes.
func denied(ctx context.Context, c kubernetes.Interface, ns string, needs []right) ([]string, error) {
	var out []string
	for _, r := range needs {
		yes, err := may(ctx, c, ns, r)
		if err != nil {
			return nil, explain("ask what we may do", err)
		}
		if !yes {
			out = append(out, r.String())
		}
	}
	return out, nil
}

// may asks for one right. In a [Moment] of many workloads it asks first for all of a
// namespace at once, which is how rights are mostly granted.
func may(ctx context.Context, c kubernetes.Interface, ns string, r right) (bool, error) {
	type asked struct {
		in    kubernetes.Interface
		ns    string
		right right
	}
	if _, many := ctx.Value(moment{}).(*answers); many && r.name != "" {
		all := r
		all.name = ""
		if yes, err := may(ctx, c, ns, all); err != nil || yes {
			return yes, err
		}
	}
	return once(ctx, asked{c, ns, r}, func() (bool, error) {
		ask := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: ns, Verb: r.verb, Group: r.group, Resource: r.resource, Subresource: r.sub, Name: r.name,
		}}}
		said, err := c.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, ask, metav1.CreateOptions{})
		return err == nil && said.Status.Allowed, err
	})
}

// allowed fails when a right is missing, before anything is touched.
func allowed(ctx context.Context, c kubernetes.Interface, ns string, needs []right) error {
	lack, err := denied(ctx, c, ns, needs)
	if err != nil {
		return err
	}
	if len(lack) > 0 {
		return &backout.Error{Code: backout.CodeForbidden, Message: fmt.Sprintf("in namespace %s we may not %s: grant it as deploy/kubernetes has it", ns, strings.Join(lack, ", "))}
	}
	return nil
}

func (s *sight) allowed(ctx context.Context) error {
	return allowed(ctx, s.client, s.meta.Namespace, s.needs())
}
