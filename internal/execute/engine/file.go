package engine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
)

// File is one SQLite database, held by this process alone. Its handle is shared
// by the engine and by every table that wants to commit together with it.
type File struct {
	Path string
	DB   *sql.DB
	lock *os.File
}

// ErrInUse says that another process holds the database file.
var ErrInUse = errors.New("the database is in use by another process")

// OpenFile opens the SQLite database at path, creating it and its folder where
// they are missing, and locks it for this process. Nothing in SQLite itself
// stops two daemons from running the same flows, so the lock is our own: a
// second one gets [ErrInUse] with the holder's process id.
//
// Writes are synchronous to the disk (WAL with synchronous=FULL), because what
// was said to be done must still be known after a power cut; and every
// transaction begins by taking the write lock, so that none fails half way.
func OpenFile(ctx context.Context, path string) (*File, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(abs), 0o700); err != nil {
		return nil, fmt.Errorf("open database %s: create its folder: %w", path, err)
	}
	lock, err := takeLock(abs + ".lock")
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	db, err := sql.Open("sqlite", dsn(abs))
	if err == nil {
		err = probe(ctx, db)
	}
	if err != nil {
		if db != nil {
			_ = db.Close()
		}
		_ = lock.Close()
		return nil, fmt.Errorf("open database %s: %w", path, explain(err))
	}
	return &File{Path: abs, DB: db, lock: lock}, nil
}

// Close closes the handle and gives the lock back. It may be called twice.
func (f *File) Close() error {
	err := f.DB.Close()
	if f.lock != nil {
		err = errors.Join(err, f.lock.Close())
		f.lock = nil
	}
	if err != nil {
		return fmt.Errorf("close database %s: %w", f.Path, err)
	}
	return nil
}

func dsn(path string) string {
	u := url.URL{Scheme: "file", Path: path}
	pragmas := []string{"busy_timeout(10000)", "foreign_keys(ON)", "journal_mode(WAL)", "synchronous(FULL)"}
	return u.String() + "?_txlock=immediate&_pragma=" + strings.Join(pragmas, "&_pragma=")
}

// probe touches the file the way a first write would, so that a file that can't
// be used is refused when the program starts and not in the middle of a run.
func probe(ctx context.Context, db *sql.DB) error {
	// One writer at a time is SQLite's own rule; a few more connections serve readers.
	db.SetMaxOpenConns(8)
	db.SetMaxIdleConns(8)
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	var n int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&n); err != nil {
		return err
	}
	// Writing the same number back needs a writable file and changes nothing.
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&n); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", n)); err != nil {
		return err
	}
	return tx.Commit()
}

// SQLite's primary result codes that a person can do something about.
var remedies = map[int]string{
	8:  "the file can't be written; check its owner and the mount",
	11: "the file is damaged; restore it from a backup",
	13: "the disk is full; free some space",
	14: "the file can't be opened; check the path and its permissions",
	26: "the file is not a SQLite database; name another file",
}

// explain adds what can be done about an error of SQLite.
func explain(err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) {
		if r, ok := remedies[e.Code()&0xff]; ok {
			return fmt.Errorf("%s: %w", r, err)
		}
	}
	return err
}
