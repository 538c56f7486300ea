package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
	remote "github.com/backout-dev/backout/internal/remote/kubernetes"
)

// configSight is a ConfigMap as a component of its own, which somebody changed in place.
// Pods that took it into their environment have what was there when they began, so its
// versions live in pods.
type configSight struct {
	client  kubernetes.Interface
	m       *corev1.ConfigMap
	note    *kept
	written time.Time    // when its content came, to the second
	readers []corev1.Pod // that only read it when they begin
	// wanted is how many such pods there shall be, as far as those who make them may be
	// seen: between a pod that went and the one that takes its place there is none.
	wanted int
}

func (a *Actuator) lookConfig(ctx context.Context, c backout.Component) (*configSight, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	at, err := parseLocator(c)
	if err != nil {
		return nil, err
	}
	client, ok := a.config.Clusters[at.cluster]
	if !ok {
		return nil, invalid("%s: locator %q: no cluster is called %q", c.ID, c.Locator, at.cluster)
	}
	s := &configSight{client: client}
	if s.m, err = client.CoreV1().ConfigMaps(at.namespace).Get(ctx, at.name, metav1.GetOptions{}); err != nil {
		return nil, explain("read ConfigMap "+at.namespace+"/"+at.name, err)
	}
	s.note, s.written = noteOf(s.m), remote.WriterOf(s.m, "data", "binaryData").At
	if s.readers, err = readersOf(ctx, client, at.namespace, at.name); err != nil {
		return nil, explain("look for pods that read it", err)
	}
	if s.wanted, err = wantedReaders(ctx, client, at.namespace, at.name); err != nil {
		return nil, explain("look how many pods shall read it", err)
	}
	return s, nil
}

func (s *configSight) version() backout.Version { return contentOf(s.m).version() }

// stale reports whether a pod began before the content came. Both times are told to the
// second: of the same second it is taken for stale.
func (s *configSight) stale(p corev1.Pod) bool { return !p.CreationTimestamp.After(s.written) }

func (s *configSight) live(at time.Time) backout.Live {
	out := backout.Live{Shares: map[backout.Version]float64{}, Healthy: true, At: at}
	all := max(len(s.readers), s.wanted)
	if all == 0 {
		out.Shares[s.version()] = 1
		return out
	}
	one := 1 / float64(all)
	out.Healthy = len(s.readers) >= s.wanted
	out.Shares[s.version()] = 0
	n := 0
	for _, p := range s.readers {
		switch {
		case !ready(p):
			out.Healthy = false
		case !s.stale(p):
			n++
		case s.note != nil && s.note.Put == s.version():
			out.Shares[s.note.Was] += one
		}
		out.Healthy = out.Healthy && !s.stale(p)
	}
	out.Shares[s.version()] += float64(n) * one
	return out
}

func (a *Actuator) probeConfig(ctx context.Context, c backout.Component) (backout.Reality, error) {
	s, err := a.lookConfig(ctx, c)
	if err != nil {
		return backout.Reality{}, fmt.Errorf("probe %s: %w", c.ID, err)
	}
	now := time.Now().UTC()
	return backout.Reality{Live: s.live(now), Version: s.m.ResourceVersion, At: now}, nil
}

// content finds what a version of a ConfigMap has in it: what is there, what was kept when
// we wrote it, or what a release was kept with.
func (a *Actuator) content(ctx context.Context, s *configSight, c backout.Component, v backout.Version) (Content, bool, error) {
	switch {
	case v == s.version():
		return contentOf(s.m), true, nil
	case s.note != nil && s.note.Was == v:
		return s.note.Content, true, nil
	}
	out, ok, err := a.config.Content(ctx, c, v)
	if err == nil && ok && out.version() != v {
		return out, false, nil // it was kept by another name: not what is asked for
	}
	return out, ok, err
}

func (a *Actuator) surveyConfig(ctx context.Context, c backout.Component, stack []backout.Change) (backout.Reversal, error) {
	rev := backout.Reversal{Component: c.ID, Levels: []backout.Reachable{}, Shares: []float64{}, At: time.Now().UTC()}
	s, err := a.lookConfig(ctx, c)
	if ctx.Err() != nil {
		return rev, fmt.Errorf("survey %s: %w", c.ID, ctx.Err())
	}
	if err != nil {
		rev.Why = err.Error()
		return rev, nil
	}
	rev.Known, rev.Current, rev.CompareAndSwap, rev.Mixed, rev.Shares = true, s.version(), true, true, []float64{1}
	rev.Takes, rev.Headroom = backout.Duration(time.Duration(1+len(s.readers))*10*time.Second), 1/float64(max(1, len(s.readers)))
	if rev.Why = a.fixed(s.m); rev.Why != "" {
		return rev, nil
	}
	if err := s.allowed(ctx); err != nil {
		rev.Why = err.Error()
		return rev, nil
	}
	var gone []string
	for l := range stack {
		v := execute.Behind(stack, l)
		_, ok, err := a.content(ctx, s, c, v)
		switch {
		case err != nil:
			return rev, fmt.Errorf("survey %s: %w", c.ID, err)
		case ok:
			rev.Levels = append(rev.Levels, backout.Reachable{Level: backout.Level(l), Version: v, Loss: backout.LossNone, Verified: execute.Lived(stack, l)})
		case v != "":
			gone = append(gone, fmt.Sprintf("nobody kept what was in it at %s", v))
		}
	}
	rev.Why = strings.Join(slices.Compact(gone), "; ")
	return rev, nil
}

