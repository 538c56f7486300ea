package prometheus_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/metrics"
	"github.com/backout-dev/backout/internal/metrics/metricstest"
	"github.com/backout-dev/backout/internal/metrics/prometheus"
)

func TestConformance(t *testing.T) {
	metricstest.Run(t, func(t *testing.T, ask metrics.Config) metricstest.System {
		base, kill := startServer(t)
		s, err := prometheus.New(prometheus.Config{URL: base, Ask: ask})
		if err != nil {
			t.Fatal(err)
		}
		return metricstest.System{Sampler: s, WriteURL: base + "/api/v1/write", Kill: kill}
	})
}

// startServer starts the real Prometheus on a free port and waits until it is
// ready.
func startServer(t *testing.T) (base string, kill func()) {
	t.Helper()
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("prometheus is not installed; CI must have it: apt-get install prometheus")
		}
		t.Skip("needs Prometheus: RUNLEVEL=1 apt-get install --no-install-recommends prometheus")
	}
	dir := t.TempDir()
	settings := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(settings, []byte("storage:\n  tsdb:\n    out_of_order_time_window: 48h\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	_ = free.Close()
	cmd := exec.Command(binary, "--config.file="+settings, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address, "--web.enable-remote-write-receiver", "--log.level=error")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() { _ = cmd.Wait(); close(gone) }()
	kill = func() { _ = cmd.Process.Kill(); <-gone }
	t.Cleanup(kill)
	awaitReady(t, "http://"+address+"/-/ready", gone)
	return "http://" + address, kill
}

func awaitReady(t *testing.T, url string, gone <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-retry.C:
		case <-gone:
			t.Fatal("prometheus ended before it was ready")
		case <-ctx.Done():
			t.Fatal("prometheus is not ready after 30s")
		}
	}
}

func TestNew_refusesBadSettings(t *testing.T) {
	for name, c := range map[string]prometheus.Config{
		"no url":               {},
		"no scheme":            {URL: "prometheus:9090"},
		"credentials in url":   {URL: "http://me:secret@prometheus:9090"},
		"token and password":   {URL: "http://prometheus", Username: "me", BearerToken: "t"},
		"token twice":          {URL: "http://prometheus", BearerToken: "t", BearerTokenFile: "f"},
		"too many points":      {URL: "http://prometheus", Ask: metrics.Config{MaxPoints: 12_000}},
		"certificates missing": {URL: "https://prometheus", CAFile: "no/such/file"},
	} {
		_, err := prometheus.New(c)
		if backout.CodeOf(err) != backout.CodeInvalid {
			t.Errorf("%s: error %v, want invalid", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the message tells the password: %v", name, err)
		}
	}
}

func TestSample_sendsCredentials(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]prometheus.Config{
		"Bearer abc":         {BearerToken: "abc"},
		"Bearer from-file":   {BearerTokenFile: token},
		"Basic bWU6c2VjcmV0": {Username: "me", Password: "secret"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != want || r.Header.Get("X-Scope-OrgID") != "shop" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			_, _ = w.Write([]byte(`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"service":"cart"},"value":[10,"1"]}]}}`))
		}))
		defer server.Close()
		c.URL, c.Headers = server.URL, map[string]string{"X-Scope-OrgID": "shop"}
		w, err := tick(t, c)
		if err != nil || len(w.Series) != 1 {
			t.Errorf("%s: series %v, missing %v, error %v", want, w.Series, w.Missing, err)
		}
		_, err = tick(t, prometheus.Config{URL: server.URL})
		if backout.CodeOf(err) != backout.CodeForbidden {
			t.Errorf("without credentials: %v, want forbidden", err)
		}
	}
}

func TestSample_answersThatAreNone(t *testing.T) {
	release := make(chan struct{})
	for name, answer := range map[string]http.HandlerFunc{
		"html":     func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"gateway":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"too much": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<16)) },
		"hangs":    func(_ http.ResponseWriter, r *http.Request) { <-release },
		"cuts short": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "99")
			_, _ = w.Write([]byte("{"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(answer)
			defer server.Close()
			_, err := tick(t, prometheus.Config{URL: server.URL, MaxAnswer: 1 << 12, Ask: metrics.Config{Timeout: 200 * time.Millisecond}})
			if name == "hangs" {
				close(release)
			}
			if backout.CodeOf(err) != backout.CodeUnavailable {
				t.Errorf("error %v, want unavailable", err)
			}
		})
	}
}

func tick(t *testing.T, c prometheus.Config) (backout.Window, error) {
	t.Helper()
	s, err := prometheus.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s.Sample(t.Context(), []backout.Signal{{Name: "n", Query: "up"}}, time.Unix(9, 0), time.Unix(10, 0), time.Second)
}
