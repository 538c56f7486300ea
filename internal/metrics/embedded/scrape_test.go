package embedded_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/metrics"
	"github.com/backout-dev/backout/internal/metrics/embedded"
	"github.com/backout-dev/backout/internal/metrics/metricstest"
)

// instance is a process that counts 10 requests a second; it speaks the text
// format and does not say so.
func instance(t *testing.T) (address string, scrapes *atomic.Int64) {
	t.Helper()
	scrapes = &atomic.Int64{}
	begin := time.Now()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scrapes.Add(1)
		w.Header()["Content-Type"] = nil
		_, _ = fmt.Fprintf(w, "requests_total{result=\"ok\"} %d\n", int(time.Since(begin).Seconds()*10))
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://"), scrapes
}

// group is a target in the format of HTTP and file discovery.
type group struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// until asks every 50ms, as a watch would, and fails after 10 s.
func until(t *testing.T, m *embedded.Metrics, query string, enough func(backout.Window) bool) time.Duration {
	t.Helper()
	begin := time.Now()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var w backout.Window
	for time.Since(begin) < 10*time.Second {
		now, err := <-tick.C, error(nil)
		if w, err = m.Sample(t.Context(), []backout.Signal{{Name: "s", Kind: backout.SignalTraffic, Query: query}}, now.Add(-250*time.Millisecond), now, 250*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if enough(w) {
			return time.Since(begin)
		}
	}
	t.Fatalf("%s: not in 10s; the last window has %v, missing %v", query, w.Series, w.Missing)
	return 0
}

func services(w backout.Window) string {
	var names []string
	for _, s := range w.Series {
		names = append(names, string(s.ID.Subject.Service+"/"+backout.ServiceID(s.ID.Subject.Version)))
	}
	return strings.Join(names, " ")
}

func TestRun_noticesNewAndGoneInstances(t *testing.T) {
	first, _ := instance(t)
	second, _ := instance(t)
	fixed, _ := instance(t)
	filed, _ := instance(t)
	var mu sync.Mutex
	found := []group{{[]string{first}, map[string]string{"service": "cart", "version": "1"}}}
	finder := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(found)
	}))
	defer finder.Close()
	set := func(groups ...group) { mu.Lock(); found = groups; mu.Unlock() }
	file := filepath.Join(t.TempDir(), "targets.json")
	text, _ := json.Marshal([]group{{[]string{filed}, map[string]string{"service": "filed"}}})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	m, base := start(t, embedded.Config{Dir: t.TempDir(), Ask: metrics.Config{ScrapeInterval: 250 * time.Millisecond}, Jobs: []embedded.Job{
		{Name: "found", URLs: []string{finder.URL}, Files: []string{file}},
		{Name: "fixed", Targets: []string{fixed}, Labels: map[string]string{"service": "fixed"}},
	}})
	took := until(t, m, "sum by (service,version) (requests_total)", func(w backout.Window) bool { return services(w) == "cart/1 filed/ fixed/" })
	t.Logf("three ways of discovery: seen after %s", took)

	set(group{[]string{first}, map[string]string{"service": "cart", "version": "1"}}, group{[]string{second}, map[string]string{"service": "cart", "version": "2"}})
	took = until(t, m, "sum by (service,version) (requests_total)", func(w backout.Window) bool { return services(w) == "cart/1 cart/2 filed/ fixed/" })
	if t.Logf("new instance: seen after %s", took); took > 4*time.Second {
		t.Errorf("a new instance was noticed after %s, want about 1s", took)
	}
	until(t, m, "sum by (service) (rate(requests_total{job='fixed'}[1s])) * $step_s", func(w backout.Window) bool {
		return len(w.Series) == 1 && w.Series[0].Samples[0].Value > 1
	})
	set(group{[]string{second}, map[string]string{"service": "cart", "version": "2"}})
	took = until(t, m, "sum by (service,version) (requests_total)", func(w backout.Window) bool { return services(w) == "cart/2 filed/ fixed/" })
	t.Logf("gone instance: its series ended after %s", took)

	if code, body := get(t, base+"/api/v1/targets"); code != 200 || !strings.Contains(body, second) {
		t.Errorf("targets: %d %s", code, body)
	}
}

