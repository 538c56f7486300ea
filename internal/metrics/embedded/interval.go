package embedded

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// How much of the beginning tells how often was measured.
const (
	firstGaps   = 20
	firstSeries = 2_000
	firstSpan   = 24 * time.Hour
)

// Interval is the usual time between two samples of a series: the median of the
// first twenty gaps of each series in the first day, as far as that lies before a
// moment. It is 0 when no series has two samples then. What comes later doesn't
// change it.
func (r *Recorded) Interval(ctx context.Context, until time.Time) (time.Duration, error) {
	first, _, ok := r.Span()
	if !ok || until.Before(first) {
		return 0, nil
	}
	from, to := first.UnixMilli(), min(first.Add(firstSpan).UnixMilli(), until.UnixMilli())
	q, err := visible{r.db, to}.Querier(from, to)
	if err != nil {
		return 0, fmt.Errorf("look at recorded metrics: %w", err)
	}
	defer func() { _ = q.Close() }() // it was only read
	set := q.Select(ctx, true, nil, labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, ".+"))
	var gaps []int64
	for n := 0; n < firstSeries && set.Next(); n++ {
		gaps = append(gaps, gapsOf(set.At())...)
	}
	if err := set.Err(); err != nil {
		return 0, fmt.Errorf("look at recorded metrics: %w", err)
	}
	if len(gaps) == 0 {
		return 0, nil
	}
	slices.Sort(gaps)
	return time.Duration(gaps[len(gaps)/2]) * time.Millisecond, nil
}

func gapsOf(s storage.Series) []int64 {
	var out []int64
	it, last := s.Iterator(nil), int64(0)
	for n := 0; n <= firstGaps && it.Next() != chunkenc.ValNone; n++ {
		t := it.AtT()
		if n > 0 {
			out = append(out, t-last)
		}
		last = t
	}
	return out
}
