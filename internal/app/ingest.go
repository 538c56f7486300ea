package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/ingest"
	"github.com/backout-dev/backout/internal/ingest/alertmanager"
	"github.com/backout-dev/backout/internal/ingest/cdevents"
	"github.com/backout-dev/backout/internal/ingest/deployment"
	"github.com/backout-dev/backout/internal/ingest/signature"
	"github.com/backout-dev/backout/internal/ingest/webhook"
	"github.com/backout-dev/backout/internal/store"
)

// openIngest makes the ways in for facts, all behind one door.
func (a *App) openIngest(ctx context.Context) (map[string]http.Handler, error) {
	signatures, err := openSignatures(a.cfg.WebhookSecretFile)
	if err != nil {
		return nil, err
	}
	door, err := ingest.NewDoor(ingest.DoorConfig{Tokens: []string{a.token}, Signatures: signatures, Log: a.cfg.Log})
	if err != nil {
		return nil, err
	}
	labels, err := alertmanager.NewLabels(a.cfg.AlertLabels)
	if err != nil {
		return nil, err
	}
	if a.alerts, err = openAlerts(ctx, a); err != nil {
		return nil, err
	}
	out, err := deployment.New(deployments{a.store, a.facts.graph}, door)
	if err != nil {
		return nil, err
	}
	if out[webhook.Path], err = webhook.New(webhook.Config{Recorder: recorder{a.store}, Door: door}); err != nil {
		return nil, err
	}
	if out[cdevents.Path], err = cdevents.New(cdevents.Config{Recorder: recorder{a.store}, Alerts: a.alerts, Door: door, Components: a.catalog.Graph.Components}); err != nil {
		return nil, err
	}
	out[alertmanager.Path], err = alertmanager.New(alertmanager.Config{Alerts: a.alerts, Door: door, Labels: labels, Log: a.cfg.Log})
	return out, err
}

// openSignatures reads the secrets of signed webhooks, one a line; without a file
// no signature is accepted.
func openSignatures(path string) (ingest.Verifier, error) {
	if path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read --webhook-secret-file: %w", err)
	}
	var secrets []string
	for line := range strings.Lines(string(b)) {
		if s := strings.TrimSpace(line); s != "" {
			secrets = append(secrets, s)
		}
	}
	v, err := signature.New(secrets)
	if err != nil {
		return nil, fmt.Errorf("--webhook-secret-file %s: %w", path, err)
	}
	return v, nil
}

// alerts keeps what other monitors say, as one document, and hands news to the
// responder.
type alerts struct {
	app *App

	mu    sync.Mutex
	known []backout.Alert // guarded by mu; replaced and never written into
}

const (
	alertsDocument = "alerts"
	alertsKept     = 24 * time.Hour // after their end, so that a late start is known as such
	alertsMost     = 5000
)

func openAlerts(ctx context.Context, a *App) (*alerts, error) {
	s := &alerts{app: a, known: []backout.Alert{}}
	return s, s.reload(ctx)
}

// reload reads what is kept: this replica's own, or what another one heard.
func (s *alerts) reload(ctx context.Context) error {
	d, err := s.app.store.Document(ctx, alertsDocument)
	if backout.CodeOf(err) == backout.CodeNotFound {
		return nil
	}
	known := []backout.Alert{}
	if err == nil {
		err = json.Unmarshal(d.Body, &known)
	}
	if err != nil {
		return fmt.Errorf("read alerts: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = known
	return nil
}

// Alert meets ingest's port. The responder hears first: should anything fail, the
// sender repeats itself, and news that was heard twice is harmless where news that
// was only kept is lost.
func (s *alerts) Alert(ctx context.Context, list []backout.Alert) error {
	a := s.app
	done, err := a.turn(ctx)
	if err != nil {
		return err
	}
	defer done()
	if a.database.Shared() {
		if err := s.reload(ctx); err != nil {
			return err
		}
	}
	now, before := time.Now().UTC(), s.all()
	after := backout.FoldAlerts(append(backout.LiveAlerts(before, now.Add(-alertsKept)), list...))
	if len(after) > alertsMost {
		return &backout.Error{Code: backout.CodeUnavailable, Message: fmt.Sprintf("%d alerts are known: expected at most %d", len(after), alertsMost)}
	}
	if _, err := a.responder.Alert(ctx, now, a.environment(), backout.AlertNews(before, after), after, a.Health(ctx).Degraded); err != nil {
		return err
	}
	body, err := json.Marshal(after)
	if err != nil {
		return fmt.Errorf("write alerts: %w", err)
	}
	if err := a.store.SaveDocument(ctx, store.Document{Name: alertsDocument, Format: store.Format, At: now, Body: body}); err != nil {
		return err
	}
	s.mu.Lock()
	s.known = after
	s.mu.Unlock()
	return nil
}

func (s *alerts) all() []backout.Alert {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known
}
