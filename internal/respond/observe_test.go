package respond

import (
	"slices"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

func TestObserve_joinsAndDegrades(t *testing.T) {
	tw := newTown(t, true, nil)
	id := tw.detect()
	more := backout.Finding{ID: backout.SeriesID{Signal: "errors", Subject: backout.Subject{Service: "shop"}}, Opens: true, Onset: noon}
	again, err := tw.r.Observe(t.Context(), tw.now, "production", []backout.Finding{more}, []backout.Degradation{backout.Degraded(backout.DegradedMetrics, "traces", noon, "refused")})
	if err != nil || again != id {
		t.Fatalf("joined %s, %v, want %s", again, err, id)
	}
	if in := tw.store.incidents[id]; len(in.Findings) != 2 || len(in.Baselines) != 2 || len(in.Degraded) != 1 {
		t.Errorf("%d findings, %d baselines, degraded %v", len(in.Findings), len(in.Baselines), in.Degraded)
	}
	blind := []backout.Degradation{backout.Degraded(backout.DegradedMetrics, "", noon, "refused")}
	if id, err := tw.r.Observe(t.Context(), tw.now, "production", nil, blind); id != "" || err != nil {
		t.Errorf("a blind tick opened %q, %v", id, err)
	}
	if in := tw.store.incidents[id]; !slices.Equal(in.Degraded, blind) {
		t.Errorf("the incident says it can't see %v", in.Degraded)
	}
	row := tw.store.incidents[id].Row
	if _, err := tw.r.Observe(t.Context(), tw.now, "production", nil, blind); err != nil || tw.store.incidents[id].Row != row {
		t.Errorf("it said the same twice: row %d to %d, %v", row, tw.store.incidents[id].Row, err)
	}
}

func TestObserve_troubleThatGoesOnIsNoNews(t *testing.T) {
	tw := newTown(t, false, nil)
	id := tw.detect()
	tw.until(id, backout.StateNoAction)
	shop := backout.Finding{ID: backout.SeriesID{Signal: "errors", Subject: backout.Subject{Service: "shop"}}, Opens: true, Onset: tw.now}
	if got, err := tw.r.Observe(t.Context(), tw.now, "production", []backout.Finding{shop}, nil); err != nil || got != id {
		t.Errorf("opened %s, %v: want it joined to %s", got, err, id)
	}
	for s := range tw.signals.levels {
		tw.signals.levels[s] = func(time.Time) float64 { return 0 }
	}
	tw.now = tw.now.Add(10 * minute)
	if got, err := tw.r.Observe(t.Context(), tw.now, "production", []backout.Finding{shop}, nil); err != nil || got == id {
		t.Errorf("trouble after a quiet time joined %s, %v: want a new incident", got, err)
	}
}

func TestObserve_whatWentQuietAndIsBackIsAnotherTrouble(t *testing.T) {
	tw := newTown(t, false, nil)
	id := tw.detect()
	ended := tw.until(id, backout.StateNoAction).UpdatedAt
	for s := range tw.signals.levels { // quiet for four minutes, then worse than ever
		tw.signals.levels[s] = func(at time.Time) float64 {
			if at.After(ended.Add(minute)) && !at.After(ended.Add(5*minute)) {
				return .5
			}
			return 20
		}
	}
	tw.now = ended.Add(20 * minute)
	again := backout.Finding{ID: backout.SeriesID{Signal: "errors", Subject: backout.Subject{Service: "payment"}}, Opens: true, Onset: tw.now}
	if got, err := tw.r.Observe(t.Context(), tw.now, "production", []backout.Finding{again}, nil); err != nil || got == id {
		t.Errorf("joined %s, %v: new trouble would be swallowed by an incident that has ended", got, err)
	}
}

// A second trouble that began while an attempt ran, and that somebody else's change
// explains, opens the next incident once the attempt has brought recovery; without
// such a change the attempt itself may have done it.
func TestObserve_secondTrouble(t *testing.T) {
	for name, shipped := range map[string]bool{"explained by another's change": true, "not explained": false} {
		t.Run(name, func(t *testing.T) {
			tw := newTown(t, true, nil)
			id := tw.detect()
			begun := tw.until(id, backout.StateExecuting).Attempts[0].StartedAt
			cart := backout.SeriesID{Signal: "errors", Subject: backout.Subject{Service: "cart"}}
			tw.signals.levels[cart] = func(at time.Time) float64 {
				if at.After(begun) {
					return 9
				}
				return 0
			}
			if shipped {
				tw.world.Changes = append(tw.world.Changes, backout.Change{
					ID: "c2", Kind: backout.KindDeployment, Component: "deployment:cart@production/eu", Services: []backout.ServiceID{"cart"}, From: "1", To: "2",
					Exposure: backout.Exposure{Stages: []backout.ExposureStage{{At: begun.Add(minute / 2), Share: 1}}},
				})
			}
			found := []backout.Finding{{ID: cart, Kind: backout.SignalErrors, At: tw.now, Onset: begun.Add(minute), Opens: true}}
			if got, err := tw.r.Observe(t.Context(), tw.now, "production", found, nil); err != nil || got != id {
				t.Fatalf("joined %s, %v: an environment has one incident at a time", got, err)
			}
			tw.now = tw.now.Add(5 * minute)
			tw.runner.run = backout.Run{State: backout.RunCompleted, Why: "every step is done", Entries: []backout.Entry{{Kind: backout.EntryEffect, Step: tw.store.incidents[id].Plan.Steps()[0].ID, Outcome: backout.OutcomeDone, Share: 1}}}
			tw.until(id, backout.StateRecovered)
			next, err := tw.r.Observe(t.Context(), tw.now, "production", nil, nil)
			if err != nil || (next != "") != shipped {
				t.Fatalf("opened %q, %v", next, err)
			}
			if in := tw.store.incidents[next]; shipped && (len(in.Findings) != 1 || in.After == nil || !slices.Equal(in.After.Changes, []backout.ChangeID{"c1"})) {
				t.Errorf("findings %+v after %+v: want cart's alone, and c1 settled", in.Findings, in.After)
			}
			if again, err := tw.r.Observe(t.Context(), tw.now, "production", nil, nil); again != "" || err != nil {
				t.Errorf("it opened twice: %s, %v", again, err)
			}
		})
	}
}
