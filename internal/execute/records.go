package execute

import (
	"context"
	"database/sql"
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
