package replay

import (
	"context"
	"slices"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/metrics"
	"github.com/backout-dev/backout/internal/metrics/embedded"
)

// ahead is how many steps are evaluated at a time.
const ahead = 240

// absent is why a signal is missing when the backend has nothing of it.
const absent = "the backend has no data for it in this window"

// reader is a sampler over a recording that evaluates many steps in one query and
// hands them out one by one, since a long recording has thousands of steps. What
// it hands out for a moment is what a query of that moment gives: PromQL looks
// back only, and expressions that may look ahead are asked step by step with
// everything later hidden. So are signals that fail somewhere in the steps ahead,
// because a failure of then must not show now.
type reader struct {
	source *embedded.Recorded
	end    time.Time // last instant of the recording
	// shy are the signals that are asked step by step always.
	shy map[backout.SignalName]bool

	have  backout.Window
	rough map[backout.SignalName]bool // those that have to be asked step by step while have lasts
}

// newReader makes a reader for some signals.
func newReader(source *embedded.Recorded, end time.Time, signals []backout.Signal, scrape, step time.Duration) *reader {
	r := &reader{source: source, end: end, shy: map[backout.SignalName]bool{}}
	for _, s := range signals {
		selectors, err := metrics.Selectors([]backout.Signal{s}, scrape, step)
		if err != nil {
			r.shy[s.Name] = true // the query itself will say what is wrong with it
			continue
		}
		r.shy[s.Name] = slices.ContainsFunc(selectors, func(x metrics.Selector) bool { return x.Ahead })
	}
	return r
}

// Sample meets metrics.Sampler. One goroutine calls it.
func (r *reader) Sample(ctx context.Context, signals []backout.Signal, from, to time.Time, step time.Duration) (backout.Window, error) {
	if from.Before(r.have.From) || to.After(r.have.Now) || r.have.Now.IsZero() {
		if err := r.fetch(ctx, signals, from, to, step); err != nil {
			return backout.Window{}, err
		}
	}
	out := r.cut(from, to, step)
	r.source.Until(to)
	exact := slices.DeleteFunc(slices.Clone(signals), func(s backout.Signal) bool { return !r.rough[s.Name] })
	if len(exact) > 0 {
		w, err := r.source.Sample(ctx, exact, from, to, step)
		if err != nil {
			return backout.Window{}, err
		}
		out.From, out.Now = w.From, w.Now
		out.Series = append(out.Series, w.Series...)
		for name, why := range w.Missing {
			out.Missing[name] = why
		}
	}
	return sorted(out, signals), nil
}

// fetch evaluates the steps from one to some way ahead.
func (r *reader) fetch(ctx context.Context, signals []backout.Signal, from, to time.Time, step time.Duration) error {
	until := to.Add(ahead * step)
	if until.After(r.end) {
		until = r.end
	}
	if until.Before(to) {
		until = to
	}
	r.rough = map[backout.SignalName]bool{}
	plain := []backout.Signal{}
	for _, s := range signals {
		if r.shy[s.Name] {
			r.rough[s.Name] = true
		} else {
			plain = append(plain, s)
		}
	}
	r.source.Until(until)
	w, err := r.source.Sample(ctx, plain, from, until, step)
	if err != nil {
		return err
	}
	for name, why := range w.Missing {
		if why != absent {
			r.rough[name] = true
		}
	}
	r.have = w
	return nil
}

// cut takes a window out of what was evaluated.
func (r *reader) cut(from, to time.Time, step time.Duration) backout.Window {
	w := backout.Window{From: floor(from, step), Now: floor(to, step), Step: step, Series: []backout.Series{}, Missing: map[backout.SignalName]string{}}
	seen := map[backout.SignalName]bool{}
	for _, s := range r.have.Series {
		if r.rough[s.ID.Signal] {
			continue
		}
		first, _ := slices.BinarySearchFunc(s.Samples, w.From.Add(1), compareAt)
		after, _ := slices.BinarySearchFunc(s.Samples, w.Now.Add(1), compareAt)
		if s.Samples = s.Samples[first:after:after]; len(s.Samples) > 0 {
			seen[s.ID.Signal] = true
			w.Series = append(w.Series, s)
		}
		if !seen[s.ID.Signal] {
			w.Missing[s.ID.Signal] = absent
		} else {
			delete(w.Missing, s.ID.Signal)
		}
	}
	for name, why := range r.have.Missing {
		if !r.rough[name] {
			w.Missing[name] = why
		}
	}
	return w
}

func compareAt(s backout.Sample, t time.Time) int { return s.At.Compare(t) }

// sorted puts series into the order of their signals, as a sampler gives them.
func sorted(w backout.Window, signals []backout.Signal) backout.Window {
	place := map[backout.SignalName]int{}
	for i, s := range signals {
		place[s.Name] = i
	}
	slices.SortStableFunc(w.Series, func(a, b backout.Series) int { return place[a.ID.Signal] - place[b.ID.Signal] })
	return w
}

// floor rounds down to a multiple of the step since 1970.
func floor(t time.Time, step time.Duration) time.Time {
	ms, s := t.UnixMilli(), step.Milliseconds()
	return time.UnixMilli(ms - ((ms%s)+s)%s).UTC()
}
