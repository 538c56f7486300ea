package e2e_test

import (
	"database/sql"
	"encoding/json"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // to read the journal after a kill

	"github.com/backout-dev/backout"
)

// A kill in the middle of a stage costs nothing: after the restart the plan goes
// on, and nothing is done twice.
func TestServe_survivesAKillInTheMiddleOfAStage(t *testing.T) {
	if testing.Short() {
		t.Skip("takes about 45 s; run without -short")
	}
	dir := t.TempDir()
	shop, serve := shop(t, dir, "payment-degraded")
	first := start(t, true, serve...)
	c := client(t, dir, first.url)
	eventually(t, "backout knows what normal is", 60*time.Second, func() bool {
		st, err := c.Status(t.Context())
		return err == nil && strings.Contains(st.Ready, "judged") && !strings.HasPrefix(st.Ready, "0 of")
	})
	if err := shop.Begin(t.Context(), first.url+"/v1/observations", c.Token); err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(dir, "backout", "backout.db")
	eventually(t, "the first effect is done", 60*time.Second, func() bool { return len(effects(t, db)) > 0 })
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-first.ended
	before := effects(t, db)
	if running(t, db) == 0 {
		t.Fatal("no run was under way when the kill came")
	}

	second := start(t, true, serve...)
	c = client(t, dir, second.url)
	var inc backout.Incident
	eventually(t, "the incident ends", 90*time.Second, func() bool {
		inc, _ = newest(t, c)
		return inc.State.Terminal()
	})
	if inc.State != backout.StateRecovered {
		t.Fatalf("the incident ended %s: %s\n%s", inc.State, inc.Why, second.stderr)
	}
	done := map[string]int{}
	for _, e := range effects(t, db) {
		done[e.Key]++
	}
	for key, n := range done {
		if n != 1 {
			t.Errorf("effect %s was done %d times", key, n)
		}
	}
	if len(done) <= len(before) {
		t.Errorf("%d effects before the kill and %d after: the kill was not in the middle", len(before), len(done))
	}
	if n := running(t, db); n != 0 {
		t.Errorf("%d runs have not ended", n)
	}
	for _, st := range inc.Plan.Steps() {
		if st.Kind != backout.KindDeployment {
			continue
		}
		now, err := shop.Component(t.Context(), st.Component)
		if moves, want := now.ETag, 1+shipped(t, db, st.Component)+doneOn(t, db, st.Component); moves != strconv.Itoa(want) {
			t.Errorf("the shop counts etag %s of %s, the reports and the journal make it %d", moves, st.Component, want)
		}
		if err != nil || now.Live.Shares[st.To] < 1 {
			t.Errorf("%s is %v (%v), want all at %s", st.Component, now.Live.Shares, err, st.To)
		}
	}
	if r, err := shop.Report(t.Context()); err != nil || r.Unsafe != 0 {
		t.Errorf("%d unsafe requests, %v", r.Unsafe, err)
	}
}

// doneOn counts the done effects on a component.
func doneOn(t *testing.T, path string, id backout.ComponentID) (n int) {
	for _, e := range effects(t, path) {
		if e.Component == id {
			n++
		}
	}
	return n
}

// shipped counts the moves of a component that its pipeline reported.
func shipped(t *testing.T, path string, id backout.ComponentID) (n int) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro&_pragma=busy_timeout(2000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow("SELECT count(*) FROM observation WHERE source = 'ci' AND component = ?", string(id)).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// running counts the runs that have not ended.
func running(t *testing.T, path string) (n int) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro&_pragma=busy_timeout(2000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow("SELECT count(*) FROM run WHERE state IN ('pending', 'active', 'paused', 'frozen')").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// effects reads the done effects from the journal.
func effects(t *testing.T, path string) []backout.Entry {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro&_pragma=busy_timeout(2000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("SELECT body FROM run_entry")
	if err != nil {
		return nil // the tables are not there yet
	}
	defer rows.Close()
	var out []backout.Entry
	for rows.Next() {
		var body []byte
		var e backout.Entry
		if err := rows.Scan(&body); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(body, &e); err != nil {
			t.Fatal(err)
		}
		if e.Kind == backout.EntryEffect && e.Outcome == backout.OutcomeDone {
			out = append(out, e)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}
