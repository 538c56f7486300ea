package app_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	presslygoose "github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app"
	"github.com/backout-dev/backout/internal/web"
)

const ledger = `apiVersion: backout.dev/v1alpha1
kind: Component
metadata: {name: ledger}
spec: {kind: schema, service: payment, environment: production, location: eu-1, actuator: goose, locator: 'sqlite:DB?migrations=MIGRATIONS&digits=4'}
`

// A pipeline asks about a migration that lies in the folder and is not applied: what
// undoing it would lose is read from its file.
func TestCheck_aMigrationThatIsNotApplied(t *testing.T) {
	dir := t.TempDir()
	migrations, file := filepath.Join(dir, "migrations"), filepath.Join(dir, "shop.db")
	for _, d := range []string{migrations, filepath.Join(dir, "catalog")} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write(t, migrations, "0001_tables.sql", "-- +goose Up\nCREATE TABLE orders (id INTEGER, note TEXT);\n-- +goose Down\nDROP TABLE orders;\n")
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	g, err := presslygoose.NewProvider(presslygoose.DialectSQLite3, db, os.DirFS(migrations), presslygoose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "catalog"), "shop.yaml", shop+"---\n"+strings.NewReplacer("DB", file, "MIGRATIONS", migrations).Replace(ledger))
	a, _ := run(t, app.Config{Catalog: filepath.Join(dir, "catalog"), Data: filepath.Join(dir, "data"), Prometheus: "http://127.0.0.1:1"})
	ask := web.Question{Components: []string{"schema:ledger@production/eu-1=0002"}}
	for name, c := range map[string]struct {
		text string
		want backout.Rollbackability
	}{
		"drops a column": {"-- +goose Up\nALTER TABLE orders DROP COLUMN note;\n", backout.RollbackOneWay},
		"adds a column":  {"-- +goose Up\nALTER TABLE orders ADD COLUMN gift TEXT;\n-- +goose Down\nALTER TABLE orders DROP COLUMN gift;\n", backout.RollbackLossy},
		"adds an index":  {"-- +goose Up\nCREATE INDEX n ON orders (note);\n-- +goose Down\nDROP INDEX n;\n", backout.RollbackNow},
		"is not there":   {"", backout.RollbackUnknown},
	} {
		next := write(t, migrations, "0002_next.sql", c.text)
		if c.text == "" {
			if err := os.Remove(next); err != nil {
				t.Fatal(err)
			}
		}
		got, err := a.Check(t.Context(), ask)
		if err != nil || len(got.Releases) != 1 || got.Releases[0].Verdict != c.want || got.Releases[0].From != "0001" || got.Reversible != c.want.Reversible() {
			t.Errorf("%s: %+v, %v; want %s from 0001", name, got, err, c.want)
		}
		if c.want != backout.RollbackNow && len(got.Releases[0].Advice) == 0 {
			t.Errorf("%s: no advice", name)
		}
	}
}
