// Package storetest opens stores for tests: a real one on a temporary file, and
// one whose writes fail on demand because its disk is full.
package storetest

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite" // the driver behind "sqlite"

	"github.com/backout-dev/backout/internal/remote/postgrestest"
	"github.com/backout-dev/backout/internal/store"
)

// Handle opens an empty database, closed with the test: on a temporary file, or on
// the PostgreSQL server that these tests run on.
func Handle(t testing.TB) *sql.DB {
	t.Helper()
	if s, on := postgrestest.Given(); on {
		return shared(t, s.Database(t))
	}
	path := filepath.Join(t.TempDir(), "store.db")
	db, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func shared(t testing.TB, address string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// New opens an empty store.
func New(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.New(t.Context(), Handle(t))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Disk is a disk that can be full.
type Disk struct{ db *sql.DB }

// OnDisk opens an empty store on a disk that the test can fill.
func OnDisk(t testing.TB) (*store.Store, Disk) {
	t.Helper()
	if _, on := postgrestest.Given(); on {
		t.Skip("is about SQLite's file")
	}
	db := Handle(t)
	db.SetMaxOpenConns(1) // the page limit belongs to a connection
	s, err := store.New(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return s, Disk{db}
}

// Fill makes every write fail that needs another page.
func (d Disk) Fill(t testing.TB) {
	t.Helper()
	var pages int
	if err := d.db.QueryRow("PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	d.limit(t, pages)
}

// Free undoes Fill.
func (d Disk) Free(t testing.TB) {
	t.Helper()
	d.limit(t, 1<<30)
}

func (d Disk) limit(t testing.TB, pages int) {
	if _, err := d.db.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
		t.Fatal(err)
	}
}
