package metricstest

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

func kinds(t *testing.T, s System, base time.Time) {
	const n = 120
	arm := []string{"service", "cart", "version", "2.0", "location", "eu-1"}
	Write(t, s.WriteURL,
		Series{labels("kinds_requests_total", append(arm, "result", "ok")...), base, Counter(8, n)},
		Series{labels("kinds_requests_total", append(arm, "result", "error")...), base, Counter(2, n)},
		Series{labels("kinds_seconds_sum", arm...), base, Counter(.5, n)},
		Series{labels("kinds_seconds_count", arm...), base, Counter(10, n)},
		Series{labels("kinds_pool_ratio", append(arm, "pool", "db")...), base, Gauge(.75, n)},
		Series{labels("kinds_pool_ratio", append(arm, "pool", "http")...), base, Gauge(.25, n)},
		Series{labels("kinds_calls_total", "caller", "web", "callee", "cart", "result", "ok", "service", "web"), base, Counter(4, n)},
		Series{labels("kinds_calls_total", "caller", "web", "callee", "cart", "result", "error", "service", "web"), base, Counter(1, n)},
		Series{labels("kinds_orders_total", "flow", "checkout", "audience", "ios"), base, Counter(3, n)},
	)
	w := sample(t, s, base.Add(20*time.Second), base.Add(100*time.Second), step,
		backout.Signal{Name: "errors", Kind: backout.SignalErrors, Direction: backout.WorseUp, Opens: true,
			Query: `sum by (service,version,location) (rate(kinds_requests_total{result="error"}[$window])) * $step_s`,
			Total: `sum by (service,version,location) (rate(kinds_requests_total[$window])) * $step_s`},
		backout.Signal{Name: "latency", Kind: backout.SignalLatency, Direction: backout.WorseUp,
			Query: `rate(kinds_seconds_sum[$window]) * $step_s`, Total: `rate(kinds_seconds_count[$window]) * $step_s`},
		backout.Signal{Name: "saturation", Kind: backout.SignalSaturation, Query: `max by (service) (max_over_time(kinds_pool_ratio[$step]))`},
		backout.Signal{Name: "edge", Kind: backout.SignalErrors,
			Query: `sum by (caller,callee) (rate(kinds_calls_total{result="error"}[$window])) * $step_s`,
			Total: `sum by (caller,callee) (rate(kinds_calls_total[$window])) * $step_s`},
		backout.Signal{Name: "orders", Kind: backout.SignalKPI, Labels: map[string]string{"journey": "flow", "client": "audience"}, Query: `sum by (flow,audience) (rate(kinds_orders_total[$window])) * $step_s`},
		backout.Signal{Name: "all", Kind: backout.SignalTraffic, Query: `sum(rate(kinds_requests_total[$window])) * $step_s`},
	)
	if len(w.Missing) > 0 || !w.From.Equal(base.Add(20*time.Second)) || !w.Now.Equal(base.Add(100*time.Second)) || w.Step != step {
		t.Errorf("window from %s to %s step %s, missing %v", w.From, w.Now, w.Step, w.Missing)
	}
	cart := backout.Subject{Service: "cart", Version: "2.0", Location: "eu-1"}
	constant(t, w, only(t, w, "errors", cart), 10, 50)
	constant(t, w, only(t, w, "latency", cart), 2.5, 50)
	constant(t, w, only(t, w, "saturation", backout.Subject{Service: "cart"}), .75, 0)
	constant(t, w, only(t, w, "edge", backout.Subject{Service: "cart", Caller: "web"}), 5, 25)
	constant(t, w, only(t, w, "orders", backout.Subject{Journey: "checkout", Client: "ios"}), 15, 0)
	constant(t, w, only(t, w, "all", backout.Subject{}), 50, 0)
	if e := w.Series[0]; e.Kind != backout.SignalErrors || e.Worse != backout.WorseUp || !e.Opens {
		t.Errorf("the series %+v does not carry its signal's kind, direction and opens", e.ID)
	}
}

