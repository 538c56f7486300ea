// Package heartbeat tells a watchdog of the healthchecks kind (healthchecks.io,
// Uptime Kuma, Dead Man's Snitch) that backout is alive: one HTTP request each time.
// A POST carries backout's health as JSON; a GET carries nothing but itself.
package heartbeat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/notify"
)

// Config is what a heartbeat needs; URL is required.
type Config struct {
	URL    string
	Method string // GET or POST; "" = POST
}

// Document is the body of a POST.
type Document struct {
	Status string           `json:"status"` // ok, or degraded: alive, and something can't be seen, done or told
	Every  backout.Duration `json:"every"`  // the next one is due after so long
	Health backout.Health   `json:"health"`
}

// Heartbeat is a watchdog at an address.
type Heartbeat struct {
	cfg    Config
	client *http.Client
}

// New checks the configuration.
func New(c Config) (*Heartbeat, error) {
	switch {
	case c.URL == "":
		return nil, errors.New("make heartbeat: url: expected an address")
	case c.Method == "":
		c.Method = http.MethodPost
	case c.Method != http.MethodGet && c.Method != http.MethodPost:
		return nil, fmt.Errorf("make heartbeat: method %q: expected GET or POST", c.Method)
	}
	return &Heartbeat{c, notify.Client()}, nil
}

// Beat sends one.
func (b *Heartbeat) Beat(ctx context.Context, h backout.Health, every time.Duration) (said time.Time, err error) {
	var body []byte
	if b.cfg.Method == http.MethodPost {
		status := "ok"
		if len(h.Degraded)+len(h.Undelivered) > 0 {
			status = "degraded"
		}
		if body, err = json.Marshal(Document{status, backout.Duration(every), h}); err != nil {
			return said, fmt.Errorf("write heartbeat: %w", err)
		}
	}
	return notify.Call(ctx, b.client, b.cfg.Method, b.cfg.URL, body)
}