func (s *configSight) allowed(ctx context.Context) error {
	needs := []right{{"patch", "", "configmaps", "", s.m.Name}}
	if len(s.readers) > 0 {
		needs = append(needs, right{"create", "", "pods", "eviction", ""})
	}
	return allowed(ctx, s.client, s.m.Namespace, needs)
}

// doConfig puts a content back, and lets pods begin anew that only read it then: asked
// to go one at a time, as a disruption budget allows. Their templates stay as they are, so
// that this is no new release of anything.
func (a *Actuator) doConfig(ctx context.Context, e backout.Effect) (backout.Outcome, error) {
	s, err := a.lookConfig(ctx, e.Component)
	if err != nil {
		return backout.OutcomeNotDone, err
	}
	if e.Audience != "" || e.Share != 1 {
		return backout.OutcomeNotDone, invalid("share %v, audience %q: a ConfigMap is moved whole", e.Share, e.Audience)
	}
	if s.version() != e.To {
		if out, err := a.writeConfig(ctx, s, e); out != backout.OutcomeDone {
			return out, err
		}
	}
	return a.renew(ctx, e)
}

func (a *Actuator) writeConfig(ctx context.Context, s *configSight, e backout.Effect) (backout.Outcome, error) {
	if e.IfVersion != "" && e.IfVersion != s.m.ResourceVersion {
		return backout.OutcomeNotDone, s.moved()
	}
	if why := a.fixed(s.m); why != "" {
		return backout.OutcomeNotDone, &backout.Error{Code: backout.CodeForbidden, Message: why}
	}
	if err := s.allowed(ctx); err != nil {
		return backout.OutcomeNotDone, err
	}
	want, ok, err := a.content(ctx, s, e.Component, e.To)
	if err != nil {
		return backout.OutcomeNotDone, explain("look for what was in it", err)
	}
	if !ok {
		return backout.OutcomeNotDone, &backout.Error{Code: backout.CodeNotFound, Message: fmt.Sprintf("nobody kept what was in ConfigMap %s at %s", s.m.Name, e.To)}
	}
	if err := putConfig(ctx, s.client, s.m.Namespace, s.m.Name, s.m, want, e, ""); err != nil {
		return refusal("write ConfigMap "+s.m.Name, err)
	}
	return backout.OutcomeDone, nil
}

func (s *configSight) moved() error {
	return &backout.Error{Code: backout.CodeConflict, Message: fmt.Sprintf("ConfigMap %s was written meanwhile by %s", s.m.Name, lastWriter(&s.m.ObjectMeta, "data", "binaryData"))}
}

// renew waits until every pod that reads a ConfigMap once has read this one.
func (a *Actuator) renew(ctx context.Context, e backout.Effect) (backout.Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, a.config.Patience)
	defer cancel()
	last, readers := "", 0
	for {
		s, err := a.lookConfig(ctx, e.Component)
		if err == nil {
			// Between a pod that went and the one that takes its place there is none.
			readers = max(readers, len(s.readers))
		}
		switch {
		case err != nil: // away for a moment, or out of time
		case s.version() != e.To:
			return backout.OutcomeNotDone, s.moved()
		case s.live(time.Time{}).Healthy && len(s.readers) >= readers:
			return backout.OutcomeDone, nil
		default:
			last = a.renewOne(ctx, s)
		}
		if !pause(ctx, a.config.Tick) {
			return backout.OutcomeUnknown, fmt.Errorf("it is written, and not every pod that reads it has begun anew %s: %w", last, ctx.Err())
		}
	}
}

// renewOne asks one pod to go; those that are not ready first, and another one only while
// all are.
func (a *Actuator) renewOne(ctx context.Context, s *configSight) string {
	well := !slices.ContainsFunc(s.readers, func(p corev1.Pod) bool { return !ready(p) })
	for _, p := range s.readers {
		if !s.stale(p) || ready(p) && !well {
			continue
		}
		if !time.Now().After(s.written.Add(time.Second)) {
			return "" // who begins within this second would be taken for stale
		}
		if err := evict(ctx, s.client, p); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Sprintf("(pod %s stays: %v)", p.Name, err)
		}
		return ""
	}
	return ""
}
