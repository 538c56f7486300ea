package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/backout-dev/backout"
)

// tries is how often a write is repeated that only met a controller's word on the state
// of the workload, while what it shall be had not moved.
const tries = 10

// Do brings a workload to a release: all of its pods, or a share of them where the kind
// can be held there. What is written already is waited for and not written again. It
// answers done when every pod is there and ready. A release whose image can't be had is
// taken back, and the answer is not done.
func (a *Actuator) Do(ctx context.Context, e backout.Effect) (backout.Outcome, error) {
	if isConfig(e.Component) {
		out, err := a.doConfig(ctx, e)
		if err != nil {
			err = fmt.Errorf("move %s: %w", e.Component.ID, err)
		}
		return out, err
	}
	s, err := a.look(ctx, e.Component)
	if err != nil {
		return backout.OutcomeNotDone, fmt.Errorf("move %s: %w", e.Component.ID, err)
	}
	m := &move{a: a, e: e}
	p, err := m.aim(s)
	if err != nil {
		return backout.OutcomeNotDone, fmt.Errorf("move %s: %w", e.Component.ID, err)
	}
	out := backout.OutcomeDone
	if !m.there(s) {
		out, err = m.begin(ctx, s, p)
	}
	if out == backout.OutcomeDone {
		if out, err = m.arrive(ctx); out == backout.OutcomeUnknown {
			out, err = m.takeBack(ctx, err)
		}
	}
	if free := m.release(ctx); free != nil {
		err = errors.Join(err, free)
		if out == backout.OutcomeDone {
			out = backout.OutcomeUnknown // pinned capacity is not the end that was asked for
		}
	}
	if err != nil {
		return out, fmt.Errorf("move %s: %w", e.Component.ID, err)
	}
	return out, nil
}

// move is one effect under way.
type move struct {
	a *Actuator
	e backout.Effect
}

// aim finds the release that an effect means, and refuses what can't be.
func (m *move) aim(s *sight) (past, error) {
	e := m.e
	if e.Audience != "" || !(e.Share > 0 && e.Share <= 1) {
		return past{}, invalid("share %v, audience %q: expected a share of the pods", e.Share, e.Audience)
	}
	if shares := s.kind.shares(s.workload); e.Share < 1 && len(shares) == 1 {
		return past{}, invalid("%s can't be held at a share of %v: it is moved whole", s.workload, e.Share)
	}
	p, ok := find(s.releases, e.To)
	if !ok {
		return past{}, &backout.Error{Code: backout.CodeNotFound, Message: fmt.Sprintf("%s does not keep %s any more", s.workload, e.To)}
	}
	return p, nil
}

// there reports whether a workload asks for what the effect wants, or for more.
func (m *move) there(s *sight) bool {
	return s.asked == m.e.To && s.partition <= s.wanted-s.share(m.e.Share)
}

// begin looks whether the effect may be, sees to capacity, and writes.
func (m *move) begin(ctx context.Context, s *sight, p past) (backout.Outcome, error) {
	if m.e.IfVersion != "" && m.e.IfVersion != s.print {
		return backout.OutcomeNotDone, moved(s)
	}
	todo, err := m.may(ctx, s, &p)
	if err != nil {
		return backout.OutcomeNotDone, err
	}
	if n := s.floor(p); n > 0 {
		if err := s.hold(ctx, m.e, n); err != nil {
			return refusal("see to capacity", err)
		}
		if err := m.await(ctx, s, n); err != nil {
			return backout.OutcomeNotDone, err
		}
	}
	undo, err := s.restore(ctx, m.e, todo)
	if err != nil {
		out, err := refusal("put back what "+string(p.version)+" ran with", err)
		return out, errors.Join(err, undo())
	}
	out, err := m.write(ctx, s, p)
	if out == backout.OutcomeNotDone {
		err = errors.Join(err, undo())
	}
	return out, err
}

// write writes the release, again and again while only how the workload is has moved and
// not what it shall be.
func (m *move) write(ctx context.Context, s *sight, p past) (backout.Outcome, error) {
	for range tries {
		now, err := m.a.look(ctx, m.e.Component)
		if err != nil {
			return backout.OutcomeNotDone, err
		}
		if now.print != s.print {
			return backout.OutcomeNotDone, moved(now)
		}
		err = now.write(ctx, m.e.Key, p, now.share(m.e.Share))
		if err == nil {
			return backout.OutcomeDone, nil
		}
		if !apierrors.IsConflict(err) {
			return refusal("write "+s.String(), err)
		}
	}
	return backout.OutcomeNotDone, &backout.Error{Code: backout.CodeUnavailable, Message: fmt.Sprintf("%s changes faster than it can be written", s.workload)}
}

// may refuses, before anything is touched, what we may not do and what can't work. It
// gives what is put back together with the release.
func (m *move) may(ctx context.Context, s *sight, p *past) ([]restoration, error) {
	if why := m.a.kept(&s.meta); why != "" {
		return nil, &backout.Error{Code: backout.CodeForbidden, Message: fmt.Sprintf("%s is observed only: %s writes it", s.workload, why)}
	}
	if err := s.allowed(ctx); err != nil {
		return nil, err
	}
	todo, _, err := m.a.belongs(ctx, s, m.e.Component, p)
	if err != nil {
		return nil, err
	}
	why, err := s.hinders(ctx, *p, todo)
	if err == nil && why != "" {
		err = &backout.Error{Code: backout.CodeForbidden, Message: why}
	}
	return todo, err
}

// moved says that somebody else has written a workload.
func moved(s *sight) error {
	return &backout.Error{Code: backout.CodeConflict, Message: fmt.Sprintf("%s was written meanwhile by %s, and asks for %s", s.workload, lastWriter(&s.meta, "spec"), s.asked)}
}

