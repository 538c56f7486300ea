package watch

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/detect"
)

// Learning the past beside the work. A detector that has seen two weeks knows days
// and weekends and its own tails; one that has seen [Config].History steps does not.
// So while the live one works, a second one is fed what the backend still has, in
// pieces, slowly enough that nobody notices, and takes the place of the first when it has
// caught up. It is saved with the first, so that a restart goes on where it was; what a
// piece looks like is in piece.go.

// past is that second detector.
type past struct {
	mu       sync.Mutex
	detector *detect.Detector // guarded by mu
	from, at time.Time        // guarded by mu: where it began, up to where it has seen
	patience int              // pieces are smaller by so many halvings; belongs to the goroutine in learnPast
}

const (
	pauseFailed = 15 * time.Second // after the first failure; doubled with each more, up to
	pauseMost   = 10 * time.Minute
)

// learnPast feeds pieces until the past has been caught up with or ctx ends. What the
// backend refuses is asked again in smaller pieces after longer and longer pauses: after
// refusals and timeouts alike, since both say that now is not the time or that it is too
// much, and nothing is left out for it.
func (w *Watch) learnPast(ctx context.Context) {
	if w.config.Past <= 0 || w.taughtAlready() {
		return
	}
	for !w.seenAnything() { // the live detector comes first
		if !pause(ctx, min(w.config.Step, time.Second)) {
			return
		}
	}
	for failures := 0; ; {
		done, err := w.learnPiece(ctx, time.Now().UTC())
		if done || ctx.Err() != nil {
			return
		}
		rest := w.config.PastPause
		if failures++; err == nil {
			failures = 0
		} else {
			rest = max(rest, min(pauseFailed<<min(failures-1, 8), pauseMost))
			w.config.Log.Warn("learning the past waits", "for", rest, "err", err)
		}
		if !pause(ctx, rest) {
			return
		}
	}
}

// pause reports false when ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func (w *Watch) taughtAlready() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.taught }

func (w *Watch) seenAnything() bool { w.mu.Lock(); defer w.mu.Unlock(); return !w.last.IsZero() }

// learnPiece asks for one piece and feeds it; done when nothing is left to learn.
func (w *Watch) learnPiece(ctx context.Context, now time.Time) (done bool, err error) {
	p, err := w.oldest(ctx, now)
	if err != nil {
		return false, err
	}
	if p == nil {
		w.mu.Lock()
		w.taught = true
		w.mu.Unlock()
		return true, nil
	}
	piece := w.nextPiece(p)
	win, err := w.remember(ctx, piece)
	if err != nil {
		p.patience = min(p.patience+1, halvings)
		return false, fmt.Errorf("ask for the past from %s: %w", piece.from.Format(time.RFC3339), err)
	}
	p.patience = max(p.patience-1, 0)
	p.teach(win)
	return w.takeOver(p), nil
}

// oldest begins where the backend's memory does, found by halving; nil when it knows
// no more than the first window showed.
func (w *Watch) oldest(ctx context.Context, now time.Time) (*past, error) {
	ctx, cancel := context.WithTimeout(ctx, w.config.Timeout)
	defer cancel()
	w.mu.Lock()
	p := w.past
	w.mu.Unlock()
	if p != nil {
		return p, nil
	}
	known := time.Duration(max(w.config.History, 1)) * w.config.Step
	for back := w.config.Past; back > known; back /= 2 {
		at := now.Add(-back)
		win, err := w.config.Sampler.Sample(ctx, w.config.Signals, at.Add(-w.config.Step), at, w.config.Step)
		if err != nil {
			return nil, fmt.Errorf("look how far back the backend remembers: %w", err)
		}
		if !slices.ContainsFunc(win.Series, func(s backout.Series) bool { return len(s.Samples) > 0 }) {
			continue
		}
		d, err := detect.New(w.config.Detector)
		if err != nil {
			return nil, err
		}
		p := &past{detector: d, from: at, at: at}
		w.mu.Lock()
		w.past = p
		w.mu.Unlock()
		return p, nil
	}
	return nil, nil
}

// takeOver puts the detector that knows the past in the place of the live one, once
// it has seen as much. What then stands and was not said before is said with the
// next tick.
func (w *Watch) takeOver(p *past) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.last.Sub(p.at) > late*w.config.Step {
		return false
	}
	said := map[backout.SeriesID]bool{}
	for _, f := range w.detector.Standing() {
		said[f.ID] = true
	}
	for _, f := range p.detector.Standing() {
		if !said[f.ID] {
			w.untold = append(w.untold, f)
		}
	}
	p.detector.Accepted() // long past
	w.detector, w.last, w.past, w.taught = p.detector, p.at, nil, true
	w.config.Log.Info("the past is learnt", "from", p.from, "series", w.detector.State().Series)
	return true
}

// learnt is the share of the past that was taught, 1 when there is none to teach.
func (w *Watch) learnt() float64 {
	switch {
	case w.config.Past <= 0 || w.taught:
		return 1
	case w.past == nil:
		return 0
	}
	w.past.mu.Lock()
	defer w.past.mu.Unlock()
	return min(1, float64(w.past.at.Sub(w.past.from))/float64(max(w.last.Sub(w.past.from), 1)))
}
