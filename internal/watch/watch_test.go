package watch

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

const step = time.Second

// backend is a Sampler whose truth is a function of time: any window of it can
// be asked for at any time, and it can be away.
type backend struct {
	mu    sync.Mutex
	away  error
	empty bool
	began time.Time
	ends  time.Time // data end here; zero: never
	shift func(at time.Time) float64
	asked int
}

func (b *backend) set(f func(*backend)) { b.mu.Lock(); defer b.mu.Unlock(); f(b) }

func (b *backend) Sample(_ context.Context, _ []backout.Signal, from, to time.Time, step time.Duration) (backout.Window, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	if b.away != nil {
		return backout.Window{}, b.away
	}
	w := backout.Window{From: from.Truncate(step), Now: to.Truncate(step), Step: step, Missing: map[backout.SignalName]string{}}
	if b.empty {
		return w, nil
	}
	s := backout.Series{ID: backout.SeriesID{Signal: "latency", Subject: backout.Subject{Service: "checkout"}},
		Kind: backout.SignalLatency, Worse: backout.WorseUp, Opens: true}
	for at := w.From.Add(step); !at.After(w.Now); at = at.Add(step) {
		if at.Before(b.began) || !b.ends.IsZero() && at.After(b.ends) {
			continue
		}
		z := rand.New(rand.NewPCG(uint64(at.Unix()), 5)).NormFloat64()
		if b.shift != nil {
			z += b.shift(at)
		}
		s.Samples = append(s.Samples, backout.Sample{At: at, Value: 20 * math.Exp(.2*z), Total: 100})
	}
	w.Series = []backout.Series{s}
	return w, nil
}

// shelf is a Snapshots in memory.
type shelf struct {
	mu    sync.Mutex
	state []byte
	at    time.Time
	saves int
	fails error
}

func (s *shelf) Save(_ context.Context, at time.Time, state []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails != nil {
		return s.fails
	}
	s.state, s.at = bytes.Clone(state), at
	s.saves++
	return nil
}

func (s *shelf) Load(context.Context) ([]byte, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state, s.at, nil
}

// ear collects reports.
type ear struct {
	mu  sync.Mutex
	all []Report
}

func (e *ear) hear(_ context.Context, r Report) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, r)
}

func (e *ear) findings() (out []backout.Finding) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.all {
		out = append(out, r.Findings...)
	}
	return out
}

func (e *ear) last() Report { e.mu.Lock(); defer e.mu.Unlock(); return e.all[len(e.all)-1] }

var signals = []backout.Signal{{Name: "latency", Kind: backout.SignalLatency, Opens: true}}

// running starts a watch and gives a function that ends it.
func running(t *testing.T, c Config) (*Watch, func()) {
	t.Helper()
	return runningAt(t, c, step)
}

func runningAt(t *testing.T, c Config, step time.Duration) (*Watch, func()) {
	t.Helper()
	c.Signals, c.Step = signals, step
	w, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	return w, func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	}
}

// pass lets time go by in the bubble.
func pass(d time.Duration) { time.Sleep(d); synctest.Wait() }

func TestNew_incomplete(t *testing.T) {
	hear := func(context.Context, Report) {}
	for name, c := range map[string]Config{
		"no sampler": {Report: hear}, "no report": {Sampler: &backend{}}, "negative step": {Sampler: &backend{}, Report: hear, Step: -1},
		"bad detector": {Sampler: &backend{}, Report: hear, Overlap: .2},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: expected an error", name)
		}
	}
}

func TestRun_findsShiftOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, start := &ear{}, time.Now()
		b := &backend{began: start, shift: func(at time.Time) float64 {
			if at.Sub(start) > 60*step {
				return 8
			}
			return 0
		}}
		w, end := running(t, Config{Sampler: b, Report: e.hear})
		pass(30 * step)
		if st := w.State(); st.Warm() || math.Abs(st.Progress()-.75) > .05 {
			t.Errorf("after 30 of 40 samples: %s, progress %v", st, st.Progress())
		}
		pass(60 * step)
		f := e.findings()
		if len(f) != 1 || f[0].At.Sub(start) > 64*step || len(w.Standing()) != 1 {
			t.Errorf("findings %+v, expected one by 64 s", f)
		}
		if !w.State().Warm() || len(w.Baselines(nil)) != 1 || len(w.Residuals(start, time.Now())) != 1 {
			t.Errorf("state %s, expected one judged series", w.State())
		}
		win, err := w.Window(t.Context(), start.Add(70*step))
		if err != nil || len(win.Series[0].Samples) != 20 {
			t.Errorf("window of %v samples, error %v; expected 20", win.Series, err)
		}
		end()
	})
}

// Whoever owns time gets the same findings as Run, and no report is made.
func TestTick_findsShiftWhenAsked(t *testing.T) {
	start := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	b := &backend{began: start, shift: func(at time.Time) float64 {
		if at.Sub(start) > 60*step {
			return 8
		}
		return 0
	}}
	w, err := New(Config{Sampler: b, Signals: signals, Step: step, Report: func(context.Context, Report) { t.Error("Tick reported by itself") }})
	if err != nil {
		t.Fatal(err)
	}
	var found []backout.Finding
	for n := 50; n < 90; n++ {
		r := w.Tick(t.Context(), start.Add(time.Duration(n)*step))
		if found = append(found, r.Findings...); r.Why != "" || !r.Now.Equal(start.Add(time.Duration(n)*step)) {
			t.Fatalf("report %+v at step %d", r, n)
		}
	}
	if len(found) != 1 || found[0].At.Sub(start) > 64*step || !found[0].At.After(start.Add(60*step)) {
		t.Errorf("findings %+v, expected one by 64 s", found)
	}
}

