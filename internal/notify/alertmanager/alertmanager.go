// Package alertmanager keeps a dead-man alert firing in a Prometheus Alertmanager
// (API v2, POST /api/v2/alerts) for as long as backout is alive.
//
// [Watchdog] always fires: each heartbeat moves its endsAt to three periods from now.
// When the heartbeats stay away Alertmanager resolves it, and a receiver with
// send_resolved pages then. Should Alertmanager die as well, the receiver misses the
// repetitions: it must be a dead man's switch itself. docs/watchdog has both as
// files. What is degraded, and what nobody acknowledged, fires as [Degraded] and
// [Undelivered] for as long as it lasts.
package alertmanager

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/notify"
)

// The names of the alerts.
const (
	Watchdog    = "BackoutWatchdog"
	Degraded    = "BackoutDegraded"
	Undelivered = "BackoutUndelivered"
)

// alert is the postableAlert of Alertmanager's OpenAPI description.
type alert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"`
}

// Config is what the dead-man alert needs.
type Config struct {
	URL string // base URL of Alertmanager
}

// Alertmanager is a watchdog.
type Alertmanager struct {
	url    string
	client *http.Client
}

// New checks the configuration.
func New(c Config) (*Alertmanager, error) {
	if c.URL == "" {
		return nil, errors.New("make dead-man alert: url: expected the address of Alertmanager")
	}
	return &Alertmanager{strings.TrimSuffix(c.URL, "/") + "/api/v2/alerts", notify.Client()}, nil
}

// Beat moves the ends of the alerts.
func (a *Alertmanager) Beat(ctx context.Context, h backout.Health, every time.Duration) (time.Time, error) {
	body, err := json.Marshal(alerts(h, every))
	if err != nil {
		return time.Time{}, fmt.Errorf("write alerts: %w", err)
	}
	return notify.Call(ctx, a.client, http.MethodPost, a.url, body)
}

func alerts(h backout.Health, every time.Duration) []alert {
	ends := h.At.Add(notify.Missed * every)
	make := func(name, severity string, since time.Time, more, say map[string]string) alert {
		labels := map[string]string{"alertname": name, "severity": severity, "environment": string(h.Environment)}
		for k, v := range more {
			labels[k] = v
		}
		return alert{labels, say, since, ends}
	}
	out := []alert{make(Watchdog, "none", h.StartedAt, nil, map[string]string{
		"summary": fmt.Sprintf("backout is alive. It says so each %s; whoever does not hear it for %s must take it for dead.", every, notify.Missed*every),
	})}
	for _, d := range h.Degraded {
		since := d.Since
		if since.IsZero() {
			since = h.At
		}
		out = append(out, make(Degraded, "warning", since, map[string]string{"source": string(d.Source), "about": d.About}, map[string]string{
			"summary": "backout is degraded: " + d.String(), "description": "This means: " + d.Means + ". What to do: " + d.Remedy + ".",
		}))
	}
	if n := len(h.Undelivered); n > 0 {
		out = append(out, make(Undelivered, "warning", h.At, nil, map[string]string{
			"summary": fmt.Sprintf("%d of backout's messages were acknowledged by nobody", n), "description": strings.Join(h.Undelivered, "\n"),
		}))
	}
	return out
}
