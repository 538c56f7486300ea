package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app"
	"github.com/backout-dev/backout/internal/notify/heartbeat"
	"github.com/backout-dev/backout/internal/web"
)

// measured is a metrics server with one calm service, which can be away.
func measured(t *testing.T, away *atomic.Bool) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		if away.Load() {
			http.Error(w, "the disk of the metrics is full", http.StatusServiceUnavailable)
			return
		}
		value := "1000"
		if strings.Contains(r.Form.Get("query"), "e[") {
			value = "5"
		}
		w.Header().Set("Content-Type", "application/json")
		if !strings.HasSuffix(r.URL.Path, "query_range") {
			fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"service":"payment"},"value":[%s,"%s"]}]}}`, r.Form.Get("time"), value)
			return
		}
		at := func(name string) float64 { f, _ := strconv.ParseFloat(r.Form.Get(name), 64); return f }
		points := []string{}
		for s := at("start"); s <= at("end")+1e-6; s += at("step") {
			points = append(points, fmt.Sprintf(`[%.3f,"%s"]`, s, value))
		}
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"service":"payment"},"values":[%s]}]}}`, strings.Join(points, ","))
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// screen is what the console shows.
type screen struct {
	mu  sync.Mutex
	all bytes.Buffer // guarded by mu
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.Write(b)
}
func (s *screen) shows(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(s.all.String(), text)
}

// The metrics go away: nothing opens, /readyz says no and why, the status page and the
// heartbeat say it, and people are told; and that it is over when they are back.
func TestBlind_peopleAreToldAndToldWhenItIsOver(t *testing.T) {
	var away atomic.Bool
	var beat atomic.Pointer[heartbeat.Document]
	checks := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var d heartbeat.Document
		if json.NewDecoder(r.Body).Decode(&d) == nil {
			beat.Store(&d)
		}
	}))
	defer checks.Close()
	dir, show := t.TempDir(), &screen{}
	catalog := filepath.Join(dir, "catalog")
	if err := os.Mkdir(catalog, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, catalog, "shop.yaml", shop)
	notify := write(t, dir, "notify.yaml", "apiVersion: backout.dev/v1alpha1\nkind: Notify\nmetadata: {name: x}\nspec: {watchdog: {every: 1s, receivers: [{name: checks, kind: webhook, url: \""+checks.URL+"\"}]}}\n")
	a, _ := run(t, app.Config{Catalog: catalog, Data: dir + "/data", Prometheus: measured(t, &away), Step: 250 * time.Millisecond, Minute: 500 * time.Millisecond, Console: show, Notify: notify})
	client := &web.Client{URL: a.URL()}
	ready := func(want int) func(context.Context) bool {
		return func(ctx context.Context) bool {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL()+"/readyz", nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return false
			}
			defer res.Body.Close()
			return res.StatusCode == want
		}
	}
	until(t, "it is ready", ready(http.StatusOK))
	until(t, "a heartbeat says that it is well", func(context.Context) bool { d := beat.Load(); return d != nil && d.Status == "ok" && d.Health.Ready })
	away.Store(true)
	until(t, "it is not ready", ready(http.StatusServiceUnavailable))
	until(t, "the status says so", func(ctx context.Context) bool {
		st, err := client.Status(ctx)
		return err == nil && len(st.Degraded) > 0 && st.Degraded[0].Source == backout.DegradedMetrics && st.Degraded[0].Freezes && !st.Degraded[0].Since.IsZero()
	})
	until(t, "people are told", func(context.Context) bool { return show.shows("[on-call] ‖ backout in production, since ") })
	until(t, "the heartbeat says so", func(context.Context) bool {
		d := beat.Load()
		return d.Status == "degraded" && d.Health.Alive && !d.Health.Ready && d.Health.Degraded[0].Freezes
	})
	if all, err := a.Incidents(t.Context()); err != nil || len(all) > 0 {
		t.Errorf("an outage of the metrics opened %v, %v", all, err)
	}
	away.Store(false)
	until(t, "people are told that it is over", func(context.Context) bool { return show.shows("[on-call] ✔ backout in production: over at ") })
	until(t, "it is ready again", ready(http.StatusOK))
}
