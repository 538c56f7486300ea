package replay

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

const (
	payment = backout.ComponentID("deployment:payment@production/eu-1")
	orders  = backout.ComponentID("schema:orders@production/eu-1")
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func at(m int) time.Time { return noon.Add(time.Duration(m) * time.Minute) }

func seen(id string, m int, c backout.ComponentID, from, to string, share float64) backout.Observation {
	return backout.Observation{Source: "ci", NativeID: id, At: at(m), Component: c, From: backout.Version(from), To: backout.Version(to), Share: share}
}

func recording(declared ...Declared) *World {
	ours := seen("5", 30, payment, "3", "2", 1)
	ours.Attempt = "INC-1/1"
	return NewWorld(Folder{
		Observations: []backout.Observation{
			seen("1", 0, payment, "1", "2", 1), seen("2", 5, orders, "7", "8", 1),
			seen("3", 10, payment, "2", "3", .25), seen("4", 20, payment, "", "3", 1), ours,
		},
		Settings: Settings{Reversals: declared},
	})
}

func TestWorld_liveFollowsTheClock(t *testing.T) {
	w := recording()
	for m, want := range map[int]map[backout.Version]float64{
		0: {"2": 1}, 9: {"2": 1}, 10: {"3": .25, "2": .75}, 19: {"3": .25, "2": .75}, 20: {"3": 1}, 29: {"3": 1}, 30: {"2": 1}, 99: {"2": 1},
	} {
		w.Set(at(m))
		r, err := w.Probe(t.Context(), backout.Component{ID: payment})
		if diff := cmp.Diff(want, r.Live.Shares); err != nil || diff != "" {
			t.Errorf("minute %d: %v (-want +got):\n%s", m, err, diff)
		}
	}
	w.Set(at(-1))
	if _, err := w.Probe(t.Context(), backout.Component{ID: payment}); backout.CodeOf(err) != backout.CodeNotFound {
		t.Errorf("before the first change: %v, expected not found", err)
	}
}

func TestWorld_observationsEndNow(t *testing.T) {
	w := recording()
	for _, c := range []struct{ now, since, want int }{{-1, -60, 0}, {0, -60, 1}, {10, -60, 3}, {10, 5, 2}, {10, 6, 1}, {99, -60, 5}, {99, 31, 0}} {
		w.Set(at(c.now))
		got, err := w.Observations(t.Context(), at(c.since))
		if err != nil || len(got) != c.want {
			t.Errorf("at %d since %d: %d observations, %v; expected %d", c.now, c.since, len(got), err, c.want)
		}
	}
}

func TestWorld_survey(t *testing.T) {
	code := backout.Component{ID: payment, Kind: backout.KindDeployment, Instances: 4}
	schema := backout.Component{ID: orders, Kind: backout.KindSchema}
	stack := func(w *World, id backout.ComponentID) []backout.Change {
		changes, _ := backout.Fold(w.known(w.by[id]))
		return changes
	}
	w := recording()
	w.Set(at(15))
	r, err := w.Survey(t.Context(), code, stack(w, payment))
	want := []backout.Reachable{{Level: 0, Version: "1", Loss: backout.LossNone, Verified: true}, {Level: 1, Version: "2", Loss: backout.LossNone, Verified: true}}
	if diff := cmp.Diff(want, r.Levels); err != nil || diff != "" || !r.Known || r.Shares[0] != .25 || !r.Mixed {
		t.Errorf("code: %+v, %v (-want +got):\n%s", r, err, diff)
	}
	if r, _ := w.Survey(t.Context(), schema, stack(w, orders)); r.Known || !strings.Contains(r.Why, "schema") {
		t.Errorf("an undeclared schema: %+v, expected not to be known", r)
	}
	w = recording(Declared{Component: orders, Loss: backout.LossSome, Lost: "new columns"})
	w.Set(at(15))
	if r, _ := w.Survey(t.Context(), schema, stack(w, orders)); !r.Known || len(r.Levels) != 1 || r.Levels[0].Loss != backout.LossSome || r.Levels[0].Lost != "new columns" {
		t.Errorf("a declared schema: %+v, expected its loss", r)
	}
	w.Set(at(4))
	if r, _ := w.Survey(t.Context(), schema, nil); r.Known {
		t.Errorf("before its first change: %+v, expected not to be known", r)
	}
}

func TestWorld_doRefuses(t *testing.T) {
	out, err := recording().Do(t.Context(), backout.Effect{Component: backout.Component{ID: payment}})
	if out != backout.OutcomeNotDone || backout.CodeOf(err) != backout.CodeForbidden {
		t.Errorf("%s, %v; expected a refusal", out, err)
	}
}
