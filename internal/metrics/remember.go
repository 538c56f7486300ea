package metrics

import (
	"context"
	"fmt"
	"time"

	"github.com/backout-dev/backout"
)

// Remember asks for the past, to learn from it. It differs from [Asker.Sample] in what a
// backend that has other work to do would ask for:
//
//   - One query at a time, and after each a rest as long as it took and at least
//     Config.Rest: the backend is busy with us for half of the time at most.
//   - A sample each so many steps (every, at least 1) at the multiples of every*step since
//     1970. Each is what Sample gives for that instant, since $step and $window stand for the
//     same; the window's Step is the one of Sample too.
//   - All or nothing: a query that fails, by a timeout or because it is too much, is an
//     error, and the caller asks again for less. A signal that had no data then is missing,
//     as in Sample.
//
// Errors are those of Sample, and invalid too where the backend refuses one of the queries.
func (a *Asker) Remember(ctx context.Context, signals []backout.Signal, from, to time.Time, step time.Duration, every int) (backout.Window, error) {
	if step < time.Millisecond || step%time.Millisecond != 0 || every < 1 || !to.After(from) {
		return backout.Window{}, invalid("remember %s to %s, each %d steps of %s: expected a span, whole milliseconds and at least one", from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339), every, step)
	}
	stride := time.Duration(every) * step
	w := backout.Window{From: floor(from, step), Now: floor(to, step), Step: step, Series: []backout.Series{}, Missing: map[backout.SignalName]string{}}
	r := Range{floor(from, stride).Add(stride), floor(to, stride), stride}
	if r.Points() == 0 || len(signals) == 0 {
		return w, nil
	}
	answers := map[string]answer{}
	for _, expression := range expressions(signals, a.config.ScrapeInterval, step) {
		rows, err := a.unhurried(ctx, expression, chunks(r, a.config.MaxPoints))
		if err != nil {
			return backout.Window{}, fmt.Errorf("remember %s: %w", expression, err)
		}
		answers[expression] = answer{rows: rows}
	}
	a.fill(&w, signals, answers)
	return w, nil
}

// unhurried evaluates one expression and rests after each chunk.
func (a *Asker) unhurried(ctx context.Context, expression string, ranges []Range) (all []Row, err error) {
	for _, r := range ranges {
		began := time.Now()
		rows, err := a.one(ctx, expression, []Range{r})
		if err != nil {
			return nil, err
		}
		all = join(all, rows)
		rest := time.NewTimer(max(a.config.Rest, time.Since(began)))
		select {
		case <-ctx.Done():
			rest.Stop()
			return nil, ctx.Err()
		case <-rest.C:
		}
	}
	return all, nil
}
