package replay

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app"
	"github.com/backout-dev/backout/internal/metrics/metricstest"
	"github.com/backout-dev/backout/internal/metrics/prometheus"
	"github.com/backout-dev/backout/internal/web"
)

// The whole way: a real Prometheus, a running backout that was told the changes,
// a recording of both, and its replay.
func TestRecord_ofARunningBackout(t *testing.T) {
	base, _, _ := metricstest.Prometheus(t)
	s := incident()
	s.start = time.Now().UTC().Add(-4 * time.Hour).Truncate(time.Minute)
	source := described(t, s.write(t, t.TempDir()))
	send(t, base, filepath.Join(source, "metrics.om"), s.start, s.minutes)

	ctx, cancel := context.WithCancel(t.Context())
	a, err := app.New(ctx, app.Config{Catalog: filepath.Join(source, "catalog"), Data: t.TempDir(), Prometheus: base, Autonomy: backout.AutonomyShadow})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	for _, line := range strings.Split(strings.TrimSpace(s.jsonl(t)), "\n") {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.URL()+"/v1/observations", strings.NewReader(line))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+a.Token())
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if _ = resp.Body.Close(); resp.StatusCode >= 300 {
			t.Fatalf("%s for %s", resp.Status, line)
		}
	}
	client := &web.Client{URL: a.URL(), Token: a.Token()}
	out := filepath.Join(t.TempDir(), "recorded")
	r, err := Record(ctx, RecordConfig{
		Prometheus: prometheus.Config{URL: base}, Catalog: filepath.Join(source, "catalog"), Observations: client.Observations,
		Since: time.Duration(s.minutes) * time.Minute, To: s.minute(float64(s.minutes)), Out: out,
	})
	if err != nil || r.Changes != 7 || r.Series != 24 {
		t.Fatalf("%+v, %v; expected 7 observations and 24 series", r, err)
	}
	got := one(t, play(t, Config{Dir: out}))
	if got.Suspects[0].Component != "deployment:payment@production/eu-1" || got.Plan == nil || got.Plan.Action != backout.ActionRollBack {
		t.Errorf("%+v with %+v, expected the release to be taken back", got.Suspects[0], got.Plan)
	}
	client.Token = "wrong"
	if _, err := client.Observations(ctx, s.start, s.minute(150)); backout.CodeOf(err) != backout.CodeForbidden {
		t.Errorf("with a wrong token: %v, expected forbidden", err)
	}
}
