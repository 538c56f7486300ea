package store_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/attest"
	"github.com/backout-dev/backout/internal/store"
	"github.com/backout-dev/backout/internal/store/storetest"
)

// checked reads everything back and checks it.
func checked(t *testing.T, s *store.Store) backout.AuditCheck {
	t.Helper()
	anchors, err := s.AnchorLines(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := s.Recorded(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := attest.New(anchors)
	for _, id := range ids {
		lines, err := s.AuditLines(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		c.Add(attest.Log{Incident: id, Entries: lines})
	}
	return c.Result(true)
}

func TestAnchor_coversWhatMoved(t *testing.T) {
	db := storetest.Handle(t)
	s, err := store.New(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	anchor := func(at time.Time, want ...backout.IncidentID) backout.Anchor {
		t.Helper()
		a, moved, err := s.Anchor(t.Context(), at)
		if err != nil || moved != (len(want) > 0) || len(a.Heads) != len(want) {
			t.Fatalf("%+v, moved %v, %v; want %v", a, moved, err, want)
		}
		for i, h := range a.Heads {
			if h.Incident != want[i] {
				t.Errorf("head %d is %s, want %s", i, h.Incident, want[i])
			}
		}
		return a
	}
	note := func(id backout.IncidentID) {
		t.Helper()
		if err := s.Note(t.Context(), id, noon, "ann", "looked"); err != nil {
			t.Fatal(err)
		}
	}
	anchor(noon)
	mustOpen(t, s, detected("b", "k"))
	mustOpen(t, s, detected("a", "l"))
	first := anchor(noon, "a", "b")
	anchor(noon)
	note("b")
	second := anchor(noon.Add(time.Hour), "b")
	if second.Seq != 2 || second.Previous != first.Hash || second.Heads[0].Seq != 2 {
		t.Errorf("%+v after %+v", second, first)
	}
	if r := checked(t, s); !r.Whole || r.Anchored != 3 || r.Anchors != 2 {
		t.Errorf("%+v", r)
	}
	if _, err := db.Exec("DELETE FROM audit WHERE incident = 'b' AND seq = 2"); err != nil {
		t.Fatal(err)
	}
	if r := checked(t, s); r.Whole || r.Broken[0].Seq != 2 {
		t.Errorf("a tail that was cut: %+v", r)
	}
	anchor(noon.Add(2*time.Hour), "b") // the log looks shorter now: for all to see
	if r := checked(t, s); r.Whole {
		t.Error("a later anchor hides what was cut")
	}
}

// The end of an attempt takes its journal into the chain.
func TestTransition_sealsTheJournal(t *testing.T) {
	s := storetest.New(t)
	in := mustOpen(t, s, detected("i", "k"))
	in.Attempts = []backout.Attempt{{ID: "i/1"}}
	save := func() backout.AuditEntry {
		t.Helper()
		var err error
		if in, err = s.Transition(t.Context(), store.Transition{Incident: in, At: noon, By: "backout", What: "x"}); err != nil {
			t.Fatal(err)
		}
		lines, err := s.AuditLines(t.Context(), "i")
		if err != nil {
			t.Fatal(err)
		}
		var e backout.AuditEntry
		if err := json.Unmarshal(lines[len(lines)-1], &e); err != nil {
			t.Fatal(err)
		}
		return e
	}
	if e := save(); e.Journal != nil {
		t.Errorf("sealed before the end: %+v", e)
	}
	seal := backout.Seal{Attempt: "i/1", Entries: 7, Hash: "abc"}
	in.Attempts[0].Journal = &seal
	if e := save(); e.Journal == nil || *e.Journal != seal {
		t.Errorf("%+v, want %+v", e, seal)
	}
}
