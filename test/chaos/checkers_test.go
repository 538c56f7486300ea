package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/plan/check"
)

// TestMain runs the test binary as a worker where it is started as one.
func TestMain(m *testing.M) {
	if orders := os.Getenv(envWorker); orders != "" {
		if err := work(orders); err != nil {
			fmt.Fprintln(os.Stderr, "worker ends:", err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// honest is the record of one plan that was carried out as it should be.
func honest(t *testing.T) (Record, backout.AttemptID) {
	t.Helper()
	d := draw(1, 7, noon)
	id := d.Attempt.ID
	now, shares := noon, map[backout.ComponentID]float64{}
	var log []Event
	run := backout.Run{Attempt: id, State: backout.RunCompleted}
	write := func(e backout.Entry) {
		now = now.Add(time.Millisecond)
		e.Attempt, e.Seq, e.At = id, int64(len(run.Entries)+1), now
		run.Entries = append(run.Entries, e)
	}
	write(backout.Entry{Kind: backout.EntryStarted})
	for _, w := range d.Attempt.Plan.Waves {
		for r := range rounds(w) {
			for _, s := range w.Steps {
				if r >= len(s.Stages) {
					continue
				}
				e := backout.Effect{
					Key: fmt.Sprintf("%s/%s/%d", id, s.ID, r), Attempt: id, Component: backout.Component{ID: s.Component}, From: bad, To: good, Share: s.Stages[r].Share,
				}
				entry := backout.Entry{Kind: backout.EntryIntent, Step: s.ID, Component: s.Component, Stage: r, Share: e.Share, Key: e.Key}
				write(entry)
				for _, what := range []What{Received, Started, Applied} {
					now = now.Add(time.Millisecond)
					ev := Event{At: now, What: what, Effect: e}
					if what == Applied {
						shares[s.Component] = e.Share
						ev.Shares = map[backout.Version]float64{good: e.Share, bad: 1 - e.Share}
						if e.Share == 1 {
							delete(ev.Shares, bad)
						}
					}
					log = append(log, ev)
				}
				entry.Kind, entry.Outcome = backout.EntryEffect, backout.OutcomeDone
				write(entry)
			}
			now = now.Add(2 * minute) // the longest bake
			write(backout.Entry{Kind: backout.EntryGate, Text: "gate passed: not worse"})
		}
	}
	write(backout.Entry{Kind: backout.EntryEnded})
	return Record{Plans: map[backout.AttemptID]Drawn{id: d}, Accepted: map[backout.AttemptID]bool{id: true}, Log: log, Runs: []backout.Run{run}}, id
}

var checkers = map[string]func(Record) []Finding{
	"lost": lost, "twice": twice, "order": order, "effects_twice": effectsTwice, "unsafe": unsafe, "stuck": stuck,
}

func TestCheckers_findNothingInAnHonestRecord(t *testing.T) {
	rec, _ := honest(t)
	for name, c := range checkers {
		if f := c(rec); len(f) > 0 {
			t.Errorf("%s: %v", name, f)
		}
	}
	if n := steps(rec); n != len(rec.Plans["chaos-7/1"].Attempt.Plan.Steps()) {
		t.Errorf("%d steps", n)
	}
}

// again renumbers a journal after entries were put in or taken out.
func again(r *backout.Run) {
	for i := range r.Entries {
		r.Entries[i].Seq = int64(i + 1)
	}
}

// TestCheckers_findPlantedFaults plants one fault after the other in an honest record
// and names the checkers that must find it; all others may not.
func TestCheckers_findPlantedFaults(t *testing.T) {
	entry := func(r *backout.Run, k backout.EntryKind) int {
		return slices.IndexFunc(r.Entries, func(e backout.Entry) bool { return e.Kind == k })
	}
	// first and last applied effects, with the three events of the first.
	tests := map[string]struct {
		want  string
		plant func(rec *Record, run *backout.Run, id backout.AttemptID)
	}{
		"accepted and forgotten": {"lost stuck", func(rec *Record, _ *backout.Run, _ backout.AttemptID) { rec.Runs = nil }},
		"never ended":            {"lost stuck", func(_ *Record, run *backout.Run, _ backout.AttemptID) { run.State = backout.RunFrozen }},
		"no last entry":          {"lost", func(_ *Record, run *backout.Run, _ backout.AttemptID) { run.Entries = run.Entries[:len(run.Entries)-1] }},
		"done in the journal only": {"lost", func(rec *Record, _ *backout.Run, _ backout.AttemptID) {
			rec.Log = rec.Log[:len(rec.Log)-3] // of the last effect
		}},
		"reached after it was written": {"lost", func(rec *Record, run *backout.Run, _ backout.AttemptID) {
			rec.Log[len(rec.Log)-1].At = run.Entries[len(run.Entries)-1].At.Add(time.Second)
		}},
		"outcome written twice": {"twice", func(_ *Record, run *backout.Run, _ backout.AttemptID) {
			i := entry(run, backout.EntryEffect)
			run.Entries = slices.Insert(run.Entries, i, run.Entries[i])
			again(run)
		}},
		"started twice": {"twice", func(_ *Record, run *backout.Run, _ backout.AttemptID) {
			run.Entries = slices.Insert(run.Entries, 0, run.Entries[0])
			again(run)
		}},
		"a number is missing": {"twice", func(_ *Record, run *backout.Run, _ backout.AttemptID) {
			i := entry(run, backout.EntryGate)
			run.Entries = slices.Delete(run.Entries, i, i+1)
		}},
		"a gate too many": {"twice", func(_ *Record, run *backout.Run, _ backout.AttemptID) {
			i := entry(run, backout.EntryGate)
			run.Entries = slices.Insert(run.Entries, i, run.Entries[i])
			again(run)
		}},
		"sent again after it was written down": {"twice effects_twice", func(rec *Record, run *backout.Run, _ backout.AttemptID) {
			late := slices.Clone(rec.Log[len(rec.Log)-3:])
			for i := range late {
				late[i].At = run.Entries[len(run.Entries)-1].At
			}
			rec.Log = append(rec.Log, late...)
		}},
		"sent again at once": {"effects_twice", func(rec *Record, _ *backout.Run, _ backout.AttemptID) {
			rec.Log = slices.Insert(rec.Log, 2, rec.Log[0], rec.Log[1])
		}},
		"two on one component at once": {"effects_twice order", func(rec *Record, _ *backout.Run, id backout.AttemptID) {
			other := rec.Log[1]
			other.Effect.Key += "0" // the same step's stage 10
			rec.Log = slices.Insert(rec.Log, 2, other)
		}},
		"last wave first": {"order unsafe", func(rec *Record, _ *backout.Run, _ backout.AttemptID) {
			n := len(rec.Log)
			last := slices.Clone(rec.Log[n-3:])
			rec.Log = append(last, rec.Log[:n-3]...)
		}},
		"no intent": {"order twice", func(_ *Record, run *backout.Run, _ backout.AttemptID) {
			i := entry(run, backout.EntryIntent)
			run.Entries = slices.Delete(run.Entries, i, i+1)
		}},
		"baked too short": {"order", func(rec *Record, _ *backout.Run, id backout.AttemptID) {
			d := rec.Plans[id]
			for k := range d.Attempt.Plan.Waves[0].Steps {
				for g := range d.Attempt.Plan.Waves[0].Steps[k].Stages {
					d.Attempt.Plan.Waves[0].Steps[k].Stages[g].Bake = backout.Duration(3 * time.Minute)
				}
			}
		}},
		"after the end": {"order", func(_ *Record, run *backout.Run, _ backout.AttemptID) {
			run.Entries[len(run.Entries)-1].At = noon
		}},
		"two of a wave that may not mix": {"unsafe", func(rec *Record, _ *backout.Run, id backout.AttemptID) {
			d := rec.Plans[id]
			for _, w := range d.Attempt.Plan.Waves {
				if n := len(w.Steps); n > 1 {
					d.World.Contracts = append(d.World.Contracts, backout.Contract{
						ID: "planted", Consumer: w.Steps[n-1].Component, Provider: w.Steps[0].Component, Source: backout.ContractDeclared,
						Rules: []backout.ContractRule{{When: backout.VersionRange{From: bad}, Needs: backout.VersionRange{From: bad}}},
					})
				}
			}
			rec.Plans[id] = d
		}},
		"forward after the way back": {"order", func(rec *Record, run *backout.Run, id backout.AttemptID) {
			back := rec.Log[1] // started, and never applied
			back.Effect.Key = strings.TrimSuffix(back.Effect.Key, "/0") + "/back"
			back.Effect.Component.ID = "deployment:elsewhere@chaos/here"
			rec.Log = slices.Insert(rec.Log, len(rec.Log)-3, back)
			run.Entries = slices.Insert(run.Entries, 1, backout.Entry{Kind: backout.EntryIntent, Key: back.Effect.Key, At: run.Entries[0].At})
			again(run)
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			rec, id := honest(t)
			tt.plant(&rec, &rec.Runs[0], id)
			var got []string
			for _, c := range slices.Sorted(maps.Keys(checkers)) {
				if f := checkers[c](rec); len(f) > 0 {
					got = append(got, c)
					t.Log(c, f[0])
				}
			}
			want := strings.Fields(tt.want)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("found by %v, want %v", got, want)
			}
		})
	}
}

func TestDraw_isSafeAndRepeats(t *testing.T) {
	waves, staged := 0, 0
	for n := range 60 {
		d := draw(42, n, noon)
		if bad := check.Plan(d.World, d.Attempt.Plan); len(bad) > 0 {
			t.Fatalf("plan %d: %v", n, bad[0])
		}
		if k := len(d.Attempt.Plan.Steps()); k < 10 || k > 60 {
			t.Errorf("plan %d has %d steps", n, k)
		}
		one, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		two, _ := json.Marshal(draw(42, n, noon))
		if string(one) != string(two) {
			t.Errorf("plan %d is another when it is drawn again", n)
		}
		waves += len(d.Attempt.Plan.Waves)
		for _, s := range d.Attempt.Plan.Steps() {
			if len(s.Stages) == 3 {
				staged++
			}
		}
	}
	if waves < 120 || staged < 100 {
		t.Errorf("%d waves and %d steps of three stages are too few to test anything", waves, staged)
	}
}

// TestStorm_findsFaultyWorkers blows a short storm over SQLite with workers that have
// a fault, and with good ones.
func TestStorm_findsFaultyWorkers(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	for _, tt := range []struct {
		fault string
		count func(Result) int
	}{
		{"", func(r Result) int { return 1 - r.wrong() }},
		{blindRetry, func(r Result) int { return r.EffectsTwice }},
		{forget, func(r Result) int { return r.Lost }},
	} {
		t.Run("fault "+tt.fault, func(t *testing.T) {
			r, err := options{seconds: 6, drain: map[string]int{"": 60, blindRetry: 60, forget: 5}[tt.fault], seed: 3, dir: t.TempDir(), breakIt: tt.fault, kills: 1, steps: 20}.one(t.Context(), "sqlite")
			if tt.count(r) <= 0 || (err == nil) != (tt.fault == "") {
				t.Errorf("%+v: %v", r, err)
			}
		})
	}
}
