// Package store keeps what must outlive the process: incidents, their audit logs and
// anchors, messages not yet delivered, observations, holds and deploy locks, what was
// learnt, and leases.
//
// # The model in one page
//
// The incident row owns every decision. It changes by [Store.Transition] alone,
// which writes three things or none: the row itself (if its version is still the
// one the caller read), one audit entry, and the messages that tell people of
// it. So nobody is told what was not saved, and nothing is saved untold.
//
// Two replicas that see the same trouble both call [Store.Open]; a partial
// unique index lets one of them open the incident and hands it to the other.
//
// The audit log of an incident is a chain: each entry's hash covers the one
// before, and anchors cover the chains' heads; package attest checks both. Audit
// entries, anchors, reviews, precedents and priors are never pruned.
//
// Nouns are stored in their JSON form. Persisted forms carry a format number;
// a newer one than this program knows is refused, never guessed at.
//
// The handle is the caller's, of a SQLite file or of a PostgreSQL database that
// replicas share, and the engine that runs attempts has it too. One SQL text serves
// both; dialect.go has what differs. A transition of a replica carries its [Lease], and
// is refused once another one has taken that over.
//
// Errors are [backout.Error]s: conflict asks the caller to read again and
// decide again, unavailable to try later, not found and invalid speak for
// themselves.
package store

import (
	"context"
	"database/sql"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/backout-dev/backout"
)

//go:embed schema.sql
var schema string

// schemaVersion counts the shapes schema.sql has had.
const schemaVersion = 6

// upgrades brings what an older schema kept into the present one's tables, which
// exist by then.
var upgrades = map[int]string{
	1: `INSERT INTO delivery (incident, audience, channel, key, position, terminal, next_at, tries, delivered_at, given_up, failure, body)
			SELECT incident, audience, 'console', key, position, CASE WHEN body LIKE '%"terminal":true%' THEN 1 ELSE 0 END, next_at, tries, delivered_at, 0, failure, body FROM outbox;
		DROP TABLE outbox`,
	2: "SELECT 1", // attachment is new and begins empty
	3: "SELECT 1", // so is deploy_lock
	4: "SELECT 1", // anchors are new and begin empty: the first one covers all that is there
	5: "SELECT 1", // precedents begin empty; incidents that have ended are drawn again
}

// Format is the format number of nouns written by this program.
const Format = 1

// Store is the database behind one handle. It is safe for concurrent use.
type Store struct {
	db   *sql.DB
	file bool // SQLite, with one process; else PostgreSQL

	troubles struct { // what Troubles knows already
		sync.Mutex
		of map[backout.IncidentID]trouble // guarded by Mutex
	}
}

// New makes a store on a handle, creating its tables where they are missing. It
// refuses a database that a newer program has written.
func New(ctx context.Context, db *sql.DB) (*Store, error) {
	s := &Store{db: db, file: onFile(db)}
	if err := s.migrate(ctx); err != nil {
		return nil, explain("prepare database", err)
	}
	return s, nil
}

// Reading is a store over a database that is only read, such as the file of a
// backout that does not run: nothing is created or brought up to date in it. One of
// another schema is refused.
func Reading(ctx context.Context, db *sql.DB) (*Store, error) {
	version := 0
	if err := db.QueryRowContext(ctx, "SELECT coalesce(max(version), 0) FROM store_schema").Scan(&version); err != nil {
		return nil, explain("read database", err)
	}
	if version != schemaVersion {
		return nil, &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("the database has schema %d and this program reads %d: start this backout on it once, or read it with the one that wrote it", version, schemaVersion)}
	}
	return &Store{db: db}, nil
}

func (s *Store) migrate(ctx context.Context) error {
	return s.within(ctx, func(tx *sql.Tx) error {
		if err := s.lock(ctx, tx, "schema"); err != nil {
			return err
		}
		there, err := s.hasTable(ctx, tx, "store_schema")
		if err != nil {
			return err
		}
		version := 0
		if there {
			if err := tx.QueryRowContext(ctx, "SELECT coalesce(max(version), 0) FROM store_schema").Scan(&version); err != nil {
				return err
			}
		}
		if version > schemaVersion {
			return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf(
				"the database has schema %d and this program knows %d: run the newer backout, or restore the backup made before it ran", version, schemaVersion)}
		}
		if version == schemaVersion {
			return nil
		}
		if _, err := tx.ExecContext(ctx, s.dialect(schema)); err != nil {
			return err
		}
		for v := version; 0 < v && v < schemaVersion; v++ {
			if _, err := tx.ExecContext(ctx, upgrades[v]); err != nil {
				return fmt.Errorf("upgrade from schema %d: %w", v, err)
			}
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO store_schema (version) VALUES ($1)", schemaVersion)
		return err
	})
}

// within does fn in one transaction.
func (s *Store) within(ctx context.Context, fn func(tx *sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// micros is how a time is stored; the zero time is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// encode gives the stored form of a noun.
func encode(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode %T: %w", v, err)
	}
	return string(b), nil
}

// all reads the JSON body that each row of a query consists of.
func all[T any](ctx context.Context, db *sql.DB, query string, args ...any) ([]T, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []T{}
	for rows.Next() {
		var body string
		if err := rows.Scan(&body); err != nil {
			return nil, err
		}
		var v T
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			return nil, fmt.Errorf("decode %T: %w", v, err)
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// checkFormat refuses what a newer program has written.
func checkFormat(what string, format int) error {
	if format > Format {
		return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf(
			"%s has format %d and this program knows up to %d: run the newer backout", what, format, Format)}
	}
	return nil
}

func notFound(format string, args ...any) error {
	return &backout.Error{Code: backout.CodeNotFound, Message: fmt.Sprintf(format, args...)}
}

func conflict(format string, args ...any) error {
	return &backout.Error{Code: backout.CodeConflict, Message: fmt.Sprintf(format, args...)}
}

// explain turns a database's error into one with a code and a remedy. An error
// that has a code already keeps it.
func explain(deed string, err error) error {
	if err == nil {
		return nil
	}
	var coded *backout.Error
	if errors.As(err, &coded) {
		return &backout.Error{Code: coded.Code, Message: deed, Err: err}
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &backout.Error{Code: backout.CodeUnavailable, Message: deed, Err: err}
	}
	code, remedy := diagnose(err)
	if remedy != "" {
		deed += ": " + remedy
	}
	return &backout.Error{Code: code, Message: deed, Err: err}
}
