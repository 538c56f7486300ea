package kubernetes

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/remote/kubernetes"
)

// Found is what a cluster consists of, as far as decisions need it. It is replaced and
// never written into.
type Found struct {
	Services   []backout.Service
	Components []backout.Component
	// Names are the versions that the revisions of workloads are called by: the name of
	// the ReplicaSet or ControllerRevision to the version.
	Names map[backout.ComponentID]map[string]backout.Version
}

// Found gives what was found last; false until everything was looked at once.
func (s *Source) Found() (Found, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown, s.ready
}

// show makes what the book has visible: all workloads, and of the rest what has changed.
func (s *Source) show() {
	f := Found{Names: map[backout.ComponentID]map[string]backout.Version{}}
	services := map[backout.ServiceID]backout.Service{}
	for _, key := range slices.Sorted(maps.Keys(s.book.Things)) {
		t := s.book.Things[key]
		_, namespace, name, isWorkload := workloadKey(key)
		if t.Version == "" || !isWorkload && t.From == "" {
			continue
		}
		kind, n, env, loc, err := t.Component.Split()
		if err != nil {
			continue
		}
		c := backout.Component{ID: t.Component, Kind: kind, Name: n, Service: t.Service, Environment: env, Location: loc, Instances: t.Instances, MinAvailable: t.MinAvailable, MaxSurge: t.MaxSurge}
		if isWorkload {
			workload, _, _ := strings.Cut(key, "/")
			c.Actuator, c.Locator = "kubernetes", s.config.Cluster.Name+"/"+namespace+"/"+workload+"/"+name
			f.Names[t.Component] = maps.Clone(t.Names)
		} else if of, rest, _ := strings.Cut(key, "/"); of == aConfigMap {
			space, config, _ := strings.Cut(rest, "/")
			c.Actuator, c.Locator = "kubernetes", s.config.Cluster.Name+"/"+space+"/"+aConfigMap+"/"+config
		}
		f.Components = append(f.Components, c)
		if t.Service != "" {
			old := services[t.Service]
			services[t.Service] = backout.Service{ID: t.Service, Kind: backout.ServiceOwn, System: cmp.Or(old.System, t.System), Tier: 2}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(services)) {
		f.Services = append(f.Services, services[id])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown, s.ready = f, true
	s.book.First = false
	s.fresh = nil
}

// verify keeps as releases what has worked for long enough while nothing was wrong.
func (s *Source) verify(ctx context.Context) {
	if s.config.Snapshots == nil {
		return
	}
	now := s.config.Now().UTC()
	for key, t := range s.book.Things {
		kind, namespace, name, ok := workloadKey(key)
		if !ok || t.Verified || t.Well.IsZero() || now.Sub(t.Well) < s.config.Bake {
			continue
		}
		if !s.config.Calm(ctx) {
			return
		}
		w, ok := s.see.workload(kind, namespace, name)
		if !ok || len(w.revisions) == 0 {
			continue
		}
		r, err := s.release(ctx, w, t)
		if err == nil {
			r.VerifiedAt = now
			err = s.config.Snapshots.Keep(ctx, r)
		}
		if err != nil {
			s.config.Log.Warn("keep a release", "component", t.Component, "err", err)
			t.Well = now // and not again at once
			continue
		}
		t.Verified, s.changed = true, true
	}
}

// release puts together what a workload runs now, and fails when that changes meanwhile.
func (s *Source) release(ctx context.Context, w workload, t *thing) (backout.Snapshot, error) {
	now := w.revisions[len(w.revisions)-1]
	least, most, _ := s.see.bounds(w)
	r := backout.Snapshot{
		Component: t.Component, Version: t.Version, Locator: s.see.locator(w), Revision: now.object.GetName(), Images: imagesIn(now.object), Digests: map[string]string{},
		Replicas: w.replicas, MinReplicas: least, MaxReplicas: most, Since: t.At, Configs: []backout.SnapshotConfig{},
	}
	for _, pod := range now.pods {
		for _, c := range pod.Status.ContainerStatuses {
			if d := digestOf(c.ImageID); d != "" {
				r.Digests[c.Name] = d
			}
		}
	}
	for _, in := range s.see.refs(w) {
		c := backout.SnapshotConfig{Kind: in.kind, Name: in.name, Hash: in.hash}
		if in.kind == aConfigMap && in.hash != "" {
			m, err := s.config.Cluster.Client.CoreV1().ConfigMaps(w.namespace).Get(ctx, in.name, metav1.GetOptions{})
			if err != nil {
				return r, s.config.Cluster.Explain(err)
			}
			if kubernetes.HashConfigMap(m) != in.hash {
				return r, &backout.Error{Code: backout.CodeConflict, Message: "ConfigMap " + in.name + " has just changed"}
			}
			c.Data, c.Binary = m.Data, m.BinaryData
		}
		r.Configs = append(r.Configs, c)
	}
	return r, nil
}

// Missing says what a release lacks in the cluster now: see [kubernetes.Cluster.Missing].
func (s *Source) Missing(ctx context.Context, r backout.Snapshot) ([]string, error) {
	parts := strings.Split(r.Locator, "/")
	if len(parts) != 4 || parts[0] != s.config.Cluster.Name {
		return nil, &backout.Error{Code: backout.CodeInvalid, Message: "release " + r.Locator + " is of another cluster"}
	}
	t := kubernetes.Target{Namespace: parts[1], Kind: kinds[parts[2]], Name: parts[3], Revision: r.Revision, ConfigMaps: map[string]string{}, Secrets: map[string]string{}, SecretKey: s.book.Key}
	for _, c := range r.Configs {
		switch {
		case c.Hash == "": // it was optional, and not there
		case c.Kind == aConfigMap:
			t.ConfigMaps[c.Name] = c.Hash
		case c.Kind == aSecret:
			t.Secrets[c.Name] = c.Hash
		}
	}
	return s.config.Cluster.Missing(ctx, t)
}

var kinds = map[string]string{aDeployment: "Deployment", aStatefulSet: "StatefulSet", aDaemonSet: "DaemonSet"}
