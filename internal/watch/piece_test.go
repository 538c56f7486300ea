package watch

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backout-dev/backout"
)

// Pieces follow one another without a hole to the end, at whatever moment the past
// begins, and are full at both ends.
func TestCut_coversThePast(t *testing.T) {
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	for range 300 {
		step := time.Duration(1+r.IntN(90)) * time.Second
		live := time.Unix(1_800_000_000, 0).Truncate(step)
		began := live.Add(-100*step - time.Duration(r.Int64N(int64(14*24*time.Hour))))
		points, every := 10+r.IntN(3000), thinning(step)
		asked := 0
		for at, n := began, 0; live.Sub(at) > late*step; n++ {
			c := cut(began, at, live, step, points, every)
			if !c.from.Equal(at) || !c.to.After(c.from) || c.to.After(live) || n > 1_000_000 {
				t.Fatalf("step %s, %s of the past: piece %+v after %s", step, live.Sub(began), c, at)
			}
			full := at.Before(began.Add(fullFirst*step)) || !at.Before(live.Add(-fullLast*step))
			if full != (c.every == 1) && every > 1 {
				t.Fatalf("step %s: piece %+v is asked for each %d steps", step, c, c.every)
			}
			asked += int(c.to.Sub(c.from)/step) / c.every
			at = c.to.Truncate(step) // as far as an answer goes
		}
		if least := int(live.Sub(began)/step) / max(every, 1) / 2; asked < least {
			t.Fatalf("step %s: %d samples asked for, expected %d at least", step, asked, least)
		}
	}
}

func TestThinning_findsTheSampleThatIsLearnt(t *testing.T) {
	for step, want := range map[time.Duration]int{time.Second: 4, 15 * time.Second: 4, 20 * time.Second: 2, 30 * time.Second: 2, 31 * time.Second: 1, time.Minute: 1, time.Hour: 1} {
		if got := thinning(step); got != want || 64%got != 0 {
			t.Errorf("each %d samples of steps of %s, expected %d", got, step, want)
		}
	}
}

// library is a backend that remembers, with a day, correlated noise and a ratio; it can
// refuse too large a question.
type library struct {
	began time.Time
	noise []float64 // one a step
	step  time.Duration

	mu      sync.Mutex
	most    int // samples of a series in one answer, 0 = any number; guarded by mu
	refused int // guarded by mu
	asked   []piece
	missing map[backout.SignalName]string
}

func newLibrary(began time.Time, days int, step time.Duration) *library {
	l := &library{began: began, step: step, noise: make([]float64, days*int(24*time.Hour/step))}
	r, x := rand.New(rand.NewPCG(3, 4)), 0.0
	for i := range l.noise {
		x = .8*x + .6*r.NormFloat64()
		l.noise[i] = x
	}
	return l
}

func (l *library) Sample(ctx context.Context, signals []backout.Signal, from, to time.Time, step time.Duration) (backout.Window, error) {
	return l.read(signals, from, to, step, 1)
}

func (l *library) Remember(ctx context.Context, signals []backout.Signal, from, to time.Time, step time.Duration, every int) (backout.Window, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.most > 0 && int(to.Sub(from)/step)/every > l.most {
		l.refused++
		return backout.Window{}, errors.New("too much")
	}
	l.asked = append(l.asked, piece{from, to, every})
	return l.read(signals, from, to, step, every)
}

func (l *library) read(signals []backout.Signal, from, to time.Time, step time.Duration, every int) (backout.Window, error) {
	w := backout.Window{From: from.Truncate(step), Now: to.Truncate(step), Step: step, Missing: map[backout.SignalName]string{}}
	stride := time.Duration(every) * step
	for _, sig := range signals {
		if why := l.missing[sig.Name]; why != "" {
			w.Missing[sig.Name] = why
			continue
		}
		s := backout.Series{ID: backout.SeriesID{Signal: sig.Name, Subject: backout.Subject{Service: "checkout"}}, Kind: backout.SignalLatency, Worse: backout.WorseUp, Opens: true}
		for at := from.Truncate(stride).Add(stride); !at.After(to); at = at.Add(stride) {
			i := int(at.Sub(l.began) / l.step)
			if i < 0 || i >= len(l.noise) {
				continue
			}
			day := math.Sin(2 * math.Pi * float64(at.Unix()%86400) / 86400)
			s.Samples = append(s.Samples, backout.Sample{At: at, Value: 20 * math.Exp(.5*day+.2*l.noise[i]), Total: 100})
		}
		w.Series = append(w.Series, s)
	}
	return w, nil
}

// full is a library that can't be asked politely, so that nothing is left out.
type full struct{ *library }

func (f full) Sample(ctx context.Context, signals []backout.Signal, from, to time.Time, step time.Duration) (backout.Window, error) {
	return f.read(signals, from, to, step, 1)
}

