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

	"github.com/jackc/pgx/v5/pgxpool"
	"modernc.org/sqlite"
)

// Database is where flows keep their progress, next to the tables of whoever
// shares DB: a SQLite file that belongs to one process, or a PostgreSQL database
// that several replicas share.
type Database struct {
	// Name is the path, or the address without its password.
	Name string
	// DB is for everybody's SQL; placeholders are $1, $2, ... on both.
	DB   *sql.DB
	pool *pgxpool.Pool // nil on SQLite
	lock *os.File      // nil on PostgreSQL
}

// ErrInUse says that another process holds the database file.
var ErrInUse = errors.New("the database is in use by another process")

// Open opens a database: postgres://... is a PostgreSQL server's, anything else
// the path of a SQLite file. What a person can do about an error is in it.
func Open(ctx context.Context, database string) (*Database, error) {
	if strings.HasPrefix(database, "postgres://") || strings.HasPrefix(database, "postgresql://") {
		return openPostgres(ctx, database)
	}
	return openFile(ctx, database)
}

// Shared says whether other processes may use the database at the same time.
func (d *Database) Shared() bool { return d.pool != nil }

// openFile opens the SQLite database at path, creating it and its folder where
// they are missing, and locks it for this process. Nothing in SQLite itself
// stops two daemons from running the same flows, so the lock is our own: a
// second one gets [ErrInUse] with the holder's process id.
//
// Writes are synchronous to the disk (WAL with synchronous=FULL), because what
// was said to be done must still be known after a power cut; and every
// transaction begins by taking the write lock, so that none fails half way.
func openFile(ctx context.Context, path string) (*Database, error) {
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
	return &Database{Name: abs, DB: db, lock: lock}, nil
}

// Close closes the handle and gives the lock back. It may be called twice.
func (d *Database) Close() error {
	err := d.DB.Close()
	if d.pool != nil {
		d.pool.Close()
	}
	if d.lock != nil {
		err = errors.Join(err, d.lock.Close())
		d.lock = nil
	}
	if err != nil {
		return fmt.Errorf("close database %s: %w", d.Name, err)
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

// explain adds what can be done about an error of either database.
func explain(err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) {
		if r, ok := remedies[e.Code()&0xff]; ok {
			return fmt.Errorf("%s: %w", r, err)
		}
	}
	return explainPostgres(err)
}
