package app

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app/wire"
	"github.com/backout-dev/backout/internal/catalog"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/execute/engine"
	"github.com/backout-dev/backout/internal/fleet"
	"github.com/backout-dev/backout/internal/ingest/kubernetes"
	"github.com/backout-dev/backout/internal/metrics"
	"github.com/backout-dev/backout/internal/metrics/embedded"
	"github.com/backout-dev/backout/internal/notify"
	"github.com/backout-dev/backout/internal/permit"
	remote "github.com/backout-dev/backout/internal/remote/kubernetes"
	"github.com/backout-dev/backout/internal/respond"
	"github.com/backout-dev/backout/internal/store"
	"github.com/backout-dev/backout/internal/watch"
	"github.com/backout-dev/backout/internal/web"
)

// App is one running backout.
type App struct {
	cfg       Config
	catalog   catalog.Catalog
	token     string
	started   time.Time
	listener  net.Listener
	database  *engine.Database
	replica   *fleet.Replica // nil when the database is this process's own
	engine    *engine.Engine
	store     *store.Store
	facts     *facts
	watch     *watch.Watch
	sampler   metrics.Sampler
	embedded  *embedded.Metrics // nil with an external backend
	responder *respond.Responder
	executor  *execute.Executor
	tasks     *execute.Tasks // what people are asked to do by hand
	notifier  *notify.Outbox
	alerts    *alerts
	anchors   *anchors
	rules     *permit.Permit
	ready     ready
	vitals    vitals
	meters    *meters
	watchdogs []beating
	reach     map[string]*remote.Cluster // clusters, by name, for what is done in them
	clusters  []*kubernetes.Source
	channels  map[backout.Audience][]string // by which channels each audience is told
	handler   http.Handler

	shown    []backout.Degradation // report's own: what the open incident was given last
	shownAt  time.Time             // report's own: when that was
	deciding sync.Mutex            // one decision at a time: ticks and people take turns

	mu       sync.Mutex
	missing  []backout.Degradation // guarded by mu: what the last tick could not measure
	measured time.Time             // guarded by mu: the end of what was measured last
	closers  []closer              // in order of opening; closed last in, first out
}

type closer struct {
	name  string
	close func() error
}

