package store

import (
	"context"
	"database/sql"
	"time"
)

// Pruned counts what was removed.
type Pruned struct {
	Observations int64
	Messages     int64
	Holds        int64
	Locks        int64
	Threads      int64
	Attachments  int64
	Leases       int64
}

// Prune removes what happened before a time and is of no more use: observations,
// delivered messages, attachments that a newer one had replaced by then, holds and
// deploy locks that ran out, threads in which nothing was said since, leases of
// replicas long gone. Undelivered messages stay; incidents, audit logs, reviews and
// priors are never removed.
func (s *Store) Prune(ctx context.Context, before time.Time) (Pruned, error) {
	var p Pruned
	err := s.within(ctx, func(tx *sql.Tx) error {
		for _, d := range []struct {
			count *int64
			query string
		}{
			{&p.Observations, "DELETE FROM observation WHERE at < $1"},
			{&p.Messages, "DELETE FROM delivery WHERE delivered_at > 0 AND delivered_at < $1"},
			{&p.Holds, "DELETE FROM hold WHERE expires_at < $1"},
			{&p.Locks, "DELETE FROM deploy_lock WHERE expires_at < $1 AND taken_at < $1"},
			{&p.Attachments, `DELETE FROM attachment WHERE EXISTS (SELECT 1 FROM attachment n
				WHERE n.component = attachment.component AND n.kind = attachment.kind AND n.at > attachment.at AND n.at < $1)`},
			{&p.Threads, "DELETE FROM thread WHERE at < $1"},
			{&p.Leases, "DELETE FROM lease WHERE expires_at < $1"},
		} {
			res, err := tx.ExecContext(ctx, d.query, micros(before))
			if err != nil {
				return err
			}
			if *d.count, err = res.RowsAffected(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Pruned{}, explain("prune", err)
	}
	return p, nil
}
