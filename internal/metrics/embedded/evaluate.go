package embedded

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/metrics"
)

// evaluate answers one expression from the database.
func (m *Metrics) evaluate(ctx context.Context, expression string, r metrics.Range) ([]metrics.Row, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return nil, &backout.Error{Code: backout.CodeUnavailable, Message: "the metrics database is closed"}
	}
	return ask(ctx, m.engine, m.db, expression, r)
}

func ask(ctx context.Context, engine *promql.Engine, db storage.Queryable, expression string, r metrics.Range) ([]metrics.Row, error) {
	var q promql.Query
	var err error
	if r.Points() == 1 {
		q, err = engine.NewInstantQuery(ctx, db, nil, expression, r.First)
	} else {
		q, err = engine.NewRangeQuery(ctx, db, nil, expression, r.First, r.Last, r.Step)
	}
	if err != nil {
		return nil, invalid("%v", err)
	}
	defer q.Close()
	result := q.Exec(ctx)
	if result.Err != nil {
		return nil, classify(result.Err)
	}
	return rows(result)
}

// classify says whether a failure is the query's or the database's.
func classify(err error) error {
	var late promql.ErrQueryTimeout
	var stopped promql.ErrQueryCanceled
	var disk promql.ErrStorage
	if errors.As(err, &late) || errors.As(err, &stopped) || errors.As(err, &disk) {
		return &backout.Error{Code: backout.CodeUnavailable, Message: "ask metrics database", Err: err}
	}
	return invalid("%v", err)
}

// rows copies an answer: its points go back to the engine's pool afterwards.
func rows(result *promql.Result) ([]metrics.Row, error) {
	out := []metrics.Row{}
	switch v := result.Value.(type) {
	case promql.Matrix:
		for _, s := range v {
			points := make([]metrics.Point, len(s.Floats))
			for i, p := range s.Floats {
				points[i] = metrics.Point{At: at(p.T), Value: p.F}
			}
			out = append(out, metrics.Row{Labels: s.Metric.Map(), Points: points})
		}
	case promql.Vector:
		for _, s := range v {
			if s.H == nil {
				out = append(out, metrics.Row{Labels: s.Metric.Map(), Points: []metrics.Point{{At: at(s.T), Value: s.F}}})
			}
		}
	case promql.Scalar:
		out = append(out, metrics.Row{Points: []metrics.Point{{At: at(v.T), Value: v.V}}})
	default:
		return nil, invalid("the query's answer is a %s: expected an instant vector", result.Value.Type())
	}
	return out, nil
}

func at(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