// New opens everything and starts nothing. What was opened is closed again when
// a later part can't be.
func New(ctx context.Context, cfg Config) (_ *App, err error) {
	cfg, err = cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	a := &App{cfg: cfg, started: time.Now().UTC()}
	a.meters = newMeters(a)
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	if a.catalog, err = catalog.Load(os.DirFS(cfg.Catalog)); err != nil {
		return nil, fmt.Errorf("read catalog %s: %w", cfg.Catalog, err)
	}
	if cfg.Autonomy != "" {
		a.catalog.Policy.Autonomy = cfg.Autonomy
	}
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	if a.token, err = token(cfg.Data); err != nil {
		return nil, err
	}
	for _, open := range []func(context.Context) error{a.openStore, a.openSignals, a.reachClusters, a.openActing, a.openClusters, a.openWeb} {
		if err := open(ctx); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *App) onClose(name string, f func() error) {
	a.closers = append(a.closers, closer{name, f})
}

func (a *App) close() {
	for i := len(a.closers) - 1; i >= 0; i-- {
		if err := a.closers[i].close(); err != nil {
			a.cfg.Log.Warn("close", "part", a.closers[i].name, "err", err)
		}
	}
	a.closers = nil
}

func (a *App) openStore(ctx context.Context) (err error) {
	if a.database, err = engine.Open(ctx, a.cfg.Database); err != nil {
		return err
	}
	a.onClose("database", a.database.Close)
	if a.store, err = store.New(ctx, a.database.DB); err == nil {
		a.openAnchors()
	}
	return err
}

func (a *App) openSignals(context.Context) error {
	sampler, own, err := openMetrics(a.cfg)
	if err != nil {
		return err
	}
	if a.embedded = own; own != nil {
		a.onClose("metrics", own.Close)
	}
	a.sampler = sampler
	past := rememberedBy(a.cfg)
	a.watch, err = watch.New(watch.Config{
		Sampler: sampler, Past: past, Signals: a.catalog.Signals, Step: a.cfg.Step, Snapshots: snapshots{a.store, a.has},
		Report: a.report, Log: a.cfg.Log,
	})
	return err
}

// rememberedBy is how far back a metrics backend is worth asking. The embedded one
// begins with backout and knows nothing from before.
func rememberedBy(c Config) time.Duration {
	if c.Prometheus == "" {
		return 0
	}
	return 14 * 24 * time.Hour
}

func (a *App) openActing(ctx context.Context) (err error) {
	named := map[string]bool{}
	for _, c := range a.catalog.Graph.Components {
		named[c.Actuator] = true
	}
	moving, err := openActuators(a.cfg, named)
	if err != nil {
		return err
	}
	a.tasks = execute.NewTasks(a.database.DB)
	if err := openDeclared(a.catalog.Actuators, named, means{
		dir: a.cfg.Catalog, playbooks: a.catalog.Playbooks, tasks: a.tasks, memory: said{a.tasks, a.store}, sampler: a.sampler, step: a.cfg.Step,
	}, moving); err != nil {
		return err
	}
	a.openInClusters(moving)
	a.facts = &facts{catalog: a.catalog, store: a.store, troubles: a.store.Troubles, actuators: moving, minute: a.cfg.Minute, step: a.cfg.Step, sampler: a.sampler}
	if a.rules, err = permit.Compile(a.catalog.Policy); err != nil {
		return err
	}
	if a.engine, err = engine.New(ctx, engine.Config{Database: a.database, Log: a.cfg.Log}); err != nil {
		return err
	}
	a.onClose("engine", func() error { return a.engine.Close(engineTimeout) })
	if err := a.openReplica(ctx); err != nil {
		return err
	}
	if err := a.openExecutor(ctx, moving, a.rules); err != nil {
		return err
	}
	if err := a.openNotifier(); err != nil {
		return err
	}
	a.responder, err = respond.New(respond.Config{
		Store: wire.Incidents{Store: a.store, Channels: a.channels, Ended: a.anchors.due, Place: a.place}, Learner: wire.Learner{Store: a.store}, Memory: wire.Memory{Store: a.store}, Facts: a.facts, Signals: a.watch, Runner: wire.Runner{Executor: a.executor}, Permit: a.rules, Tasks: a.tasks, Deploys: a.store,
		Step: a.cfg.Step, Minute: a.cfg.Minute, Seed: a.cfg.Seed, Log: a.cfg.Log,
	})
	return err
}

func (a *App) openWeb(ctx context.Context) (err error) {
	var lc net.ListenConfig
	if a.listener, err = lc.Listen(ctx, "tcp", a.cfg.Listen); err != nil {
		return fmt.Errorf("listen on %s: %w", a.cfg.Listen, err)
	}
	a.onClose("listener", func() error { _ = a.listener.Close(); return nil }) // the server may have closed it
	mounts, err := a.openIngest(ctx)
	if err != nil {
		return err
	}
	if a.embedded != nil {
		mounts["GET /prometheus/"] = http.StripPrefix("/prometheus", a.embedded.Handler())
	}
	mounts["GET /metrics"] = a.meters.handler()
	a.handler, err = web.New(web.Config{Incidents: reading{a}, Decisions: a, World: reading{a}, Facts: reading{a}, Records: records{a.store, a.engine.DB()}, Contracts: reading{a}, Plans: a, Ahead: a, Tasks: a, Controls: a, Importer: a, Health: a, Token: a.token, Step: a.cfg.Step, Mounts: mounts, Log: a.cfg.Log})
	return err
}

// URL is where it listens; Token is what writes need.
func (a *App) URL() string   { return "http://" + a.listener.Addr().String() }
func (a *App) Token() string { return a.token }

// Run runs every loop until ctx ends or one fails, then closes everything.
func (a *App) Run(ctx context.Context) error {
	defer a.close()
	if err := a.engine.Launch(); err != nil { //nolint:contextcheck // flows live as long as the engine, whose context it is
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	srv := &http.Server{Handler: a.handler, ReadHeaderTimeout: 5 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	g.Go(func() error {
		if err := srv.Serve(a.listener); err != http.ErrServerClosed {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if srv.Shutdown(stop) != nil {
			return srv.Close()
		}
		return nil
	})
	if a.embedded != nil {
		g.Go(func() error { return a.embedded.Run(ctx) })
	}
	a.vitals.begin(a.cfg.bounds(), time.Now().UTC())
	if a.replica != nil {
		g.Go(func() error { return a.replica.Run(ctx) })
		g.Go(func() error { return a.executor.Hear(ctx) })
	}
	g.Go(func() error { return a.watch.Run(ctx) })
	g.Go(func() error { return a.look(ctx) })
	g.Go(func() error { return a.heartbeats(ctx) })
	for _, c := range a.clusters {
		g.Go(func() error { return c.Run(ctx) })
	}
	g.Go(func() error { return a.walk(ctx) })
	g.Go(func() error { return a.keepHolds(ctx) })
	g.Go(func() error { return a.tellPeople(ctx) })
	g.Go(func() error { return a.prepareChanges(ctx) })
	g.Go(func() error { return a.anchors.run(ctx) })
	g.Go(func() error { return a.forget(ctx) })
	return a.whyEnded(g.Wait())
}

// Environment that incidents belong to.
func (a *App) environment() backout.Environment { return a.cfg.Environment }
