package respond

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
)

// gateAt asks the gate of a running attempt, some minutes after a stage began, with
// what the ill signal did since.
func gateAt(t *testing.T, last bool, minutes int, bake time.Duration, since func(minute int) float64) execute.Answer {
	t.Helper()
	tw := newTown(t, true, nil)
	id := tw.detect()
	inc := tw.until(id, backout.StateExecuting)
	began := tw.now
	for s, level := range tw.signals.levels {
		if s.Subject.Service == "payment" && s.Subject.Caller == "" {
			tw.signals.levels[s] = func(at time.Time) float64 {
				if at.After(began) {
					return since(int(at.Sub(began) / minute))
				}
				return level(at)
			}
		}
	}
	g := Gate{Store: tw.store, Signals: tw.signals, Minute: minute}
	a, err := g.Ask(t.Context(), execute.Question{
		Attempt: inc.Attempts[0], Moved: inc.Plan.Steps(), Since: began, Until: began.Add(bake), Now: began.Add(time.Duration(minutes) * minute), Last: last,
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// askLast asks a gate about the last round of an incident's attempt, so many minutes after
// the round began.
func askLast(t *testing.T, g *Gate, inc backout.Incident, began time.Time, minutes int) execute.Answer {
	t.Helper()
	a, err := g.Ask(t.Context(), execute.Question{
		Attempt: inc.Attempts[0], Moved: inc.Plan.Steps(), Since: began, Until: began.Add(4 * minute), Now: began.Add(time.Duration(minutes) * minute), Last: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestGate_decisions(t *testing.T) {
	healthy, ill := func(int) float64 { return 0 }, func(int) float64 { return 9 }
	unseen := func(int) float64 { return math.NaN() }
	for name, c := range map[string]struct {
		last    bool
		minutes int
		since   func(int) float64
		want    execute.Decision
	}{
		"a moment after the start nothing is missing": {true, 1, unseen, execute.DecisionWait},
		"blind for long":                   {true, 10, unseen, execute.DecisionFreeze},
		"an intermediate stage bakes":      {false, 2, healthy, execute.DecisionWait},
		"an intermediate stage, not worse": {false, 6, ill, execute.DecisionGoOn},
		"the last stage, still ill":        {true, 10, ill, execute.DecisionWait},
		"the last stage, proven":           {true, 24, healthy, execute.DecisionGoOn},
		"the last stage, never":            {true, 50, ill, execute.DecisionHalt},
	} {
		if a := gateAt(t, c.last, c.minutes, 4*minute, c.since); a.Decision != c.want || a.Why == "" {
			t.Errorf("%s: %s (%s), want %s", name, a.Decision, a.Why, c.want)
		}
	}
}

// A wave that brings recovery is the last: what the plan has left is not needed. In
// the middle of a wave nothing stops, since two versions would stay live.
func TestGate_stopsEarlyAtAWavesEnd(t *testing.T) {
	for stages, want := range map[int]execute.Decision{1: execute.DecisionStop, 2: execute.DecisionGoOn} {
		tw := newTown(t, true, nil)
		id := tw.detect()
		inc := tw.until(id, backout.StateExecuting)
		began := tw.now
		for s := range tw.signals.levels {
			level := tw.signals.levels[s]
			tw.signals.levels[s] = func(at time.Time) float64 {
				if at.After(began) {
					return 0
				}
				return level(at)
			}
		}
		at := inc.Attempts[0]
		at.Plan.Waves = []backout.Wave{{Steps: []backout.Step{{ID: "1.1", Stages: make([]backout.Stage, stages)}}}, {Steps: []backout.Step{{ID: "2.1", Component: "deployment:ledger@production/eu", From: "7", To: "6", Stages: make([]backout.Stage, 1)}}}}
		g := Gate{Store: tw.store, Signals: tw.signals, Minute: minute}
		a, err := g.Ask(t.Context(), execute.Question{Attempt: at, Since: began, Until: began.Add(4 * minute), Now: began.Add(24 * minute)})
		if err != nil || a.Decision != want {
			t.Errorf("first round of a wave of %d: %s (%s), %v; want %s", stages, a.Decision, a.Why, err, want)
		}
		if named := strings.Contains(a.Why, "deployment:ledger@production/eu 7 to 6"); named != (want == execute.DecisionStop) {
			t.Errorf("%s says %q: what is dropped is named when the run stops early, and only then", a.Decision, a.Why)
		}
	}
}

func TestGuard_lastWord(t *testing.T) {
	tw := newTown(t, true, nil)
	id := tw.detect()
	inc := tw.until(id, backout.StateExecuting)
	ask := func() execute.Permission {
		t.Helper()
		g := Guard{Facts: tw, Permit: tw.r.cfg.Permit, Now: func() time.Time { return tw.now }}
		st := inc.Plan.Steps()[0]
		p, err := g.Allow(t.Context(), execute.Proposal{Attempt: inc.Attempts[0], Step: st})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if p := ask(); !p.Yes {
		t.Fatalf("nothing moved, but: %s", p.Why)
	}
	world := tw.world
	tw.world.Policy.KillSwitch = true
	if p := ask(); p.Yes {
		t.Error("allowed under the kill switch")
	}
	tw.world = world
	tw.world.Changes = append([]backout.Change{}, world.Changes...)
	tw.world.Changes = append(tw.world.Changes, backout.Change{ID: "c2", Component: payment, From: "2", To: "3", Exposure: backout.Exposure{Stages: []backout.ExposureStage{{At: tw.now, Share: 1}}}})
	if p := ask(); p.Yes {
		t.Error("allowed though somebody deployed by hand meanwhile")
	}
	tw.world = world
	inc.Plan.Waves[0].Steps[0].Switch = "blue-green"
	if p := ask(); p.Yes || !strings.Contains(p.Why, "switch blue-green turns it together with others") {
		t.Errorf("%+v, want a refusal: half of a switch is a state that nobody proved", p)
	}
	inc.Plan.Waves[0].Steps[0].Switch = ""
	tw.world.Policy.Freezes = []backout.Freeze{{From: tw.now, To: tw.now.Add(time.Hour), Reason: "sales", Services: []backout.ServiceID{"payment"}}}
	if p := ask(); p.Yes || !strings.Contains(p.Why, "sales") {
		t.Errorf("%+v, want a refusal: its service is frozen", p)
	}
	tw.world.Policy.Freezes[0].Services = []backout.ServiceID{"search"}
	if p := ask(); !p.Yes {
		t.Errorf("%+v, want it allowed: another service is frozen", p)
	}
}

// Signals that are hardly ever measured don't hold up the verdict of the others,
// unless too few others are left.
func TestProvable_leavesOutWhatIsHardlyMeasured(t *testing.T) {
	dense := backout.Residuals{Levels: []float64{0, 0, 0, 0}}
	sparse := backout.Residuals{Levels: []float64{0, math.NaN(), math.NaN(), 0}}
	if got := provable([]backout.Residuals{dense, sparse, dense, dense}); len(got) != 3 {
		t.Errorf("%d signals, want the three dense ones", len(got))
	}
	if got := provable([]backout.Residuals{dense, sparse, sparse}); len(got) != 3 {
		t.Errorf("%d signals, want all: one dense signal is not enough", len(got))
	}
}

// What was ill long before anything that an attempt takes back was shipped does not hold
// up the proof of recovery, and opens the next incident; what turned ill with the rest
// does, and so does an earlier trouble where nothing else was ill.
func TestGate_earlierTrouble(t *testing.T) {
	for name, c := range map[string]struct {
		before time.Duration // the onset of shop's trouble before noon
		alone  bool          // only shop's
		heals  bool          // shop's as well
		want   execute.Decision
	}{
		"two hours before the change":               {2 * time.Hour, false, false, execute.DecisionGoOn},
		"with the rest":                             {10 * minute, false, false, execute.DecisionWait},
		"two hours before, and nothing else is ill": {2 * time.Hour, true, false, execute.DecisionWait},
		"two hours before, alone, and it heals":     {2 * time.Hour, true, true, execute.DecisionGoOn},
	} {
		tw := newTown(t, true, nil)
		id := tw.detect()
		inc := tw.until(id, backout.StateExecuting)
		shop := backout.SeriesID{Signal: "errors", Subject: backout.Subject{Service: "shop"}}
		if c.alone {
			inc.Findings = nil
		}
		inc.Findings = append(inc.Findings, backout.Finding{ID: shop, Kind: backout.SignalErrors, At: tw.now, Onset: noon.Add(-c.before), Opens: true})
		tw.store.incidents[id] = inc
		began := tw.now
		for s, level := range tw.signals.levels {
			tw.signals.levels[s] = func(at time.Time) float64 {
				if at.After(began) && (s != shop || c.heals) {
					return 0
				}
				return level(at)
			}
		}
		g := Gate{Store: tw.store, Signals: tw.signals, Facts: tw, Minute: minute}
		a, err := g.Ask(t.Context(), execute.Question{Attempt: inc.Attempts[0], Moved: inc.Plan.Steps(), Since: began, Until: began.Add(4 * minute), Now: began.Add(24 * minute), Last: true})
		if err != nil || a.Decision != c.want {
			t.Errorf("%s: %s (%s), %v: want %s", name, a.Decision, a.Why, err, c.want)
		}
	}
}
