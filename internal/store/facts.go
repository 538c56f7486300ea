package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/backout-dev/backout"
)

// Observe appends observations and says how many were new. One that is known
// already, by source and native id, is left as it is. Attachments are kept apart,
// also those of a known one: a pipeline may hand them in later.
func (s *Store) Observe(ctx context.Context, obs []backout.Observation) (added int, err error) {
	err = s.within(ctx, func(tx *sql.Tx) error {
		// Two that bring the same facts in another order would wait for each other.
		if err := s.lock(ctx, tx, "observations"); err != nil {
			return err
		}
		for _, o := range obs {
			if o.Source == "" || o.NativeID == "" {
				return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("an observation of %s lacks source or native_id", o.Component)}
			}
			if err := attach(ctx, tx, o); err != nil {
				return err
			}
			o.Attachments = nil
			body, err := encode(o)
			if err != nil {
				return err
			}
			res, err := tx.ExecContext(ctx, "INSERT INTO observation (source, native_id, at, component, body) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
				o.Source, o.NativeID, micros(o.At), o.Component, body)
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			added += int(n)
		}
		return nil
	})
	if err != nil {
		added = 0
	}
	return added, explain("store observations", err)
}

// Observations reads what happened since a time, oldest first, for the caller to
// fold.
func (s *Store) Observations(ctx context.Context, since time.Time) ([]backout.Observation, error) {
	out, err := all[backout.Observation](ctx, s.db, "SELECT body FROM observation WHERE at >= $1 ORDER BY at, source, native_id", micros(since))
	return out, explain("read observations", err)
}

// Hold keeps a component from moving forward, or changes a hold of the same owner.
func (s *Store) Hold(ctx context.Context, h backout.Hold) error {
	body, err := encode(h)
	if err == nil {
		_, err = s.db.ExecContext(ctx, `INSERT INTO hold (component, owner, expires_at, body) VALUES ($1, $2, $3, $4)
			ON CONFLICT (component, owner) DO UPDATE SET expires_at = excluded.expires_at, body = excluded.body`,
			h.Component, h.Owner, micros(h.Until), body)
	}
	return explain(fmt.Sprintf("hold %s", h.Component), err)
}

// Release ends a hold. Ending one that has ended is no error.
func (s *Store) Release(ctx context.Context, id backout.ComponentID, owner string) error {
	_, err := s.db.ExecContext(ctx, "DELETE FROM hold WHERE component = $1 AND owner = $2", id, owner)
	return explain(fmt.Sprintf("release %s", id), err)
}

// Holds reads the holds in force at a time.
func (s *Store) Holds(ctx context.Context, now time.Time) ([]backout.Hold, error) {
	out, err := all[backout.Hold](ctx, s.db, "SELECT body FROM hold WHERE expires_at > $1 ORDER BY component, owner", micros(now))
	return out, explain("read holds", err)
}
