package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/backout-dev/backout"
)

// Delivery is a message on its way to one audience.
type Delivery struct {
	Message backout.Message
	Tries   int
	Failure string    // why the last try failed
	Next    time.Time // not before
	Sent    time.Time // zero while undelivered
}

// Due lists undelivered messages whose next try is due, oldest first.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]Delivery, error) {
	out, err := s.deliveries(ctx, "WHERE delivered_at = 0 AND next_at <= $1 ORDER BY next_at, position LIMIT $2", micros(now), limit)
	return out, explain("read due messages", err)
}

// Deliveries lists all messages of an incident with what became of them.
func (s *Store) Deliveries(ctx context.Context, id backout.IncidentID) ([]Delivery, error) {
	out, err := s.deliveries(ctx, "WHERE incident = $1 ORDER BY next_at, position", id)
	return out, explain(fmt.Sprintf("read messages of %s", id), err)
}

func (s *Store) deliveries(ctx context.Context, where string, args ...any) ([]Delivery, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT body, tries, failure, next_at, delivered_at FROM outbox "+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []Delivery{}
	for rows.Next() {
		var d Delivery
		var body string
		var next, sent int64
		if err := rows.Scan(&body, &d.Tries, &d.Failure, &next, &sent); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(body), &d.Message); err != nil {
			return nil, fmt.Errorf("decode message: %w", err)
		}
		d.Next = time.UnixMicro(next).UTC()
		if sent != 0 {
			d.Sent = time.UnixMicro(sent).UTC()
		}
		out = append(out, d)
	}
	return out, rows.Err()
}

// Delivered records that a receiver acknowledged a message.
func (s *Store) Delivered(ctx context.Context, m backout.Message, at time.Time) error {
	return s.settle(ctx, m, "UPDATE outbox SET delivered_at = $1, tries = tries + 1, failure = $2 WHERE incident = $3 AND audience = $4 AND key = $5", micros(at), "")
}

// Failed records that a try failed, why, and when the next one is due.
func (s *Store) Failed(ctx context.Context, m backout.Message, next time.Time, why string) error {
	return s.settle(ctx, m, "UPDATE outbox SET next_at = $1, tries = tries + 1, failure = $2 WHERE incident = $3 AND audience = $4 AND key = $5", micros(next), why)
}

func (s *Store) settle(ctx context.Context, m backout.Message, query string, at int64, why string) error {
	res, err := s.db.ExecContext(ctx, query, at, why, m.Incident, m.Audience, m.Key)
	if err == nil {
		var n int64
		if n, err = res.RowsAffected(); err == nil && n == 0 {
			err = notFound("there is no message %s for %s about %s", m.Key, m.Audience, m.Incident)
		}
	}
	return explain(fmt.Sprintf("record delivery about %s to %s", m.Incident, m.Audience), err)
}
