package backout

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDegraded_everySourceSaysWhatItMeansAndWhatToDo(t *testing.T) {
	for _, s := range []DegradedSource{DegradedMetrics, DegradedActuators, DegradedChanges, DegradedChannels, DegradedDatabase, DegradedEngine, DegradedClock, DegradedReplicas, DegradedLoops, DegradedAnchors} {
		for _, about := range []string{"", "one"} {
			d := Degraded(s, about, time.Time{}, "refused")
			if d.Means == "" || d.Remedy == "" || strings.HasSuffix(d.Means, ".") {
				t.Errorf("%s: means %q, remedy %q", d.What(), d.Means, d.Remedy)
			}
			if want := s == DegradedDatabase || s == DegradedMetrics && about == ""; d.Freezes != want {
				t.Errorf("%s freezes: %v, want %v", d.What(), d.Freezes, want)
			}
		}
	}
}

func TestDegradation_readsTheWordsOfEarlierFormats(t *testing.T) {
	var inc Incident
	if err := json.Unmarshal([]byte(`{"degraded":["metrics: refused",{"source":"clock","why":"3 s ahead"}]}`), &inc); err != nil {
		t.Fatal(err)
	}
	want := []Degradation{{Why: "metrics: refused"}, {Source: DegradedClock, Why: "3 s ahead"}}
	if d := cmp.Diff(want, inc.Degraded); d != "" {
		t.Errorf("read (-want +got):\n%s", d)
	}
	if inc.Degraded[0].String() != "metrics: refused" {
		t.Errorf("words %q", inc.Degraded[0])
	}
}

func TestLasting_keepsTheFirstTime(t *testing.T) {
	noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	before := []Degradation{Degraded(DegradedActuators, "a", noon, "refused"), Degraded(DegradedActuators, "gone", noon, "refused")}
	now := Lasting(before, []Degradation{Degraded(DegradedActuators, "a", time.Time{}, "timeout"), Degraded(DegradedActuators, "b", time.Time{}, "refused")}, noon.Add(time.Minute))
	if got := []string{now[0].String(), now[1].String()}; len(now) != 2 || got[0] != "actuators a since 12:00:00: timeout" || got[1] != "actuators b since 12:01:00: refused" {
		t.Errorf("%q", got)
	}
	if SameDegraded(before, now) || !SameDegraded(now, Lasting(now, now, noon.Add(time.Hour))) {
		t.Error("that one goes on is no difference, and another one is")
	}
}
