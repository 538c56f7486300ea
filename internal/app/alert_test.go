package app_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app"
	"github.com/backout-dev/backout/internal/metrics/metricstest"
	"github.com/backout-dev/backout/internal/web"
)

const shop = `apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: payment}
spec: {type: service, lifecycle: production, owner: x}
---
apiVersion: backout.dev/v1alpha1
kind: SignalSet
metadata: {name: s}
spec: {signals: [{name: errors, kind: errors, direction: up, query: 'sum by (service) (rate(e[$window])) * $step_s', total: 'sum by (service) (rate(r[$window])) * $step_s', opens: true}]}
`

// rules is one alert, for whatever is broken.
const rules = `groups: [{name: shop, rules: [{alert: HighErrors, expr: shop_broken > 0, labels: {severity: page}, annotations: {summary: "it fails"}}]}]
`

// until asks again and again, for a minute and a half at most.
func until(t *testing.T, what string, ok func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !ok(ctx) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("gave up waiting: %s", what)
		}
	}
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// run starts a backout and gives it with a way to stop it.
func run(t *testing.T, c app.Config) (*app.App, func()) {
	t.Helper()
	a, err := app.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	stopped := false
	stop := func() {
		if !stopped {
			stopped = true
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(stop)
	return a, stop
}

// A real Prometheus finds something broken, a real Alertmanager tells backout, and
// an incident opens. When it is mended the incident hears that too. What is broken
// on a service nobody knows is shown and opens nothing.
func TestAlertmanager_opensAnIncident(t *testing.T) {
	if testing.Short() {
		t.Skip("runs Prometheus and Alertmanager for half a minute")
	}
	prometheus, alertmanager := metricstest.Program(t, "prometheus", "prometheus"), metricstest.Program(t, "prometheus-alertmanager", "prometheus-alertmanager", "alertmanager")
	var broken, node atomic.Int64
	node.Store(1)
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "shop_broken{service=\"payment\"} %d\nshop_broken{service=\"disk\"} %d\n", broken.Load(), node.Load())
	}))
	defer target.Close()
	dir, ap, pp := t.TempDir(), metricstest.Free(t), metricstest.Free(t)
	cfg := app.Config{Catalog: dir + "/catalog", Data: dir + "/data", Prometheus: "http://" + pp, Step: time.Second}
	if err := os.Mkdir(cfg.Catalog, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, cfg.Catalog, "shop.yaml", shop)
	a, stop := run(t, cfg)

	metricstest.Launch(t, ap, alertmanager, "--storage.path="+dir+"/am", "--web.listen-address="+ap, "--cluster.listen-address=", "--log.level=error", "--config.file="+write(t, dir, "am.yml",
		"route: {receiver: backout, group_by: [service], group_wait: 1s, group_interval: 1s, repeat_interval: 1h}\nreceivers: [{name: backout, webhook_configs: [{url: '"+
			a.URL()+"/v1/alerts/alertmanager', send_resolved: true, http_config: {authorization: {credentials_file: '"+a.TokenFile()+"'}}}]}]\n"))
	write(t, dir, "rules.yml", rules)
	metricstest.Launch(t, pp, prometheus, "--storage.tsdb.path="+dir+"/tsdb", "--web.listen-address="+pp, "--log.level=error", "--config.file="+write(t, dir, "prometheus.yml",
		"global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [rules.yml]\nalerting: {alertmanagers: [{static_configs: [{targets: ['"+ap+
			"']}]}]}\nscrape_configs: [{job_name: shop, static_configs: [{targets: ['"+strings.TrimPrefix(target.URL, "http://")+"']}]}]\n"))

	const unknown = "1 alert about what the catalog does not know: HighErrors (service disk)"
	shown := func(ctx context.Context) bool {
		st, err := (&web.Client{URL: a.URL()}).Status(ctx)
		return err == nil && slices.Contains(st.Unknown, unknown)
	}
	until(t, "the alert of an unknown service is shown", shown)
	if all, err := a.Incidents(t.Context()); err != nil || len(all) > 0 {
		t.Fatalf("incidents %+v, %v: want none for a service nobody knows", all, err)
	}

	began := time.Now()
	broken.Store(1)
	var inc backout.Incident
	until(t, "an incident opens", func(ctx context.Context) bool {
		all, err := a.Incidents(ctx)
		if err != nil || len(all) == 0 {
			return false
		}
		inc = all[0]
		return true
	})
	t.Logf("opened %.1f s after it broke: %s", time.Since(began).Seconds(), inc.Why)
	f := inc.Findings[0]
	if len(inc.Findings) != 1 || f.Mode != backout.ModeAlert || f.ID.Signal != "alert:HighErrors" || f.ID.Subject.Service != "payment" || f.Onset.Before(began.Add(-5*time.Second)) || !f.EndedAt.IsZero() || inc.Baselines == nil {
		t.Errorf("%+v: want the finding of HighErrors at payment, going on", inc.Findings)
	}

	broken.Store(0)
	until(t, "the incident hears that it is over", func(ctx context.Context) bool {
		all, err := a.Incidents(ctx)
		return err == nil && len(all) == 1 && !all[0].Findings[0].EndedAt.IsZero()
	})
	stop() // what was told outlives the process
	a, _ = run(t, cfg)
	until(t, "the alert of an unknown service is still shown", shown)
}
