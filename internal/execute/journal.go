package execute

import (
	"context"
	"database/sql"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute/engine"
)

//go:embed schema.sql
var schema string

// prepare creates the tables where they are missing.
func (x *Executor) prepare(ctx context.Context) error {
	_, err := x.db.ExecContext(ctx, schema)
	return err
}

// writeEntries appends to a run's journal and moves the run to a state, where
// one is given, inside the engine's transaction.
func writeEntries(ctx context.Context, tx engine.Tx, id backout.AttemptID, state backout.RunState, why string, entries []backout.Entry) ([]backout.Entry, error) {
	if _, err := tx.Exec(ctx, lockRun, id); err != nil {
		return nil, err
	}
	if state != "" {
		if _, err := tx.Exec(ctx, "UPDATE run SET state = $1, why = $2 WHERE attempt = $3", state, why, id); err != nil {
			return nil, err
		}
	}
	if state.Terminal() {
		if _, err := tx.Exec(ctx, "DELETE FROM run_lock WHERE attempt = $1", id); err != nil {
			return nil, err
		}
		if _, err := tx.Exec(ctx, "INSERT INTO run_ended (attempt, at) VALUES ($1, $2) ON CONFLICT DO NOTHING", id, time.Now().UnixMilli()); err != nil {
			return nil, err
		}
	}
	for i := range entries {
		e, err := stamp(id, entries[i], tx.QueryRow(ctx, lastSeq, id))
		if err != nil {
			return nil, err
		}
		body, err := json.Marshal(e)
		if err != nil {
			return nil, err
		}
		if _, err := tx.Exec(ctx, insertEntry, id, e.Seq, string(body)); err != nil {
			return nil, err
		}
		entries[i] = e
	}
	return entries, nil
}

const (
	// lockRun is the first statement of whatever adds to a run's journal: others
	// that would wait for it here, so that no two entries get one number.
	lockRun     = "UPDATE run SET attempt = attempt WHERE attempt = $1"
	lastSeq     = "SELECT coalesce(max(seq), 0) FROM run_entry WHERE attempt = $1"
	insertEntry = "INSERT INTO run_entry (attempt, seq, body) VALUES ($1, $2, $3)"
)

// stamp gives an entry its number and time.
func stamp(id backout.AttemptID, e backout.Entry, last interface{ Scan(...any) error }) (backout.Entry, error) {
	var n int64
	if err := last.Scan(&n); err != nil {
		return e, err
	}
	e.Attempt, e.Seq, e.At = id, n+1, time.Now().UTC()
	return e, nil
}

// Run reads how far an attempt has come. An attempt that was never started is
// not found.
func (x *Executor) Run(ctx context.Context, id backout.AttemptID) (backout.Run, error) {
	r := backout.Run{Attempt: id, Entries: []backout.Entry{}}
	err := x.db.QueryRowContext(ctx, "SELECT state, why FROM run WHERE attempt = $1", id).Scan(&r.State, &r.Why)
	if errors.Is(err, sql.ErrNoRows) {
		return r, &backout.Error{Code: backout.CodeNotFound, Message: fmt.Sprintf("attempt %s was never started", id)}
	}
	if err != nil {
		return r, fmt.Errorf("read run %s: %w", id, err)
	}
	if r.Entries, err = x.entries(ctx, id, 0); err != nil {
		return r, fmt.Errorf("read run %s: %w", id, err)
	}
	if r.State.Terminal() {
		return r, nil
	}
	if why := x.engine.Parked(string(id)); why != nil {
		r.Parked, r.Why = true, why.Error()
	}
	return x.givenUp(ctx, r)
}

// givenUp shows a run that the engine does not resume any more as halted, so that
// a person is told.
func (x *Executor) givenUp(ctx context.Context, r backout.Run) (backout.Run, error) {
	s, err := x.engine.Status(ctx, string(r.Attempt))
	if err != nil {
		return r, fmt.Errorf("read run %s: %w", r.Attempt, err)
	}
	if s == engine.StateFailed {
		r.State = backout.RunHalted
		r.Why = "given up: the process that carried it out died too often; see the journal for how far it came, and the components for what became of the last effect"
		x.config.Log.Error("a run was given up after too many restarts", "attempt", r.Attempt)
	}
	return r, nil
}

func (x *Executor) entries(ctx context.Context, id backout.AttemptID, after int64) ([]backout.Entry, error) {
	rows, err := x.db.QueryContext(ctx, "SELECT body FROM run_entry WHERE attempt = $1 AND seq > $2 ORDER BY seq", id, after)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []backout.Entry{}
	for rows.Next() {
		var body string
		var e backout.Entry
		if err := rows.Scan(&body); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(body), &e); err != nil {
			return nil, fmt.Errorf("decode entry: %w", err)
		}
		out = append(out, e)
	}
	return out, rows.Err()
}

// note moves a run to a state from inside a step, with a journal entry where e
// has a text. It does nothing when the run is in that state already, so that a
// repeated step repeats nothing, or when it has ended.
func (x *Executor) note(ctx context.Context, id backout.AttemptID, state backout.RunState, why string, e backout.Entry) error {
	var now backout.RunState
	read := "SELECT state FROM run WHERE attempt = $1"
	if err := x.db.QueryRowContext(ctx, read, id).Scan(&now); err != nil || now == state || now.Terminal() {
		return err
	}
	fresh := false
	err := x.fenced(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, lockRun, id); err != nil {
			return err
		}
		// Read again: the steps of one wave run side by side.
		err := tx.QueryRowContext(ctx, read, id).Scan(&now)
		if err != nil || now == state || now.Terminal() {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE run SET state = $1, why = $2 WHERE attempt = $3", state, why, id); err != nil {
			return err
		}
		if e.Text != "" {
			e, err = insert(ctx, tx, id, e)
			fresh = true
		}
		return err
	})
	if err == nil && fresh {
		x.tell(e)
	}
	return err
}

// insert appends one entry inside a plain transaction.
func insert(ctx context.Context, tx *sql.Tx, id backout.AttemptID, e backout.Entry) (backout.Entry, error) {
	e, err := stamp(id, e, tx.QueryRowContext(ctx, lastSeq, id))
	if err != nil {
		return e, err
	}
	body, err := json.Marshal(e)
	if err != nil {
		return e, err
	}
	_, err = tx.ExecContext(ctx, insertEntry, id, e.Seq, string(body))
	return e, err
}
