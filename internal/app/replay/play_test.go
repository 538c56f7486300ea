package replay

import (
	"testing"
	"time"
)

func play(t testing.TB, c Config) Result {
	t.Helper()
	c.Temp = t.TempDir()
	r, err := Play(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPlay_namesTheBadReleaseAndActsOnNothing(t *testing.T) {
	began := time.Now()
	r := play(t, Config{Dir: incident().write(t, t.TempDir())})
	t.Logf("played in %s", time.Since(began))
	if len(r.Incidents) == 0 {
		t.Fatalf("no incidents: %s, missing %v", r.Ready, r.Missing)
	}
	for _, a := range r.Incidents {
		t.Logf("%s %s %s detected %s decided %s onset %s", a.ID, a.State, a.Why, a.DetectedAt, a.DecidedAt, a.Onset)
		for _, s := range a.Suspects {
			t.Logf("  %s %.3f", s.Change, s.P)
		}
		t.Logf("  none %.3f plan %+v known %+v", a.PNone, a.Plan, a.Known)
	}
	t.Logf("%+v", r.Summary)
}
