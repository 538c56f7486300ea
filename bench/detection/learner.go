package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/metrics"
	"github.com/backout-dev/backout/internal/metrics/prometheus"
	"github.com/backout-dev/backout/internal/watch"
)

// What the product asks a server with can be asked politely.
var _ watch.Rememberer = (*metrics.Asker)(nil)

// signalsEach is how many series of ours each service of the data has.
const signalsEach = 4

// learnable are the questions, written as a catalog's are.
func learnable() []backout.Signal {
	count := func(name string) string {
		return "sum by (service) (rate(" + name + "[$window])) * $step_s"
	}
	return []backout.Signal{
		{Name: "errors", Kind: backout.SignalErrors, Direction: backout.WorseUp, Opens: true, Query: count("failed_total"), Total: count("requests_total")},
		{Name: "latency", Kind: backout.SignalLatency, Direction: backout.WorseUp, Opens: true, Query: count("request_seconds_sum"), Total: count("requests_total")},
		{Name: "traffic", Kind: backout.SignalTraffic, Direction: backout.WorseDown, Opens: true, Query: count("requests_total")},
		{Name: "connections", Kind: backout.SignalSaturation, Direction: backout.WorseUp, Opens: true, Query: "max by (service) (connections_used_ratio)"},
	}
}

// learner is the process that learns: the product's loop as the product sets it up for
// somebody's own server, with its state in a file. It prints four times a second how far
// it has come, until it is killed.
func learner(server, state string, scrape time.Duration) error {
	sampler, err := prometheus.New(prometheus.Config{URL: server, Ask: metrics.Config{ScrapeInterval: scrape}})
	if err != nil {
		return err
	}
	w, err := watch.New(watch.Config{
		Sampler: sampler, Signals: learnable(), Step: scrape, Past: 14 * 24 * time.Hour, Snapshots: file(state),
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Report: func(_ context.Context, r watch.Report) {
			if r.Why != "" || len(r.Missing) > 0 {
				fmt.Fprintln(os.Stderr, "tick:", r.Why, r.Missing)
			}
		},
	})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for out := json.NewEncoder(os.Stdout); ; {
		select {
		case err := <-ended:
			return err
		case <-tick.C:
		}
		if err := out.Encode(howFar(w)); err != nil {
			return err
		}
	}
}

func howFar(w *watch.Watch) seen {
	st := w.State()
	s := seen{Judged: st.Judged, Opening: st.Opening, Ratio: st.PastRatio, CPU: used(), RSS: peak()}
	for _, r := range w.Services() {
		if s.Services++; st.PastRatio == 1 && r.Seasonal == r.Opening {
			s.Ready++
		}
	}
	return s
}
