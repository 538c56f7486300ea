package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/store"
	"github.com/backout-dev/backout/internal/store/storetest"
)

func TestTroubles_fromOnsetToEnd(t *testing.T) {
	s := storetest.New(t)
	for i, c := range []struct {
		state backout.State
		onset time.Duration
	}{{backout.StateDetected, -5 * time.Minute}, {backout.StateRecovered, 0}, {backout.StateFalseAlarm, 0}} {
		tr := detected(string(rune('a'+i)), string(rune('a'+i)))
		in := mustOpen(t, s, tr)
		in.State, in.UpdatedAt = c.state, noon.Add(time.Hour)
		if c.onset != 0 {
			in.Onset = noon.Add(c.onset)
		}
		tr.Incident, tr.Messages = in, nil
		if _, err := s.Transition(t.Context(), tr); err != nil {
			t.Fatal(err)
		}
	}
	want := []backout.Period{{From: noon.Add(-5 * time.Minute)}, {From: noon, To: noon.Add(time.Hour)}}
	got, err := s.Troubles(t.Context(), noon)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if got, err = s.Troubles(t.Context(), noon.Add(time.Hour)); err != nil || len(got) != 1 || !got[0].To.IsZero() {
		t.Errorf("%v: %v, want the one that is open still", err, got)
	}
	// What is known of an incident holds for one version of it only.
	in, err := s.Incident(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	in.State, in.UpdatedAt = backout.StateRecovered, noon.Add(2*time.Hour)
	if _, err := s.Transition(t.Context(), store.Transition{Incident: in, At: in.UpdatedAt}); err != nil {
		t.Fatal(err)
	}
	want[0].To = in.UpdatedAt
	got, err = s.Troubles(t.Context(), noon)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("after it ended: %v (-want +got):\n%s", err, diff)
	}
}
