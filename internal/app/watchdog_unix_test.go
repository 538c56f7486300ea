//go:build unix

package app_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/backout-dev/backout/internal/app"
	"github.com/backout-dev/backout/internal/metrics/metricstest"
)

const (
	childCatalog = "BACKOUT_TEST_WATCHDOG_CATALOG"
	childNotify  = "BACKOUT_TEST_WATCHDOG_NOTIFY"
)

// TestWatchdog_child is the backout that is killed.
func TestWatchdog_child(t *testing.T) {
	if os.Getenv(childCatalog) == "" {
		t.Skip("runs as the child of TestWatchdog_firesWhenBackoutIsKilled")
	}
	a, err := app.New(t.Context(), app.Config{Catalog: os.Getenv(childCatalog), Data: t.TempDir(), Prometheus: "http://127.0.0.1:1", Step: time.Second, Notify: os.Getenv(childNotify)})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// switchboard is the receiver at Alertmanager's other end: it hears of the watchdog.
type switchboard struct {
	mu   sync.Mutex
	told map[string][]time.Time // guarded by mu: by alert and status
}

func (s *switchboard) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var d struct {
		Alerts []struct {
			Status string            `json:"status"`
			Labels map[string]string `json:"labels"`
		} `json:"alerts"`
	}
	if json.NewDecoder(r.Body).Decode(&d) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range d.Alerts {
		key := a.Labels["alertname"] + " " + a.Labels["source"] + " " + a.Status
		s.told[key] = append(s.told[key], time.Now())
	}
}

func (s *switchboard) heard(key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.told[key])
}

// backout is killed (SIGKILL), and a real Alertmanager with the routes of
// docs/watchdog pages within three heartbeats and the interval of its group. Before
// that the alert stays up, and what backout can't see fires beside it.
func TestWatchdog_firesWhenBackoutIsKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("runs Alertmanager and backout for a quarter of a minute")
	}
	program := metricstest.Program(t, "prometheus-alertmanager", "prometheus-alertmanager", "alertmanager")
	board := &switchboard{told: map[string][]time.Time{}}
	srv := httptest.NewServer(board)
	defer srv.Close()
	routes, err := os.ReadFile("../../docs/watchdog/alertmanager.yml")
	if err != nil {
		t.Fatal(err)
	}
	dir, address := t.TempDir(), metricstest.Free(t)
	short := strings.NewReplacer("https://switch.example.com/backout", srv.URL, "https://pager.example.com/on-call", srv.URL, "group_interval: 1m", "group_interval: 1s", "repeat_interval: 1m", "repeat_interval: 1s").Replace(string(routes))
	short = strings.ReplaceAll(short, "receiver: on-call\n", "receiver: on-call\n      group_wait: 0s\n")
	metricstest.Launch(t, address, program, "--storage.path="+dir+"/am", "--web.listen-address="+address, "--cluster.listen-address=", "--log.level=error", "--config.file="+write(t, dir, "am.yml", short))

	catalog := filepath.Join(dir, "catalog")
	if err := os.Mkdir(catalog, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, catalog, "shop.yaml", shop)
	const every = 2 * time.Second
	notify := write(t, dir, "notify.yaml", "apiVersion: backout.dev/v1alpha1\nkind: Notify\nmetadata: {name: x}\nspec:\n  watchdog: {every: "+every.String()+", receivers: [{name: am, kind: alertmanager, url: \"http://"+address+"\"}]}\n")
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWatchdog_child$")
	cmd.Env = append(os.Environ(), childCatalog+"="+catalog, childNotify+"="+notify)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "the watchdog is heard again and again, and that the metrics are away", func(context.Context) bool {
		return board.heard("BackoutWatchdog  firing") >= 4 && board.heard("BackoutDegraded metrics firing") > 0
	})
	if n := board.heard("BackoutWatchdog  resolved"); n > 0 {
		t.Errorf("paged %d times while backout was alive", n)
	}
	bound := 3*every + 5*time.Second
	for n, how := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGKILL} { // frozen is as good as dead
		at := time.Now()
		if err := cmd.Process.Signal(how); err != nil {
			t.Fatal(err)
		}
		until(t, "the watchdog pages", func(context.Context) bool { return board.heard("BackoutWatchdog  resolved") > n })
		took := time.Since(at)
		t.Logf("paged %.1f s after %s", took.Seconds(), how)
		if took > bound || took < every {
			t.Errorf("paged %s after %s, want within %s", took, how, bound)
		}
		if how == syscall.SIGKILL {
			break
		}
		firing := board.heard("BackoutWatchdog  firing")
		if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		until(t, "it is heard again when it goes on", func(context.Context) bool { return board.heard("BackoutWatchdog  firing") > firing+1 })
	}
	_ = cmd.Wait() // killed
}

// Prometheus' own tool says of the rules in docs/watchdog when they fire.
func TestWatchdog_rulesFire(t *testing.T) {
	promtool := metricstest.Program(t, "prometheus", "promtool")
	rules, err := filepath.Abs("../../docs/watchdog/rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	file := write(t, t.TempDir(), "test.yml", `rule_files: [`+rules+`]
evaluation_interval: 30s
tests:
  - name: backout is well
    interval: 30s
    input_series:
      - {series: 'up{job="backout"}', values: '1x40'}
      - {series: 'backout_run_alive_ratio', values: '1x40'}
      - {series: 'backout_run_ready_ratio', values: '1x40'}
      - {series: 'backout_send_heartbeat_timestamp_seconds{to="am"}', values: '0+30x40'}
    alert_rule_test:
      - {eval_time: 10m, alertname: BackoutAbsent, exp_alerts: []}
      - {eval_time: 10m, alertname: BackoutStuck, exp_alerts: []}
      - {eval_time: 10m, alertname: BackoutNotReady, exp_alerts: []}
      - {eval_time: 10m, alertname: BackoutHeartbeatLate, exp_alerts: []}
      - {eval_time: 10m, alertname: BackoutUndelivered, exp_alerts: []}
  - name: backout is gone
    interval: 30s
    input_series:
      - {series: 'up{job="backout"}', values: '1x4 0x36'}
    promql_expr_test:
      - {expr: 'count(ALERTS{alertname="BackoutAbsent",alertstate="firing"}) or vector(0)', eval_time: 2m, exp_samples: [{labels: '{}', value: 0}]}
      - {expr: 'count(ALERTS{alertname="BackoutAbsent",alertstate="firing"})', eval_time: 5m, exp_samples: [{labels: '{}', value: 1}]}
  - name: backout is not well
    interval: 30s
    input_series:
      - {series: 'up{job="backout"}', values: '1x40'}
      - {series: 'backout_run_alive_ratio', values: '0x40'}
      - {series: 'backout_run_ready_ratio', values: '0x40'}
      - {series: 'backout_send_heartbeat_timestamp_seconds{to="am"}', values: '0x40'}
      - {series: 'backout_tell_undelivered_messages{audience="on-call",channel="pager"}', values: '1x40'}
    promql_expr_test:
      - {expr: 'count by (alertname) (ALERTS{alertstate="firing"})', eval_time: 10m, exp_samples: [{labels: '{alertname="BackoutStuck"}', value: 1}, {labels: '{alertname="BackoutNotReady"}', value: 1}, {labels: '{alertname="BackoutHeartbeatLate"}', value: 1}, {labels: '{alertname="BackoutUndelivered"}', value: 1}]}
`)
	out, err := exec.CommandContext(t.Context(), promtool, "test", "rules", file).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
