package respond

import (
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
	if id, err := tw.r.Observe(t.Context(), tw.now, "production", nil, []backout.Degradation{backout.Degraded(backout.DegradedMetrics, "", noon, "refused")}); id != "" || err != nil {
		t.Errorf("a blind tick opened %q, %v", id, err)
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
