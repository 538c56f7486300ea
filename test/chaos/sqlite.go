package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"

	_ "modernc.org/sqlite" // reads the journal

	"github.com/backout-dev/backout"
)

// file is one SQLite database; one process at a time works on it.
type file struct{ path string }

func newFile(dir string) *file { return &file{filepath.Join(dir, "chaos.db")} }

func (f *file) Name() string                               { return "sqlite" }
func (f *file) Database(int) string                        { return f.path }
func (f *file) Replicas() int                              { return 1 }
func (f *file) Trouble(context.Context, *rand.Rand) string { return "" }
func (f *file) Heal(context.Context) error                 { return nil }
func (f *file) Close()                                     {}

func (f *file) Runs(ctx context.Context) ([]backout.Run, error) {
	db, err := sql.Open("sqlite", "file:"+f.path)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return readRuns(ctx, db)
}

// readRuns reads every run's journal out of the tables, without execute's help.
func readRuns(ctx context.Context, db *sql.DB) ([]backout.Run, error) {
	var out []backout.Run
	at := map[backout.AttemptID]int{}
	rows, err := db.QueryContext(ctx, "SELECT attempt, state, why FROM run ORDER BY attempt")
	if err != nil {
		return nil, fmt.Errorf("read runs: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var r backout.Run
		if err := rows.Scan(&r.Attempt, &r.State, &r.Why); err != nil {
			return nil, fmt.Errorf("read runs: %w", err)
		}
		at[r.Attempt] = len(out)
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read runs: %w", err)
	}
	entries, err := db.QueryContext(ctx, "SELECT attempt, seq, body FROM run_entry ORDER BY attempt, seq")
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	defer entries.Close()
	for entries.Next() {
		var id backout.AttemptID
		var seq int64
		var body string
		var e backout.Entry
		if err := entries.Scan(&id, &seq, &body); err != nil {
			return nil, fmt.Errorf("read journal: %w", err)
		}
		if err := json.Unmarshal([]byte(body), &e); err != nil {
			return nil, fmt.Errorf("read journal: %s entry %d: %w", id, seq, err)
		}
		e.Seq = seq
		i, ok := at[id]
		if !ok {
			return nil, fmt.Errorf("read journal: entry %d of %s, which is no run", seq, id)
		}
		out[i].Entries = append(out[i].Entries, e)
	}
	return out, entries.Err()
}
