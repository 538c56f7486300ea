package embedded_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/metrics"
	"github.com/backout-dev/backout/internal/metrics/embedded"
)

var past = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

func recorded(t *testing.T) *embedded.Recorded {
	t.Helper()
	r, err := embedded.OpenRecorded(embedded.Config{Dir: t.TempDir(), Ask: metrics.Config{ScrapeInterval: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func add(w *embedded.Writer, name string, at time.Time, v float64) error {
	return w.Add([]byte(name), func() labels.Labels { return labels.FromStrings("__name__", "load", "service", name) }, at.UnixMilli(), v)
}

// Series come one after the other, each over all the time.
func TestRecorded_seriesBySeries(t *testing.T) {
	r := recorded(t)
	if _, _, ok := r.Span(); ok {
		t.Error("an empty database has a span")
	}
	w := r.Writer(t.Context())
	const days = 30
	for _, name := range []string{"cart", "pay", "web"} {
		for m := 0; m < days*24*60; m += 10 {
			if err := add(w, name, past.Add(time.Duration(m)*time.Minute), float64(m)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	first, last, ok := r.Span()
	if !ok || !first.Equal(past) || !last.Equal(past.Add(days*24*time.Hour-10*time.Minute)) || r.Series() != 3 || w.Total() != 3*days*144 {
		t.Errorf("%s to %s, %d series, %d samples", first, last, r.Series(), w.Total())
	}
	if gap, err := r.Interval(t.Context(), last); err != nil || gap != 10*time.Minute {
		t.Errorf("interval %s, %v; expected 10m", gap, err)
	}
	win, err := r.Sample(t.Context(), []backout.Signal{{Name: "s", Kind: backout.SignalTraffic, Query: "load"}}, last.Add(-20*time.Minute), last, 10*time.Minute)
	if err != nil || len(win.Series) != 3 || len(win.Series[0].Samples) != 2 {
		t.Errorf("%+v, %v; expected two samples of three series", win, err)
	}
}

// Series that begin later, and faster, don't change what is said of the beginning.
func TestRecorded_intervalOfTheBeginning(t *testing.T) {
	r := recorded(t)
	w := r.Writer(t.Context())
	for n := range 60 {
		if err := add(w, "slow", past.Add(time.Duration(n)*time.Minute), 1); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"a", "b", "c"} {
			if err := add(w, name, past.Add(time.Hour+time.Duration(n)*time.Second), 1); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	for until, want := range map[time.Duration]time.Duration{30 * time.Minute: time.Minute, 2 * time.Hour: time.Second, 0: 0, -time.Hour: 0} {
		if got, err := r.Interval(t.Context(), past.Add(until)); err != nil || got != want {
			t.Errorf("until %s: %s, %v; expected %s", until, got, err, want)
		}
	}
}

func TestRecorded_untilHidesWhatCameLater(t *testing.T) {
	r := recorded(t)
	w := r.Writer(t.Context())
	for m := range 120 {
		if err := add(w, "pay", past.Add(time.Duration(m)*time.Minute), float64(m)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	now := past.Add(60 * time.Minute)
	for query, want := range map[string]float64{
		"load": 60, "load offset -10m": 60, "max_over_time(load[10m] offset -10m)": 60, "load @ " + "1577840400": 60, "max_over_time(load[2h:1m])": 60,
	} {
		r.Until(now)
		win, err := r.Sample(t.Context(), []backout.Signal{{Name: "s", Kind: backout.SignalTraffic, Query: query}}, now.Add(-time.Minute), now, time.Minute)
		got := -1.0
		if err == nil && len(win.Series) == 1 {
			got = win.Series[0].Samples[0].Value
		}
		if got > want || query == "load" && got != want {
			t.Errorf("%s: %v (missing %v, %v), expected nothing above %v", query, got, win.Missing, err, want)
		}
	}
	r.Until(past.Add(-time.Minute))
	win, err := r.Sample(t.Context(), []backout.Signal{{Name: "s", Kind: backout.SignalTraffic, Query: "load"}}, now.Add(-time.Minute), now, time.Minute)
	if err != nil || len(win.Series) != 0 {
		t.Errorf("before everything: %+v, %v; expected nothing", win.Series, err)
	}
}

func TestWriter_refusesWhatIsOutOfOrder(t *testing.T) {
	for name, c := range map[string]struct {
		at    time.Time
		value float64
		says  string
	}{
		"the same again": {past.Add(time.Minute), 1, ""},
		"another value":  {past.Add(time.Minute), 2, "in order of time"},
		"earlier":        {past, 1, "in order of time"},
		"a century off":  {past.AddDate(-90, 0, 0), 1, "in order of time"},
	} {
		t.Run(name, func(t *testing.T) {
			w := recorded(t).Writer(t.Context())
			if err := add(w, "pay", past.Add(time.Minute), 1); err != nil {
				t.Fatal(err)
			}
			switch err := add(w, "pay", c.at, c.value); {
			case c.says == "" && err != nil, c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
				t.Errorf("%v, expected %q", err, c.says)
			}
		})
	}
}

func TestOpenRecorded_refuses(t *testing.T) {
	if _, err := embedded.OpenRecorded(embedded.Config{Dir: ""}); err == nil {
		t.Error("no folder: expected an error")
	}
	if _, err := embedded.OpenRecorded(embedded.Config{Dir: t.TempDir(), Ask: metrics.Config{MaxPoints: -1}}); backout.CodeOf(err) != backout.CodeInvalid {
		t.Errorf("%v, expected invalid", err)
	}
}