// A past told in every fourth sample teaches what the whole of it teaches: level, scatter,
// correlation of neighbours, and the day.
func TestRun_aThinnedPastTeachesTheSame(t *testing.T) {
	const every15 = 15 * time.Second
	taught := func(s func(*library) Sampler) (out []backout.Residuals, b backout.Baseline, l *library) {
		synctest.Test(t, func(t *testing.T) {
			l = newLibrary(time.Now().Add(-10*24*time.Hour), 11, every15)
			w, end := runningAt(t, Config{Sampler: s(l), Report: (&ear{}).hear, Past: 9 * 24 * time.Hour}, every15)
			defer end()
			for range 40 {
				pass(time.Minute)
			}
			if st := w.State(); st.PastRatio != 1 || st.Seasons != 1 || st.Seasonal != 1 {
				t.Fatalf("after forty minutes: %+v, expected all of the past and a season", st)
			}
			b = w.Baselines(nil)[0]
			out = w.Residuals(time.Now().Add(-time.Hour), time.Now())
		})
		return out, b, l
	}
	thin, a, l := taught(func(l *library) Sampler { return l })
	whole, b, _ := taught(func(l *library) Sampler { return struct{ Sampler }{full{l}} })
	samples := 0
	for _, p := range l.asked {
		samples += int(p.to.Sub(p.from)/every15) / p.every
	}
	if all := 9 * 24 * 240; samples > all*6/10 {
		t.Errorf("%d samples of a series were asked for, of %d", samples, all)
	}
	if math.Abs(a.Scale/b.Scale-1) > .1 || math.Abs(a.Phi-b.Phi) > .05 || math.Abs(a.Level-b.Level) > .3*b.Scale {
		t.Errorf("the baselines differ:\nthinned %+v\nwhole   %+v", a, b)
	}
	if len(thin) != 1 || len(whole) != 1 || len(thin[0].Levels) != len(whole[0].Levels) {
		t.Fatalf("residuals of %d and %d series", len(thin), len(whole))
	}
	for i, z := range thin[0].Levels {
		if d := z - whole[0].Levels[i]; math.Abs(d) > .75 {
			t.Errorf("step %d: %.2f sd from what is expected, by the whole of the past %.2f", i, z, whole[0].Levels[i])
		}
	}
}

// What is refused is asked for again in smaller pieces, and nothing is left out.
func TestRun_asksForLessWhenRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const step = time.Minute
		l := newLibrary(time.Now().Add(-5*24*time.Hour), 6, step)
		l.most = 300
		w, end := runningAt(t, Config{Sampler: l, Report: (&ear{}).hear, Past: 4 * 24 * time.Hour, History: 60}, step)
		defer end()
		for range 240 {
			pass(time.Minute)
		}
		if st := w.State(); st.PastRatio != 1 || st.Seasons != 1 {
			t.Fatalf("after four hours: %+v, expected all of the past", st)
		}
		if l.refused == 0 || l.refused > 60 {
			t.Errorf("%d questions were refused, expected some and few", l.refused)
		}
		for i := 1; i < len(l.asked); i++ {
			// The answer ends at the last whole step, and there the next piece begins.
			if !l.asked[i].from.Truncate(step).Equal(l.asked[i-1].to.Truncate(step)) {
				t.Errorf("after %s comes %s", l.asked[i-1].to, l.asked[i].from)
			}
		}
	})
}

// A process that is killed while it learns, with no time to save, has lost seconds.
func TestRun_aKillCostsLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const step = 15 * time.Second
		l, kept := newLibrary(time.Now().Add(-14*24*time.Hour), 15, step), &shelf{}
		c := Config{Sampler: l, Report: (&ear{}).hear, Snapshots: kept, Past: 13 * 24 * time.Hour, PastPause: 8 * time.Second}
		w, end := runningAt(t, c, step)
		pass(40 * time.Second)
		before := w.State().PastRatio
		if before <= .2 || before >= 1 {
			t.Fatalf("%.2f of the past is learnt, expected some", before)
		}
		saved, at, _ := kept.Load(t.Context())
		end()
		kept.state, kept.at = saved, at // what it saved at its end a killed one would not have
		l.asked = nil
		w, end = runningAt(t, c, step)
		defer end()
		pass(time.Second)
		if went := w.State().PastRatio; went < before-.35 || went < .2 {
			t.Errorf("killed with %.2f of the past learnt it went on with %.2f", before, went)
		}
		if len(l.asked) == 0 || time.Since(l.asked[0].from) > 12*24*time.Hour {
			t.Errorf("it asked for %+v first, expected it to go on", l.asked)
		}
	})
}

// A signal that can't be measured now does not hold up the past of the others.
func TestRemember_leavesOutWhatFailsNow(t *testing.T) {
	l := newLibrary(time.Unix(1_800_000_000, 0), 1, time.Minute)
	w, err := New(Config{Sampler: l, Report: (&ear{}).hear, Signals: []backout.Signal{{Name: "latency"}, {Name: "broken"}}})
	if err != nil {
		t.Fatal(err)
	}
	l.missing = map[backout.SignalName]string{"broken": "parse error"}
	w.Tick(t.Context(), l.began.Add(time.Hour))
	l.missing = nil
	win, err := w.remember(t.Context(), piece{l.began, l.began.Add(time.Hour), 1})
	if err != nil || len(win.Series) != 1 || win.Series[0].ID.Signal != "latency" {
		t.Errorf("window %+v, error %v, expected latency alone", win, err)
	}
}

// A backend that is too slow for the whole of the first window is asked for less of it
// until it answers.
func TestTick_firstWindowShrinks(t *testing.T) {
	l := newLibrary(time.Unix(1_800_000_000, 0), 2, time.Minute)
	slow := &slowly{library: l, most: 500}
	w, err := New(Config{Sampler: slow, Report: (&ear{}).hear, Signals: signals})
	if err != nil {
		t.Fatal(err)
	}
	at := l.began.Add(40 * time.Hour)
	for range 3 {
		if r := w.Tick(t.Context(), at); r.Why == "" {
			break
		}
		at = at.Add(time.Minute)
	}
	if st := w.State(); st.Judged != 1 {
		t.Errorf("after three ticks: %+v, expected a baseline", st)
	}
}

// slowly answers no more than so many samples of a series.
type slowly struct {
	*library
	most int
}

func (s *slowly) Sample(ctx context.Context, signals []backout.Signal, from, to time.Time, step time.Duration) (backout.Window, error) {
	if int(to.Sub(from)/step) > s.most {
		return backout.Window{}, context.DeadlineExceeded
	}
	return s.library.Sample(ctx, signals, from, to, step)
}
