package watch

import (
	"context"
	"fmt"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/detect"
)

// restore loads the last snapshot. One that can't be read costs a warm-up, which
// is logged, and nothing else.
func (w *Watch) restore(ctx context.Context) {
	if w.config.Snapshots == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	b, at, err := w.config.Snapshots.Load(ctx)
	if err == nil && len(b) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		err = w.detector.Restore(b)
	}
	if err != nil {
		w.config.Log.Warn("the detector's snapshot can't be used; learning anew", "err", err)
		return
	}
	w.last = at.UTC()
}

// save keeps the detector's state under the time up to which it has seen.
func (w *Watch) save(ctx context.Context, now time.Time) error {
	if w.config.Snapshots == nil {
		return nil
	}
	w.mu.Lock()
	b, err := w.detector.Snapshot()
	at := w.last
	w.mu.Unlock()
	if at.IsZero() {
		return nil // nothing was seen
	}
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, saveTimeout)
		defer cancel()
		err = w.config.Snapshots.Save(ctx, at, b)
	}
	w.saved = now // also after a failure: the next try is a period away
	w.unsaved = ""
	if err != nil {
		w.unsaved = err.Error()
		w.config.Log.Error("save detector snapshot", "err", err)
		return fmt.Errorf("save detector snapshot: %w", err)
	}
	return nil
}

// Residuals of every series after from and up to to, as the detector keeps them.
func (w *Watch) Residuals(from, to time.Time) []backout.Residuals {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.detector.Residuals(from, to)
}

// Baselines are copies of the baselines of the named series, or of all when none
// is named.
func (w *Watch) Baselines(ids []backout.SeriesID) []backout.Baseline {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.detector.Baselines(ids...)
}

// Standing lists the findings that have not ended.
func (w *Watch) Standing() []backout.Finding {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.detector.Standing()
}

// Window is what was measured after from and until now, raw, for gates; it asks
// the backend and keeps nothing.
func (w *Watch) Window(ctx context.Context, from time.Time) (backout.Window, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	to := time.Now().UTC().Add(-w.config.Lag)
	win, err := w.config.Sampler.Sample(ctx, w.config.Signals, from, to, w.config.Step)
	if err != nil {
		return win, fmt.Errorf("measure since %s: %w", from.UTC().Format(time.RFC3339), err)
	}
	return win, nil
}

// State is how ready the detector is.
type State struct {
	detect.State
	Until time.Time `json:"until"` // what was seen ends here
}

// State counts.
func (w *Watch) State() State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return State{w.detector.State(), w.last}
}

// Warm says that nine in ten of the series that may open incidents are judged;
// some are asked so seldom that waiting for all would be waiting for ever.
func (s State) Warm() bool { return s.Opening > 0 && 10*s.Judged >= 9*s.Opening }

// Progress is the share of the samples needed for judging, in [0,1].
func (s State) Progress() float64 { return s.LearntRatio }

// String says it in words.
func (s State) String() string {
	if s.Opening == 0 {
		return "no series that may open an incident seen yet"
	}
	if s.Judged == 0 {
		return fmt.Sprintf("%d series that may open an incident, none with enough samples yet", s.Opening)
	}
	text := fmt.Sprintf("%d of %d series that may open an incident are judged", s.Judged, s.Opening)
	if s.Seasonal > 0 {
		text += fmt.Sprintf(" (%d series by their own long history)", s.Seasonal)
	} else if s.Short > 0 {
		text += " (short history)"
	}
	if s.Standing > 0 {
		text += fmt.Sprintf(", %d off their baseline", s.Standing)
	}
	return text
}
