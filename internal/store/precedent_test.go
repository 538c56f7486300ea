package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/store"
	"github.com/backout-dev/backout/internal/store/storetest"
)

func TestPrecedents_onceAndInOrder(t *testing.T) {
	s := storetest.New(t)
	at := func(h int) time.Time { return time.Date(2026, 11, 1, h, 0, 0, 0, time.UTC) }
	a := backout.Precedent{Format: 1, ID: "wiki:1", Source: "wiki", At: at(2), Label: backout.LabelChange, Outcome: backout.PrecedentTold, Signature: backout.Signature{Services: []backout.ServiceID{"pay"}}}
	b := backout.Precedent{Format: 1, ID: "INC-1", At: at(1), Label: backout.LabelNone, Outcome: backout.PrecedentByItself}
	save := func(want backout.Kept, all ...backout.Precedent) {
		t.Helper()
		if k, err := s.SavePrecedents(t.Context(), all); err != nil || k != want {
			t.Fatalf("%+v, %v; want %+v", k, err, want)
		}
	}
	save(backout.Kept{New: 2}, a, b)
	all, last, err := s.Precedents(t.Context(), 0)
	if diff := cmp.Diff([]backout.Precedent{b, a}, all); diff != "" || last != 2 || err != nil {
		t.Errorf("%d, %v (-want +got):\n%s", last, err, diff)
	}
	save(backout.Kept{Same: 2}, b, a)
	b.Label = backout.LabelChange
	save(backout.Kept{Changed: 1, Same: 1}, a, b)
	more, last, err := s.Precedents(t.Context(), last)
	if diff := cmp.Diff([]backout.Precedent{b}, more); diff != "" || last != 3 || err != nil {
		t.Errorf("%d, %v (-want +got):\n%s", last, err, diff)
	}
	if more, _, err = s.Precedents(t.Context(), last); len(more) != 0 || err != nil {
		t.Errorf("nothing is new: %v, %v", more, err)
	}
}

func TestUnremembered_untilItHasAPrecedent(t *testing.T) {
	s := storetest.New(t)
	at := time.Date(2026, 11, 1, 1, 0, 0, 0, time.UTC)
	for _, id := range []backout.IncidentID{"INC-1", "INC-2"} {
		inc := backout.Incident{ID: id, Key: string(id), State: backout.StateDetected, OpenedAt: at}
		inc, _, err := s.Open(t.Context(), store.Transition{Incident: inc, At: at, By: "t", What: "detected"})
		if err != nil {
			t.Fatal(err)
		}
		if inc.State = backout.StateNoAction; id == "INC-1" {
			if _, err := s.Transition(t.Context(), store.Transition{Incident: inc, At: at, By: "t", What: "ended"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if all, err := s.Unremembered(t.Context()); err != nil || len(all) != 1 || all[0].ID != "INC-1" {
		t.Fatalf("%v, %v; want the one that ended", all, err)
	}
	if _, err := s.SavePrecedents(t.Context(), []backout.Precedent{{ID: "INC-1"}}); err != nil {
		t.Fatal(err)
	}
	if all, err := s.Unremembered(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%v, %v; want none", all, err)
	}
}
