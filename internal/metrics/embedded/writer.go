package embedded

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

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
	series  map[string]*written
	pending int
	total   int
}

// written is what was added of one series. The database would drop what comes out
// of order inside a batch without a word.
type written struct {
	ref   storage.SeriesRef
	last  int64
	value float64
}

// Writer makes a writer.
func (r *Recorded) Writer(ctx context.Context) *Writer {
	return &Writer{ctx: ctx, db: r.db, app: r.db.Appender(ctx), series: map[string]*written{}}
}

// What can be wrong with a sample. The same sample twice is not.
var (
	errOrder  = errors.New("expected samples of one series in order of time; an earlier line has a later or another one for this time")
	errBounds = errors.New("expected all samples within fifty years")
)

// Add adds one sample of a series. key stands for the series: the labels are
// asked for when it comes first. The error says what is wrong with the sample.
func (w *Writer) Add(key []byte, series func() labels.Labels, ms int64, value float64) error {
	s, ls := w.series[string(key)], labels.EmptyLabels()
	switch {
	case s == nil:
		s, ls = &written{}, series()
	case ms == s.last && math.Float64bits(value) == math.Float64bits(s.value):
		return nil
	case ms <= s.last:
		return errOrder
	}
	ref, err := w.app.Append(s.ref, ls, ms, value)
	switch {
	case errors.Is(err, storage.ErrOutOfOrderSample), errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
		return errOrder
	case errors.Is(err, storage.ErrOutOfBounds), errors.Is(err, storage.ErrTooOldSample):
		return errBounds
	case err != nil:
		return err
	case s.ref == 0:
		w.series[string(key)] = s
	}
	s.ref, s.last, s.value = ref, ms, value
	if w.total++; w.total%mapped == 0 {
		w.db.ForceHeadMMap()
	}
	if w.pending++; w.pending < batch {
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
