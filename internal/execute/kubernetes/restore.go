package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/backout-dev/backout"
)

// Ran is what a release ran with when it was last seen to work.
type Ran struct {
	Configs map[string]Content // by the name of the ConfigMap
	Pods    int32              // 0 = nobody noted it
}

// restoration is one ConfigMap that a release ran with another content of.
type restoration struct {
	name string
	m    *corev1.ConfigMap // as it is; nil = it is gone
	want Content
}

// belongs lists the ConfigMaps that go back together with a release, and says of others
// why they don't although the release ran with something else in them. It also notes with
// how many pods the release ran, where the cluster does not know.
func (a *Actuator) belongs(ctx context.Context, s *sight, c backout.Component, p *past) (todo []restoration, left []string, err error) {
	ran, _, err := a.config.Ran(ctx, c.ID, p.version)
	if err != nil {
		return nil, nil, explain("look for what "+string(p.version)+" ran with", err)
	}
	p.pods = max(p.pods, ran.Pods) // an autoscaler may have moved the note before the release was over
	for _, r := range references(p.template) {
		if r.Kind != "ConfigMap" {
			continue // of a Secret nobody keeps what was in it
		}
		m, err := getConfig(ctx, s.client, s.meta.Namespace, r.Name)
		if err != nil {
			return nil, nil, err
		}
		want, ok := ran.Configs[r.Name]
		if note := noteOf(m); !ok && note != nil && note.Release == s.release(p.version) {
			want, ok = note.Content, true
		}
		if !ok || m != nil && contentOf(m).version() == want.version() {
			continue
		}
		why := a.fixed(m)
		if why == "" {
			why, err = s.shared(ctx, r.Name)
		}
		if err != nil {
			return nil, nil, err
		}
		if why != "" {
			left = append(left, fmt.Sprintf("it ran with other data in ConfigMap %s, which stays: %s", r.Name, why))
			continue
		}
		todo = append(todo, restoration{r.Name, m, want})
	}
	if lack, err := denied(ctx, s.client, s.meta.Namespace, configRights(todo)); err != nil || len(lack) > 0 {
		return nil, append(left, "it ran with other data in its ConfigMaps, and we may not "+strings.Join(lack, ", ")), err
	}
	return todo, left, nil
}

func configRights(todo []restoration) (out []right) {
	for _, r := range todo {
		if r.m == nil {
			out = append(out, right{"create", "", "configmaps", "", ""})
		} else {
			out = append(out, right{"patch", "", "configmaps", "", r.name})
		}
	}
	return out
}

// release is how notes call a workload's release.
func (s *sight) release(v backout.Version) string {
	return strings.ToLower(s.kindName) + "/" + s.meta.Name + "@" + string(v)
}

// shared says which pods of others take a ConfigMap in: what is put back for one workload
// would change them as well.
func (s *sight) shared(ctx context.Context, name string) (string, error) {
	list, err := s.client.CoreV1().Pods(s.meta.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", explain("look who else uses ConfigMap "+name, err)
	}
	for _, p := range list.Items {
		if slices.ContainsFunc(s.pods, func(own corev1.Pod) bool { return own.UID == p.UID }) {
			continue
		}
		if slices.Contains(references(corev1.PodTemplateSpec{Spec: p.Spec}), reference{"ConfigMap", name}) {
			return "pod " + p.Name + " uses it too", nil
		}
	}
	return "", nil
}

// restore puts the ConfigMaps of a release back, right before its template: pods that
// begin from now on read them. When one can't be, those before it are taken back.
func (s *sight) restore(ctx context.Context, e backout.Effect, todo []restoration) (undo func() error, err error) {
	var done []restoration
	undo = func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		var all error
		for _, r := range done {
			if r.m == nil {
				continue // it was gone: that it is there again harms nobody
			}
			m, err := getConfig(ctx, s.client, s.meta.Namespace, r.name)
			if err == nil && m != nil && contentOf(m).version() == r.want.version() {
				err = putConfig(ctx, s.client, s.meta.Namespace, r.name, m, contentOf(r.m), e, "")
			}
			all = errors.Join(all, err)
		}
		return all
	}
	for _, r := range todo {
		if err := putConfig(ctx, s.client, s.meta.Namespace, r.name, r.m, r.want, e, s.release(s.asked)); err != nil {
			return undo, fmt.Errorf("put ConfigMap %s back: %w", r.name, err)
		}
		done = append(done, r)
	}
	return undo, nil
}
