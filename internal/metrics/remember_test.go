package metrics

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

var remembered = []backout.Signal{
	{Name: "errors", Kind: backout.SignalErrors, Query: "failed[$window]", Total: "all[$window]"},
	{Name: "latency", Kind: backout.SignalLatency, Query: "seconds[$window]", Total: "all[$window]"},
	{Name: "queue", Kind: backout.SignalKPI, Query: "queue"},
}

// Each sample of a thinned past is the one that Sample gives for that instant.
func TestRemember_givesSomeOfWhatSampleGives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		seen := map[string]int{}
		a, err := New(Config{}, func(_ context.Context, expression string, r Range) ([]Row, error) {
			mu.Lock()
			seen[expression]++
			mu.Unlock()
			row := Row{Labels: map[string]string{"service": "cart"}}
			for at := r.First; !at.After(r.Last); at = at.Add(r.Step) {
				row.Points = append(row.Points, Point{at, float64(at.Unix()%1000 + int64(len(expression)))})
			}
			return []Row{row}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		const step = 15 * time.Second
		from, to := epoch.Add(7*time.Second), epoch.Add(2*time.Hour)
		whole, err := a.Sample(t.Context(), remembered[:2], from, to, step)
		if err != nil {
			t.Fatal(err)
		}
		thin, err := a.Remember(t.Context(), remembered[:2], from, to, step, 4)
		if err != nil {
			t.Fatal(err)
		}
		for i := range whole.Series {
			var want []backout.Sample
			for _, s := range whole.Series[i].Samples {
				if s.At.Unix()%60 == 0 {
					want = append(want, s)
				}
			}
			whole.Series[i].Samples = want
		}
		if d := cmp.Diff(whole, thin); d != "" {
			t.Errorf("a sample a minute (-of all, +asked for):\n%s", d)
		}
		if len(seen) != 3 {
			t.Errorf("asked %v, expected the same expressions both times", seen)
		}
	})
}

// One query at a time, and a rest after each that is as long as it took.
func TestRemember_takesHalfOfTheTimeAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most, busy atomic.Int64
		a, err := New(Config{MaxPoints: 50}, func(_ context.Context, expression string, r Range) ([]Row, error) {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(2 * time.Second)
			busy.Add(2)
			now.Add(-1)
			return []Row{{Labels: map[string]string{"service": "cart"}, Points: []Point{{r.Last, 1}}}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := a.Remember(t.Context(), remembered, epoch, epoch.Add(time.Hour), time.Minute, 1); err != nil {
			t.Fatal(err)
		}
		took := int64(time.Since(began) / time.Second)
		if most.Load() != 1 || busy.Load() != 16 || took < 2*busy.Load() {
			t.Errorf("%d queries at once, busy for %d s of %d, expected one at a time and half of the time", most.Load(), busy.Load(), took)
		}
	})
}

// A query that fails is an error and no hole in the window; no data is no failure.
func TestRemember_allOrNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			err  error
			late bool
			code backout.Code
		}{
			"too much": {invalid("query processing would load too many samples into memory"), false, backout.CodeInvalid},
			"away":     {unavailable("ask metrics server", errors.New("503")), false, backout.CodeUnavailable},
			"late":     {nil, true, backout.CodeUnavailable},
		} {
			a, err := New(Config{}, func(ctx context.Context, expression string, r Range) ([]Row, error) {
				if expression != "queue" {
					return []Row{{Labels: map[string]string{"service": "cart"}, Points: []Point{{r.Last, 1}}}}, nil
				}
				if c.late {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				return nil, c.err
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := a.Remember(t.Context(), remembered, epoch, epoch.Add(time.Hour), time.Minute, 1); backout.CodeOf(err) != c.code {
				t.Errorf("%s: error %v, expected %s", name, err, c.code)
			}
		}
		a, err := New(Config{}, func(_ context.Context, expression string, r Range) ([]Row, error) {
			if expression == "queue" {
				return nil, nil
			}
			return []Row{{Labels: map[string]string{"service": "cart"}, Points: []Point{{r.Last, 1}}}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		w, err := a.Remember(t.Context(), remembered, epoch, epoch.Add(time.Hour), time.Minute, 1)
		if err != nil || len(w.Series) != 2 || w.Missing["queue"] == "" {
			t.Errorf("window %+v, error %v, expected two signals and why there is no third", w, err)
		}
	})
}
