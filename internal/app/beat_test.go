package app

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/catalog"
)

// A heartbeat says that backout is alive, so a stuck loop and a database that can't
// be written withhold it; missing metrics do not, they are in it.
func TestBeat_isWithheldWhenBackoutIsNotWell(t *testing.T) {
	var heard atomic.Int64
	status := http.StatusOK
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		heard.Add(1)
		w.Header().Set("Date", time.Now().Add(-2*time.Minute).UTC().Format(http.TimeFormat))
		w.WriteHeader(status)
	}))
	defer srv.Close()
	all, err := openWatchdogs(&catalog.Watchdog{Every: backout.Duration(time.Minute), Receivers: []catalog.WatchdogReceiver{{Name: "checks", Kind: catalog.WatchdogWebhook, URL: srv.URL}}}, ".")
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	for name, c := range map[string]struct {
		spoil func(*App)
		heard int64
		wait  time.Duration
	}{
		"well": {func(*App) {}, 1, time.Minute},
		"blind": {func(a *App) {
			a.missing = []backout.Degradation{backout.Degraded(backout.DegradedMetrics, "", time.Now(), "refused")}
		}, 1, time.Minute},
		"a stuck loop": {func(a *App) { a.vitals.turned(loopWalk, time.Now().Add(-time.Hour)) }, 0, 15 * time.Second},
		"no database": {func(a *App) {
			a.vitals.found = []backout.Degradation{backout.Degraded(backout.DegradedDatabase, "", time.Now(), "full")}
		}, 0, 15 * time.Second},
	} {
		heard.Store(0)
		a := &App{cfg: Config{Log: slog.New(slog.DiscardHandler)}, facts: &facts{}}
		a.meters = newMeters(a)
		a.vitals.begin(a.cfg.bounds(), time.Now())
		c.spoil(a)
		if wait := a.beat(t.Context(), all[0]); wait != c.wait || heard.Load() != c.heard {
			t.Errorf("%s: %d heartbeats, the next in %s; want %d, %s", name, heard.Load(), wait, c.heard, c.wait)
		}
		if name != "well" {
			continue
		}
		if got := whats(a.degraded()); !slices.Equal(got, []string{"clock against checks"}) {
			t.Errorf("a receiver whose clock is two minutes behind: %q", got)
		}
		status = http.StatusInternalServerError
		if wait := a.beat(t.Context(), all[0]); wait != 15*time.Second || !slices.Equal(whats(a.degraded()), []string{"channels watchdog checks", "clock against checks"}) {
			t.Errorf("a receiver that fails: the next in %s, degraded %q", wait, whats(a.degraded()))
		}
		status = http.StatusOK
		a.beat(t.Context(), all[0])
		if got := whats(a.degraded()); !slices.Equal(got, []string{"clock against checks"}) {
			t.Errorf("a receiver that is back: %q", got)
		}
	}
}
