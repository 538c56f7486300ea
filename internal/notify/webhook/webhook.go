// Package webhook tells any program that takes HTTP: one JSON document per
// message, signed as Standard Webhooks says (standardwebhooks.com).
//
// The header webhook-id is the message's stable id: a receiver that keeps the ids
// it has seen drops repetitions. webhook-signature covers id, time and body with
// HMAC-SHA256, so that a receiver knows who speaks and refuses what is old. 2xx
// acknowledges; every other answer is read as in [notify.Answer].
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/notify"
)

// Config is what a webhook needs; URL and Secret are required.
type Config struct {
	URL string
	// Secret is "whsec_" and base64 of 24 to 64 bytes.
	Secret string
	Link   string // base URL of the incidents' pages; "" = no links
}

// Document is the body of a call.
type Document struct {
	Format  int             `json:"format"`
	ID      string          `json:"id"`     // the same as the header webhook-id
	Thread  string          `json:"thread"` // one incident and one audience
	Link    string          `json:"link,omitempty"`
	Message backout.Message `json:"message"`
}

// Webhook is a notifier that posts documents.
type Webhook struct {
	cfg    Config
	key    []byte
	client *http.Client
}

// New checks the configuration.
func New(c Config) (*Webhook, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(c.Secret, "whsec_"))
	switch {
	case c.URL == "":
		return nil, errors.New("make webhook: url: expected an address")
	case err != nil || len(key) < 24 || len(key) > 64:
		return nil, errors.New(`make webhook: secret: expected "whsec_" and base64 of 24 to 64 bytes; make one with: echo whsec_$(openssl rand -base64 32)`)
	}
	return &Webhook{c, key, notify.Client()}, nil
}

// Notify posts one message.
func (w *Webhook) Notify(ctx context.Context, m backout.Message) error {
	body, err := json.Marshal(Document{Format: 1, ID: m.ID(), Thread: m.Thread(), Link: notify.Link(w.cfg.Link, m), Message: m})
	if err != nil {
		return fmt.Errorf("write message %s: %w", m.Key, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("post message: %w: %w", notify.WithoutURL(err), notify.ErrRefused)
	}
	now := time.Now()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "backout")
	req.Header.Set("webhook-id", m.ID())
	req.Header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	req.Header.Set("webhook-signature", sign(w.key, m.ID(), now, body))
	res, err := w.client.Do(req)
	if err != nil {
		return fmt.Errorf("post message: %w", notify.WithoutURL(err))
	}
	defer res.Body.Close()
	if err := notify.Answer(res, now); err != nil {
		return fmt.Errorf("post message: receiver %w", err)
	}
	return nil
}

// sign gives the header's value: version and base64 of the MAC.
func sign(key []byte, id string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.%s", id, at.Unix(), body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
