package embedded_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/metrics"
	"github.com/backout-dev/backout/internal/metrics/embedded"
	"github.com/backout-dev/backout/internal/metrics/metricstest"
)

// BenchmarkSample_tick is one tick of 20 signals over 1000 result series (50
// services each), from 110 instances scraped every second.
func BenchmarkSample_tick(b *testing.B) {
	m, base := start(b, embedded.Config{Dir: b.TempDir(), Ask: metrics.Config{ScrapeInterval: time.Second}})
	now := time.Now().Truncate(time.Second)
	var signals []backout.Signal
	for i := range 10 {
		var list []metricstest.Series
		for instance := range 110 {
			for _, result := range []string{"ok", "error"} {
				list = append(list, metricstest.Series{Labels: map[string]string{"__name__": fmt.Sprintf("requests_%d_total", i), "service": fmt.Sprint("service-", instance%50), "instance": fmt.Sprint(instance), "result": result}, From: now.Add(-60 * time.Second), Values: metricstest.Counter(5, 60)})
			}
		}
		metricstest.Write(b, base+"/api/v1/write", list...)
		signals = append(signals,
			backout.Signal{Name: backout.SignalName(fmt.Sprint("errors-", i)), Kind: backout.SignalErrors, Query: fmt.Sprintf(`sum by (service) (rate(requests_%d_total{result="error"}[$window])) * $step_s`, i), Total: fmt.Sprintf(`sum by (service) (rate(requests_%d_total[$window])) * $step_s`, i)},
			backout.Signal{Name: backout.SignalName(fmt.Sprint("traffic-", i)), Kind: backout.SignalTraffic, Query: fmt.Sprintf(`sum by (service) (rate(requests_%d_total[$window])) * $step_s`, i)})
	}
	for b.Loop() {
		w, err := m.Sample(b.Context(), signals, now.Add(-6*time.Second), now.Add(-5*time.Second), time.Second)
		if err != nil || len(w.Series) != 1000 {
			b.Fatalf("%d series, missing %v, %v", len(w.Series), w.Missing, err)
		}
	}
}
