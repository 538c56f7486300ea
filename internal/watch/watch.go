// Package watch is the only part that repeats in time: each step it asks the
// metrics backend for what is new, feeds the detector, and hands the report to
// its caller.
//
// # The model in one page
//
// A tick asks for everything after the last tick that succeeded, with three
// steps of overlap for samples that come late, in one range query. A hiccup, a
// pause of the process and a restart are therefore the same thing: one longer
// window, fed in order. The first window of all reaches [Config].History steps
// back, so that a backend that already knows the past spares the wait; of what
// was found in that past only what still stands is reported.
//
// A backend that doesn't answer, or answers with nothing at all, gives a report
// that says since when, and never a finding: no data is not bad data. It is
// asked again after one step, two, four, up to a minute, at the very beginning for
// half as much each time.
//
// A backend that remembers more than the first window is asked for it beside the
// work, piece by piece (past.go).
//
// The detector belongs to the goroutine in Run; a mutex lets others read
// residuals and baselines between ticks. Its state is saved every five minutes,
// more often while the past is learnt, and at the end.
package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/detect"
)

// Sampler measures signals between from (exclusive) and to (inclusive), one
// sample a step. It is used by several goroutines.
type Sampler interface {
	Sample(ctx context.Context, signals []backout.Signal, from, to time.Time, step time.Duration) (backout.Window, error)
}

// Snapshots keeps one blob. Load gives nil when nothing was saved yet.
type Snapshots interface {
	Save(ctx context.Context, at time.Time, state []byte) error
	Load(ctx context.Context) (state []byte, at time.Time, err error)
}

// Config sets up a Watch. Sampler and Report are needed; the rest has defaults.
type Config struct {
	Sampler Sampler
	Signals []backout.Signal
	// Step is the time between ticks and between samples; 0 means one minute.
	Step time.Duration
	// Lag keeps the newest sample this far in the past, for backends whose newest
	// data are incomplete.
	Lag time.Duration
	// History is how many steps the first window reaches back; 0 means 2000, and
	// a negative number none.
	History int
	// Past is how far back the detector is taught beside its work, by a backend that
	// remembers it; 0 means that it isn't. PastPause is the least time between two
	// pieces of it; 0 means a quarter of a second where the sampler is a [Rememberer], which
	// rests by itself, and four seconds elsewhere.
	Past, PastPause time.Duration
	// Overlap is passed to the detector when Detector.Overlap is 0.
	Overlap  float64
	Detector detect.Config
	// Timeout of one tick's questions; 0 means 30 s or a step, whichever is longer.
	Timeout time.Duration
	// Snapshots may be nil: then every start learns anew from History.
	Snapshots Snapshots
	// SaveEvery is the time between snapshots; 0 means five minutes.
	SaveEvery time.Duration
	// Report receives every tick, one at a time, from the goroutine in Run.
	Report func(context.Context, Report)
	Log    *slog.Logger // nil discards
}

// Report is one tick.
type Report struct {
	Now      time.Time                     `json:"now"` // end of what was measured, or when it was tried
	Findings []backout.Finding             `json:"findings"`
	Missing  map[backout.SignalName]string `json:"missing"`
	// Accepted names the series that stayed at a new level until it became their
	// baseline.
	Accepted []backout.SeriesID `json:"accepted,omitempty"`
	// DegradedSince is when measuring began to fail; zero while it works. Why
	// says what failed.
	DegradedSince time.Time `json:"degraded_since,omitzero"`
	Why           string    `json:"why,omitempty"`
	// Unsaved says why the last snapshot could not be kept.
	Unsaved string `json:"unsaved,omitempty"`
}

// Watch is the loop. Its accessors are safe for concurrent use.
type Watch struct {
	config Config

	mu       sync.Mutex // guards what follows, up to the empty line
	detector *detect.Detector
	last     time.Time                     // end of the newest window that was fed
	missing  map[backout.SignalName]string // of that window
	past     *past                         // the one that learns the past, while it does; locked after mu
	taught   bool                          // there is nothing left to learn of it
	untold   []backout.Finding             // of the detector that took over

	// The rest belongs to the goroutine in Run, or to the caller of Tick.
	degraded time.Time
	failures int
	saved    time.Time
	saving   time.Duration // that the last save took
	unsaved  string
}

const (
	late        = 3 // steps of overlap for samples that come late
	mostPatient = time.Minute
	saveTimeout = 5 * time.Second
)