// gaps has a gauge that is 1 for 30 s, not a number, infinite, ended, back; and
// a counter whose scrapes fail for a minute.
func gaps(t *testing.T, s System, base time.Time) {
	var gauge, counter []float64
	for i := range 150 {
		switch {
		case i >= 30 && i < 40:
			gauge = append(gauge, math.NaN())
		case i >= 40 && i < 50:
			gauge = append(gauge, math.Inf(1))
		case i == 60:
			gauge = append(gauge, Stale())
		case i > 60 && i < 90:
			gauge = append(gauge, Nothing())
		default:
			gauge = append(gauge, 1)
		}
		if i >= 30 && i < 90 {
			counter = append(counter, Nothing())
		} else {
			counter = append(counter, float64(2*i))
		}
	}
	Write(t, s.WriteURL, Series{labels("gaps_gauge", "service", "cart"), base, gauge}, Series{labels("gaps_total", "service", "cart"), base, counter})
	w := sample(t, s, base.Add(10*time.Second), base.Add(145*time.Second), step,
		backout.Signal{Name: "gauge", Kind: backout.SignalSaturation, Query: "gaps_gauge"},
		backout.Signal{Name: "counter", Kind: backout.SignalTraffic, Query: "rate(gaps_total[$window]) * $step_s"},
		backout.Signal{Name: "failed", Kind: backout.SignalErrors, Query: "rate(gaps_absent_total[$window]) * $step_s", Total: "rate(gaps_total[$window]) * $step_s"},
		backout.Signal{Name: "nothing over nothing", Kind: backout.SignalSaturation, Query: "gaps_gauge * 0 / 0"},
	)
	cart := backout.Subject{Service: "cart"}
	seconds := func(name backout.SignalName) (out []int) {
		for _, x := range only(t, w, name, cart) {
			out = append(out, int(x.At.Sub(base).Seconds()))
		}
		return out
	}
	beyond := []int{90, 95, 100, 105, 110, 115, 120, 125, 130, 135, 140, 145}
	if d := cmp.Diff(append([]int{15, 20, 25, 50, 55}, beyond...), seconds("gauge")); d != "" {
		t.Errorf("gauge's samples (-want +got):\n%s", d)
	}
	for _, x := range only(t, w, "failed", cart) {
		if x.Value != 0 || !near(x.Total, 10) {
			t.Errorf("errors nobody counted yet: %v, want 0 of 10", x)
		}
	}
	for _, at := range seconds("counter") {
		if at > 36 && at < 90 {
			t.Errorf("the counter has a sample at %d s, where nothing was scraped", at)
		}
	}
	if w.Missing["nothing over nothing"] == "" {
		t.Error("a signal whose every value is not a number must be named as missing")
	}
}

func failing(t *testing.T, s System, base time.Time) {
	Write(t, s.WriteURL, Series{labels("failing_gauge", "service", "cart"), base, Gauge(1, 60)})
	w := sample(t, s, base.Add(20*time.Second), base.Add(40*time.Second), step,
		backout.Signal{Name: "broken", Query: "sum(((", Kind: backout.SignalTraffic},
		backout.Signal{Name: "absent", Query: "failing_absent", Kind: backout.SignalTraffic},
		backout.Signal{Name: "text", Query: `"text"`, Kind: backout.SignalTraffic},
		backout.Signal{Name: "many to many", Query: `failing_gauge * on () group_left () {__name__=~"kinds_.*"}`, Kind: backout.SignalTraffic},
		backout.Signal{Name: "good", Query: "failing_gauge", Kind: backout.SignalTraffic},
	)
	constant(t, w, only(t, w, "good", backout.Subject{Service: "cart"}), 1, 0)
	for _, name := range []backout.SignalName{"broken", "absent", "text", "many to many"} {
		if w.Missing[name] == "" {
			t.Errorf("signal %q failed without a reason in Missing: %v", name, w.Missing)
		}
	}
	if len(w.Missing) != 4 {
		t.Errorf("missing %v, want 4 signals", w.Missing)
	}
	w = sample(t, s, base.Add(20*time.Second), base.Add(40*time.Second), step, backout.Signal{Name: "broken", Query: "sum((("})
	if w.Missing["broken"] == "" || len(w.Series) > 0 {
		t.Errorf("window of a broken signal only: %v, missing %v; a backend that refuses a query is not away", w.Series, w.Missing)
	}
}

