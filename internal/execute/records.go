package execute

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/backout-dev/backout"
)

// JournalLines reads an attempt's journal as it is stored, for checking it against
// its seal: decoding would forgive what a hash does not. It needs no executor, so
// that the file of a stopped backout can be read.
func JournalLines(ctx context.Context, db *sql.DB, id backout.AttemptID) ([][]byte, error) {
	rows, err := db.QueryContext(ctx, "SELECT body FROM run_entry WHERE attempt = $1 ORDER BY seq", id)
	if err != nil {
		return nil, fmt.Errorf("read journal of %s: %w", id, err)
	}
	defer rows.Close()
	out := [][]byte{}
	for rows.Next() {
		var body string
		if err := rows.Scan(&body); err != nil {
			return nil, fmt.Errorf("read journal of %s: %w", id, err)
		}
		out = append(out, []byte(body))
	}
	return out, rows.Err()
}

// ReadRun reads how far an attempt has come, as [Executor.Run] does for one that
// runs. An attempt that was never started is not found.
func ReadRun(ctx context.Context, db *sql.DB, id backout.AttemptID) (backout.Run, error) {
	r := backout.Run{Attempt: id, Entries: []backout.Entry{}}
	err := db.QueryRowContext(ctx, "SELECT state, why FROM run WHERE attempt = $1", id).Scan(&r.State, &r.Why)
	if errors.Is(err, sql.ErrNoRows) {
		return r, &backout.Error{Code: backout.CodeNotFound, Message: fmt.Sprintf("attempt %s was never started", id)}
	}
	if err != nil {
		return r, fmt.Errorf("read run %s: %w", id, err)
	}
	lines, err := JournalLines(ctx, db, id)
	for i, b := range lines {
		var e backout.Entry
		if err := json.Unmarshal(b, &e); err != nil {
			return r, fmt.Errorf("read entry %d of run %s: %w", i+1, id, err)
		}
		r.Entries = append(r.Entries, e)
	}
	return r, err
}
