package execute

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute/engine"
)

type nobody struct{}

func (nobody) Allow(context.Context, Proposal) (Permission, error) { return Permission{}, nil }
func (nobody) Ask(context.Context, Question) (Answer, error)       { return Answer{}, nil }

// A word that comes while the run is ending is refused by the transaction that would
// save it: nothing is added to a journal after its end.
func TestControl_overtakenByTheEnd(t *testing.T) {
	db, err := engine.Open(t.Context(), filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(t.Context(), engine.Config{Database: db})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(time.Second)
	x, err := New(t.Context(), Config{Engine: e, Guard: nobody{}, Gate: nobody{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.db.ExecContext(t.Context(), "INSERT INTO run (attempt, digest, request, state, why) VALUES ('i/1', '', '', 'completed', '')"); err != nil {
		t.Fatal(err)
	}
	// Control has looked at the run and found it active; then the run ended.
	if _, err := x.saveControl(t.Context(), "i/1", Control{Kind: ControlPause}); backout.CodeOf(err) != backout.CodeConflict {
		t.Errorf("answered %v", err)
	}
	if entries, err := x.entries(t.Context(), "i/1", 0); err != nil || len(entries) > 0 {
		t.Errorf("the journal has %v, %v", entries, err)
	}
}
