package metricstest

import (
	"context"
	"sync"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/metrics"
)

// Memory is a metrics.Sampler that answers from series put into it, whatever the
// signals' queries are. The zero value is empty: every signal is missing.
type Memory struct {
	mu     sync.Mutex
	series []backout.Series // guarded by mu
}

// Put adds series; samples of a series that is there already are appended.
func (m *Memory) Put(list ...backout.Series) {
	m.mu.Lock()
	defer m.mu.Unlock()
next:
	for _, s := range list {
		for i, have := range m.series {
			if have.ID == s.ID {
				m.series[i].Samples = append(have.Samples, s.Samples...)
				continue next
			}
		}
		s.Samples = append([]backout.Sample{}, s.Samples...)
		m.series = append(m.series, s)
	}
}

// Sample meets metrics.Sampler. It gives the samples inside the window as they
// were put, without looking at the step.
func (m *Memory) Sample(ctx context.Context, signals []backout.Signal, from, to time.Time, step time.Duration) (backout.Window, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := backout.Window{From: from.UTC(), Now: to.UTC(), Step: step, Series: []backout.Series{}, Missing: map[backout.SignalName]string{}}
	for _, signal := range signals {
		w.Missing[signal.Name] = "the backend has no data for it in this window"
		for _, s := range m.series {
			inside := s
			inside.Samples = nil
			for _, x := range s.Samples {
				if x.At.After(from) && !x.At.After(to) {
					inside.Samples = append(inside.Samples, x)
				}
			}
			if s.ID.Signal == signal.Name && len(inside.Samples) > 0 {
				delete(w.Missing, signal.Name)
				w.Series = append(w.Series, inside)
			}
		}
	}
	return w, ctx.Err()
}

// Failing passes on to another sampler until it is told to fail.
type Failing struct {
	metrics.Sampler

	mu  sync.Mutex
	err error // guarded by mu
}

// Fail makes every further Sample fail with err, or work again when err is nil.
func (f *Failing) Fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// Sample meets metrics.Sampler.
func (f *Failing) Sample(ctx context.Context, signals []backout.Signal, from, to time.Time, step time.Duration) (backout.Window, error) {
	f.mu.Lock()
	err := f.err
	f.mu.Unlock()
	if err != nil {
		return backout.Window{}, err
	}
	return f.Sampler.Sample(ctx, signals, from, to, step)
}
