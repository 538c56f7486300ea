package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/backout-dev/backout"
)

// attach keeps an observation's attachments under the version that it reports.
func attach(ctx context.Context, tx *sql.Tx, o backout.Observation) error {
	for _, a := range o.Attachments {
		if _, err := tx.ExecContext(ctx, `INSERT INTO attachment (component, version, kind, name, at, body) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (component, version, kind, name) DO UPDATE SET at = excluded.at, body = excluded.body`,
			o.Component, o.To, a.Kind, a.Name, micros(o.At), a.Body); err != nil {
			return err
		}
	}
	return nil
}

// Attached reads all attachments, in the order of their names.
func (s *Store) Attached(ctx context.Context) ([]backout.Attached, error) {
	out, err := s.attached(ctx)
	return out, explain("read attachments", err)
}

func (s *Store) attached(ctx context.Context) ([]backout.Attached, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT component, version, kind, name, at, body FROM attachment ORDER BY component, version, kind, name")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []backout.Attached{}
	for rows.Next() {
		var a backout.Attached
		var at int64
		if err := rows.Scan(&a.Component, &a.Version, &a.Kind, &a.Name, &at, &a.Body); err != nil {
			return nil, err
		}
		a.At = time.UnixMicro(at).UTC()
		out = append(out, a)
	}
	return out, rows.Err()
}

// AttachedState is a short text that changes when attachments do, and is cheap to
// ask for. It is "" when there are none.
func (s *Store) AttachedState(ctx context.Context) (string, error) {
	var n, newest, size int64
	err := s.db.QueryRowContext(ctx, "SELECT count(*), coalesce(max(at), 0), coalesce(sum(length(body)), 0) FROM attachment").Scan(&n, &newest, &size)
	if err != nil || n == 0 {
		return "", explain("read attachments", err)
	}
	return fmt.Sprintf("%d %d %d", n, newest, size), nil
}
