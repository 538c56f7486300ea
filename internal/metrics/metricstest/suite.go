// Package metricstest holds what every metrics.Sampler must do ([Run]), a fake
// that answers from memory ([Memory]) and a wrapper that fails on demand
// ([Failing]).
//
// The suite runs against the real thing: it writes samples by Prometheus' remote
// write and reads them back as windows.
package metricstest

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/prometheus/prompb"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/metrics"
)

// System is a running backend under test. It accepts samples up to 48 hours old.
type System struct {
	Sampler  metrics.Sampler
	WriteURL string // of remote write version 1
	Kill     func() // ends the backend for good
}

// Start starts an empty backend that is asked as the configuration says, and
// ends it when the test ends.
type Start func(t *testing.T, ask metrics.Config) System

// The suite's data: one sample a second, one step every five.
const (
	scrape = time.Second
	step   = 5 * time.Second
)

// Run holds a backend to the port's promises.
func Run(t *testing.T, start Start) {
	base := time.Now().Add(-4 * time.Hour).Truncate(time.Minute).UTC()
	s := start(t, metrics.Config{ScrapeInterval: scrape})
	for name, test := range map[string]func(*testing.T, System, time.Time){
		"every kind of signal":           kinds,
		"gaps and numbers that are none": gaps,
		"one failing signal":             failing,
		"counter resets":                 resets,
		"one instant equals the range":   instant,
		"history in chunks":              history,
		"several callers at once":        concurrent,
		"a caller that gives up":         givingUp,
	} {
		t.Run(name, func(t *testing.T) { test(t, s, base) })
	}
	t.Run("dead backend", func(t *testing.T) { dead(t, start(t, metrics.Config{ScrapeInterval: scrape}), base) })
}

// Series is a time series to write: a value each second from From on. A value of
// [Nothing] writes no sample.
type Series struct {
	Labels map[string]string // __name__ among them
	From   time.Time
	Values []float64
}

// Write sends series by remote write version 1.
func Write(t testing.TB, writeURL string, list ...Series) {
	t.Helper()
	u, err := url.Parse(writeURL)
	if err != nil {
		t.Fatal(err)
	}
	path := strings.TrimPrefix(u.Path, "/")
	u.Path = ""
	client, err := remoteapi.NewAPI(u.String(), remoteapi.WithAPIPath(path))
	if err != nil {
		t.Fatal(err)
	}
	request := &prompb.WriteRequest{}
	for _, s := range list {
		ts := prompb.TimeSeries{}
		for _, name := range sortedNames(s.Labels) {
			ts.Labels = append(ts.Labels, prompb.Label{Name: name, Value: s.Labels[name]})
		}
		for i, v := range s.Values {
			if !isNothing(v) {
				ts.Samples = append(ts.Samples, prompb.Sample{Timestamp: s.From.Add(time.Duration(i) * time.Second).UnixMilli(), Value: v})
			}
		}
		request.Timeseries = append(request.Timeseries, ts)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := client.Write(ctx, remoteapi.WriteV1MessageType, request); err != nil {
		t.Fatalf("write %d series: %v", len(list), err)
	}
}

func sample(t *testing.T, s System, from, to time.Time, every time.Duration, signals ...backout.Signal) backout.Window {
	t.Helper()
	w, err := s.Sampler.Sample(t.Context(), signals, from, to, every)
	if err != nil {
		t.Fatalf("sample: %v", err)
	}
	return w
}
