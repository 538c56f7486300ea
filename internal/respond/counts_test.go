package respond

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
)

// counted is a backend that counts, for each minute since noon, requests and failures
// of payment's two versions.
type counted struct {
	failing map[backout.Version]float64 // share of requests
	share   float64                     // of requests to version 1
	away    error
	asked   *int // counts how often it was asked
}

func (c counted) Window(_ context.Context, from time.Time) (backout.Window, error) {
	if c.asked != nil {
		*c.asked++
	}
	w := backout.Window{From: from, Step: minute}
	for v, failing := range c.failing {
		s := backout.Series{ID: backout.SeriesID{Signal: "arm-errors", Subject: backout.Subject{Service: "payment", Version: v}}, Kind: backout.SignalErrors, Worse: backout.WorseUp}
		requests := 2000 * c.share
		if v == "2" {
			requests = 2000 - requests
		}
		for k := range 8 {
			s.Samples = append(s.Samples, backout.Sample{At: from.Add(time.Duration(k) * minute), Value: requests * failing, Total: requests})
		}
		w.Series = append(w.Series, s)
	}
	return w, c.away
}

// Where requests are counted by version, the gate compares the two counts: what was
// moved failing more than what was not halts the run, however small its share.
func TestGate_comparesCountsOfBothVersions(t *testing.T) {
	for name, c := range map[string]struct {
		counted Counted
		want    execute.Decision
		words   string
	}{
		"moved fails three times as often": {counted{failing: map[backout.Version]float64{"1": .03, "2": .01}, share: .1}, execute.DecisionHalt, "arm-errors"},
		"moved fails as often":             {counted{failing: map[backout.Version]float64{"1": .01, "2": .01}, share: .1}, execute.DecisionGoOn, ""},
		"moved fails less":                 {counted{failing: map[backout.Version]float64{"1": .0, "2": .3}, share: .1}, execute.DecisionGoOn, ""},
		"nothing is moved yet":             {counted{failing: map[backout.Version]float64{"1": 1, "2": .01}, share: 0}, execute.DecisionGoOn, ""},
		"the backend does not answer":      {counted{away: errors.New("away")}, execute.DecisionGoOn, ""},
		"nobody counts":                    {nil, execute.DecisionGoOn, ""},
	} {
		tw := newTown(t, true, nil)
		inc := tw.until(tw.detect(), backout.StateExecuting)
		g := Gate{Store: tw.store, Signals: tw.signals, Counted: c.counted, Minute: minute}
		a, err := g.Ask(t.Context(), execute.Question{
			Attempt: inc.Attempts[0], Moved: inc.Plan.Steps(), Since: tw.now, Until: tw.now.Add(4 * minute), Now: tw.now.Add(6 * minute),
		})
		if err != nil || a.Decision != c.want || !strings.Contains(a.Why, c.words) {
			t.Errorf("%s: %s (%s), %v; want %s and %q", name, a.Decision, a.Why, err, c.want, c.words)
		}
	}
}

// Counts are dear to ask for: nobody does where everything has been moved and there is
// nothing to compare with.
func TestGate_countsWhereBothVersionsServe(t *testing.T) {
	tw := newTown(t, true, nil)
	inc := tw.until(tw.detect(), backout.StateExecuting)
	stages := len(inc.Plan.Steps()[0].Stages)
	if stages < 2 {
		t.Fatalf("the step goes in %d stages: nothing is tested", stages)
	}
	for round, want := range map[int]int{0: 1, stages - 1: 0} {
		asked := 0
		g := Gate{Store: tw.store, Signals: tw.signals, Counted: counted{asked: &asked}, Minute: minute}
		q := execute.Question{Attempt: inc.Attempts[0], Moved: inc.Plan.Steps(), Round: round, Since: tw.now, Until: tw.now.Add(4 * minute), Now: tw.now.Add(6 * minute)}
		if _, err := g.Ask(t.Context(), q); err != nil || asked != want {
			t.Errorf("round %d of %d: counts were asked for %d times, want %d (%v)", round, stages, asked, want, err)
		}
	}
}
