package app

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/catalog"
	"github.com/backout-dev/backout/internal/notify"
	"github.com/backout-dev/backout/internal/notify/alertmanager"
	"github.com/backout-dev/backout/internal/notify/heartbeat"
)

// beating is one receiver of heartbeats.
type beating struct {
	name  string
	to    notify.Watchdog
	every time.Duration
}

// heartbeatTimeout bounds one heartbeat.
const heartbeatTimeout = 10 * time.Second

var watchdogs = map[catalog.WatchdogKind]func(url, method string) (notify.Watchdog, error){
	catalog.WatchdogWebhook: func(url, method string) (notify.Watchdog, error) {
		return heartbeat.New(heartbeat.Config{URL: url, Method: method})
	},
	catalog.WatchdogAlertmanager: func(url, _ string) (notify.Watchdog, error) {
		return alertmanager.New(alertmanager.Config{URL: url})
	},
}

// openWatchdogs wires those who hear heartbeats; none is no error.
func openWatchdogs(w *catalog.Watchdog, dir string) ([]beating, error) {
	var out []beating
	if w == nil {
		return out, nil
	}
	for _, r := range w.Receivers {
		url := r.URL
		if r.URLFrom != (catalog.Reference{}) {
			var err error
			if url, err = secret(r.URLFrom, dir); err != nil {
				return nil, fmt.Errorf("open watchdog %s: %w", r.Name, err)
			}
		}
		to, err := watchdogs[r.Kind](url, r.Method)
		if err != nil {
			return nil, fmt.Errorf("open watchdog %s: %w", r.Name, err)
		}
		out = append(out, beating{r.Name, to, w.Every.Std()})
	}
	return out, nil
}

// heartbeats tells every watchdog from time to time that backout is alive, each by
// itself, so that none waits for another.
func (a *App) heartbeats(ctx context.Context) error {
	var g errgroup.Group
	for _, b := range a.watchdogs {
		g.Go(func() error {
			wait := time.NewTimer(0)
			defer wait.Stop()
			for {
				select {
				case <-ctx.Done():
					return nil
				case <-wait.C:
				}
				wait.Reset(a.beat(ctx, b))
			}
		})
	}
	return g.Wait()
}

// beat sends one heartbeat, if backout is alive, and says when the next one is due:
// sooner after a failure, since three missed ones page somebody.
func (a *App) beat(ctx context.Context, b beating) time.Duration {
	const again = 4
	h := a.Health(ctx)
	if !h.Beats() {
		a.cfg.Log.Error("no heartbeat is sent, since backout is not well", "to", b.name, "degraded", h.Degraded)
		a.meters.beats.WithLabelValues(b.name, "withheld").Inc()
		return b.every / again
	}
	call, cancel := context.WithTimeout(ctx, min(heartbeatTimeout, b.every))
	defer cancel()
	began := time.Now()
	said, err := b.to.Beat(call, h, b.every)
	if ctx.Err() != nil {
		return b.every
	}
	now, what := time.Now().UTC(), "channels watchdog "+b.name
	if err != nil {
		a.vitals.note(what, backout.Degraded(backout.DegradedChannels, "watchdog "+b.name, now, err.Error()))
		a.meters.beats.WithLabelValues(b.name, "failed").Inc()
		return b.every / again
	}
	a.vitals.unnote(what)
	a.meters.beats.WithLabelValues(b.name, "acknowledged").Inc()
	a.meters.beat.WithLabelValues(b.name).Set(float64(now.Unix()))
	if !said.IsZero() { // the answer was written somewhere between
		a.vitals.skewed(b.name, said.Sub(began.Add(now.Sub(began)/2).UTC()), now)
	}
	return b.every
}
