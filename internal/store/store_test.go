package store_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/attest"
	"github.com/backout-dev/backout/internal/remote/postgrestest"
	"github.com/backout-dev/backout/internal/store"
	"github.com/backout-dev/backout/internal/store/storetest"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func detected(id, key string) store.Transition {
	return store.Transition{
		Incident: backout.Incident{ID: backout.IncidentID(id), Key: key, Environment: "production", State: backout.StateDetected, OpenedAt: noon},
		At:       noon, By: "backout", What: "checkout errors rose",
		Messages: []backout.Message{{Incident: backout.IncidentID(id), Audience: backout.AudienceOnCall, Key: "detected", At: noon, State: backout.StateDetected, Text: "Checkout fails."}},
	}
}

func TestPostgreSQL(t *testing.T) { postgrestest.Again(t) }

func mustOpen(t *testing.T, s *store.Store, tr store.Transition) backout.Incident {
	t.Helper()
	in, opened, err := s.Open(t.Context(), tr)
	if err != nil || !opened {
		t.Fatalf("open: %v, opened %t", err, opened)
	}
	return in
}

func TestOpen_oncePerKey(t *testing.T) {
	s := storetest.New(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	ids, opens := map[backout.IncidentID]int{}, 0
	for i := range 8 {
		wg.Go(func() {
			in, opened, err := s.Open(t.Context(), detected(fmt.Sprintf("i%d", i), "production/checkout"))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			ids[in.ID]++
			if opened {
				opens++
			}
		})
	}
	wg.Wait()
	if len(ids) != 1 || opens != 1 {
		t.Errorf("%d incidents, %d times opened, want one of each", len(ids), opens)
	}
	var id backout.IncidentID
	for id = range ids {
	}
	in, err := s.Incident(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if log, _ := s.Audit(t.Context(), id); len(log) != 1 {
		t.Errorf("%d audit entries, want 1", len(log))
	}
	// A closed incident makes room for the next one.
	in.State = backout.StateRecovered
	if _, err := s.Transition(t.Context(), store.Transition{Incident: in, At: noon, By: "backout", What: "recovered"}); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, s, detected("later", "production/checkout"))
	in.State, in.Row = backout.StatePlanned, in.Row+1
	_, err = s.Transition(t.Context(), store.Transition{Incident: in, At: noon})
	if backout.CodeOf(err) != backout.CodeConflict || !strings.Contains(err.Error(), "later") {
		t.Errorf("reopening beside an open one: %v, want a conflict that names it", err)
	}
}

func TestTransition_compareAndSwap(t *testing.T) {
	s := storetest.New(t)
	in := mustOpen(t, s, detected("i", "k"))
	in.State = backout.StateAttributed
	tr := store.Transition{Incident: in, At: noon.Add(time.Minute), By: "backout", What: "blamed payment 2.4",
		Messages: []backout.Message{{Incident: "i", Audience: backout.AudienceOnCall, Key: "attributed"}, {Incident: "i", Audience: backout.AudienceOnCall, Key: "detected"}}}
	got, err := s.Transition(t.Context(), tr)
	if err != nil || got.Row != 2 {
		t.Fatalf("row %d, %v", got.Row, err)
	}
	if _, err := s.Transition(t.Context(), tr); backout.CodeOf(err) != backout.CodeConflict {
		t.Errorf("stale row: %v, want a conflict", err)
	}
	tr.Incident.ID = "nobody"
	if _, err := s.Transition(t.Context(), tr); backout.CodeOf(err) != backout.CodeNotFound {
		t.Errorf("unknown incident: %v, want not found", err)
	}
	stored, err := s.Incident(t.Context(), "i")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(got, stored); d != "" {
		t.Error(d)
	}
	log, err := s.Audit(t.Context(), "i")
	if err != nil || len(log) != 2 {
		t.Fatalf("audit has %d entries, want 2: refused transitions leave none (%v)", len(log), err)
	}
	whole(t, s, "i")
	all, err := s.Deliveries(t.Context(), "i")
	if err != nil || len(all) != 2 {
		t.Errorf("%d messages, want 2: the same news is told once (%v)", len(all), err)
	}
	open, err := s.Incidents(t.Context(), store.Query{Open: true})
	if err != nil || len(open) != 1 {
		t.Errorf("%d open incidents, want 1 (%v)", len(open), err)
	}
	mustOpen(t, s, detected("j", "another"))
	ids, err := s.OpenIncidents(t.Context())
	if diff := cmp.Diff([]backout.IncidentID{"i", "j"}, ids); err != nil || diff != "" {
		t.Errorf("ids of open incidents: %v (-want +got):\n%s", err, diff)
	}
	if one, err := s.Incidents(t.Context(), store.Query{Key: "another", Limit: 1}); err != nil || len(one) != 1 || one[0].ID != "j" {
		t.Errorf("incidents of a key: %v, %v", one, err)
	}
}

func TestOutbox_retriesUntilDelivered(t *testing.T) {
	s := storetest.New(t)
	mustOpen(t, s, detected("i", "k"))
	due, err := s.Due(t.Context(), noon, 10)
	if err != nil || len(due) != 1 {
		t.Fatalf("%d due, %v", len(due), err)
	}
	m := due[0].Message
	if err := s.Failed(t.Context(), m, "console", noon.Add(time.Minute), "pager is away"); err != nil {
		t.Fatal(err)
	}
	if due, _ = s.Due(t.Context(), noon, 10); len(due) != 0 {
		t.Error("due before its time")
	}
	due, err = s.Due(t.Context(), noon.Add(time.Minute), 10)
	if err != nil || len(due) != 1 || due[0].Tries != 1 || due[0].Failure != "pager is away" {
		t.Fatalf("due %+v, %v", due, err)
	}
	if err := s.Delivered(t.Context(), m, "console", noon.Add(2*time.Minute), ""); err != nil {
		t.Fatal(err)
	}
	if due, _ = s.Due(t.Context(), noon.Add(time.Hour), 10); len(due) != 0 {
		t.Error("delivered and still due")
	}
	m.Key = "other"
	if err := s.Delivered(t.Context(), m, "console", noon, ""); backout.CodeOf(err) != backout.CodeNotFound {
		t.Errorf("%v, want not found", err)
	}
}

func TestObserve_uniqueBySourceAndNativeID(t *testing.T) {
	s := storetest.New(t)
	o := backout.Observation{Source: "argo", NativeID: "7", At: noon, Component: "deployment:payment@production/eu", To: "2.4", Share: 1}
	later := o
	later.NativeID, later.At, later.To = "8", noon.Add(time.Hour), "2.5"
	for _, want := range []int{2, 0} {
		n, err := s.Observe(t.Context(), []backout.Observation{later, o, o})
		if err != nil || n != want {
			t.Errorf("added %d, want %d (%v)", n, want, err)
		}
	}
	got, err := s.Observations(t.Context(), noon)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]backout.Observation{o, later}, got); d != "" {
		t.Error(d)
	}
	if got, _ := s.Observations(t.Context(), noon.Add(time.Minute)); len(got) != 1 {
		t.Errorf("%d since, want 1", len(got))
	}
	if _, err := s.Observe(t.Context(), []backout.Observation{{Source: "argo", NativeID: "9", At: noon}, {Source: "argo"}}); backout.CodeOf(err) != backout.CodeInvalid {
		t.Errorf("no native id: %v", err)
	}
	if got, _ := s.Observations(t.Context(), noon); len(got) != 2 {
		t.Error("a refused batch left something behind")
	}
}

