package store

import (
	"context"
	"database/sql"
	"strings"

	"modernc.org/sqlite"
)

// One SQL text serves SQLite and PostgreSQL. What differs is here.
//
// SQLite has one writer: whoever handed in the handle made every transaction
// begin by taking the write lock. PostgreSQL has many, so a transaction there
// first locks by name what it is about to read and write.

// onFile says whether the handle is SQLite's.
func onFile(db *sql.DB) bool {
	_, ok := db.Driver().(*sqlite.Driver)
	return ok
}

// lock keeps other transactions that lock the same name waiting until this one
// ends.
func (s *Store) lock(ctx context.Context, tx *sql.Tx, name string) error {
	return s.advise(ctx, tx, "pg_advisory_xact_lock", name)
}

// lockShared keeps those waiting that lock the name alone.
func (s *Store) lockShared(ctx context.Context, tx *sql.Tx, name string) error {
	return s.advise(ctx, tx, "pg_advisory_xact_lock_shared", name)
}

func (s *Store) advise(ctx context.Context, tx *sql.Tx, how, name string) error {
	if s.file {
		return nil
	}
	_, err := tx.ExecContext(ctx, "SELECT "+how+"(hashtextextended($1, 0))", "backout "+name)
	return err
}

// dialect is the schema in the words of the database.
func (s *Store) dialect(schema string) string {
	if s.file {
		return schema
	}
	return strings.ReplaceAll(schema, " BLOB ", " BYTEA ")
}

// hasTable asks the database's own catalog.
func (s *Store) hasTable(ctx context.Context, tx *sql.Tx, name string) (bool, error) {
	query := "SELECT count(*) FROM sqlite_master WHERE name = $1"
	if !s.file {
		query = "SELECT count(*) FROM pg_catalog.pg_class WHERE oid = to_regclass($1)"
	}
	var n int
	err := tx.QueryRowContext(ctx, query, name).Scan(&n)
	return n > 0, err
}
