// Package admission has a cluster itself keep held workloads from being deployed, by
// whomever, also while backout is away.
//
// One ValidatingAdmissionPolicy of ours has a rule for each held workload: it refuses a
// changed pod spec that the hold keeps away, any or one with the bad artifact. It is there
// only while something is held. Two pass always: we ourselves, since taking back is a
// deployment too, and the groups that may break the glass.
//
// The holds stand in the policy itself and are no parameters of it: an API server that has
// seen the last policy with ConfigMaps for parameters go does not read them for the next
// one (1.37).
//
// What a cluster can't know is decided towards letting through: a tag that differs from
// the bad one may stand for the same artifact, and an expression has no clock, so that a
// hold which ends while backout is away stays until it is back (or until `backout doctor
// --clean`).
package admission

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/remote/kubernetes"
)

// name is that of the policy and of its binding, manager who wrote them.
const (
	name    = "backout-holds"
	manager = "backout"
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

// Keep makes what the cluster keeps away be exactly what is held now. Done again it
// changes nothing.
func (k *Keeper) Keep(ctx context.Context, holds []Held) error {
	holds = slices.DeleteFunc(slices.Clone(holds), func(h Held) bool {
		_, ours := k.workload(h)
		return !ours
	})
	if len(holds) == 0 {
		return k.dismantle(ctx)
	}
	me, err := k.me(ctx)
	if err != nil {
		return err
	}
	return k.apply(ctx, k.policy(holds, me))
}

// Count says how many holds of ours stand in the cluster.
func (k *Keeper) Count(ctx context.Context) (int, error) {
	was, err := k.Cluster.Client.AdmissionregistrationV1().ValidatingAdmissionPolicies().Get(ctx, name, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return 0, fmt.Errorf("look for holds in the cluster: %w", k.Cluster.Explain(err))
	}
	return len(was.Spec.Validations), nil
}

// Clear removes what is ours from the cluster, whatever is held, and says how many holds
// that were.
func (k *Keeper) Clear(ctx context.Context) (int, error) {
	n, err := k.Count(ctx)
	if err != nil {
		return 0, err
	}
	return n, k.dismantle(ctx)
}

// workload is what of this cluster is held.
type workload struct{ namespace, kind, name string }

// workload takes a hold's locator apart; false where it is another cluster's, or nothing
// that a cluster deploys.
func (k *Keeper) workload(h Held) (workload, bool) {
	parts := strings.Split(h.Locator, "/")
	if len(parts) != 4 || parts[0] != k.Cluster.Name || kinds[parts[2]] == "" {
		return workload{}, false
	}
	return workload{parts[1], kinds[parts[2]], parts[3]}, true
}

// kinds are the workloads' kinds, as locators have them and as the cluster does.
var kinds = map[string]string{"deployment": "Deployment", "statefulset": "StatefulSet", "daemonset": "DaemonSet"}

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
