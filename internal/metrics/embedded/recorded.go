package embedded

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/metrics"
)

// Recorded is a database of what was measured in the past, asked as if it were
// then: nothing after the moment that [Recorded.Until] sets is visible to a
// question, not even to one that looks ahead of itself (a negative offset, @).
// It meets [metrics.Sampler]. It collects nothing and compacts nothing.
type Recorded struct {
	config Config
	db     *tsdb.DB
	engine *promql.Engine
	asker  *metrics.Asker
	until  atomic.Int64 // unix milliseconds; the newest visible instant
}

// OpenRecorded opens the database in c.Dir; jobs, retention and the
// out-of-order window of c are not used. A folder with a Prometheus database
// (blocks, and its WAL when it has one) is opened as it is: hand in a copy, since
// reading a WAL may repair it. An empty folder gives a database for samples that
// [Recorded.Writer] adds, series by series in any order, each in order of time.
func OpenRecorded(c Config) (*Recorded, error) {
	c = c.withDefaults()
	r := &Recorded{config: c}
	r.until.Store(math.MaxInt64)
	var err error
	if r.asker, err = metrics.New(c.Ask, r.evaluate); err != nil {
		return nil, err
	}
	if err := writable(c.Dir); err != nil {
		return nil, &backout.Error{Code: backout.CodeUnavailable, Message: fmt.Sprintf("metrics directory %s can't be written", c.Dir), Err: err}
	}
	o := tsdb.DefaultOptions()
	o.RetentionDuration, o.IsolationDisabled = 0, true
	if there, err := filepath.Glob(filepath.Join(c.Dir, "*", "meta.json")); err != nil || len(there) == 0 && !isDir(filepath.Join(c.Dir, "wal")) {
		// One head for everything: whatever lies within half its range of the
		// newest sample may be added, and what is full moves to mapped files.
		o.MinBlockDuration, o.MaxBlockDuration = century, century
		o.WALSegmentSize = -1
	}
	reg := prometheus.NewRegistry()
	if r.db, err = tsdb.Open(c.Dir, c.Log.With("part", "database"), reg, o, tsdb.NewDBStats()); err != nil {
		return nil, &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("open recorded metrics in %s", c.Dir), Err: err}
	}
	r.db.DisableCompactions()
	r.engine = newEngine(c, reg)
	return r, nil
}

const century = 100 * 365 * 24 * 3600 * 1000 // milliseconds

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Until hides everything after a moment from the questions that follow.
func (r *Recorded) Until(t time.Time) { r.until.Store(t.UnixMilli()) }

// Span is the time of the first and of the last sample; false when there is none.
func (r *Recorded) Span() (first, last time.Time, ok bool) {
	from, to := int64(math.MaxInt64), int64(math.MinInt64)
	for _, b := range r.db.Blocks() {
		from, to = min(from, b.MinTime()), max(to, b.MaxTime()-1) // a block's end is exclusive
	}
	if h := r.db.Head(); h.NumSeries() > 0 {
		from, to = min(from, h.MinTime()), max(to, h.MaxTime())
	}
	return at(from), at(to), from <= to
}

// Series counts the series of the newest part of the database.
func (r *Recorded) Series() int {
	n := int(r.db.Head().NumSeries())
	for _, b := range r.db.Blocks() {
		n = max(n, int(b.Meta().Stats.NumSeries))
	}
	return n
}

// Sample meets [metrics.Sampler].
func (r *Recorded) Sample(ctx context.Context, signals []backout.Signal, from, to time.Time, step time.Duration) (backout.Window, error) {
	return r.asker.Sample(ctx, signals, from, to, step)
}

func (r *Recorded) evaluate(ctx context.Context, expression string, span metrics.Range) ([]metrics.Row, error) {
	return ask(ctx, r.engine, visible{r.db, r.until.Load()}, expression, span)
}

// Close closes the database.
func (r *Recorded) Close() error {
	if err := r.db.Close(); err != nil {
		return fmt.Errorf("close recorded metrics in %s: %w", r.config.Dir, err)
	}
	return nil
}

// visible is a database without what came after a moment.
type visible struct {
	storage.Queryable
	until int64
}

// Querier meets storage.Queryable.
func (v visible) Querier(mint, maxt int64) (storage.Querier, error) {
	if mint > v.until {
		return storage.NoopQuerier(), nil
	}
	q, err := v.Queryable.Querier(mint, min(maxt, v.until))
	return cut{q, v.until}, err
}

// cut keeps a querier from following the engine's hints beyond the moment.
type cut struct {
	storage.Querier
	until int64
}

// Select meets storage.Querier.
func (c cut) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	if hints == nil {
		return c.Querier.Select(ctx, sorted, nil, matchers...)
	}
	h := *hints
	h.End, h.DisableTrimming = min(h.End, c.until), false
	if h.Start > h.End {
		return storage.EmptySeriesSet()
	}
	return c.Querier.Select(ctx, sorted, &h, matchers...)
}

// Ask sets how questions are put when that is known only after a look at the
// samples: the time between samples, and how long one counts as current.
func (r *Recorded) Ask(scrape, lookback time.Duration) error {
	r.config.Ask.ScrapeInterval, r.config.Lookback = scrape, lookback
	var err error
	if r.asker, err = metrics.New(r.config.Ask, r.evaluate); err != nil {
		return err
	}
	r.engine = newEngine(r.config, prometheus.NewRegistry())
	return nil
}
