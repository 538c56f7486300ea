package slack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	slackgo "github.com/slack-go/slack"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/notify"
)

// Incoming is a notifier that posts to an incoming webhook.
type Incoming struct {
	url, link string
	client    *http.Client
}

// NewIncoming takes the webhook's URL, which is a secret, and the base URL of the
// incidents' pages; "" = no links.
func NewIncoming(url, link string) (*Incoming, error) {
	if url == "" {
		return nil, errors.New("make slack webhook: url: expected an address")
	}
	return &Incoming{url, link, notify.Client()}, nil
}

// Notify posts one message.
func (i *Incoming) Notify(ctx context.Context, m backout.Message) error {
	text, blocks := content(m, i.link)
	body, err := json.Marshal(slackgo.WebhookMessage{Text: text, Blocks: &slackgo.Blocks{BlockSet: blocks}})
	if err != nil {
		return fmt.Errorf("write message %s: %w", m.Key, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, i.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("post to slack: %w: %w", notify.WithoutURL(err), notify.ErrRefused)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := i.client.Do(req)
	if err != nil {
		return fmt.Errorf("post to slack: %w", notify.WithoutURL(err))
	}
	defer res.Body.Close()
	if err := notify.Answer(res, time.Now()); err != nil {
		return fmt.Errorf("post to slack: slack %w", err)
	}
	return nil
}
