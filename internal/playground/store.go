package playground

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	products       = 500
	schemaFirst    = "1" // the schema's versions are goose's version numbers
	schemaAdditive = "2"
	schemaOneWay   = "3" // what it rewrites can't be had back
)

// store is the shop's SQLite file, used by orders, inventory and ledger.
type store struct {
	dir    string // where shop.db and migrations/ are
	tables [3]string
	db     *sql.DB
	unsafe *atomic.Int64
}

// openStore makes the file with the first migration applied. The others are
// written to disk by migrate, when they are shipped.
func openStore(ctx context.Context, dir string, tables [3]string, unsafe *atomic.Int64) (*store, error) {
	s := &store{dir: dir, tables: tables, unsafe: unsafe}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "shop.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)&_pragma=busy_timeout(2000)")
	if err != nil {
		return nil, fmt.Errorf("open shop.db: %w", err)
	}
	db.SetMaxOpenConns(1) // SQLite has one writer; a queue here is cheaper than busy waiting there
	s.db = db
	if err := s.migrate(ctx, schemaFirst); err != nil {
		return nil, err
	}
	for i := range products {
		if _, err := db.ExecContext(ctx, s.sql(`INSERT OR IGNORE INTO "{{stock}}" VALUES (?, 1000000000)`), i); err != nil {
			return nil, fmt.Errorf("fill shop.db: %w", err)
		}
	}
	return s, nil
}

func (s *store) close() error { return s.db.Close() }

// sql puts the names of the tables in.
func (s *store) sql(text string) string {
	return strings.NewReplacer("{{orders}}", s.tables[0], "{{stock}}", s.tables[1], "{{ledger}}", s.tables[2]).Replace(text)
}

// migrate writes the migrations up to a version into the folder and applies them.
func (s *store) migrate(ctx context.Context, version string) error {
	folder := filepath.Join(s.dir, "migrations")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("migrate shop.db: %w", err)
	}
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return fmt.Errorf("migrate shop.db: %w", err)
	}
	for _, n := range names {
		base := filepath.Base(n)
		if base > fmt.Sprintf("%05s_~", version) {
			continue
		}
		text, err := migrations.ReadFile(n)
		if err != nil {
			return fmt.Errorf("migrate shop.db: %w", err)
		}
		if err := os.WriteFile(filepath.Join(folder, base), []byte(s.sql(string(text))), 0o644); err != nil {
			return fmt.Errorf("migrate shop.db: %w", err)
		}
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, s.db, os.DirFS(folder))
	if err != nil {
		return fmt.Errorf("migrate shop.db: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate shop.db to %s: %w", version, err)
	}
	return nil
}

// schemaVersion is the version that goose recorded last.
func (s *store) schemaVersion(ctx context.Context) (string, error) {
	var v int64
	err := s.db.QueryRowContext(ctx, `SELECT version_id FROM goose_db_version ORDER BY id DESC LIMIT 1`).Scan(&v)
	if err != nil {
		return "", fmt.Errorf("read schema version: %w", err)
	}
	return fmt.Sprint(v), nil
}

func (s *store) readStock(ctx context.Context) error {
	var n int64
	err := s.db.QueryRowContext(ctx, s.sql(`SELECT available FROM "{{stock}}" WHERE id = ?`), rand.IntN(products)).Scan(&n)
	if err != nil {
		return fmt.Errorf("read stock: %w", err)
	}
	return nil
}

func (s *store) takeStock(ctx context.Context) error {
	_, err := s.db.ExecContext(ctx, s.sql(`UPDATE "{{stock}}" SET available = available - 1 WHERE id = ?`), rand.IntN(products))
	if err != nil {
		return fmt.Errorf("take stock: %w", err)
	}
	return nil
}

// writeOrder inserts an order. The next release writes a column that only the
// second migration adds, so on the first schema it fails, as it would anywhere.
func (s *store) writeOrder(ctx context.Context, next bool) error {
	text := `INSERT INTO "{{orders}}" (at_ms, amount_minor) VALUES (?, ?)`
	if next {
		text = `INSERT INTO "{{orders}}" (at_ms, amount_minor, channel) VALUES (?, ?, 'shop')`
	}
	_, err := s.db.ExecContext(ctx, s.sql(text), time.Now().UnixMilli(), 1000+rand.IntN(9000))
	if err != nil {
		if next && strings.Contains(err.Error(), "channel") {
			s.unsafe.Add(1)
		}
		return fmt.Errorf("write order: %w", err)
	}
	return nil
}

func (s *store) writeLedger(ctx context.Context) error {
	_, err := s.db.ExecContext(ctx, s.sql(`INSERT INTO "{{ledger}}" (at_ms, amount_minor) VALUES (?, ?)`), time.Now().UnixMilli(), 1000+rand.IntN(9000))
	if err != nil {
		return fmt.Errorf("write ledger: %w", err)
	}
	return nil
}
