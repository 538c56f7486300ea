package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/backout-dev/backout"
)

// pulls are reasons of a waiting container that has no image.
var pulls = []string{"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull"}

// unstartable reports whether pods of the release asked for wait for an image that nobody
// gives them.
func (s *sight) unstartable() bool {
	return slices.ContainsFunc(s.pods, func(p corev1.Pod) bool {
		return s.of(p) == s.asked && slices.ContainsFunc(slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses), func(c corev1.ContainerStatus) bool {
			return c.State.Waiting != nil && slices.Contains(pulls, c.State.Waiting.Reason)
		})
	})
}

// takeBack undoes our own write of a release that can't start since its image is gone, so
// that the workload is where it was: half of it would stay without pods for good, and
// what pulls the old image would have none to fall back to when a node goes. It is done
// only while what stands there is what this effect has put there, and only to workloads
// that are moved whole: of one that has stages, earlier effects have their share. It
// gives why as it is where nothing is taken back.
func (m *move) takeBack(ctx context.Context, why error) (backout.Outcome, error) {
	if ctx.Err() != nil {
		return backout.OutcomeUnknown, why // we are asked to end: whoever comes next sees the same
	}
	s, err := m.a.look(ctx, m.e.Component)
	if err != nil || s.parts || !m.there(s) || s.meta.Annotations[EffectNote] != m.e.Key || !s.unstartable() {
		return backout.OutcomeUnknown, why
	}
	p, ok := find(s.releases, m.e.From)
	if !ok {
		return backout.OutcomeUnknown, why
	}
	e := m.e
	e.Key, e.From, e.To, e.IfVersion = e.Key+"/undone", e.To, e.From, ""
	back := &move{m.a, e}
	out, err := back.begin(ctx, s, p)
	if out == backout.OutcomeDone {
		out, err = back.arrive(ctx)
	}
	if out != backout.OutcomeDone {
		return backout.OutcomeUnknown, errors.Join(why, fmt.Errorf("take it back to %s: %w", e.To, err))
	}
	return backout.OutcomeNotDone, &backout.Error{Code: backout.CodeNotFound, Message: fmt.Sprintf("the image of %s can't be had, and it was taken back to %s", m.e.To, e.To), Err: why}
}
