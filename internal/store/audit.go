package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/backout-dev/backout"
)

// appendAudit writes the next link of an incident's chain. The transaction has
// locked the chain, so two links never get one number.
func appendAudit(ctx context.Context, tx *sql.Tx, id backout.IncidentID, at time.Time, by, what string) error {
	var last backout.AuditEntry
	err := tx.QueryRowContext(ctx, "SELECT body FROM audit WHERE incident = $1 ORDER BY seq DESC LIMIT 1", id).Scan(&column{&last})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	e := backout.AuditEntry{Incident: id, Seq: last.Seq + 1, At: at.UTC(), By: by, What: what, Previous: last.Hash}
	if e.Hash, err = hashAudit(e); err != nil {
		return err
	}
	body, err := encode(e)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO audit (incident, seq, body) VALUES ($1, $2, $3)", id, e.Seq, body)
	return err
}

// hashAudit is the SHA-256 of the entry's JSON with Hash empty, in hex.
func hashAudit(e backout.AuditEntry) (string, error) {
	e.Hash = ""
	b, err := json.Marshal(e)
	if err != nil {
		return "", fmt.Errorf("encode audit entry: %w", err)
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:]), nil
}

// VerifyAudit checks that an audit log is complete and unchanged from its first
// entry on. The error names the first entry that is not what was written.
// Entries cut off at the end can't be seen from here; anchors of the last hash
// show those.
func VerifyAudit(log []backout.AuditEntry) error {
	previous := ""
	for i, e := range log {
		want, err := hashAudit(e)
		if err != nil {
			return err
		}
		switch {
		case e.Seq != int64(i+1):
			return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("audit log of %s: entry %d is missing", e.Incident, i+1)}
		case e.Previous != previous:
			return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("audit log of %s: entry %d does not follow entry %d", e.Incident, e.Seq, i)}
		case e.Hash != want:
			return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("audit log of %s: entry %d was changed", e.Incident, e.Seq)}
		}
		previous = e.Hash
	}
	return nil
}
