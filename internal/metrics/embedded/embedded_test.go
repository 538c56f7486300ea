package embedded_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/backout-dev/backout/internal/metrics"
	"github.com/backout-dev/backout/internal/metrics/embedded"
	"github.com/backout-dev/backout/internal/metrics/metricstest"
)

func TestConformance(t *testing.T) {
	metricstest.Run(t, func(t *testing.T, ask metrics.Config) metricstest.System {
		m, base := start(t, embedded.Config{Dir: t.TempDir(), OutOfOrder: 48 * time.Hour, Ask: ask})
		return metricstest.System{Sampler: m, WriteURL: base + "/api/v1/write", Kill: func() {
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}}
	})
}

// start runs a database with its scraping and its API until the test ends.
func start(t testing.TB, c embedded.Config) (m *embedded.Metrics, base string) {
	t.Helper()
	m, err := embedded.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	server := httptest.NewServer(m.Handler())
	t.Cleanup(func() {
		server.Close()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		if err := m.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return m, server.URL
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b := make([]byte, 1<<16)
	n, _ := resp.Body.Read(b)
	return resp.StatusCode, string(b[:n])
}
