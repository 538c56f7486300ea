package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/attest"
)

// appendAudit writes the next link of an incident's chain. The transaction has
// locked the chain, so two links never get one number.
func appendAudit(ctx context.Context, tx *sql.Tx, e backout.AuditEntry) error {
	var last backout.AuditEntry
	err := tx.QueryRowContext(ctx, "SELECT body FROM audit WHERE incident = $1 ORDER BY seq DESC LIMIT 1", e.Incident).Scan(&column{&last})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	e.At, e.Seq, e.Previous = e.At.UTC(), last.Seq+1, last.Hash
	_, body, err := attest.Entry(e)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO audit (incident, seq, body) VALUES ($1, $2, $3)", e.Incident, e.Seq, string(body))
	return err
}

// sealed is what covers the journal of the newest attempt, once it has ended.
func sealed(inc backout.Incident) *backout.Seal {
	if n := len(inc.Attempts); n > 0 {
		return inc.Attempts[n-1].Journal
	}
	return nil
}

// AuditLines reads an incident's audit log as it is stored, oldest entry first.
// Checking needs the bytes: decoding would forgive what a hash does not.
func (s *Store) AuditLines(ctx context.Context, id backout.IncidentID) ([][]byte, error) {
	out, err := s.lines(ctx, "SELECT body FROM audit WHERE incident = $1 ORDER BY seq", id)
	return out, explain(fmt.Sprintf("read audit log of %s", id), err)
}

// Recorded lists every incident that there is an audit log or a row of, in order
// of their ids.
func (s *Store) Recorded(ctx context.Context) ([]backout.IncidentID, error) {
	all, err := s.lines(ctx, "SELECT incident FROM audit UNION SELECT id FROM incident ORDER BY 1")
	out := []backout.IncidentID{}
	for _, id := range all {
		out = append(out, backout.IncidentID(id))
	}
	return out, explain("read incidents with an audit log", err)
}

// lines reads the one text column of a query as it is stored.
func (s *Store) lines(ctx context.Context, query string, args ...any) ([][]byte, error) {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := [][]byte{}
	for rows.Next() {
		var body string
		if err := rows.Scan(&body); err != nil {
			return nil, err
		}
		out = append(out, []byte(body))
	}
	return out, rows.Err()
}