// resets restarts the counter every 30 s; what it counts stays 4 a second.
func resets(t *testing.T, s System, base time.Time) {
	var values []float64
	for i := range 120 {
		values = append(values, 4*float64(i%30+1))
	}
	Write(t, s.WriteURL, Series{labels("resets_total", "service", "cart"), base, values})
	w := sample(t, s, base.Add(10*time.Second), base.Add(115*time.Second), step, backout.Signal{Name: "n", Kind: backout.SignalTraffic, Query: "rate(resets_total[$window]) * $step_s"})
	constant(t, w, only(t, w, "n", backout.Subject{Service: "cart"}), 20, 0)
}

func instant(t *testing.T, s System, base time.Time) {
	Write(t, s.WriteURL, Series{labels("instant_total", "service", "cart"), base, Counter(7, 60)})
	signal := backout.Signal{Name: "n", Kind: backout.SignalTraffic, Query: "instant_total"}
	whole := sample(t, s, base, base.Add(50*time.Second), step, signal)
	var single []backout.Sample
	for at := base; at.Before(whole.Now); at = at.Add(step) {
		// Odd ends: both are rounded down to the same step.
		w := sample(t, s, at.Add(time.Millisecond), at.Add(step+time.Second), step, signal)
		single = append(single, only(t, w, "n", backout.Subject{Service: "cart"})...)
	}
	if d := cmp.Diff(only(t, whole, "n", backout.Subject{Service: "cart"}), single); d != "" {
		t.Errorf("ticks differ from the range (-range +ticks):\n%s", d)
	}
	if w := sample(t, s, base, base, step, signal); len(w.Series) != 0 || len(w.Missing) != 0 {
		t.Errorf("a window of no length holds %v, missing %v", w.Series, w.Missing)
	}
}

// history is longer than a server answers at once (11000 points).
func history(t *testing.T, s System, base time.Time) {
	const n = 12_000
	Write(t, s.WriteURL, Series{labels("history_gauge", "service", "cart"), base, Counter(1, n)}, Series{labels("history_gauge", "service", "late"), base.Add((n - 100) * time.Second), Gauge(1, 100)})
	w := sample(t, s, base, base.Add((n-1)*time.Second), time.Second, backout.Signal{Name: "n", Kind: backout.SignalTraffic, Query: "history_gauge"})
	got := only(t, w, "n", backout.Subject{Service: "cart"})
	if len(got) != n-1 {
		t.Fatalf("%d samples, want %d", len(got), n-1)
	}
	for i, x := range got {
		if x.Value != float64(i+1) || !x.At.Equal(base.Add(time.Duration(i+1)*time.Second)) {
			t.Fatalf("sample %d is %v", i, x)
		}
	}
	if late := only(t, w, "n", backout.Subject{Service: "late"}); len(late) != 100 {
		t.Errorf("a series that exists in the last chunk only has %d samples, want 100", len(late))
	}
}

func concurrent(t *testing.T, s System, base time.Time) {
	Write(t, s.WriteURL, Series{labels("concurrent_gauge", "service", "cart"), base, Gauge(3, 60)})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			w, err := s.Sampler.Sample(t.Context(), []backout.Signal{{Name: "n", Query: "concurrent_gauge"}}, base, base.Add(30*time.Second), step)
			if err != nil || len(w.Series) != 1 || len(w.Series[0].Samples) != 6 {
				t.Errorf("window %v, error %v", w.Series, err)
			}
		})
	}
	wg.Wait()
}

func givingUp(t *testing.T, s System, base time.Time) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Sampler.Sample(ctx, []backout.Signal{{Name: "n", Query: "x"}}, base, base.Add(step), step); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context canceled", err)
	}
}

func dead(t *testing.T, s System, base time.Time) {
	Write(t, s.WriteURL, Series{labels("dead_gauge", "service", "cart"), base, Gauge(1, 60)})
	signal := backout.Signal{Name: "n", Query: "dead_gauge", Kind: backout.SignalTraffic}
	constantBefore := sample(t, s, base, base.Add(30*time.Second), step, signal)
	constant(t, constantBefore, only(t, constantBefore, "n", backout.Subject{Service: "cart"}), 1, 0)
	s.Kill()
	begin := time.Now()
	_, err := s.Sampler.Sample(t.Context(), []backout.Signal{signal, {Name: "m", Query: "other"}}, base, base.Add(30*time.Second), step)
	if code := backout.CodeOf(err); code != backout.CodeUnavailable {
		t.Errorf("error %v with code %q, want unavailable", err, code)
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("a dead backend was noticed after %s, want at once", took)
	}
}
