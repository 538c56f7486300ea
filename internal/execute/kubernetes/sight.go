package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"

	"github.com/backout-dev/backout"
)

// sight is one workload with all that is needed to judge it.
type sight struct {
	*workload
	client   kubernetes.Interface
	asked    backout.Version // the release that the spec asks for
	releases []past
	pods     []corev1.Pod
	going    int         // pods that were asked to go and are still there
	scaler   *autoscaler // nil = it has none
}

// look reads a workload, once in a [Moment].
func (a *Actuator) look(ctx context.Context, c backout.Component) (*sight, error) {
	type looked struct{ locator string }
	return once(ctx, looked{c.Locator}, func() (*sight, error) { return a.read(ctx, c) })
}

func (a *Actuator) read(ctx context.Context, c backout.Component) (*sight, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	at, err := parseLocator(c)
	if err != nil {
		return nil, err
	}
	k, ok := kinds[at.kind]
	if !ok {
		return nil, invalid("%s: locator %q: expected a deployment, statefulset, daemonset or configmap", c.ID, c.Locator)
	}
	client, ok := a.config.Clusters[at.cluster]
	if !ok {
		return nil, invalid("%s: locator %q: no cluster is called %q", c.ID, c.Locator, at.cluster)
	}
	s := &sight{client: client}
	if s.workload, err = k.read(ctx, client, at.namespace, at.name); err != nil {
		return nil, explain(fmt.Sprintf("read %s %s/%s", at.kind, at.namespace, at.name), err)
	}
	if s.releases, err = k.history(ctx, client, s.workload); err != nil {
		return nil, explain("look for its releases", err)
	}
	s.name(a.config.Names(c))
	if s.pods, s.going, err = listPods(ctx, client, s.workload); err != nil {
		return nil, explain("look at its pods", err)
	}
	if s.scaler, err = readAutoscaler(ctx, client, s.workload); err != nil {
		return nil, explain("look for its autoscaler", err)
	}
	return s, nil
}

// name gives the releases their names: those by which they are known already, the others
// by what they are made from. What the spec asks for is one of them, or one that the
// controller has not noted yet.
func (s *sight) name(known map[string]backout.Version) {
	called(s.releases)
	s.asked = backout.Version(tag(s.template)) + "+new"
	found := false
	for i := range s.releases {
		r := &s.releases[i]
		if v, ok := known[r.name]; ok {
			r.version = v
		}
		if !found && sameness(r.template) == sameness(s.template) {
			s.asked, found = r.version, true
		}
	}
}

// explain gives an error of the API a code: gone is not found, no right is forbidden,
// anything else means that it can't be seen now.
func explain(deed string, err error) error {
	code := backout.CodeUnavailable
	switch {
	case backout.CodeOf(err) == backout.CodeInvalid:
		code = backout.CodeInvalid
	case apierrors.IsNotFound(err):
		code = backout.CodeNotFound
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		code = backout.CodeForbidden
	}
	return &backout.Error{Code: code, Message: deed, Err: err}
}

// of is the release that a pod is made from; "" when the cluster does not have it any more.
func (s *sight) of(p corev1.Pod) backout.Version {
	i := slices.IndexFunc(s.releases, func(r past) bool { return r.hash != "" && r.hash == p.Labels[s.hashKey] })
	if i < 0 {
		return ""
	}
	return s.releases[i].version
}

// have counts a version's pods, and those that are ready.
func (s *sight) have(v backout.Version) (all, able int32) {
	for _, p := range s.pods {
		if s.of(p) == v {
			all++
			if ready(p) {
				able++
			}
		}
	}
	return all, able
}

// pending counts what is under way and not to be seen in pods: the release that the
// workload asks for while no pod has it, and capacity that is still pinned.
func (s *sight) pending() (n int32) {
	if all, _ := s.have(s.asked); all == 0 && s.partition < s.wanted {
		n++
	}
	if s.scaler != nil && s.scaler.note != nil {
		n++
	}
	return n
}

// live gives each release the share of the wanted pods that are made from it and ready.
// Of a workload that wants none everything is as the spec has it.
func (s *sight) live(at time.Time) backout.Live {
	out := backout.Live{Shares: map[backout.Version]float64{}, At: at}
	pending := s.pending()
	if s.wanted == 0 && len(s.pods) == 0 {
		out.Shares[s.asked], out.Healthy = 1, s.seen
		return out
	}
	of := float64(max(int32(len(s.pods)), s.wanted) + pending)
	healthy := s.settled && pending == 0
	counts := map[backout.Version]int{s.asked: 0}
	for _, p := range s.pods {
		v := s.of(p)
		if ready(p) {
			counts[v]++
		} else {
			counts[v] += 0
			healthy = false
		}
	}
	for v, n := range counts {
		if v != "" {
			out.Shares[v] = float64(n) / of
		}
	}
	out.Healthy = healthy
	return out
}

// stuck says why pods of the release asked for don't get ready; "" when nothing is known
// to be wrong.
func (s *sight) stuck() string {
	var why []string
	if s.trouble != "" {
		why = append(why, s.trouble)
	}
	for _, p := range s.pods {
		if ready(p) || s.of(p) != s.asked {
			continue
		}
		if w := podTrouble(p); w != "" && !slices.Contains(why, w) {
			why = append(why, w)
		}
	}
	if s.late {
		why = append(why, "ProgressDeadlineExceeded")
	}
	return strings.Join(why, "; ")
}

// waits are reasons of a waiting container that time alone does not mend.
var waits = []string{"CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError", "CreateContainerError", "RunContainerError"}

func podTrouble(p corev1.Pod) string {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			return "Unschedulable: " + c.Message
		}
	}
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if w := c.State.Waiting; w != nil && slices.Contains(waits, w.Reason) {
			return fmt.Sprintf("%s of %s (%s)", w.Reason, c.Image, w.Message)
		}
	}
	return ""
}

// describe says in words where a workload is.
func (s *sight) describe() string {
	all, able := s.have(s.asked)
	out := fmt.Sprintf("%s asks for %s and has %d of %d pods of it ready", s.workload, s.asked, able, s.wanted)
	if extra := int32(len(s.pods)) - all; extra > 0 {
		out += fmt.Sprintf(", %d of other releases", extra)
	}
	if why := s.stuck(); why != "" {
		out += ": " + why
	}
	return out
}
