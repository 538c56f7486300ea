// Package slack tells people in Slack, in one of two ways.
//
// With a bot token ([Bot]) each thread of ours, one incident and one audience, is
// one thread in a conversation: the first message is its head, later ones are
// replies, and the head is edited to show the newest state, so that the
// conversation itself stays readable. Slack can't be told that a message is a
// repetition, so the bot keeps in [notify.Threads] which message it is about to
// post. When it does not know whether that one arrived, it looks for the id that
// every message carries as metadata before it posts again. A restart therefore
// neither opens a second thread nor says anything twice; without the right to read
// the conversation (scope channels:history) it may repeat one message.
//
// With an incoming webhook ([Incoming]) there are no threads: each message begins
// with its incident and audience, and one may be repeated.
package slack

import (
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

// Config is what the bot needs; all but Link and API are required.
type Config struct {
	Name         string // the channel's name: threads are kept under it
	Token        string // xoxb-..., with the scope chat:write and, better, channels:history
	Conversation string // the id, C...
	Link         string // base URL of the incidents' pages; "" = no links
	Threads      notify.Threads
	API          string // base URL of Slack's API; "" = the real one
}

// Bot is a notifier that keeps threads.
type Bot struct {
	cfg    Config
	client *slackgo.Client
}

// New checks the configuration.
func New(c Config) (*Bot, error) {
	switch {
	case c.Token == "" || c.Conversation == "":
		return nil, errors.New("make slack bot: expected a token and a conversation's id such as C0123456789")
	case c.Name == "" || c.Threads == nil:
		return nil, errors.New("make slack bot: a name and a keeper of threads are needed")
	}
	options := []slackgo.Option{slackgo.OptionHTTPClient(notify.Client())}
	if c.API != "" {
		options = append(options, slackgo.OptionAPIURL(c.API))
	}
	return &Bot{c, slackgo.New(c.Token, options...)}, nil
}

// thread is what is kept about one.
type thread struct {
	Conversation string `json:"conversation"`
	Head         string `json:"head"`   // Slack's timestamp of the first message; "" = none yet
	Trying       string `json:"trying"` // id of the message that may or may not have arrived
	Sent         string `json:"sent"`   // id of the newest that did
}

// Notify posts one message into its thread and brings the head up to date.
func (b *Bot) Notify(ctx context.Context, m backout.Message) error {
	th, err := b.read(ctx, m)
	if err != nil {
		return fmt.Errorf("read slack thread of %s: %w", m.Thread(), err)
	}
	if th.Sent == m.ID() {
		return nil // acknowledged before; only our note of it was lost
	}
	ts := ""
	if th.Trying == m.ID() {
		if ts, err = b.find(ctx, th, m); err != nil {
			return fmt.Errorf("look for message in slack: %w", meaning(err))
		}
	} else {
		th.Trying = m.ID()
		if err := b.keep(ctx, m, th); err != nil {
			return fmt.Errorf("keep slack thread of %s: %w", m.Thread(), err)
		}
	}
	if ts == "" {
		if ts, err = b.post(ctx, &th, m); err != nil {
			return fmt.Errorf("post to slack: %w", meaning(err))
		}
	}
	if th.Head == "" {
		th.Head = ts
	}
	if th.Head != ts {
		if err := b.edit(ctx, th, m); err != nil {
			return fmt.Errorf("edit head of slack thread: %w", meaning(err))
		}
	}
	th.Sent, th.Trying = m.ID(), ""
	if err := b.keep(ctx, m, th); err != nil {
		return fmt.Errorf("keep slack thread of %s: %w", m.Thread(), err)
	}
	return nil
}

func (b *Bot) name(m backout.Message) string { return m.Thread() + "/" + b.cfg.Name }

func (b *Bot) read(ctx context.Context, m backout.Message) (thread, error) {
	th := thread{Conversation: b.cfg.Conversation}
	kept, err := b.cfg.Threads.Thread(ctx, b.name(m))
	if err != nil || kept == "" {
		return th, err
	}
	var old thread
	if err := json.Unmarshal([]byte(kept), &old); err != nil {
		return th, err
	}
	if old.Conversation != b.cfg.Conversation {
		return th, nil // moved to another conversation: its thread begins there
	}
	return old, nil
}

func (b *Bot) keep(ctx context.Context, m backout.Message, th thread) error {
	body, err := json.Marshal(th)
	if err != nil {
		return err
	}
	return b.cfg.Threads.KeepThread(ctx, b.name(m), m.At, string(body))
}

// eventType marks our messages' metadata.
const eventType = "backout_message"

// post sends the message as a reply, or as the head when there is none (any more).
func (b *Bot) post(ctx context.Context, th *thread, m backout.Message) (ts string, err error) {
	options := append(b.content(m), slackgo.MsgOptionMetadata(slackgo.SlackMetadata{EventType: eventType, EventPayload: map[string]any{"id": m.ID()}}))
	if th.Head != "" {
		_, ts, err = b.client.PostMessageContext(ctx, b.cfg.Conversation, append(options, slackgo.MsgOptionTS(th.Head))...)
		if err == nil || !said(err, "thread_not_found", "message_not_found") {
			return ts, err
		}
		th.Head = "" // somebody deleted it
	}
	_, ts, err = b.client.PostMessageContext(ctx, b.cfg.Conversation, options...)
	return ts, err
}

// edit shows the newest state in the head; a head that can't be edited any more
// stays as it is, since the reply says everything.
func (b *Bot) edit(ctx context.Context, th thread, m backout.Message) error {
	_, _, _, err := b.client.UpdateMessageContext(ctx, b.cfg.Conversation, th.Head, b.content(m)...)
	if said(err, "message_not_found", "cant_update_message", "edit_window_closed") {
		return nil
	}
	return err
}

// pages bounds how far back a lost message is looked for.
const pages = 3

// find looks for a message by its id and gives its timestamp, "" when it is not
// there or may not be looked for.
func (b *Bot) find(ctx context.Context, th thread, m backout.Message) (string, error) {
	cursor := ""
	for range pages {
		found, next, err := b.page(ctx, th, m, cursor)
		if said(err, "missing_scope", "not_in_channel", "thread_not_found") {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		for _, x := range found {
			if x.Metadata.EventType == eventType && x.Metadata.EventPayload["id"] == m.ID() {
				return x.Timestamp, nil
			}
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	return "", nil
}

func (b *Bot) page(ctx context.Context, th thread, m backout.Message, cursor string) ([]slackgo.Message, string, error) {
	oldest := fmt.Sprintf("%d", m.At.Add(-time.Hour).Unix()) // clocks differ, but not by an hour
	if th.Head != "" {
		found, _, next, err := b.client.GetConversationRepliesContext(ctx, &slackgo.GetConversationRepliesParameters{
			ChannelID: b.cfg.Conversation, Timestamp: th.Head, Oldest: oldest, Cursor: cursor, Limit: 200, IncludeAllMetadata: true})
		return found, next, err
	}
	res, err := b.client.GetConversationHistoryContext(ctx, &slackgo.GetConversationHistoryParameters{
		ChannelID: b.cfg.Conversation, Oldest: oldest, Cursor: cursor, Limit: 200, IncludeAllMetadata: true})
	if err != nil {
		return nil, "", err
	}
	return res.Messages, res.ResponseMetaData.NextCursor, nil
}

func (b *Bot) content(m backout.Message) []slackgo.MsgOption {
	text, blocks := content(m, b.cfg.Link)
	return []slackgo.MsgOption{slackgo.MsgOptionText(text, false), slackgo.MsgOptionBlocks(blocks...), slackgo.MsgOptionDisableLinkUnfurl()}
}

// said reports whether Slack answered with one of these errors.
func said(err error, words ...string) bool {
	var e slackgo.SlackErrorResponse
	if !errors.As(err, &e) {
		return false
	}
	for _, w := range words {
		if e.Err == w {
			return true
		}
	}
	return false
}

// meaning tells what asks for another try from what does not.
func meaning(err error) error {
	var limited *slackgo.RateLimitedError
	var status slackgo.StatusCodeError
	var answer slackgo.SlackErrorResponse
	switch {
	case errors.As(err, &limited):
		return &notify.Later{After: limited.RetryAfter, Err: err}
	case said(err, "internal_error", "fatal_error", "service_unavailable", "request_timeout", "ratelimited", "rate_limited", "team_added_to_org"):
		return err
	case errors.As(err, &status) && (status.Code >= 500 || status.Code == http.StatusRequestTimeout || status.Code == http.StatusTooManyRequests):
		return err
	case errors.As(err, &status):
		return fmt.Errorf("%w: %w", err, notify.ErrRefused)
	case errors.As(err, &answer):
		if answer.Needed != "" {
			return fmt.Errorf("%w (the token lacks the scope %s): %w", err, answer.Needed, notify.ErrRefused)
		}
		return fmt.Errorf("%w: %w", err, notify.ErrRefused)
	}
	return notify.WithoutURL(err)
}
