package prometheus_test

import (
	"net/http"
	"net/http/httptest"
	"os"
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
		base, _, kill := metricstest.Prometheus(t)
		s, err := prometheus.New(prometheus.Config{URL: base, Ask: ask})
		if err != nil {
			t.Fatal(err)
		}
		return metricstest.System{Sampler: s, WriteURL: base + "/api/v1/write", Kill: kill}
	})
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
		"too many": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
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
