package app

import (
	"slices"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/store"
	"github.com/backout-dev/backout/internal/store/storetest"
	"github.com/backout-dev/backout/internal/watch"
)

func whats(all []backout.Degradation) []string {
	out := []string{}
	for _, d := range all {
		out = append(out, d.What())
	}
	return out
}

func TestHealth_ofAStuckLoop(t *testing.T) {
	a := &App{cfg: Config{Step: time.Second}, facts: &facts{}}
	now := time.Now().UTC()
	a.vitals.begin(a.cfg.bounds(), now)
	if h := a.Health(t.Context()); !h.Alive || !h.Ready || len(h.Loops) != 5 {
		t.Errorf("at the start: %+v", h)
	}
	a.vitals.turned(loopWalk, now.Add(-time.Hour))
	a.deciding.Lock() // whatever holds a stuck loop up does not hold the answer up
	defer a.deciding.Unlock()
	if h := a.Health(t.Context()); h.Alive || h.Ready || !slices.Equal(whats(h.Degraded), []string{"loops walk"}) || !h.Degraded[0].Since.Equal(now.Add(-time.Hour)) {
		t.Errorf("stuck: %+v", h)
	}
}

func TestHealth_ofADatabaseThatCantBeWritten(t *testing.T) {
	db := storetest.Handle(t)
	s, err := store.New(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	a := &App{started: time.Now().UTC(), store: s, facts: &facts{}}
	a.vitals.begin(a.cfg.bounds(), time.Now().UTC())
	a.lookOnce(t.Context(), time.Now())
	if h := a.Health(t.Context()); !h.Alive || !h.Ready {
		t.Errorf("writable: %+v", h)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	first := time.Now()
	a.lookOnce(t.Context(), first)
	a.lookOnce(t.Context(), first.Add(time.Minute))
	h := a.Health(t.Context())
	if !h.Alive || h.Ready || !slices.Equal(whats(h.Degraded), []string{"database"}) || !h.Degraded[0].Since.Equal(first.UTC()) {
		t.Errorf("closed: %+v", h)
	}
}

func TestMatters_theKillSwitchAndEvents(t *testing.T) {
	a, now := &App{started: time.Now().UTC(), store: storetest.New(t), facts: &facts{}}, time.Now().UTC()
	texts := func() []string {
		all, err := a.matters(t.Context(), now)
		if err != nil {
			t.Fatal(err)
		}
		out := []string{}
		for _, m := range all {
			out = append(out, m.Text)
		}
		return out
	}
	if got := texts(); len(got) != 0 {
		t.Errorf("%q", got)
	}
	on := backout.Stop{On: true, By: "ann", Reason: "storm", At: now}
	if err := a.store.Turn(t.Context(), on); err != nil {
		t.Fatal(err)
	}
	a.vitals.happened(backout.Matter{Key: "take-over/b", Since: now, Text: "a took over from b"})
	a.vitals.happened(backout.Matter{Key: "take-over/c", Since: now.Add(-2 * time.Hour), Text: "long ago"})
	if got := texts(); !slices.Equal(got, []string{on.Words(), "a took over from b"}) {
		t.Errorf("%q", got)
	}
	if err := a.store.Turn(t.Context(), backout.Stop{By: "ann", At: now}); err != nil {
		t.Fatal(err)
	}
	a.catalog.Policy.KillSwitch = true
	if got := texts(); len(got) != 2 || got[0] == on.Words() {
		t.Errorf("%q: want the policy's", got)
	}
}

func TestReport_keepsWhatIsNotMeasuredWithItsFirstTime(t *testing.T) {
	now := time.Now().UTC()
	missing := unseen(watch.Report{Now: now, Why: "refused", DegradedSince: now.Add(-time.Minute), Missing: map[backout.SignalName]string{"errors": "no data"}})
	if !slices.Equal(whats(missing), []string{"metrics", "metrics errors"}) || !missing[0].Freezes || missing[1].Freezes || !missing[0].Since.Equal(now.Add(-time.Minute)) {
		t.Errorf("%v", missing)
	}
}

func TestClock_jumpsAndSkewsAreNoticed(t *testing.T) {
	v, at := &vitals{}, time.Now()
	for _, c := range []struct {
		wall, monotonic time.Duration
		jumped          int
	}{{0, 0, 0}, {10 * time.Second, 10 * time.Second, 0}, {time.Hour, 20 * time.Second, 1}, {time.Hour + time.Minute, 80 * time.Second, 1}, {2 * time.Hour, time.Hour + 20*time.Second, 0}} {
		if got := v.clock(at.Add(c.wall), c.monotonic); len(got) != c.jumped {
			t.Errorf("after %s, by the wall %s: %v", c.monotonic, c.wall, got)
		}
	}
	a := &App{facts: &facts{}}
	a.vitals.skewed("pager", 3*time.Second, at)
	a.vitals.skewed("metrics", -time.Minute, at)
	a.vitals.skewed("metrics", -time.Minute, at.Add(time.Hour))
	if got := a.degraded(); !slices.Equal(whats(got), []string{"clock against metrics"}) || !got[0].Since.Equal(at) || got[0].Why != "the clock of metrics is 1m0s behind ours" {
		t.Errorf("%v", got)
	}
	a.vitals.skewed("metrics", 0, at)
	if got := a.degraded(); len(got) != 0 {
		t.Errorf("set right: %v", got)
	}
}
