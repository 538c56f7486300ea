package goose

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	presslygoose "github.com/pressly/goose/v3"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute/executetest"
)

const id = backout.ComponentID("schema:orders@production/eu-1")

// database makes a file with all migrations applied.
func database(t *testing.T, files map[string]string) (*Actuator, backout.Component, *sql.DB) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "migrations"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, "migrations", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "shop.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	g, err := presslygoose.NewProvider(presslygoose.DialectSQLite3, db, os.DirFS(filepath.Join(dir, "migrations")), presslygoose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := backout.Component{ID: id, Kind: backout.KindSchema, Name: "orders", Actuator: "goose", Locator: "sqlite:shop.db|migrations"}
	return New(Config{Dir: dir}), c, db
}

const (
	tables  = "-- +goose Up\nCREATE TABLE orders (id INTEGER);\nCREATE INDEX o ON orders (id);\n-- +goose Down\nDROP TABLE orders;\n"
	channel = "-- +goose Up\nALTER TABLE orders ADD COLUMN channel TEXT NOT NULL DEFAULT ''; -- where it came from\n\n-- +goose Down\nALTER TABLE orders DROP COLUMN channel;\n"
	noDown  = "-- +goose Up\nALTER TABLE orders ADD COLUMN gift TEXT;\n"
	update  = "-- +goose Up\nUPDATE orders SET id = id + 1;\n-- +goose Down\nUPDATE orders SET id = id - 1;\n"
	broken  = "-- +goose Up\nCREATE TABLE t (id INTEGER);\n-- +goose Down\nDROP TABLE nobody;\n"
)

func TestActuator_conforms(t *testing.T) {
	a, c, _ := database(t, map[string]string{"00001_tables.sql": tables, "00002_channel.sql": channel})
	executetest.Conform(t, executetest.Subject{
		Actuator: a, Component: c, From: "0002", To: "0001",
		Stack: []backout.Change{{Component: id, From: "0001", To: "0002"}},
	})
}

func TestLocate_plainNumbers(t *testing.T) {
	a, c, _ := database(t, map[string]string{"00001_tables.sql": tables, "00002_channel.sql": channel})
	c.Locator = "sqlite:shop.db?migrations=migrations"
	executetest.Conform(t, executetest.Subject{Actuator: a, Component: c, From: "2", To: "1", Stack: []backout.Change{{Component: id, From: "1", To: "2"}}})
	for _, l := range []string{"", "postgres:x|y", "sqlite:x", "sqlite:|y", "sqlite:x?migrations=", "sqlite:x?migrations=y&digits=0"} {
		c.Locator = l
		if _, err := a.Probe(t.Context(), c); backout.CodeOf(err) != backout.CodeInvalid {
			t.Errorf("locator %q: %v", l, err)
		}
	}
}

