package metricstest

import (
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/value"

	"github.com/backout-dev/backout"
)

// Nothing stands for a second without a sample, Stale for the mark that a series
// ended.
func Nothing() float64 { return math.Float64frombits(nothing) }

// Stale is the mark that a scraper writes when a series ended.
func Stale() float64 { return math.Float64frombits(value.StaleNaN) }

const nothing = 0x7ff8_0000_dead_0001

func isNothing(v float64) bool { return math.Float64bits(v) == nothing }

// Counter grows by rate each second for n seconds, beginning with 0.
func Counter(rate float64, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = rate * float64(i)
	}
	return out
}

// Gauge stays at v for n seconds.
func Gauge(v float64, n int) []float64 { return slices.Repeat([]float64{v}, n) }

func labels(name string, pairs ...string) map[string]string {
	out := map[string]string{"__name__": name}
	for i := 0; i+1 < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

func sortedNames(l map[string]string) []string { return slices.Sorted(maps.Keys(l)) }

// only finds the one series of a signal and subject.
func only(t *testing.T, w backout.Window, name backout.SignalName, subject backout.Subject) []backout.Sample {
	t.Helper()
	for _, s := range w.Series {
		if s.ID == (backout.SeriesID{Signal: name, Subject: subject}) {
			return s.Samples
		}
	}
	t.Fatalf("no series %s of %+v; the window has %d series, missing %v", name, subject, len(w.Series), w.Missing)
	return nil
}

// constant expects a sample of value and total at every step of the window.
func constant(t *testing.T, w backout.Window, got []backout.Sample, value, total float64) {
	t.Helper()
	n := int(w.Now.Sub(w.From) / w.Step)
	if len(got) != n {
		t.Fatalf("%d samples, want %d: %v", len(got), n, got)
	}
	for i, x := range got {
		if want := w.From.Add(time.Duration(i+1) * w.Step); !x.At.Equal(want) || !near(x.Value, value) || !near(x.Total, total) {
			t.Errorf("sample %d is %v, want %v of %v at %s", i, x, value, total, want)
		}
	}
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*(1+math.Abs(b)) }
