package app

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/catalog"
	"github.com/backout-dev/backout/internal/ingest/kubernetes"
	remote "github.com/backout-dev/backout/internal/remote/kubernetes"
	"github.com/backout-dev/backout/internal/store"
)

// openClusters makes a source of facts for each cluster that the catalog names. A
// cluster that can't be reached does not keep backout from starting: it is shown as
// degraded, and tried again.
func (a *App) openClusters(context.Context) error {
	for _, c := range a.catalog.Clusters {
		cluster, err := connect(c, a.cfg.Catalog, "facts")
		if err != nil {
			return err
		}
		about := "cluster " + c.Name
		source, err := kubernetes.New(kubernetes.Config{
			Cluster: cluster, Environment: c.Environment, Location: c.Location, Namespaces: c.Namespaces, Components: a.catalog.Graph.Components,
			Recorder: recorder{a.store}, Memory: seen{a.store, a.has}, Snapshots: a.store, Calm: a.calm, Bake: c.Bake.Std(), Log: a.cfg.Log,
			Trouble: func(err error) {
				if err == nil {
					a.vitals.unnote(about)
					return
				}
				a.vitals.note(about, backout.Degraded(backout.DegradedChanges, about, time.Now().UTC(), err.Error()))
			},
		})
		if err != nil {
			return err
		}
		a.clusters = append(a.clusters, source)
	}
	if len(a.clusters) > 0 {
		a.facts.found = a.found
	}
	return nil
}

// reachClusters connects to clusters for what is done in them: moves, holds, jobs of
// analyses. These are connections of their own, so that reading never keeps acting
// waiting, and their calls are told apart by the user agent.
func (a *App) reachClusters(context.Context) (err error) {
	a.reach, err = connectAll(a.catalog.Clusters, a.cfg.Catalog)
	return err
}

// connectAll connects to clusters, by name, without asking them anything.
func connectAll(all []catalog.Cluster, dir string) (map[string]*remote.Cluster, error) {
	out := map[string]*remote.Cluster{}
	for _, c := range all {
		cluster, err := connect(c, dir, "acts")
		if err != nil {
			return nil, err
		}
		out[c.Name] = cluster
	}
	return out, nil
}

func connect(c catalog.Cluster, dir, agent string) (*remote.Cluster, error) {
	config, err := reachOf(c, dir)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", c.Name, err)
	}
	config.Agent = agent
	// One look at the world asks about ten questions for each workload that matters, and
	// decisions wait for it. The API server shares itself out among those who ask.
	config.QPS, config.Burst = 200, 400
	return remote.Open(config)
}

// reachOf reads what a cluster's declaration refers to; relative paths are the catalog's.
func reachOf(c catalog.Cluster, dir string) (remote.Config, error) {
	at := func(path string) string {
		if path == "" || filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(dir, path)
	}
	out := remote.Config{
		Name: c.Name, Kubeconfig: at(c.Kubeconfig), Context: c.Context, Server: c.Server, CAFile: at(c.CAFile), InCluster: c.InCluster,
		Timeout: c.Timeout.Std(),
	}
	if c.Token.File != "" {
		out.TokenFile = at(c.Token.File) // read again as it expires
		return out, nil
	}
	var err error
	if c.Token.Env != "" {
		out.Token, err = secret(c.Token, dir)
	}
	return out, err
}

// found is what all clusters consist of.
func (a *App) found() ([]backout.Service, []backout.Component) {
	var services []backout.Service
	var components []backout.Component
	for _, c := range a.clusters {
		f, _ := c.Found()
		services, components = append(services, f.Services...), append(components, f.Components...)
	}
	return services, components
}

// calm says whether nothing is known to be wrong. When that can't be read, it is not.
func (a *App) calm(ctx context.Context) bool {
	all, err := a.store.Troubles(ctx, time.Now().UTC())
	if err != nil {
		return false
	}
	for _, p := range all {
		if p.To.IsZero() {
			return false
		}
	}
	return true
}

// seen keeps what was seen of clusters as documents. Every replica looks and records
// what it finds, which is the same; one of them keeps what was seen.
type seen struct {
	*store.Store
	has func(duty string) bool
}

func (s seen) Load(ctx context.Context, name string) ([]byte, error) {
	d, err := s.Document(ctx, name)
	if backout.CodeOf(err) == backout.CodeNotFound {
		return nil, nil
	}
	return d.Body, err
}

func (s seen) Save(ctx context.Context, name string, at time.Time, state []byte) error {
	if !s.has(dutyWatch) {
		return nil
	}
	return s.SaveDocument(ctx, store.Document{Name: name, Format: store.Format, At: at, Body: state})
}
