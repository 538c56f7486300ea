package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/backout-dev/backout"
)

// Delivery is a message on its way to one audience by one channel.
type Delivery struct {
	Message backout.Message
	Channel string
	Tries   int
	Failure string    // why the last try failed, or how it was delivered in the end
	Next    time.Time // not before; when it was given up, if it was
	Sent    time.Time // zero while undelivered
	GivenUp bool
}

// post puts a transition's messages into the outbox. Position follows the
// incident's rows, so it orders a thread over all its transitions.
func post(ctx context.Context, tx *sql.Tx, t Transition) error {
	for i, m := range t.Messages {
		body, err := encode(m)
		if err != nil {
			return err
		}
		channels := t.Channels[m.Audience]
		if t.Channels == nil {
			channels = []string{"console"}
		}
		for _, channel := range channels {
			// The same news is told once.
			if _, err := tx.ExecContext(ctx, `INSERT INTO delivery (incident, audience, channel, key, position, terminal, next_at, tries, delivered_at, given_up, failure, body)
				VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, 0, '', $8) ON CONFLICT DO NOTHING`,
				m.Incident, m.Audience, channel, m.Key, t.Incident.Row<<8+int64(i), flag(m.Terminal), micros(t.At), body); err != nil {
				return err
			}
		}
	}
	return nil
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// Due lists undelivered messages whose next try is due, oldest first. A thread's
// messages come in order: none is due while an earlier one of its incident,
// audience and channel is neither delivered nor given up. A terminal message does
// not wait for news that failed before it: it overtakes them.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]Delivery, error) {
	out, err := s.deliveries(ctx, `WHERE delivered_at = 0 AND given_up = 0 AND next_at <= $1 AND NOT EXISTS (
		SELECT 1 FROM delivery AS before WHERE before.incident = delivery.incident AND before.audience = delivery.audience AND before.channel = delivery.channel
			AND before.delivered_at = 0 AND before.given_up = 0 AND before.position < delivery.position
			AND (delivery.terminal = 0 OR before.terminal = 1 OR before.tries = 0))
		ORDER BY next_at, position LIMIT $2`, micros(now), limit)
	return out, explain("read due messages", err)
}

// Deliveries lists all messages of an incident with what became of them.
func (s *Store) Deliveries(ctx context.Context, id backout.IncidentID) ([]Delivery, error) {
	out, err := s.deliveries(ctx, "WHERE incident = $1 ORDER BY position, audience, channel", id)
	return out, explain(fmt.Sprintf("read messages of %s", id), err)
}

// Undelivered lists what was tried and nobody acknowledged, newest first: what is
// still tried, and what was given up since a time.
func (s *Store) Undelivered(ctx context.Context, since time.Time, limit int) ([]Delivery, error) {
	out, err := s.deliveries(ctx, "WHERE delivered_at = 0 AND tries > 0 AND (given_up = 0 OR next_at >= $1) ORDER BY next_at DESC, position DESC LIMIT $2", micros(since), limit)
	return out, explain("read undelivered messages", err)
}

func (s *Store) deliveries(ctx context.Context, where string, args ...any) ([]Delivery, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT body, channel, tries, failure, next_at, delivered_at, given_up FROM delivery "+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []Delivery{}
	for rows.Next() {
		var d Delivery
		var body string
		var next, sent, givenUp int64
		if err := rows.Scan(&body, &d.Channel, &d.Tries, &d.Failure, &next, &sent, &givenUp); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(body), &d.Message); err != nil {
			return nil, fmt.Errorf("decode message: %w", err)
		}
		d.Next, d.GivenUp = time.UnixMicro(next).UTC(), givenUp == 1
		if sent != 0 {
			d.Sent = time.UnixMicro(sent).UTC()
		}
		out = append(out, d)
	}
	return out, rows.Err()
}

// Delivered records that a receiver acknowledged a message; note says how, where
// it was not the plain way. News that a terminal message has overtaken is given up
// with it, since it would come after the end.
func (s *Store) Delivered(ctx context.Context, m backout.Message, channel string, at time.Time, note string) error {
	err := s.within(ctx, func(tx *sql.Tx) error {
		if err := settle(ctx, tx, m, channel, "delivered_at = $1", at, note); err != nil || !m.Terminal {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE delivery SET given_up = 1, next_at = $1, failure = 'overtaken by the end' WHERE incident = $2 AND audience = $3 AND channel = $4
			AND delivered_at = 0 AND given_up = 0 AND terminal = 0 AND position < (SELECT position FROM delivery AS ending
				WHERE ending.incident = $2 AND ending.audience = $3 AND ending.channel = $4 AND ending.key = $5)`, micros(at), m.Incident, m.Audience, channel, m.Key)
		return err
	})
	return explainDelivery(m, err)
}

// Failed records that a try failed, why, and when the next one is due.
func (s *Store) Failed(ctx context.Context, m backout.Message, channel string, next time.Time, why string) error {
	return explainDelivery(m, settle(ctx, s.db, m, channel, "next_at = $1", next, why))
}

// GiveUp records that a message is not tried any more, and why.
func (s *Store) GiveUp(ctx context.Context, m backout.Message, channel string, at time.Time, why string) error {
	return explainDelivery(m, settle(ctx, s.db, m, channel, "given_up = 1, next_at = $1", at, why))
}

// execer is the database or a transaction in it.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func settle(ctx context.Context, db execer, m backout.Message, channel, set string, at time.Time, why string) error {
	res, err := db.ExecContext(ctx, "UPDATE delivery SET "+set+", tries = tries + 1, failure = $2 WHERE incident = $3 AND audience = $4 AND key = $5 AND channel = $6",
		micros(at), why, m.Incident, m.Audience, m.Key, channel)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		err = notFound("there is no message %s for %s by %s about %s", m.Key, m.Audience, channel, m.Incident)
	}
	return err
}

func explainDelivery(m backout.Message, err error) error {
	return explain(fmt.Sprintf("record delivery about %s to %s", m.Incident, m.Audience), err)
}

// Thread reads what a channel keeps about a thread; "" when it keeps nothing.
func (s *Store) Thread(ctx context.Context, name string) (string, error) {
	var body string
	err := s.db.QueryRowContext(ctx, "SELECT body FROM thread WHERE name = $1", name).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return body, explain(fmt.Sprintf("read thread %s", name), err)
}

// KeepThread stores it in place of what was there.
func (s *Store) KeepThread(ctx context.Context, name string, at time.Time, body string) error {
	_, err := s.db.ExecContext(ctx, "INSERT INTO thread (name, at, body) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET at = excluded.at, body = excluded.body", name, micros(at), body)
	return explain(fmt.Sprintf("keep thread %s", name), err)
}
