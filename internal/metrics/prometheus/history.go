package prometheus

import (
	"context"
	"fmt"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/backout-dev/backout/internal/metrics"
)

// History reads the samples of selectors as a server keeps them, to take them
// elsewhere.
type History struct{ server server }

// NewHistory makes a reader. It calls nobody yet and fails as [New] does.
func NewHistory(c Config) (*History, error) {
	s, err := connect(c)
	return &History{s}, err
}

// Samples gives every sample of the selector's series after from and up to to, at
// its own time. Marks that a series ended, and native histograms, are left out. It
// fails as a query does: with code invalid too when the server finds it too much.
func (h *History) Samples(ctx context.Context, selector string, from, to time.Time) ([]metrics.Row, error) {
	span := to.Sub(from).Truncate(time.Millisecond)
	if span <= 0 {
		return []metrics.Row{}, nil
	}
	v, _, err := h.server.api.Query(ctx, fmt.Sprintf("%s[%s]", selector, model.Duration(span)), to)
	if err != nil {
		return nil, classify(err)
	}
	all, err := rows(v)
	for i, r := range all { // servers differ in whether a range holds its beginning
		for len(r.Points) > 0 && !r.Points[0].At.After(from) {
			r.Points = r.Points[1:]
		}
		all[i] = r
	}
	return all, err
}

// Steps gives one sample a step, from first to last, of the selector's series.
func (h *History) Steps(ctx context.Context, selector string, r metrics.Range) ([]metrics.Row, error) {
	v, _, err := h.server.api.QueryRange(ctx, selector, promv1.Range{Start: r.First, End: r.Last, Step: r.Step})
	if err != nil {
		return nil, classify(err)
	}
	return rows(v)
}