func TestKnowledge_roundTrip(t *testing.T) {
	s := storetest.New(t)
	p, err := s.Priors(t.Context())
	if err != nil || p.Incidents != 0 {
		t.Fatalf("nothing learnt yet: %+v %v", p, err)
	}
	p = backout.Priors{At: noon, Incidents: 3, Delays: map[backout.ComponentKind][]float64{backout.KindFlag: {1, 2}}}
	if err := s.SavePriors(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	p.Format = store.Format
	if got, err := s.Priors(t.Context()); err != nil || cmp.Diff(p, got) != "" {
		t.Errorf("%v %s", err, cmp.Diff(p, got))
	}
	r := backout.Review{Incident: "i", At: noon, Label: backout.LabelChange, By: "ann"}
	if err := s.SaveReview(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Reviews(t.Context(), time.Time{}); err != nil || len(got) != 1 || cmp.Diff(r, got[0]) != "" {
		t.Errorf("%v %v", got, err)
	}
	if _, err := s.Review(t.Context(), "none"); backout.CodeOf(err) != backout.CodeNotFound {
		t.Errorf("%v, want not found", err)
	}
	doc := store.Document{Name: "detector/checkout", Format: 4, At: noon, Body: []byte{0, 1, 255}}
	for range 2 {
		if err := s.SaveDocument(t.Context(), doc); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.Document(t.Context(), doc.Name); err != nil || cmp.Diff(doc, got) != "" {
		t.Errorf("%v %s", err, cmp.Diff(doc, got))
	}
	h := backout.Hold{Component: "c", Owner: "i/1", Reason: "its plan runs", Until: noon.Add(time.Hour)}
	if err := s.Hold(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Holds(t.Context(), noon); err != nil || cmp.Diff([]backout.Hold{h}, got) != "" {
		t.Errorf("%v %s", err, cmp.Diff([]backout.Hold{h}, got))
	}
	if got, _ := s.Holds(t.Context(), noon.Add(time.Hour)); len(got) != 0 {
		t.Error("a hold outlived its time")
	}
	if err := s.Release(t.Context(), "c", "i/1"); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.Holds(t.Context(), noon); len(got) != 0 {
		t.Error("released and still held")
	}
}

// Many write one audit log at once, and its chain has no gap.
func TestNote_sideBySide(t *testing.T) {
	s := storetest.New(t)
	mustOpen(t, s, detected("i", "k"))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 5 {
				if err := s.Note(t.Context(), "i", noon, fmt.Sprint("replica ", i), "noted"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	log, err := s.Audit(t.Context(), "i")
	if err != nil || len(log) != 41 {
		t.Fatalf("%d entries, want 41 (%v)", len(log), err)
	}
	whole(t, s, "i")
}

// Replicas that boot on an empty database at once all find their tables.
func TestNew_manyAtOnce(t *testing.T) {
	db := storetest.Handle(t)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if _, err := store.New(t.Context(), db); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestPrune_keepsWhatMustStay(t *testing.T) {
	s := storetest.New(t)
	mustOpen(t, s, detected("i", "k"))
	mustOpen(t, s, detected("j", "l"))
	due, err := s.Due(t.Context(), noon, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Delivered(t.Context(), due[0].Message, "console", noon, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Observe(t.Context(), []backout.Observation{{Source: "s", NativeID: "1", At: noon}, {Source: "s", NativeID: "2", At: noon.Add(48 * time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Prune(t.Context(), noon.Add(24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(store.Pruned{Observations: 1, Messages: 1}, got); d != "" {
		t.Error(d)
	}
	if log, _ := s.Audit(t.Context(), "i"); len(log) != 1 {
		t.Error("the audit log was pruned")
	}
	if due, _ := s.Due(t.Context(), noon, 10); len(due) != 1 {
		t.Error("an undelivered message was pruned")
	}
}

func TestStore_fullDisk(t *testing.T) {
	s, disk := storetest.OnDisk(t)
	in := mustOpen(t, s, detected("i", "k"))
	disk.Fill(t)
	in.Why = strings.Repeat("long ", 5000)
	_, err := s.Transition(t.Context(), store.Transition{Incident: in, At: noon, What: "full"})
	if backout.CodeOf(err) != backout.CodeUnavailable || !strings.Contains(err.Error(), "disk is full") {
		t.Fatalf("%v, want unavailable and the remedy", err)
	}
	if log, _ := s.Audit(t.Context(), "i"); len(log) != 1 {
		t.Errorf("%d audit entries: half a transition was saved", len(log))
	}
	disk.Free(t)
	if _, err := s.Transition(t.Context(), store.Transition{Incident: in, At: noon, What: "room again"}); err != nil {
		t.Errorf("after space was freed: %v", err)
	}
}

func TestNew_refuses(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.db")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("no database here ", 300)), 0o600); err != nil {
		t.Fatal(err)
	}
	newer := storetest.Handle(t)
	if _, err := store.New(t.Context(), newer); err != nil {
		t.Fatal(err)
	}
	if _, err := newer.Exec("INSERT INTO store_schema VALUES (99)"); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty.db")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, want string
		db         *sql.DB
	}{
		{"garbage", "not a SQLite database", open(t, garbage)},
		{"newer schema", "schema 99 and this program knows 6", newer},
		{"read-only", "can't be written", open(t, "file:"+empty+"?mode=ro")},
		{"no such folder", "can't be opened", open(t, filepath.Join(dir, "none", "x.db"))},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := store.New(t.Context(), c.db); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestIncident_newerFormat(t *testing.T) {
	db := storetest.Handle(t)
	s, err := store.New(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	mustOpen(t, s, detected("i", "k"))
	if _, err := db.Exec(`UPDATE incident SET body = replace(body, '"format":1', '"format":7')`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Incident(t.Context(), "i"); err == nil || !strings.Contains(err.Error(), "format 7") {
		t.Errorf("%v, want a refusal of format 7", err)
	}
}

func open(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// The incident that is open already comes back as it is stored, and the one that
// was offered is left alone: its findings are joined next.
func TestOpen_leavesTheOfferedIncidentAlone(t *testing.T) {
	s := storetest.New(t)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	finding := func(service string) []backout.Finding {
		return []backout.Finding{{ID: backout.SeriesID{Signal: "errors", Subject: backout.Subject{Service: backout.ServiceID(service)}}}}
	}
	offer := func(id backout.IncidentID, findings []backout.Finding) (backout.Incident, bool) {
		in := backout.Incident{ID: id, Key: "production", State: backout.StateDetected, OpenedAt: at, Findings: findings}
		got, opened, err := s.Open(t.Context(), store.Transition{Incident: in, At: at, By: "test", What: "detected"})
		if err != nil {
			t.Fatal(err)
		}
		return got, opened
	}
	if _, opened := offer("A", finding("pay")); !opened {
		t.Fatal("the first incident did not open")
	}
	late := finding("cart")
	got, opened := offer("B", late)
	if opened || got.ID != "A" || got.Findings[0].ID.Subject.Service != "pay" {
		t.Errorf("got %s (opened %t) about %s, want the open incident A about pay", got.ID, opened, got.Findings[0].ID.Subject.Service)
	}
	if late[0].ID.Subject.Service != "cart" {
		t.Errorf("the offered finding became %s: decoding wrote through it", late[0].ID.Subject.Service)
	}
}

// whole checks an incident's chain.
func whole(t *testing.T, s *store.Store, id backout.IncidentID) {
	t.Helper()
	lines, err := s.AuditLines(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	c := attest.New(nil)
	c.Add(attest.Log{Incident: id, Entries: lines})
	if r := c.Result(false); !r.Whole {
		t.Errorf("the audit log of %s is broken: %+v", id, r.Broken)
	}
}
