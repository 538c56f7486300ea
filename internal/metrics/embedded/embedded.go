// Package embedded is Prometheus inside this process, for those who have no
// metrics backend: its time series database in one directory, its scraping and
// target discovery, its query engine and its HTTP API, all as libraries.
//
// [New] opens the directory, and from then on questions are answered from what
// it holds. [Metrics.Run] looks at the targets until its context ends.
// [Metrics.Handler] serves Prometheus' API below /api/v1: queries, series,
// labels, targets, and a receiver for remote write (versions 1 and 2) at
// /api/v1/write. It has no access control of its own; whoever mounts it decides
// who may call it. Rules, alerts and administration are absent: backout does its
// own watching.
//
// The first sample of a new instance's counter has nothing before it, so rate
// and increase don't see what was counted until then.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/tsdb"
	"golang.org/x/sync/errgroup"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/metrics"
)

// Config says where samples are kept and whom they come from. Only Dir is
// required.
type Config struct {
	// Dir is created when it does not exist. One process uses it at a time.
	Dir string
	// Retention is how long samples are kept; 7 days when zero.
	Retention time.Duration
	// OutOfOrder is how much older than the newest sample of a series a written
	// sample may be; 10 minutes when zero, none when negative.
	OutOfOrder time.Duration
	// Lookback is how long a sample counts as current when nothing follows it and
	// its end was not noticed by a scrape; 5 minutes when zero, as in Prometheus.
	Lookback time.Duration
	// MaxSamples is what one query may hold in memory; 10 million when zero.
	MaxSamples int
	// Jobs are what is scraped; none is fine, samples then arrive by remote write.
	Jobs []Job
	// Ask says how questions are put. Its ScrapeInterval (15s when zero) is also
	// the interval of the jobs that don't set their own.
	Ask metrics.Config
	// Log receives what the libraries have to say; nil discards it.
	Log *slog.Logger
}

// Metrics is the database with everything around it. It meets
// [metrics.Sampler].
type Metrics struct {
	config   Config
	log      *slog.Logger
	registry *prometheus.Registry
	scraped  *promconfig.Config
	db       *tsdb.DB
	engine   *promql.Engine
	scraper  *scrape.Manager
	asker    *metrics.Asker
	handler  http.Handler

	mu     sync.RWMutex // read-held while the database answers, write-held to close it
	closed bool         // guarded by mu
}

// New opens the database. It starts no scraping, but the database's own
// housekeeping runs until [Metrics.Close]. It fails with code invalid when a
// setting makes no sense, and with code unavailable when the directory can't be
// used; the message names what to mend.
func New(c Config) (*Metrics, error) {
	c = c.withDefaults()
	m := &Metrics{config: c, log: c.Log, registry: prometheus.NewRegistry()}
	var err error
	if m.asker, err = metrics.New(c.Ask, m.evaluate); err != nil {
		return nil, err
	}
	if m.scraped, err = c.scrapeConfig(); err != nil {
		return nil, err
	}
	if m.db, err = open(c, m.registry); err != nil {
		return nil, err
	}
	m.engine = newEngine(c, m.registry)
	m.scraper, err = scrape.NewManager(&scrape.Options{
		DiscoveryReloadInterval:  model.Duration(discoveryPause),
		DiscoveryReloadOnStartup: true,
	}, m.log.With("part", "scrape"), nil, nil, m.db, m.registry)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make scraper: %w", err), m.db.Close())
	}
	m.handler = m.api()
	return m, nil
}

// Run discovers and scrapes targets until ctx ends, and returns nil then. Call it
// once at most. Close may only follow when it has returned.
func (m *Metrics) Run(ctx context.Context) error {
	known, err := discovery.CreateAndRegisterSDMetrics(m.registry)
	if err != nil {
		return fmt.Errorf("run metrics: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	finder := discovery.NewManager(ctx, m.log.With("part", "discovery"), m.registry, known, discovery.Name("scrape"), discovery.Updatert(discoveryPause))
	if finder == nil {
		return errors.New("run metrics: discovery could not be set up")
	}
	if err := m.scraper.ApplyConfig(m.scraped); err != nil {
		return fmt.Errorf("run metrics: apply jobs: %w", err)
	}
	targets := map[string]discovery.Configs{}
	for _, job := range m.scraped.ScrapeConfigs {
		targets[job.JobName] = job.ServiceDiscoveryConfigs
	}
	var g errgroup.Group
	g.Go(func() error { return finder.Run() })
	g.Go(func() error { return m.scraper.Run(finder.SyncCh()) })
	if err := finder.ApplyConfig(targets); err != nil {
		cancel()
		m.scraper.Stop()
		return errors.Join(fmt.Errorf("run metrics: apply targets: %w", err), ignoreCanceled(g.Wait()))
	}
	<-ctx.Done()
	m.scraper.Stop()
	return ignoreCanceled(g.Wait())
}

func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// Sample meets [metrics.Sampler]. After Close it fails with code unavailable.
func (m *Metrics) Sample(ctx context.Context, signals []backout.Signal, from, to time.Time, step time.Duration) (backout.Window, error) {
	return m.asker.Sample(ctx, signals, from, to, step)
}

// Handler serves Prometheus' HTTP API below /api/v1. After Close it answers 503.
func (m *Metrics) Handler() http.Handler { return m.handler }

// Registry gathers what the libraries count about themselves.
func (m *Metrics) Registry() prometheus.Gatherer { return m.registry }

// Close waits for the questions in flight and closes the database. A second call
// does nothing.
func (m *Metrics) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	if err := m.db.Close(); err != nil {
		return fmt.Errorf("close metrics in %s: %w", m.config.Dir, err)
	}
	return nil
}
