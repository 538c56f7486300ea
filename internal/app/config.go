// Package app is the machines: it alone knows which programs, files and
// addresses there are. It builds every part from its configuration, wires ports
// to adapters, runs the loops and closes everything in the reverse order. It
// decides nothing: there is no condition on a domain value here.
//
// [New] makes an [App] from a [Config]; [App.Run] blocks until its context ends
// or a part fails. The offline commands (lint and the like) are functions.
package app

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/watch"
	"github.com/backout-dev/backout/internal/web"
)

// Config is what `backout serve` needs. Catalog and Data are required.
type Config struct {
	Catalog string // folder of catalog files
	Data    string // folder for the database, the metrics and the token
	// Database is postgres://... to be one replica of several, or the path of a
	// SQLite file; "" = backout.db in Data.
	Database string
	Listen   string // host:port, loopback only; "" = 127.0.0.1:0
	// Prometheus is the base URL of a Prometheus-compatible server; "" = the
	// embedded one, which scrapes Targets.
	Prometheus string
	Targets    string // http_sd URL of what the embedded server scrapes
	// TargetsTokenFile holds the token that Targets asks for; "" = none.
	TargetsTokenFile string
	Scrape           time.Duration // scrape interval; 0 = Step / 2, at least 250 ms
	Step             time.Duration // sampling step; 0 = 15 s
	Minute           time.Duration // length of a model minute; 0 = a minute
	// Environment that incidents belong to; "" = production.
	Environment backout.Environment
	// Playground and PlaygroundToken reach the control API of the playground shop.
	Playground      string
	PlaygroundToken string
	Seed            uint64
	// Policy replaces the catalog's autonomy when set.
	Autonomy backout.Autonomy
	// WebhookSecretFile holds the secrets of signed webhooks, one a line; "" = only
	// the token is accepted.
	WebhookSecretFile string
	// AlertLabels says which label of an alert names its service, journey, location,
	// client, environment or severity; what is not there has its default.
	AlertLabels map[string]string
	// Notify is the file that says how people are told; "" = as the catalog's
	// Notify document says, or on-call by the console alone.
	Notify string
	// AnchorFile gets a copy of the audit anchors beside the one in the data folder,
	// such as a file in a git repository; AnchorURL gets each by POST. "" = no copy there.
	AnchorFile string
	AnchorURL  string
	// Console is where the console channel writes; nil = nowhere.
	Console io.Writer
	// Tell hears every journal entry as it is saved; nil = nobody listens.
	Tell func(backout.Entry)
	// Heard receives every tick's report; nil = nobody listens.
	Heard func(watch.Report)
	Log   *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	c.Listen = cmp.Or(c.Listen, "127.0.0.1:0")
	c.Step = cmp.Or(c.Step, 15*time.Second)
	c.Minute = cmp.Or(c.Minute, time.Minute)
	c.Scrape = cmp.Or(c.Scrape, max(c.Step/2, 250*time.Millisecond))
	c.Environment = cmp.Or(c.Environment, "production")
	if c.Console == nil {
		c.Console = io.Discard
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case c.Catalog == "" || c.Data == "":
		return c, errors.New("start backout: --catalog and --data are needed: the folder of catalog files and a folder to keep state in")
	case strings.Contains(c.Database, "://") && c.Prometheus == "":
		return c, errors.New("start backout: with --database postgres://... give --prometheus URL: replicas must see the same metrics, and the embedded server keeps them in one process")
	case c.Prometheus == "" && c.Targets == "":
		return c, errors.New("start backout: it needs metrics: give --prometheus URL, or --targets URL for the embedded server to scrape")
	}
	c.Database = cmp.Or(c.Database, filepath.Join(c.Data, "backout.db"))
	return c, web.CheckAddress(c.Listen)
}

// token reads the token of a data folder, or makes one in a file that only its
// owner can read.
func token(dir string) (string, error) {
	path := filepath.Join(dir, "token")
	b, err := os.ReadFile(path)
	if err == nil && len(strings.TrimSpace(string(b))) >= 16 {
		return strings.TrimSpace(string(b)), os.Chmod(path, 0o600)
	}
	raw := make([]byte, 24)
	if _, err := rand.Read(raw); err != nil {
		return "", fmt.Errorf("make token: %w", err)
	}
	t := hex.EncodeToString(raw)
	if err := os.WriteFile(path, []byte(t+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep token: %w", err)
	}
	return t, nil
}
