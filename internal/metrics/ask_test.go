package metrics

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/backout-dev/backout"
)

var epoch = time.Unix(1_700_000_000, 0).UTC()

func at(s int) time.Time { return epoch.Add(time.Duration(s) * time.Second) }

func points(from int, values ...float64) []Point {
	out := []Point{}
	for i, v := range values {
		out = append(out, Point{at(from + i), v})
	}
	return out
}

// table is a backend that answers from a table and counts how often it is asked.
type table struct {
	mu      sync.Mutex
	answers map[string][]Row
	errs    map[string]error
	asked   map[string]int
}

func (b *table) evaluate(_ context.Context, expression string, r Range) ([]Row, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.asked == nil {
		b.asked = map[string]int{}
	}
	b.asked[expression]++
	if err := b.errs[expression]; err != nil {
		return nil, err
	}
	out := []Row{}
	for _, row := range b.answers[expression] {
		cut := Row{Labels: row.Labels}
		for _, p := range row.Points {
			if !p.At.Before(r.First) && !p.At.After(r.Last) {
				cut.Points = append(cut.Points, p)
			}
		}
		if len(cut.Points) > 0 {
			out = append(out, cut)
		}
	}
	return out, nil
}

func ask(t *testing.T, b *table, c Config, signals []backout.Signal, from, to time.Time) backout.Window {
	t.Helper()
	a, err := New(c, b.evaluate)
	if err != nil {
		t.Fatal(err)
	}
	w, err := a.Sample(t.Context(), signals, from, to, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestExpand_variables(t *testing.T) {
	got := expand("rate(x[$window])*$step_s + y offset $step", 250*time.Millisecond, 1500*time.Millisecond)
	if want := "rate(x[1750ms])*1.5 + y offset 1500ms"; got != want {
		t.Errorf("expanded to %q, want %q", got, want)
	}
}

func TestPair_table(t *testing.T) {
	cart := map[string]string{"service": "cart"}
	nan, inf := math.NaN(), math.Inf(1)
	for name, c := range map[string]struct {
		signal       backout.Signal
		query, total []Row
		want         map[string][]float64 // subject's service<caller -> second, value, total ...
		reason       string
	}{
		"a missing value beside a total is no failure": {
			signal: backout.Signal{Kind: backout.SignalErrors, Query: "q", Total: "t"},
			query:  []Row{{cart, points(2, 3)}}, total: []Row{{cart, points(1, 10, 20, 30)}},
			want: map[string][]float64{"cart<": {1, 0, 10, 2, 3, 20, 3, 0, 30}},
		},
		"a missing latency beside a total is a gap": {
			signal: backout.Signal{Kind: backout.SignalLatency, Query: "q", Total: "t"},
			query:  []Row{{cart, points(2, 3)}}, total: []Row{{cart, points(1, 10, 20, 30)}},
			want: map[string][]float64{"cart<": {2, 3, 20}},
		},
		"totals that are nothing are gaps": {
			signal: backout.Signal{Kind: backout.SignalErrors, Query: "q", Total: "t"},
			query:  []Row{{cart, points(1, 1, 1, 1, 1, nan)}}, total: []Row{{cart, points(1, 0, nan, -1, 5, 5)}},
			want: map[string][]float64{"cart<": {4, 1, 5}},
		},
		"values without a total are dropped": {
			signal: backout.Signal{Kind: backout.SignalErrors, Query: "q", Total: "t"},
			query:  []Row{{cart, points(1, 1, 1)}, {map[string]string{"service": "ghost"}, points(1, 1)}}, total: []Row{{cart, points(2, 7)}},
			want: map[string][]float64{"cart<": {2, 1, 7}},
		},
		"what is not finite is a gap": {
			signal: backout.Signal{Kind: backout.SignalSaturation, Query: "q"},
			query:  []Row{{cart, points(1, .5, nan, inf, .7)}},
			want:   map[string][]float64{"cart<": {1, .5, 0, 4, .7, 0}},
		},
		"an edge is about the callee": {
			signal: backout.Signal{Kind: backout.SignalTraffic, Query: "q"},
			query:  []Row{{map[string]string{"caller": "web", "callee": "cart", "service": "web"}, points(1, 5)}},
			want:   map[string][]float64{"cart<web": {1, 5, 0}},
		},
		"labels by other names": {
			signal: backout.Signal{Kind: backout.SignalTraffic, Query: "q", Labels: map[string]string{"service": "destination", "caller": "source"}},
			query:  []Row{{map[string]string{"source": "web", "destination": "cart", "callee": "no"}, points(1, 5)}},
			want:   map[string][]float64{"cart<web": {1, 5, 0}},
		},
		"two series for one subject": {
			signal: backout.Signal{Kind: backout.SignalTraffic, Query: "q"},
			query:  []Row{{map[string]string{"service": "cart", "pod": "1"}, points(1, 5)}, {map[string]string{"service": "cart", "pod": "2"}, points(1, 5)}},
			reason: "query: two series for one subject, the second is map[pod:2 service:cart]: aggregate with sum by (...)",
		},
		"no data":      {signal: backout.Signal{Query: "q"}, reason: "the backend has no data for it in this window"},
		"no query":     {signal: backout.Signal{}, reason: "the signal has no query"},
		"unknown part": {signal: backout.Signal{Query: "q", Labels: map[string]string{"pod": "x"}}, reason: `labels: unknown part "pod", expected one of [service caller journey version location client]`},
	} {
		t.Run(name, func(t *testing.T) {
			series, err := pair(c.signal, answer{rows: c.query}, answer{rows: c.total})
			reason, got := "", map[string][]float64(nil)
			if err != nil {
				reason = err.Error()
			}
			for _, s := range series {
				if got == nil {
					got = map[string][]float64{}
				}
				key := string(s.ID.Subject.Service + "<" + s.ID.Subject.Caller)
				for _, x := range s.Samples {
					got[key] = append(got[key], x.At.Sub(epoch).Seconds(), x.Value, x.Total)
				}
			}
			if d := cmp.Diff(c.want, got); d != "" || reason != c.reason {
				t.Errorf("series (-want +got):\n%s\nreason %q, want %q", d, reason, c.reason)
			}
		})
	}
}

func TestSample_sharedExpressionsAreAskedOnceAndOneFailureStaysAlone(t *testing.T) {
	b := &table{
		answers: map[string][]Row{"ok": {{map[string]string{"service": "cart"}, points(1, 1)}}, "all": {{map[string]string{"service": "cart"}, points(1, 9)}}},
		errs:    map[string]error{"bad": invalid("parse error"), "away": unavailable("reset", nil)},
	}
	w := ask(t, b, Config{}, []backout.Signal{
		{Name: "a", Query: "ok", Total: "all"}, {Name: "b", Query: "ok"}, {Name: "c", Query: "bad", Total: "all"}, {Name: "d", Query: "away"}, {Name: "e", Query: "ok", Total: "away"},
	}, at(0), at(1))
	want := map[backout.SignalName]string{"c": "query: parse error", "d": "query: reset", "e": "total: reset"}
	if d := cmp.Diff(want, w.Missing); d != "" || len(w.Series) != 2 {
		t.Errorf("%d series, missing (-want +got):\n%s", len(w.Series), d)
	}
	if b.asked["all"] != 1 || b.asked["ok"] != 1 {
		t.Errorf("asked %v: a shared expression must be evaluated once", b.asked)
	}
}

func TestSample_deadBackend(t *testing.T) {
	for _, code := range []backout.Code{backout.CodeUnavailable, backout.CodeForbidden} {
		a, _ := New(Config{}, func(context.Context, string, Range) ([]Row, error) {
			return nil, &backout.Error{Code: code, Message: "no"}
		})
		_, err := a.Sample(t.Context(), []backout.Signal{{Name: "a", Query: "a"}, {Name: "b", Query: "b"}}, at(0), at(1), time.Second)
		if backout.CodeOf(err) != code {
			t.Errorf("error %v with code %q, want %q", err, backout.CodeOf(err), code)
		}
	}
	a, _ := New(Config{}, func(context.Context, string, Range) ([]Row, error) { return nil, invalid("parse error") })
	w, err := a.Sample(t.Context(), []backout.Signal{{Name: "a", Query: "a"}}, at(0), at(1), time.Second)
	if err != nil || w.Missing["a"] != "query: parse error" {
		t.Errorf("window %v, error %v: a backend that refuses a query is not away", w, err)
	}
}

func TestSample_silentBackendCostsThreeTimeouts(t *testing.T) {
	a, _ := New(Config{Timeout: 20 * time.Millisecond}, func(ctx context.Context, _ string, _ Range) ([]Row, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	var signals []backout.Signal
	for i := range 100 {
		signals = append(signals, backout.Signal{Name: backout.SignalName(fmt.Sprint(i)), Query: fmt.Sprint(i)})
	}
	begin := time.Now()
	_, err := a.Sample(t.Context(), signals, at(0), at(1), time.Second)
	if took := time.Since(begin); backout.CodeOf(err) != backout.CodeUnavailable || took > 500*time.Millisecond {
		t.Errorf("after %s: %v; want unavailable after about 60ms", took, err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Sample(gone, signals, at(0), at(1), time.Second); !errors.Is(err, context.Canceled) {
		t.Errorf("caller gave up: %v, want context canceled", err)
	}
}

func TestSample_refusesWhatCannotBeSampled(t *testing.T) {
	a, _ := New(Config{}, (&table{}).evaluate)
	for _, step := range []time.Duration{0, -1, time.Microsecond, 1500 * time.Microsecond} {
		if _, err := a.Sample(t.Context(), nil, at(0), at(1), step); backout.CodeOf(err) != backout.CodeInvalid {
			t.Errorf("step %s: %v, want invalid", step, err)
		}
	}
	if _, err := a.Sample(t.Context(), nil, at(2), at(1), time.Second); backout.CodeOf(err) != backout.CodeInvalid {
		t.Errorf("span backwards: %v, want invalid", err)
	}
	for _, c := range []Config{{Timeout: -1}, {Parallel: -1}, {MaxPoints: 11_001}, {ScrapeInterval: 1}} {
		if _, err := New(c, nil); backout.CodeOf(err) != backout.CodeInvalid {
			t.Errorf("config %+v: %v, want invalid", c, err)
		}
	}
}

// Windows asked one after the other hold each sample exactly once, whatever the
// ends and however small the chunks.
func TestSample_windowsTile(t *testing.T) {
	values := make([]float64, 120)
	for i := range values {
		values[i] = float64(i + 1)
	}
	b := &table{answers: map[string][]Row{"q": {{map[string]string{"service": "cart"}, points(1, values...)}}}}
	rapid.Check(t, func(rt *rapid.T) {
		a, err := New(Config{MaxPoints: rapid.IntRange(1, 50).Draw(rt, "points")}, b.evaluate)
		if err != nil {
			rt.Fatal(err)
		}
		ms := epoch.UnixMilli()
		var got []float64
		for range rapid.IntRange(1, 8).Draw(rt, "windows") {
			next := min(ms+rapid.Int64Range(0, 20_000).Draw(rt, "span"), epoch.UnixMilli()+120_000)
			w, err := a.Sample(t.Context(), []backout.Signal{{Name: "s", Query: "q"}}, time.UnixMilli(ms), time.UnixMilli(next), time.Second)
			if err != nil {
				rt.Fatal(err)
			}
			for _, s := range w.Series {
				for _, x := range s.Samples {
					got = append(got, x.Value)
				}
			}
			ms = next
		}
		want := int((ms - epoch.UnixMilli()) / 1000)
		if len(got) != want {
			rt.Fatalf("%d samples in %d seconds: %v", len(got), want, got)
		}
		for i, v := range got {
			if v != float64(i+1) {
				rt.Fatalf("sample %d is %v: %v", i, v, got)
			}
		}
	})
}