// New checks the configuration and starts nothing.
func New(c Config) (*Watch, error) {
	if c.Sampler == nil || c.Report == nil {
		return nil, errors.New("set up watch: Sampler and Report are needed")
	}
	if c.Step == 0 {
		c.Step = time.Minute
	}
	if c.Step < time.Millisecond || c.Lag < 0 {
		return nil, fmt.Errorf("set up watch: step %s, lag %s: expected at least a millisecond and no negative lag", c.Step, c.Lag)
	}
	if c.History == 0 {
		c.History = 2000
	}
	if c.Timeout == 0 {
		c.Timeout = max(30*time.Second, c.Step)
	}
	if c.PastPause == 0 {
		c.PastPause = 4 * time.Second
		if _, rests := c.Sampler.(Rememberer); rests {
			c.PastPause = 250 * time.Millisecond
		}
	}
	if c.Past < 0 || c.PastPause < 0 {
		return nil, fmt.Errorf("set up watch: past %s, pause %s: expected none negative", c.Past, c.PastPause)
	}
	if c.SaveEvery == 0 {
		c.SaveEvery = 5 * time.Minute
	}
	if c.Detector.Overlap == 0 {
		c.Detector.Overlap = c.Overlap
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	d, err := detect.New(c.Detector)
	if err != nil {
		return nil, fmt.Errorf("set up watch: %w", err)
	}
	return &Watch{config: c, detector: d}, nil
}

// Run restores the last snapshot and ticks until ctx ends, then saves once more.
// It gives an error only when that last state could not be kept.
func (w *Watch) Run(ctx context.Context) error {
	w.restore(ctx)
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { w.learnPast(ctx) })
	w.saved = time.Now().UTC()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return w.save(context.WithoutCancel(ctx), time.Now().UTC())
		case <-timer.C:
		}
		now := time.Now().UTC()
		r := w.Tick(ctx, now)
		if ctx.Err() != nil {
			continue // a tick cut short by the end says nothing
		}
		w.config.Report(ctx, r)
		if now.Sub(w.saved) >= w.saveEvery() {
			_ = w.save(ctx, now) // kept in unsaved, told with the next report
		}
		timer.Reset(w.wait(time.Now().UTC()))
	}
}

// wait is the time until the next whole step, or longer while the backend fails.
func (w *Watch) wait(now time.Time) time.Duration {
	step := w.config.Step
	if w.failures == 0 {
		return now.Truncate(step).Add(step).Sub(now)
	}
	patience := step << min(w.failures-1, 16)
	return min(patience, max(mostPatient, step))
}

// Tick measures what is new at a moment and feeds it; Report is not called. It is
// for those who own time themselves, such as a replay: never beside Run, and with
// moments that don't go back.
func (w *Watch) Tick(ctx context.Context, now time.Time) Report {
	step := w.config.Step
	to := now.Add(-w.config.Lag)
	w.mu.Lock()
	from, first := w.last.Add(-late*step), w.last.IsZero()
	w.mu.Unlock()
	history := max(w.config.History, 1)
	if first { // what a slow backend could not answer at once is asked for in part
		history = max(history>>min(w.failures, 5), 1)
	}
	if oldest := to.Add(-time.Duration(history) * step); from.Before(oldest) {
		from = oldest
	}
	ctx, cancel := context.WithTimeout(ctx, w.config.Timeout)
	defer cancel()
	win, err := w.config.Sampler.Sample(ctx, w.config.Signals, from, to, step)
	if err == nil && len(win.Series) == 0 && len(w.config.Signals) > 0 {
		err = errNothing
	}
	r := Report{Now: win.Now, Findings: []backout.Finding{}, Missing: win.Missing, Unsaved: w.unsaved}
	if err != nil {
		return w.fail(r, now, err)
	}
	w.failures, w.degraded = 0, time.Time{}
	w.mu.Lock()
	defer w.mu.Unlock()
	found := w.detector.Tick(win)
	if first {
		found = w.detector.Standing()
	}
	if w.missing = win.Missing; win.Now.After(w.last) {
		w.last = win.Now
	}
	r.Findings = append(append(r.Findings, w.untold...), found...)
	w.untold, r.Accepted = nil, w.detector.Accepted()
	for _, id := range r.Accepted {
		w.config.Log.Info("level shift accepted as the new baseline", "signal", id.Signal, "service", id.Subject.Service, "journey", id.Subject.Journey)
	}
	return r
}

var errNothing = errors.New("the backend answers, but has no series for any signal")

func (w *Watch) fail(r Report, now time.Time, err error) Report {
	if w.failures++; w.degraded.IsZero() {
		w.degraded = now
		w.config.Log.Warn("measuring fails; nothing is judged until it works again", "err", err)
	}
	r.Now, r.DegradedSince, r.Why = now, w.degraded, err.Error()
	return r
}
