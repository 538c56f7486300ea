package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/backout-dev/backout"
)

// SavePrecedents keeps precedents, all of them or none. One that is there already, with
// the same content, stays as it is; with other content it takes the old one's place.
// Each change gets the next number, so that readers can ask for what is new to them.
func (s *Store) SavePrecedents(ctx context.Context, all []backout.Precedent) (backout.Kept, error) {
	var k backout.Kept
	err := s.within(ctx, func(tx *sql.Tx) error {
		if err := s.lock(ctx, tx, "precedents"); err != nil {
			return err
		}
		k = backout.Kept{}
		var seq int64
		if err := tx.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) FROM precedent").Scan(&seq); err != nil {
			return err
		}
		for _, p := range all {
			p.Format = Format
			changed, err := keep(ctx, tx, p, seq+1, &k)
			if err != nil {
				return fmt.Errorf("%s: %w", p.ID, err)
			}
			if changed {
				seq++
			}
		}
		return nil
	})
	return k, explain(fmt.Sprintf("keep %d past incidents", len(all)), err)
}

func keep(ctx context.Context, tx *sql.Tx, p backout.Precedent, seq int64, k *backout.Kept) (changed bool, err error) {
	body, err := encode(p)
	if err != nil {
		return false, err
	}
	old := ""
	err = tx.QueryRowContext(ctx, "SELECT body FROM precedent WHERE id = $1", p.ID).Scan(&old)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		k.New++
		_, err = tx.ExecContext(ctx, "INSERT INTO precedent (id, seq, at, body) VALUES ($1, $2, $3, $4)", p.ID, seq, micros(p.At), body)
		return true, err
	case err != nil || old == body:
		k.Same++
		return false, err
	}
	k.Changed++
	_, err = tx.ExecContext(ctx, "UPDATE precedent SET seq = $1, at = $2, body = $3 WHERE id = $4", seq, micros(p.At), body, p.ID)
	return true, err
}

// Precedents reads those saved after a number, oldest first, and the number of the last;
// 0 asks for all.
func (s *Store) Precedents(ctx context.Context, after int64) ([]backout.Precedent, int64, error) {
	var last int64
	if err := s.db.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) FROM precedent").Scan(&last); err != nil {
		return nil, after, explain("read past incidents", err)
	}
	if last <= after {
		return nil, after, nil
	}
	out, err := all[backout.Precedent](ctx, s.db, "SELECT body FROM precedent WHERE seq > $1 AND seq <= $2 ORDER BY at, id", after, last)
	for _, p := range out {
		err = cmp.Or(err, checkFormat(fmt.Sprintf("past incident %s", p.ID), p.Format))
	}
	return out, last, explain("read past incidents", err)
}

// Unremembered are incidents that have ended and have no precedent, oldest first, at
// most 1000: those of an older version, or of a moment at which it could not be saved.
func (s *Store) Unremembered(ctx context.Context) ([]backout.Incident, error) {
	out, err := all[backout.Incident](ctx, s.db, "SELECT body FROM incident WHERE is_open = 0 AND id NOT IN (SELECT id FROM precedent) ORDER BY opened_at, id LIMIT 1000")
	return out, explain("read incidents that are not remembered", err)
}
