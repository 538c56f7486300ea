package goose

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backout-dev/backout"
)

// A migration that is not applied yet is judged by its file, as Survey will judge it
// once it is.
func TestForesee_whatIsNotAppliedYet(t *testing.T) {
	for name, c := range map[string]struct {
		next string
		loss backout.Loss
	}{
		"can't go back":  {noDown, backout.LossOneWay},
		"loses a column": {channel, backout.LossSome},
		"loses nothing":  {"-- +goose Up\nCREATE INDEX p ON orders (id);\n-- +goose Down\nDROP INDEX p;\n", backout.LossNone},
	} {
		t.Run(name, func(t *testing.T) {
			a, comp, _ := database(t, map[string]string{"00001_tables.sql": tables})
			if err := os.WriteFile(filepath.Join(a.config.Dir, "migrations", "00002_next.sql"), []byte(c.next), 0o600); err != nil {
				t.Fatal(err)
			}
			stack := []backout.Change{{Component: id, From: "0001", To: "0002"}}
			ahead, err := a.Foresee(t.Context(), comp, stack)
			if err != nil || !ahead.Known || len(ahead.Levels) != 1 || ahead.Levels[0].Loss != c.loss || ahead.Levels[0].Version != "0001" {
				t.Errorf("%+v, %v: want level 0 with %s", ahead, err, c.loss)
			}
			if now, err := a.Survey(t.Context(), comp, stack); err != nil || now.Levels[0].Loss != backout.LossNone {
				t.Errorf("%+v, %v: nothing is applied, so there is nothing to lose now", now, err)
			}
			stack[0].To = "0007"
			if none, err := a.Foresee(t.Context(), comp, stack); err != nil || none.Known || !strings.Contains(none.Why, "no migration 7") {
				t.Errorf("%+v, %v: want that it can't be known", none, err)
			}
			if v, err := a.Probe(t.Context(), comp); err != nil || v.Live.Version() != "0001" {
				t.Errorf("%+v, %v: looking moved the schema", v, err)
			}
		})
	}
}
