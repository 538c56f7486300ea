package app

import (
	"context"
	"strings"

	"k8s.io/client-go/kubernetes"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/catalog"
	"github.com/backout-dev/backout/internal/execute"
	moves "github.com/backout-dev/backout/internal/execute/kubernetes"
)

// openInClusters makes the actuator of what is in clusters, where the catalog names any.
func (a *App) openInClusters(moving map[string]execute.Actuator) {
	if len(a.reach) == 0 {
		return
	}
	said := catalog.Kubernetes{}
	for _, d := range a.catalog.Actuators {
		if d.Kubernetes != nil {
			said = *d.Kubernetes
		}
	}
	config := moves.Config{
		Clusters: map[string]kubernetes.Interface{}, Managers: said.FieldManagers, Patience: said.Patience.Std(), Capacity: said.Capacity.Std(),
		Names: a.revisionNames, Ran: a.ran, Content: a.configContent,
	}
	for name, cluster := range a.reach {
		config.Clusters[name] = cluster.Client
	}
	moving["kubernetes"] = moves.New(config)
}

// revisionNames are the versions by which facts call a workload's revisions: who moves
// it must mean the same by them.
func (a *App) revisionNames(c backout.Component) map[string]backout.Version {
	for _, s := range a.clusters {
		if found, _ := s.Found(); found.Names[c.ID] != nil {
			return found.Names[c.ID]
		}
	}
	return nil
}

// ran is what a release ran with when it was kept as one that works.
func (a *App) ran(ctx context.Context, id backout.ComponentID, v backout.Version) (moves.Ran, bool, error) {
	kept, err := a.store.Snapshots(ctx, id)
	for _, s := range kept {
		if s.Version != v {
			continue
		}
		out := moves.Ran{Configs: map[string]moves.Content{}, Pods: int32(min(s.Replicas, 1<<30))}
		for _, c := range s.Configs {
			if c.Kind == "configmap" && c.Hash != "" {
				out.Configs[c.Name] = moves.Content{Data: c.Data, Binary: c.Binary}
			}
		}
		return out, true, err
	}
	return moves.Ran{}, false, err
}

// configContent looks for what was in a ConfigMap among what workloads beside it were
// kept with.
func (a *App) configContent(ctx context.Context, c backout.Component, v backout.Version) (moves.Content, bool, error) {
	p := strings.Split(c.Locator, "/")
	if len(p) != 4 {
		return moves.Content{}, false, nil
	}
	for _, w := range a.facts.graph().Components {
		if !strings.HasPrefix(w.Locator, p[0]+"/"+p[1]+"/") || w.Actuator != "kubernetes" {
			continue
		}
		kept, err := a.store.Snapshots(ctx, w.ID)
		if err != nil {
			return moves.Content{}, false, err
		}
		for _, s := range kept {
			for _, in := range s.Configs {
				if in.Kind == "configmap" && in.Name == p[3] && in.Hash == string(v) {
					return moves.Content{Data: in.Data, Binary: in.Binary}, true, nil
				}
			}
		}
	}
	return moves.Content{}, false, nil
}
