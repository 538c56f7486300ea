package migration

import (
	"strings"
	"testing"

	"github.com/backout-dev/backout"
)

func TestMigration_whatItMeansForCode(t *testing.T) {
	for name, c := range map[string]struct {
		up, down    string
		forth, back Verdict
		forthWords  string
		backWords   string
	}{
		"nullable column":       {"ALTER TABLE orders ADD COLUMN gift TEXT;", "ALTER TABLE orders DROP COLUMN gift;", Harmless, Breaks, "adds column orders.gift", "drops column orders.gift"},
		"column with a default": {"ALTER TABLE orders ADD gift TEXT NOT NULL DEFAULT 'a, b; NOT NULL';", "ALTER TABLE orders DROP gift;", Harmless, Breaks, "adds column", "drops column"},
		"not null, no default":  {"alter table orders add column gift text not null;", "", Breaks, Unknown, "adds column orders.gift NOT NULL without a default", "no Down"},
		"a word in a text":      {"ALTER TABLE t ADD c TEXT NOT NULL -- DEFAULT ''\n;", "SELECT 1;", Breaks, Unknown, "without a default", "SELECT 1; is not judged"},
		"a quoted keyword":      {`ALTER TABLE t ADD "not" text, ADD "null" text;`, "DROP INDEX i;", Harmless, Harmless, "adds column t.not, adds column t.null", ""},
		"unique column":         {"ALTER TABLE t ADD c TEXT UNIQUE;", "ALTER TABLE t DROP COLUMN c;", Unknown, Breaks, "comes with a constraint", ""},
		"dropped column":        {"ALTER TABLE public.orders DROP COLUMN IF EXISTS gift;", "ALTER TABLE public.orders ADD COLUMN gift TEXT;", Breaks, Harmless, "drops column public.orders.gift", ""},
		"renamed column":        {"ALTER TABLE orders RENAME COLUMN gift TO present;", "ALTER TABLE orders RENAME present TO gift;", Breaks, Breaks, "renames column orders.gift", "renames column orders.present"},
		"renamed table":         {"ALTER TABLE orders RENAME TO purchases;", "ALTER TABLE purchases RENAME TO orders;", Breaks, Breaks, "renames table orders", ""},
		"mysql rename":          {"ALTER TABLE orders CHANGE gift present TEXT;", "ALTER TABLE orders MODIFY present TEXT;", Breaks, Unknown, "renames column orders.gift", ""},
		"new table and index":   {"CREATE TABLE IF NOT EXISTS gifts (id INTEGER NOT NULL);\nCREATE INDEX g ON gifts (id);", "DROP TABLE IF EXISTS gifts;", Harmless, Breaks, "adds table gifts, adds an index", "drops table gifts"},
		"unique index":          {"CREATE UNIQUE INDEX u ON orders (id);", "DROP INDEX u;", Unknown, Harmless, "unique index", ""},
		"constraint":            {"ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0);", "ALTER TABLE orders DROP CONSTRAINT c;", Unknown, Harmless, "new constraint", ""},
		"narrower":              {"ALTER TABLE t ALTER COLUMN c TYPE varchar(20), ALTER n TYPE integer;", "ALTER TABLE t ALTER COLUMN c TYPE text, ALTER n TYPE bigint;", Breaks, Harmless, "narrows t.c from text to varchar(20), narrows t.n from bigint to integer", "widens"},
		"wider":                 {"ALTER TABLE t ALTER COLUMN c SET DATA TYPE character varying(40);", "ALTER TABLE t ALTER COLUMN c SET DATA TYPE varchar(20);", Harmless, Breaks, "widens t.c from varchar(20) to varchar(40)", "narrows"},
		"another type":          {"ALTER TABLE t ALTER COLUMN c TYPE uuid;", "ALTER TABLE t ALTER COLUMN c TYPE text;", Unknown, Unknown, "from text to uuid", ""},
		"type nobody knows":     {"ALTER TABLE t ALTER COLUMN c TYPE text;", "", Unknown, Unknown, "what it was is not said", ""},
		"not null set":          {"ALTER TABLE t ALTER COLUMN c SET NOT NULL;", "ALTER TABLE t ALTER COLUMN c DROP NOT NULL;", Unknown, Unknown, "may write no value", "may not expect"},
		"data":                  {"UPDATE orders SET id = id + 1;", "UPDATE orders SET id = id - 1;", Unknown, Unknown, "UPDATE orders SET is not judged", ""},
		"worst counts":          {"CREATE TABLE a (id INTEGER);\nDELETE FROM b;\nDROP TABLE c;", "", Breaks, Unknown, "drops table c", ""},
		"a trigger":             {"-- +goose StatementBegin\nCREATE TRIGGER g AFTER INSERT ON o BEGIN\nSELECT 1;\nEND;\n-- +goose StatementEnd", "", Unknown, Unknown, "CREATE TRIGGER g", ""},
		"a dollar quote":        {"ALTER TABLE t ADD c TEXT DEFAULT $x$ it's NOT NULL $x$;", "", Harmless, Unknown, "adds column t.c", ""},
	} {
		t.Run(name, func(t *testing.T) {
			text := "-- +goose Up\n" + c.up + "\n"
			if c.down != "" {
				text += "-- +goose Down\n" + c.down + "\n"
			}
			m, err := Read("1_x.sql", text)
			if err != nil {
				t.Fatal(err)
			}
			if e := m.Forth(); e.Verdict != c.forth || !strings.Contains(e.Reason, c.forthWords) {
				t.Errorf("forth %d %q, want %d %q", e.Verdict, e.Reason, c.forth, c.forthWords)
			}
			if e := m.Back(); e.Verdict != c.back || !strings.Contains(e.Reason, c.backWords) {
				t.Errorf("back %d %q, want %d %q", e.Verdict, e.Reason, c.back, c.backWords)
			}
		})
	}
}

func TestRead_bad(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "x.sql:1: expected a section",
		"CREATE TABLE a (id INTEGER);": "x.sql:1: expected a section",
		"-- +goose Up\n-- +goose Down\nDROP TABLE a;":                  "x.sql:1: expected a section",
		"-- +goose Up\nSELECT 1;\n-- +goose StatementBegin\nSELECT 2;": "x.sql:3: -- +goose StatementBegin",
		"-- +goose Up\nSELECT 1;\n\nSELECT 'it;\n":                     "x.sql:4: a quotation or comment is not closed",
		"-- +goose Up\nSELECT /* 1;\n":                                 "x.sql:2: a quotation or comment",
	} {
		if _, err := Read("x.sql", text); backout.CodeOf(err) != backout.CodeInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"-- +goose Up\nALTER TABLE t ALTER c TYPE varchar(3), DROP d;\n-- +goose Down\nALTER TABLE t ALTER c TYPE text;",
		"-- +goose Up\nALTER TABLE", "-- +goose Up\nCREATE", "-- +goose Up\nSELECT $a$ $a$ 'x' [y] `z` /* */;", "-- +goose Up\nALTER TABLE t ADD (a int, b int);",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := Read("x.sql", text)
		if err != nil && !strings.HasPrefix(err.Error(), "x.sql:") {
			t.Errorf("an error without its place: %v", err)
		}
		for _, e := range []Effect{m.Forth(), m.Back()} {
			if len(m.Up) > 0 && len(m.Down) > 0 && e.Reason == "" {
				t.Errorf("a verdict without a reason: %+v of %q", e, text)
			}
			if e.Verdict == Harmless && strings.Contains(strings.ToUpper(e.Reason), "DROPS TABLE") {
				t.Errorf("%+v", e)
			}
		}
	})
}