// await waits until so many pods are ready, whatever they are made from: the load is on
// them while the others start. Where pods don't get ready now, more of them would not
// either, and nothing is waited for.
func (m *move) await(ctx context.Context, s *sight, n int32) error {
	if !s.settled || n <= s.wanted {
		return nil
	}
	wait, cancel := context.WithTimeout(ctx, m.a.config.Capacity)
	defer cancel()
	for {
		now, err := m.a.look(wait, m.e.Component)
		if err == nil {
			if now.print != s.print {
				return moved(now)
			}
			able := int32(0)
			for _, p := range now.pods {
				if ready(p) {
					able++
				}
			}
			if able >= n {
				return nil
			}
		}
		if !pause(wait, m.a.config.Tick) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return &backout.Error{Code: backout.CodeForbidden, Message: fmt.Sprintf("capacity: %s did not get to %d ready pods within %s", s.workload, n, m.a.config.Capacity)}
		}
	}
}

// arrive waits until the controllers have done what was written.
func (m *move) arrive(ctx context.Context) (backout.Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, m.a.config.Patience)
	defer cancel()
	last, kept, late, cause := "it could not be seen", "", time.Time{}, &cause{began: time.Now(), each: 5 * m.a.config.Tick}
	for {
		s, err := m.a.look(ctx, m.e.Component)
		switch {
		case backout.CodeOf(err) == backout.CodeNotFound && ctx.Err() == nil:
			return backout.OutcomeUnknown, err
		case err != nil:
			// Away for a moment, or out of time. No right to look is the same: an API server
			// that has just started knows of no rights yet.
			if ctx.Err() == nil {
				last = err.Error()
			}
		case !m.there(s):
			return backout.OutcomeNotDone, moved(s)
		case m.arrived(s):
			return backout.OutcomeDone, nil
		default:
			last = s.describe()
			if why := cause.of(ctx, s); why != "" {
				last += ": " + why
			}
			if kept, err = m.makeWay(ctx, s); err != nil && ctx.Err() == nil {
				return backout.OutcomeUnknown, err
			}
			if !s.late {
				late = time.Time{}
			} else if late.IsZero() {
				late = time.Now()
			}
			// What the controller gave up may be the release before: its word on that stands
			// for a moment after ours was seen.
			if !late.IsZero() && time.Since(late) > max(2*time.Second, 3*m.a.config.Tick) {
				return backout.OutcomeUnknown, &backout.Error{Code: backout.CodeInternal, Message: last}
			}
		}
		if !pause(ctx, m.a.config.Tick) {
			return backout.OutcomeUnknown, fmt.Errorf("%s: %w", strings.TrimSpace(last+" "+kept), ctx.Err())
		}
	}
}

// arrived reports whether everything is there: the pods of the release, and no other
// pod that should not be.
func (m *move) arrived(s *sight) bool {
	_, able := s.have(m.e.To)
	return s.settled && able >= s.share(m.e.Share) && !slices.ContainsFunc(s.pods, func(p corev1.Pod) bool { return !ready(p) })
}

// makeWay asks a pod to go that keeps the release from coming and that no controller
// takes away: one at a time, the highest ordinal first, as a disruption budget allows.
// What it gives is why a pod stays.
func (m *move) makeWay(ctx context.Context, s *sight) (string, error) {
	if !s.seen || !s.evicts() {
		return "", nil
	}
	p, ok := m.inTheWay(s)
	if !ok {
		return "", nil
	}
	switch err := evict(ctx, s.client, p); {
	case err == nil, apierrors.IsNotFound(err), apierrors.IsConflict(err):
		return "", nil
	case apierrors.IsTooManyRequests(err):
		return fmt.Sprintf("pod %s stays: %v", p.Name, err), nil
	default:
		return "", explain("ask pod "+p.Name+" to go", err)
	}
}

// evict asks a pod to go, and no other that has its name by then.
func evict(ctx context.Context, c kubernetes.Interface, p corev1.Pod) error {
	return c.CoreV1().Pods(p.Namespace).EvictV1(ctx, &policyv1.Eviction{
		ObjectMeta: metav1.ObjectMeta{Name: p.Name, Namespace: p.Namespace}, DeleteOptions: &metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(p.UID))},
	})
}

// inTheWay picks the pod. One that is ready goes only where nobody else replaces it, and
// only while all others are ready.
func (m *move) inTheWay(s *sight) (corev1.Pod, bool) {
	all, _ := s.have(m.e.To)
	unwell := slices.ContainsFunc(s.pods, func(p corev1.Pod) bool { return !ready(p) })
	for i := len(s.pods) - 1; i >= 0; i-- {
		p := s.pods[i]
		if s.of(p) == m.e.To || !s.onDelete && s.ordinal(p) < s.partition {
			continue
		}
		if !ready(p) || s.onDelete && !unwell && int32(len(s.pods)) >= s.wanted && all < s.share(m.e.Share) {
			return p, true
		}
	}
	return corev1.Pod{}, false
}

// release gives pinned capacity back, also when the time is over: a minimum that nobody
// gives back would stay for good.
func (m *move) release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	at, err := parseLocator(m.e.Component)
	if err != nil {
		return err
	}
	client := m.a.config.Clusters[at.cluster]
	w, err := kinds[at.kind].read(ctx, client, at.namespace, at.name)
	if err != nil {
		return explain("give capacity back", err)
	}
	return (&sight{workload: w, client: client}).unpin(ctx, m.e)
}

// pause waits; false when the time is over.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return ctx.Err() == nil
	}
}