func TestHandler_speaksPrometheusAPI(t *testing.T) {
	m, base := start(t, embedded.Config{Dir: t.TempDir()})
	now := time.Now().Truncate(time.Second)
	metricstest.Write(t, base+"/api/v1/write", metricstest.Series{Labels: map[string]string{"__name__": "up", "service": "cart"}, From: now.Add(-60 * time.Second), Values: metricstest.Gauge(1, 60)})
	for path, want := range map[string]string{
		"/query?query=up": `"service":"cart"`,
		fmt.Sprintf("/query_range?query=up&start=%d&end=%d&step=5", now.Unix()-60, now.Unix()): `"resultType":"matrix"`,
		"/series?match[]=up":      `"service":"cart"`,
		"/labels":                 `"service"`,
		"/label/service/values":   `"cart"`,
		"/targets":                `"activeTargets":[]`,
		"/rules":                  `"groups":[]`,
		"/alerts":                 `"alerts":[]`,
		"/alertmanagers":          `"activeAlertmanagers":[]`,
		"/status/buildinfo":       `backout`,
		"/status/runtimeinfo":     `"storageRetention":"168h0m0s"`,
		"/metadata":               `"status":"success"`,
		"/query?query=sum(((":     `"errorType":"bad_data"`,
		"/admin/tsdb/snapshot?x=": `405`,
	} {
		code, body := get(t, base+"/api/v1"+path)
		if !strings.Contains(fmt.Sprint(code)+body, want) {
			t.Errorf("%s: %d %s, want %s", path, code, body, want)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if code, _ := get(t, base+"/api/v1/query?query=up"); code != http.StatusServiceUnavailable {
		t.Errorf("after Close: %d, want 503", code)
	}
}

func TestHandler_receivesRemoteWrite2(t *testing.T) {
	m, base := start(t, embedded.Config{Dir: t.TempDir()})
	client, err := remoteapi.NewAPI(base)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Truncate(time.Second)
	stats, err := client.Write(t.Context(), remoteapi.WriteV2MessageType, &writev2.Request{
		Symbols:    []string{"", "__name__", "v2_gauge", "service", "cart"},
		Timeseries: []writev2.TimeSeries{{LabelsRefs: []uint32{1, 2, 3, 4}, Samples: []writev2.Sample{{Value: 7, Timestamp: now.UnixMilli()}}}},
	})
	if err != nil || stats.Samples != 1 {
		t.Fatalf("write version 2: %+v, %v", stats, err)
	}
	w, err := m.Sample(t.Context(), []backout.Signal{{Name: "s", Query: "v2_gauge"}}, now.Add(-time.Second), now, time.Second)
	if err != nil || len(w.Series) != 1 || w.Series[0].Samples[0].Value != 7 {
		t.Errorf("read back %v, missing %v, %v", w.Series, w.Missing, err)
	}
}

func TestNew_keepsWhatWasWritten(t *testing.T) {
	dir, now := t.TempDir(), time.Now().Truncate(time.Second)
	m, base := start(t, embedded.Config{Dir: dir})
	metricstest.Write(t, base+"/api/v1/write", metricstest.Series{Labels: map[string]string{"__name__": "kept", "service": "cart"}, From: now.Add(-60 * time.Second), Values: metricstest.Gauge(1, 60)})
	if _, err := embedded.New(embedded.Config{Dir: dir}); backout.CodeOf(err) != backout.CodeUnavailable {
		t.Errorf("a second process in the same directory: %v, want unavailable", err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	again, _ := start(t, embedded.Config{Dir: dir})
	w, err := again.Sample(t.Context(), []backout.Signal{{Name: "s", Query: "kept"}}, now.Add(-30*time.Second), now.Add(-10*time.Second), time.Second)
	if err != nil || len(w.Series) != 1 || len(w.Series[0].Samples) != 20 {
		t.Errorf("after a restart: %v, missing %v, %v", w.Series, w.Missing, err)
	}
}

func TestNew_refusesBadSettings(t *testing.T) {
	occupied := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(occupied, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		config embedded.Config
		code   backout.Code
		says   string
	}{
		"no directory":        {embedded.Config{}, backout.CodeInvalid, "metrics directory"},
		"directory is a file": {embedded.Config{Dir: occupied}, backout.CodeUnavailable, occupied},
		"targets url":         {embedded.Config{Dir: "x", Jobs: []embedded.Job{{Name: "shop", URLs: []string{"shop:80/targets"}}}}, backout.CodeInvalid, `job shop: targets url "shop:80/targets"`},
		"target port":         {embedded.Config{Dir: "x", Jobs: []embedded.Job{{Name: "shop", Targets: []string{"shop"}}}}, backout.CodeInvalid, `target "shop": expected host:port`},
		"targets file":        {embedded.Config{Dir: "x", Jobs: []embedded.Job{{Name: "shop", Files: []string{"targets.txt"}}}}, backout.CodeInvalid, `targets.txt`},
		"no job name":         {embedded.Config{Dir: "x", Jobs: []embedded.Job{{}}}, backout.CodeInvalid, "expected a name"},
		"two of a name":       {embedded.Config{Dir: "x", Jobs: []embedded.Job{{Name: "a"}, {Name: "a"}}}, backout.CodeInvalid, "multiple scrape configs"},
		"bad label":           {embedded.Config{Dir: "x", Jobs: []embedded.Job{{Name: "a", Targets: []string{"h:1"}, Labels: map[string]string{"": "b"}}}}, backout.CodeInvalid, "label name"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := embedded.New(c.config)
			if backout.CodeOf(err) != c.code || !strings.Contains(fmt.Sprint(err), c.says) {
				t.Errorf("error %v (code %s), want %s with %q", err, backout.CodeOf(err), c.code, c.says)
			}
		})
	}
}