func TestRun_historySparesTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, start := &ear{}, time.Now()
		over := &backend{began: start.Add(-time.Hour), shift: func(at time.Time) float64 { // an incident long over
			if d := start.Sub(at); d > 200*step && d < 250*step {
				return 9
			}
			return 0
		}}
		w, end := running(t, Config{Sampler: over, Report: e.hear, History: 300})
		pass(2 * step)
		if !w.State().Warm() || len(e.findings()) != 0 {
			t.Errorf("%s with findings %+v, expected a warm detector at once and nothing found", w.State(), e.findings())
		}
		end()
	})
}

func TestRun_deadBackendFreezesAndNeverTriggers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, start := &ear{}, time.Now()
		b := &backend{began: start}
		w, end := running(t, Config{Sampler: b, Report: e.hear})
		pass(60 * step)
		before := w.Baselines(nil)
		b.set(func(b *backend) { b.away = errors.New("connection refused"); b.asked = 0 })
		pass(10 * time.Minute)
		r := e.last()
		if r.Why != "connection refused" || r.DegradedSince.Sub(start) > 62*step || r.DegradedSince.IsZero() {
			t.Errorf("report %+v, expected degraded since the minute", r)
		}
		if b.asked > 20 {
			t.Errorf("a dead backend was asked %d times in ten minutes", b.asked)
		}
		b.set(func(b *backend) { b.away, b.empty = nil, true })
		pass(2 * time.Minute)
		if r := e.last(); r.DegradedSince.IsZero() || r.Why != errNothing.Error() {
			t.Errorf("report %+v, expected an empty answer to be a degraded one", r)
		}
		if diff := cmp.Diff(before, w.Baselines(nil)); diff != "" {
			t.Errorf("the baseline moved without data:\n%s", diff)
		}
		b.set(func(b *backend) { b.empty, b.began = false, time.Now() })
		pass(2 * time.Minute)
		if r := e.last(); !r.DegradedSince.IsZero() || r.Why != "" {
			t.Errorf("report %+v, expected to have recovered", r)
		}
		if f := e.findings(); len(f) != 0 {
			t.Errorf("an outage of monitoring gave findings: %+v", f)
		}
		end()
	})
}

func TestRun_catchesUpAfterHiccup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, start := &ear{}, time.Now()
		b := &backend{began: start, shift: func(at time.Time) float64 {
			if at.Sub(start) > 70*step {
				return 8
			}
			return 0
		}}
		_, end := running(t, Config{Sampler: b, Report: e.hear})
		pass(60 * step)
		b.set(func(b *backend) { b.away = errors.New("timeout") })
		pass(20 * step)
		b.set(func(b *backend) { b.away = nil })
		pass(40 * step)
		f := e.findings()
		if len(f) != 1 || f[0].At.Sub(start) > 75*step {
			t.Errorf("findings %+v, expected the shift dated inside the hiccup", f)
		}
		end()
	})
}

func TestRun_restartContinuesAsIfNothingHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		b := &backend{began: start, shift: func(at time.Time) float64 {
			if at.Sub(start) > 100*step {
				return 5
			}
			return 0
		}}
		through, broken, s := &ear{}, &ear{}, &shelf{}
		a, endA := running(t, Config{Sampler: b, Report: through.hear})
		_, endB := running(t, Config{Sampler: b, Report: broken.hear, Snapshots: s})
		pass(60*step + step/2)
		endB()
		pass(60 * step) // away while it happens
		c, endC := running(t, Config{Sampler: b, Report: broken.hear, Snapshots: s})
		pass(20 * step)
		if diff := cmp.Diff(through.findings(), broken.findings()); diff != "" || len(broken.findings()) != 1 {
			t.Errorf("findings differ, or aren't one:\n%s", diff)
		}
		if diff := cmp.Diff(a.Baselines(nil), c.Baselines(nil)); diff != "" {
			t.Errorf("baselines differ:\n%s", diff)
		}
		endA()
		endC()
	})
}

func TestRun_savesEveryFiveMinutesAndTellsWhenItCannot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, s := &ear{}, &shelf{}
		_, end := running(t, Config{Sampler: &backend{}, Report: e.hear, Snapshots: s, History: 100})
		pass(16 * time.Minute)
		if s.saves != 3 {
			t.Errorf("%d snapshots in 16 minutes, expected 3", s.saves)
		}
		s.mu.Lock()
		s.fails = errors.New("disk full")
		s.mu.Unlock()
		pass(6 * time.Minute)
		if e.last().Unsaved != "disk full" {
			t.Errorf("report %+v, expected it to say that the disk is full", e.last())
		}
		s.mu.Lock()
		s.fails = nil
		s.mu.Unlock()
		end()
		if s.saves != 4 {
			t.Errorf("%d snapshots, expected one more at the end", s.saves)
		}
	})
}

func TestRun_unreadableSnapshotLearnsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ear{}
		w, end := running(t, Config{Sampler: &backend{}, Report: e.hear, Snapshots: &shelf{state: []byte("rubbish"), at: time.Now()}, History: 100})
		pass(2 * step)
		if !w.State().Warm() {
			t.Errorf("%s, expected to have learnt from history", w.State())
		}
		end()
	})
}
