// Package admission has a cluster itself keep held workloads from being deployed, by
// whomever, also while backout is away.
//
// Each hold on a workload is a ConfigMap in the workload's namespace. A
// ValidatingAdmissionPolicy of ours reads them as parameters and refuses a changed pod
// template that the hold keeps away: any, or one with the bad artifact. Policy, binding
// and ConfigMaps are there only while something is held. Two pass always: we ourselves,
// since taking back is a deployment too, and the groups that may break the glass.
//
// What a cluster can't know is decided towards letting through: a tag that differs from
// the bad one may stand for the same artifact, and an expression has no clock, so that a
// hold which ends while backout is away stays until it is back (or until `backout doctor
// --clean`).
package admission

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/remote/kubernetes"
)

// How what is ours is found again.
const (
	name      = "backout-holds" // of the policy and its binding
	manager   = "backout"
	heldLabel = "backout.dev/hold"
	ownLabel  = "app.kubernetes.io/managed-by"
)

// Held is a hold on a workload.
type Held struct {
	backout.Hold
	// Locator is CLUSTER/NAMESPACE/KIND/NAME, with the kind as in deployment.
	Locator string
}

// Keeper keeps what is held in one cluster. It may be used by several goroutines.
type Keeper struct {
	// Cluster is where; needed.
	Cluster *kubernetes.Cluster
	// Groups may deploy what is held.
	Groups []string

	mu   sync.Mutex
	user string // who we are there; guarded by mu
}

// Keep makes what the cluster keeps away be exactly what is held now. What can't be done
// of it is named, and the rest is done; done again it changes nothing.
func (k *Keeper) Keep(ctx context.Context, holds []Held) error {
	wanted, err := k.wanted(ctx, holds)
	if err != nil {
		return err
	}
	there, err := k.there(ctx)
	if err != nil {
		return err
	}
	var failed []error
	if len(wanted) > 0 {
		failed = append(failed, k.policy(ctx))
	}
	for key, w := range wanted {
		failed = append(failed, k.write(ctx, w, there[key]))
	}
	for key, was := range there {
		if _, still := wanted[key]; !still {
			failed = append(failed, k.remove(ctx, was))
		}
	}
	if len(wanted) == 0 {
		failed = append(failed, k.dismantle(ctx))
	}
	return errors.Join(failed...)
}

// Clear removes all that is ours from the cluster, whatever is held, and says how many
// holds that were.
func (k *Keeper) Clear(ctx context.Context) (int, error) {
	there, err := k.there(ctx)
	if err != nil {
		return 0, err
	}
	return len(there), k.Keep(ctx, nil)
}

// wanted are the holds as ConfigMaps, by namespace and name.
func (k *Keeper) wanted(ctx context.Context, holds []Held) (map[string]*corev1.ConfigMap, error) {
	out := map[string]*corev1.ConfigMap{}
	for _, h := range holds {
		parts := strings.Split(h.Locator, "/")
		if len(parts) != 4 || parts[0] != k.Cluster.Name {
			continue // another cluster's, or nothing that a cluster knows
		}
		me, err := k.me(ctx)
		if err != nil {
			return nil, err
		}
		m := k.configMap(h, parts[1], parts[2], parts[3], me)
		out[m.Namespace+"/"+m.Name] = m
	}
	return out, nil
}

func (k *Keeper) configMap(h Held, namespace, kind, workload, me string) *corev1.ConfigMap {
	until := "a person ends it"
	if !h.Until.IsZero() {
		until = h.Until.UTC().Format(time.RFC3339)
	}
	owner := nameOf(h.Owner)
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: fmt.Sprintf("backout-hold.%s.%s.%s", kind, workload, owner),
			Labels: map[string]string{heldLabel: "true", ownLabel: manager},
		},
		Data: map[string]string{
			"kind": kind, "name": workload, "component": string(h.Component), "owner": h.Owner, "reason": h.Reason, "until": until,
			"rule": string(h.Releases()), "version": string(h.BadTo), "digest": h.BadDigest, "user": me, "groups": strings.Join(k.Groups, ","),
		},
	}
}

// nameOf makes a name for an object out of an owner's: small letters, digits, '-'.
func nameOf(owner string) string {
	out := strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(owner)), "-")
	if out == "" {
		return "nobody"
	}
	return strings.Trim(out[:min(len(out), 40)], "-")
}

// me is who we are for the cluster.
func (k *Keeper) me(ctx context.Context) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.user != "" {
		return k.user, nil
	}
	r, err := k.Cluster.Client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("ask who we are: %w", k.Cluster.Explain(err))
	}
	k.user = r.Status.UserInfo.Username
	return k.user, nil
}

// there are the ConfigMaps of holds that the cluster has.
func (k *Keeper) there(ctx context.Context) (map[string]*corev1.ConfigMap, error) {
	all, err := k.Cluster.Client.CoreV1().ConfigMaps(metav1.NamespaceAll).List(ctx, metav1.ListOptions{LabelSelector: heldLabel + "=true," + ownLabel + "=" + manager})
	if err != nil {
		return nil, fmt.Errorf("list holds in the cluster: %w", k.Cluster.Explain(err))
	}
	out := map[string]*corev1.ConfigMap{}
	for i := range all.Items {
		m := &all.Items[i]
		out[m.Namespace+"/"+m.Name] = m
	}
	return out, nil
}

func (k *Keeper) write(ctx context.Context, m, was *corev1.ConfigMap) error {
	maps := k.Cluster.Client.CoreV1().ConfigMaps(m.Namespace)
	var err error
	switch {
	case was == nil:
		_, err = maps.Create(ctx, m, metav1.CreateOptions{FieldManager: manager})
	case !equality.Semantic.DeepEqual(was.Data, m.Data):
		m.ResourceVersion = was.ResourceVersion
		_, err = maps.Update(ctx, m, metav1.UpdateOptions{FieldManager: manager})
	}
	if err != nil && !apierrors.IsAlreadyExists(err) && !apierrors.IsConflict(err) { // another replica was faster
		return fmt.Errorf("hold %s in %s: %w", m.Data["name"], m.Namespace, k.Cluster.Explain(err))
	}
	return nil
}

func (k *Keeper) remove(ctx context.Context, m *corev1.ConfigMap) error {
	err := k.Cluster.Client.CoreV1().ConfigMaps(m.Namespace).Delete(ctx, m.Name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("end hold of %s in %s: %w", m.Data["name"], m.Namespace, k.Cluster.Explain(err))
	}
	return nil
}

// Rights are what the keeper needs to be allowed, as verb and resource.
func Rights() [][2]string {
	var out [][2]string
	for resource, verbs := range map[string]string{
		"configmaps": "get list create update delete", "validatingadmissionpolicies": "get create update delete", "validatingadmissionpolicybindings": "get create update delete",
	} {
		for verb := range strings.FieldsSeq(verbs) {
			out = append(out, [2]string{verb, resource})
		}
	}
	slices.SortFunc(out, func(a, b [2]string) int { return strings.Compare(a[1]+a[0], b[1]+b[0]) })
	return out
}
