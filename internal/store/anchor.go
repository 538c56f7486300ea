package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/attest"
)

// Anchor writes the next anchor over the heads of all audit logs that moved since
// the last one. moved says whether there were any; if not, nothing is written.
func (s *Store) Anchor(ctx context.Context, now time.Time) (a backout.Anchor, moved bool, err error) {
	err = s.within(ctx, func(tx *sql.Tx) error {
		if err := s.lock(ctx, tx, "anchor"); err != nil {
			return err
		}
		heads, err := movedHeads(ctx, tx)
		if err != nil || len(heads) == 0 {
			return err
		}
		var last backout.Anchor
		err = tx.QueryRowContext(ctx, "SELECT body FROM anchor ORDER BY seq DESC LIMIT 1").Scan(&column{&last})
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		var body []byte
		if a, body, err = attest.Anchor(backout.Anchor{Seq: last.Seq + 1, At: now.UTC(), Heads: heads, Previous: last.Hash}); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO anchor (seq, body) VALUES ($1, $2)", a.Seq, string(body)); err != nil {
			return err
		}
		moved = true
		return coverHeads(ctx, tx, heads)
	})
	return a, moved && err == nil, explain("anchor audit logs", err)
}

// movedHeads are the newest entries that no anchor covers yet. A log that has
// become shorter moved too: then anchors contradict each other, for all to see.
func movedHeads(ctx context.Context, tx *sql.Tx) ([]backout.AnchorHead, error) {
	rows, err := tx.QueryContext(ctx, `SELECT audit.body FROM audit
		JOIN (SELECT incident, max(seq) AS seq FROM audit GROUP BY incident) AS newest ON newest.incident = audit.incident AND newest.seq = audit.seq
		LEFT JOIN anchor_head ON anchor_head.incident = audit.incident
		WHERE anchor_head.seq IS NULL OR anchor_head.seq <> audit.seq ORDER BY audit.incident`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	heads := []backout.AnchorHead{}
	for rows.Next() {
		var e backout.AuditEntry
		if err := rows.Scan(&column{&e}); err != nil {
			return nil, err
		}
		heads = append(heads, backout.AnchorHead{Incident: e.Incident, Seq: e.Seq, Hash: e.Hash})
	}
	return heads, rows.Err()
}

func coverHeads(ctx context.Context, tx *sql.Tx, heads []backout.AnchorHead) error {
	for _, h := range heads {
		if _, err := tx.ExecContext(ctx, "INSERT INTO anchor_head (incident, seq) VALUES ($1, $2) ON CONFLICT (incident) DO UPDATE SET seq = excluded.seq", h.Incident, h.Seq); err != nil {
			return err
		}
	}
	return nil
}

// AnchorLines reads the anchors from a number on as they are stored, oldest first.
func (s *Store) AnchorLines(ctx context.Context, from int64) ([][]byte, error) {
	out, err := s.lines(ctx, "SELECT body FROM anchor WHERE seq >= $1 ORDER BY seq", from)
	return out, explain("read anchors", err)
}