func TestSurvey_losses(t *testing.T) {
	for name, tc := range map[string]struct {
		second string
		loss   backout.Loss
		lost   string
	}{
		"column":  {channel, backout.LossSome, "the data in column orders.channel"},
		"table":   {"-- +goose Up\nCREATE TABLE IF NOT EXISTS \"gifts\" (id INTEGER);\n-- +goose Down\nDROP TABLE gifts;\n", backout.LossSome, "the data in table gifts"},
		"index":   {"-- +goose Up\nCREATE UNIQUE INDEX u ON orders (id);\n-- +goose Down\nDROP INDEX u;\n", backout.LossNone, ""},
		"no down": {noDown, backout.LossOneWay, "00002_x.sql has no Down section"},
		"empty":   {noDown + "-- +goose Down\n-- nothing to do\n", backout.LossOneWay, "00002_x.sql has no Down section"},
		"update":  {update, backout.LossUnknown, "00002_x.sql does more than add (UPDATE orders SET)"},
		"block":   {"-- +goose Up\n-- +goose StatementBegin\nCREATE TRIGGER g AFTER INSERT ON orders BEGIN\nSELECT 1;\nEND;\n-- +goose StatementEnd\n-- +goose Down\nDROP TRIGGER g;\n", backout.LossUnknown, "00002_x.sql does more than add (CREATE TRIGGER g)"},
	} {
		t.Run(name, func(t *testing.T) {
			a, c, _ := database(t, map[string]string{"00001_tables.sql": tables, "00002_x.sql": tc.second})
			rev, err := a.Survey(t.Context(), c, []backout.Change{{From: "0001", To: "0002"}})
			if err != nil || !rev.Known {
				t.Fatalf("%+v, %v", rev, err)
			}
			var rows *int64 // what does more than add is not counted
			if tc.loss != backout.LossUnknown {
				rows = new(int64)
			}
			if diff := cmp.Diff([]backout.Reachable{{Level: 0, Version: "0001", Loss: tc.loss, Lost: tc.lost, Rows: rows, Verified: true}}, rev.Levels); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Rows count once they hold something that the older version does not know.
func TestSurvey_countsRows(t *testing.T) {
	gifts := "-- +goose Up\nCREATE TABLE \"gifts\" (id INTEGER);\nALTER TABLE orders ADD COLUMN note TEXT;\n-- +goose Down\nDROP TABLE gifts;\nALTER TABLE orders DROP COLUMN note;\n"
	a, c, db := database(t, map[string]string{"00001_tables.sql": tables, "00002_channel.sql": channel, "00003_gifts.sql": gifts})
	for _, s := range []string{
		"INSERT INTO orders (id) VALUES (1), (2), (3)",                       // as before: the default channel, no note
		"INSERT INTO orders (id, channel) VALUES (4, 'app'), (5, 'app')",     // two with a channel
		"INSERT INTO orders (id, channel, note) VALUES (6, 'web', 'please')", // one with both
		"INSERT INTO gifts (id) VALUES (1), (2), (3), (4)",
	} {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	rev, err := a.Survey(t.Context(), c, []backout.Change{{From: "0001", To: "0002"}, {From: "0002", To: "0003"}})
	if err != nil || len(rev.Levels) != 2 {
		t.Fatalf("%+v, %v", rev, err)
	}
	for l, want := range []int64{3 + 1 + 4, 1 + 4} {
		if got := rev.Levels[l].Rows; got == nil || *got != want {
			t.Errorf("level %d: rows %v, want %d", l, got, want)
		}
	}
	if _, err := db.ExecContext(t.Context(), "DROP TABLE gifts"); err != nil {
		t.Fatal(err)
	}
	if rev, err = a.Survey(t.Context(), c, []backout.Change{{From: "0002", To: "0003"}}); err != nil || rev.Levels[0].Rows != nil {
		t.Errorf("rows %v, %v: want none, the table is gone", rev.Levels[0].Rows, err)
	}
}

// goose would delete the version row and report success.
func TestDo_refusesAMissingDown(t *testing.T) {
	a, c, _ := database(t, map[string]string{"00001_tables.sql": tables, "00002_gift.sql": noDown, "00003_channel.sql": channel})
	out, err := a.Do(t.Context(), backout.Effect{Component: c, To: "0001", Share: 1})
	if out != backout.OutcomeNotDone || backout.CodeOf(err) != backout.CodeForbidden || !strings.Contains(err.Error(), "00002_gift.sql has no Down section") {
		t.Errorf("%s, %v", out, err)
	}
	r, err := a.Probe(t.Context(), c)
	if err != nil || r.Version != "0003" {
		t.Errorf("after the refusal: %+v, %v", r, err)
	}
}

func TestDo_outcomes(t *testing.T) {
	files := map[string]string{"00001_tables.sql": tables, "00002_broken.sql": broken, "00003_channel.sql": channel}
	for name, tc := range map[string]struct {
		effect backout.Effect
		want   backout.Outcome
		code   backout.Code
	}{
		"stale":     {backout.Effect{To: "0002", Share: 1, IfVersion: "0001"}, backout.OutcomeNotDone, backout.CodeConflict},
		"share":     {backout.Effect{To: "0002", Share: 0.5}, backout.OutcomeNotDone, backout.CodeInvalid},
		"version":   {backout.Effect{To: "two", Share: 1}, backout.OutcomeNotDone, backout.CodeInvalid},
		"unknown":   {backout.Effect{To: "0009", Share: 1}, backout.OutcomeNotDone, backout.CodeNotFound},
		"half way":  {backout.Effect{To: "0001", Share: 1}, backout.OutcomeUnknown, backout.CodeInternal},
		"all right": {backout.Effect{To: "0002", Share: 1, IfVersion: "0003"}, backout.OutcomeDone, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a, c, _ := database(t, files)
			tc.effect.Component = c
			out, err := a.Do(t.Context(), tc.effect)
			if out != tc.want || backout.CodeOf(err) != tc.code {
				t.Errorf("%s, %v; want %s, %q", out, err, tc.want, tc.code)
			}
		})
	}
}

// A database that is locked by somebody costs time, not truth.
func TestDo_lockedDatabase(t *testing.T) {
	a, c, db := database(t, map[string]string{"00001_tables.sql": tables, "00002_channel.sql": channel})
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	a.config.Timeout = 200e6
	out, err := a.Do(t.Context(), backout.Effect{Component: c, To: "0001", Share: 1})
	if out != backout.OutcomeNotDone || err == nil {
		t.Errorf("%s, %v", out, err)
	}
	if _, err := conn.ExecContext(context.Background(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
}

func TestProbe_noDatabase(t *testing.T) {
	a := New(Config{Dir: t.TempDir()})
	c := backout.Component{ID: id, Locator: "sqlite:none.db|migrations"}
	if _, err := a.Probe(t.Context(), c); backout.CodeOf(err) != backout.CodeUnavailable {
		t.Errorf("%v", err)
	}
	rev, err := a.Survey(t.Context(), c, nil)
	if err != nil || rev.Known || rev.Why == "" {
		t.Errorf("%+v, %v", rev, err)
	}
	if left, _ := os.ReadDir(a.config.Dir); len(left) != 0 {
		t.Errorf("looking made files: %v", left)
	}
}
