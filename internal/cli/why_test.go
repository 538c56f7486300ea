package cli

import (
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app/replay"
	"github.com/backout-dev/backout/internal/render"
	"github.com/backout-dev/backout/internal/store"
)

// folder is a data folder with the incident of the recorded example.
func folder(t *testing.T) (data string, inc backout.Incident) {
	t.Helper()
	r, err := replay.Play(t.Context(), replay.Config{Dir: example, Progress: func(string) {}})
	if err != nil || len(r.Incidents) != 1 {
		t.Fatalf("%v, %d incidents", err, len(r.Incidents))
	}
	data, inc = t.TempDir(), r.Incidents[0].Incident
	db, err := sql.Open("sqlite", filepath.Join(data, "backout.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	s, err := store.New(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Open(t.Context(), store.Transition{Incident: inc, At: inc.OpenedAt, By: "backout", What: "detected"}); err != nil {
		t.Fatal(err)
	}
	return data, inc
}

func TestWhy_ofARecordedIncident(t *testing.T) {
	data, inc := folder(t)
	code, out, errs := run("why", string(inc.ID), "--data", data)
	for _, want := range []string{
		"payment 2.4.0 did it: ", "What changed; for (+)", "no change did this", "What would change our mind", "it would stand at about", "What was done, and what it taught",
		"backout changed nothing", "Seen before?", "insufficient history (0 of 19 incidents)",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in:\n%s%s", want, out, errs)
		}
	}
	for _, width := range []int{80, 100, 120} {
		text := render.Why(render.Account{Incident: inc}, render.Style{Width: width})
		for _, l := range strings.Split(text, "\n") {
			if n := len([]rune(l)); n > width {
				t.Errorf("a line of %d at %d columns: %s", n, width, l)
			}
		}
		if n := strings.Count(text, "\n"); n > 40 || strings.Contains(text, "\x1b") {
			t.Errorf("%d lines at %d columns:\n%s", n, width, text)
		}
		if os.Getenv("BACKOUT_SHOW") != "" {
			t.Logf("%d columns\n%s", width, text)
		}
	}
	if code != 0 {
		t.Errorf("status %d: %s", code, errs)
	}
	code, out, _ = run("why", string(inc.ID), "--data", data, "--json")
	var a render.Account
	if err := json.Unmarshal([]byte(out), &a); err != nil || code != 0 || a.Format != 1 || a.Incident.ID != inc.ID || a.Incident.Signature == nil {
		t.Errorf("status %d, %v: %.200s", code, err, out)
	}
	if code, _, errs := run("why", "INC-0", "--data", data); code == 0 || !strings.Contains(errs, "INC-0") {
		t.Errorf("status %d: %s", code, errs)
	}
}

const past = "id,title,started,minutes,services,symptoms,cause,mitigation\n1,Payment slow,2026-11-01,12,payment; checkout,errors,deployment,rolled back payment\n2,Search,2026-11-02,5,search,latency,none,waited\n"

func TestHistoryImport_onceAndIntoAFolder(t *testing.T) {
	dir := t.TempDir()
	file, data := filepath.Join(dir, "old.csv"), filepath.Join(dir, "data")
	if err := os.WriteFile(file, []byte(past), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := run("history", "import", file, "--data", data, "--dry-run"); code != 0 || !strings.Contains(out, "2 incidents, as old") || !strings.Contains(out, "nothing was kept") {
		t.Fatalf("status %d: %s%s", code, out, errs)
	}
	if _, err := os.Stat(data); err == nil {
		t.Error("a dry run made the folder")
	}
	for _, want := range []string{"2 new, 0 changed, 0 there already", "0 new, 0 changed, 2 there already"} {
		if code, out, errs := run("history", "import", file, "--data", data); code != 0 || !strings.Contains(out, want) {
			t.Errorf("status %d, want %q: %s%s", code, want, out, errs)
		}
	}
	code, out, _ := run("history", "import", file, "--data", data, "-o", "json")
	var r importReport
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 || r.Read != 2 || r.Same != 2 || len(r.Files) != 1 {
		t.Errorf("status %d, %v: %s", code, err, out)
	}
	if err := os.WriteFile(file, []byte(past+"3,,yesterday,x,a,b,c,d\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, errs := run("history", "import", file, "--data", data)
	for _, want := range []string{"old.csv:4:started: \"yesterday\"", "old.csv:4:minutes:", "old.csv:4:cause:", "3 problems: nothing was imported"} {
		if code != 2 || !strings.Contains(errs, want) {
			t.Errorf("status %d, %q is missing in: %s", code, want, errs)
		}
	}
}

// What was imported is found by the next incident, marked, and makes no plan run that
// would not have run.
func TestHistoryImport_isComparedWith(t *testing.T) {
	l := backout.Likeness{Novelty: backout.NoveltyInsufficient, N: 0, Needed: 19, Nearest: []backout.Neighbour{{
		Precedent: "wiki:7", Source: "wiki", At: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC), Service: "checkout", Did: "rolled back payment", Outcome: backout.PrecedentTold, Took: backout.Duration(6 * time.Minute), Distance: .1,
	}}}
	got := render.Likeness(l, time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC))
	if want := "insufficient history (0 of 19 incidents); most like 7 (checkout, 3 days earlier, imported from wiki): people wrote that this helped in 6 min: rolled back payment"; got != want {
		t.Errorf("%q\nwant %q", got, want)
	}
}
