package watch

import (
	"context"
	"encoding/json"
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
		err = w.unpack(b)
	}
	if err != nil {
		w.config.Log.Warn("the detector's snapshot can't be used; learning anew", "err", err)
		return
	}
	w.last = at.UTC()
}

// saveLearning is how often at least the state is kept while the past is learnt: all of it
// takes minutes, and a process that is killed should not have to ask for it twice. It is kept
// seldom enough that saving takes a fiftieth of the time at most.
const saveLearning = 15 * time.Second

func (w *Watch) saveEvery() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.past == nil {
		return w.config.SaveEvery
	}
	return min(w.config.SaveEvery, max(saveLearning, 50*w.saving))
}

// save keeps the detector's state under the time up to which it has seen.
func (w *Watch) save(ctx context.Context, now time.Time) error {
	if w.config.Snapshots == nil {
		return nil
	}
	began := time.Now()
	w.mu.Lock()
	b, err := w.pack()
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
	w.unsaved, w.saving = "", time.Since(began)
	if err != nil {
		w.unsaved = err.Error()
		w.config.Log.Error("save detector snapshot", "err", err)
		return fmt.Errorf("save detector snapshot: %w", err)
	}
	return nil
}

// packed is how the detectors are kept. What was saved before there was a second one is
// the first one's bytes alone.
type packed struct {
	Live   []byte    `json:"live"`
	Taught bool      `json:"taught"`
	Past   []byte    `json:"past,omitempty"`
	From   time.Time `json:"from,omitzero"`
	At     time.Time `json:"at,omitzero"`
}

// pack is called with mu held, as unpack is.
func (w *Watch) pack() (b []byte, err error) {
	p := packed{Taught: w.taught}
	if p.Live, err = w.detector.Snapshot(); err != nil {
		return nil, err
	}
	if w.past != nil {
		w.past.mu.Lock()
		defer w.past.mu.Unlock()
		p.From, p.At = w.past.from, w.past.at
		if p.Past, err = w.past.detector.Snapshot(); err != nil {
			return nil, err
		}
	}
	return json.Marshal(p)
}

func (w *Watch) unpack(b []byte) error {
	p := packed{Live: b}
	if b[0] == '{' {
		p = packed{}
		if err := json.Unmarshal(b, &p); err != nil {
			return fmt.Errorf("read snapshot: %w", err)
		}
	}
	if err := w.detector.Restore(p.Live); err != nil {
		return err
	}
	w.taught = p.Taught
	if len(p.Past) == 0 || w.config.Past <= 0 {
		return nil
	}
	d, err := detect.New(w.config.Detector)
	if err == nil {
		err = d.Restore(p.Past)
	}
	if err != nil {
		return fmt.Errorf("go on learning the past: %w", err)
	}
	w.past = &past{detector: d, from: p.From, at: p.At}
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
	// PastRatio is the share of the backend's memory that was learnt beside the work.
	PastRatio float64 `json:"past_ratio"`
}

// State counts.
func (w *Watch) State() State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return State{w.detector.State(), w.last, w.learnt()}
}

// Services says how ready each service is.
func (w *Watch) Services() []backout.Readiness {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.detector.Services()
}

// Exposed says that a change of a service reached all of its users at a moment; see
// [detect.Detector.Exposed].
func (w *Watch) Exposed(service backout.ServiceID, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.detector.Exposed(service, at)
}

// Unusual names what is unusual now; see [detect.Detector.Unusual].
func (w *Watch) Unusual(patience float64) []detect.Unusual {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.detector.Unusual(patience)
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
	if s.PastRatio < 1 {
		text += fmt.Sprintf(", %.0f %% of the backend's past learnt", 100*s.PastRatio)
	}
	if s.Standing > 0 {
		text += fmt.Sprintf(", %d off their baseline", s.Standing)
	}
	return text
}
