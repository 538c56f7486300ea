package execute

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute/engine"
	"github.com/backout-dev/backout/internal/remote/postgrestest"
)

// pair is two replicas on one database, neither of which carries out anything: journals
// are written by hand.
func pair(t testing.TB) (one, other *Executor) {
	t.Helper()
	place := filepath.Join(t.TempDir(), "x.db")
	if s, on := postgrestest.Given(); on {
		place = s.Database(t)
	}
	db, err := engine.Open(t.Context(), place)
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(t.Context(), engine.Config{Database: db})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close(time.Second); _ = db.Close() })
	if one, err = New(t.Context(), Config{Engine: e, Guard: nobody{}, Gate: nobody{}}); err != nil {
		t.Fatal(err)
	}
	if err := e.Launch(); err != nil {
		t.Fatal(err)
	}
	other = &Executor{config: one.config, engine: one.engine, db: one.db, changed: map[backout.AttemptID]chan struct{}{}}
	return one, other
}

// begun is a run of one step whose intent is in the journal.
func begun(t testing.TB, x *Executor, id backout.AttemptID) {
	t.Helper()
	plan := backout.Plan{Waves: []backout.Wave{{Steps: []backout.Step{{ID: "a", Component: "deployment:cart@production/eu-1", From: "2", To: "1"}}}}}
	body, err := json.Marshal(Request{Attempt: backout.Attempt{ID: id, Plan: plan}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.db.ExecContext(t.Context(), "INSERT INTO run (attempt, digest, request, state, why) VALUES ($1, '', $2, $3, '')", id, string(body), backout.RunActive); err != nil {
		t.Fatal(err)
	}
	written(t, x, id, backout.Entry{Kind: backout.EntryIntent, Step: "a", Key: string(id) + "/a/0"})
}

func written(t testing.TB, x *Executor, id backout.AttemptID, entries ...backout.Entry) {
	t.Helper()
	for _, e := range entries {
		if err := x.fenced(t.Context(), func(tx *sql.Tx) error { _, err := insert(t.Context(), tx, id, e); return err }); err != nil {
			t.Fatal(err)
		}
	}
}

// ended writes the last entries and the state as an interpreter does, in the engine's transaction.
func ended(t testing.TB, x *Executor, id backout.AttemptID, state backout.RunState, entries ...backout.Entry) {
	t.Helper()
	name := "end " + string(id)
	x.engine.Register(name, func(f *engine.Flow, _ json.RawMessage) json.RawMessage {
		(&interpreter{x: x, f: f, Request: Request{Attempt: backout.Attempt{ID: id}}}).journal("end", state, "", entries...)
		return nil
	})
	if err := x.engine.Start(name, name, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := x.engine.Wait(t.Context(), name); err != nil {
		t.Fatal(err)
	}
}

func done(id backout.AttemptID) []backout.Entry {
	return []backout.Entry{
		{Kind: backout.EntryEffect, Step: "a", Key: string(id) + "/a/0", Outcome: backout.OutcomeDone},
		{Kind: backout.EntryEnded},
	}
}

// What another replica did is listed by this one: what it did late in a run that this
// one had read before, what it did in a run of which this one never heard, and what a
// program ended that writes no moments.
func TestEffects_ofAnotherReplica(t *testing.T) {
	one, other := pair(t)
	since := time.Now().Add(-time.Hour)
	want := func(open, ended int) {
		t.Helper()
		own, err := one.Effects(t.Context(), since)
		if err != nil {
			t.Fatal(err)
		}
		got := map[bool]int{}
		for _, e := range own {
			got[e.Ended.IsZero()]++
		}
		if got[true] != open || got[false] != ended {
			t.Errorf("%d effects under way and %d ended, want %d and %d: %+v", got[true], got[false], open, ended, own)
		}
	}
	begun(t, other, "i/1")
	want(1, 0)
	ended(t, other, "i/1", backout.RunCompleted, done("i/1")...)
	want(0, 1)
	begun(t, other, "i/2")
	ended(t, other, "i/2", backout.RunHalted, done("i/2")...)
	var noted int
	if err := one.db.QueryRowContext(t.Context(), "SELECT count(*) FROM run_ended").Scan(&noted); err != nil || noted != 2 {
		t.Errorf("%d ends are noted, %v: want each noted with the state", noted, err)
	}
	want(0, 2)
	begun(t, other, "i/3")
	written(t, other, "i/3", done("i/3")...)
	if _, err := other.db.ExecContext(t.Context(), "UPDATE run SET state = 'aborted' WHERE attempt = 'i/3'"); err != nil {
		t.Fatal(err)
	}
	want(0, 3)
	want(0, 3)
	if own, err := one.Effects(t.Context(), time.Now().Add(apart+time.Minute)); err != nil || len(own) > 0 || len(one.did.runs) > 0 {
		t.Errorf("effects %+v, remembered %v, error %v: want nothing that late", own, one.did.runs, err)
	}
	want(0, 3) // asked for again it is read again
}

// Runs that ended long ago are not read, whatever their number.
func TestEffects_readsNoOldJournals(t *testing.T) {
	one, _ := pair(t)
	begun(t, one, "i/1")
	ended(t, one, "i/1", backout.RunCompleted, done("i/1")...)
	if _, err := one.db.ExecContext(t.Context(), "UPDATE run_ended SET at = $1", time.Now().Add(-48*time.Hour).UnixMilli()); err != nil {
		t.Fatal(err)
	}
	if _, err := one.db.ExecContext(t.Context(), "UPDATE run SET request = 'no JSON'"); err != nil {
		t.Fatal(err)
	}
	if own, err := one.Effects(t.Context(), time.Now().Add(-24*time.Hour)); err != nil || len(own) > 0 {
		t.Errorf("%+v, %v: want none, and the old journal left alone", own, err)
	}
	if _, err := one.Effects(t.Context(), time.Now().Add(-72*time.Hour)); err == nil {
		t.Error("the journal that can't be read was not read for the time that it is of")
	}
}

// BenchmarkEffects is what loading a world costs for a thousand runs that ended, all but ten
// of them longer ago than anybody asks for, and one that goes on.
func BenchmarkEffects(b *testing.B) {
	one, _ := pair(b)
	for i := range 1000 {
		id := backout.AttemptID(fmt.Sprintf("i%04d/1", i))
		begun(b, one, id)
		written(b, one, id, done(id)...)
	}
	for _, q := range []string{"UPDATE run SET state = 'completed'", "INSERT INTO run_ended SELECT attempt, 0 FROM run WHERE attempt < 'i0990'"} {
		if _, err := one.db.ExecContext(b.Context(), q); err != nil {
			b.Fatal(err)
		}
	}
	begun(b, one, "now/1")
	since := time.Now().Add(-24 * time.Hour)
	if own, err := one.Effects(b.Context(), since); err != nil || len(own) != 11 {
		b.Fatalf("%d effects, %v", len(own), err)
	}
	for b.Loop() {
		if _, err := one.Effects(b.Context(), since); err != nil {
			b.Fatal(err)
		}
	}
}
