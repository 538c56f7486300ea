package embedded

import (
	"context"
	"errors"
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
	n := int(r.db.Head().NumSeries()) //nolint:gosec // a count of what is in memory
	for _, b := range r.db.Blocks() {
		n = max(n, int(b.Meta().Stats.NumSeries)) //nolint:gosec // the same on disk
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

// batch is how many samples are added at a time, and mapped how many until full
// chunks are moved out of memory.
const (
	batch  = 5_000
	mapped = 4_000_000
)

// Writer adds samples. One goroutine uses it, before anybody asks.
type Writer struct {
	ctx     context.Context
	db      *tsdb.DB
	app     storage.Appender
	refs    map[string]storage.SeriesRef
	pending int
	total   int
}

// Writer makes a writer.
func (r *Recorded) Writer(ctx context.Context) *Writer {
	return &Writer{ctx: ctx, db: r.db, app: r.db.Appender(ctx), refs: map[string]storage.SeriesRef{}}
}

// errOrder says what Prometheus calls out of order.
var (
	errOrder  = errors.New("expected samples of one series in order of time; an earlier line has a later or another one for this time")
	errBounds = errors.New("expected all samples within fifty years")
)

// Add adds one sample of a series. key stands for the series: the labels are
// asked for when it comes first. The error says what is wrong with the sample.
func (w *Writer) Add(key []byte, series func() labels.Labels, ms int64, value float64) error {
	ref, known := w.refs[string(key)]
	ls := labels.EmptyLabels()
	if !known {
		ls = series()
	}
	got, err := w.app.Append(ref, ls, ms, value)
	switch {
	case errors.Is(err, storage.ErrOutOfOrderSample), errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
		return errOrder
	case errors.Is(err, storage.ErrOutOfBounds), errors.Is(err, storage.ErrTooOldSample):
		return errBounds
	case err != nil:
		return err
	}
	if !known {
		w.refs[string(key)] = got
	}
	w.pending++
	w.total++
	if w.total%mapped == 0 {
		w.db.ForceHeadMMap()
	}
	if w.pending < batch {
		return nil
	}
	return w.Flush()
}

// Flush makes what was added visible.
func (w *Writer) Flush() error {
	w.pending = 0
	err := w.app.Commit()
	w.app = w.db.Appender(w.ctx)
	if err != nil {
		return fmt.Errorf("keep samples: %w", err)
	}
	return nil
}

// Total counts the samples that were added.
func (w *Writer) Total() int { return w.total }

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
