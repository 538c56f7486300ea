package respond

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
)

// gauge gives a value at a moment, and remembers the moments it was asked about.
type gauge struct {
	at    func(time.Time) (any, error)
	asked []time.Time
	ids   []string
	query string
}

func (g *gauge) Measure(_ context.Context, id string, m backout.AnalysisMetric, at time.Time) (any, bool, error) {
	g.asked, g.ids, g.query = append(g.asked, at), append(g.ids, id), m.Prometheus.Query
	v, err := g.at(at)
	return v, v != nil, err
}

// proven is a town whose last gate would let the run end, with an analysis asked for
// besides: three measurements, a minute apart.
func proven(t *testing.T, m *gauge) (*Gate, func(minutes int) execute.Answer) {
	t.Helper()
	tw := newTown(t, true, nil)
	inc := tw.until(tw.detect(), backout.StateExecuting)
	began := tw.now
	for s, level := range tw.signals.levels {
		tw.signals.levels[s] = func(at time.Time) float64 {
			if at.After(began) {
				return 0
			}
			return level(at)
		}
	}
	g := &Gate{
		Store: tw.store, Signals: tw.signals, Minute: minute,
		Criteria: []backout.SuccessCriteria{{ID: "c", Pass: 1, Warning: 1, Analyses: []string{"smoke"}}},
		Analyses: &Analyses{Measurer: m, Known: []backout.Analysis{{Name: "smoke", Args: []backout.AnalysisArg{{Name: "service"}}, Metrics: []backout.AnalysisMetric{{
			Name: "rate", Interval: backout.Duration(time.Minute), Count: 3, ConsecutiveErrorLimit: 1, SuccessCondition: "result[0] > 0.9", FailureCondition: "result[0] < 0.5",
			Prometheus: &backout.PrometheusQuery{Query: `rate{service="{{args.service}}"}`},
		}}}}},
	}
	return g, func(minutes int) execute.Answer { return askLast(t, g, inc, began, minutes) }
}

func TestGate_analysesMustBeSuccessful(t *testing.T) {
	value := func(v float64) func(time.Time) (any, error) {
		return func(time.Time) (any, error) { return []float64{v}, nil }
	}
	for name, c := range map[string]struct {
		at   func(time.Time) (any, error)
		want execute.Decision
	}{
		"successful":                       {value(.99), execute.DecisionGoOn},
		"failed":                           {value(.1), execute.DecisionHalt},
		"inconclusive is no failure":       {value(.7), execute.DecisionWait},
		"an outage is no failure":          {func(time.Time) (any, error) { return nil, errors.New("away") }, execute.DecisionFreeze},
		"what can't be read is no failure": {func(time.Time) (any, error) { return []float64{}, nil }, execute.DecisionFreeze},
	} {
		_, ask := proven(t, &gauge{at: c.at})
		if a := ask(24); a.Decision != c.want || !strings.Contains(a.Why, "smoke") && c.want != execute.DecisionGoOn {
			t.Errorf("%s: %s (%s), want %s", name, a.Decision, a.Why, c.want)
		}
	}
}

func TestGate_analysisTakesItsTime(t *testing.T) {
	m := &gauge{at: func(time.Time) (any, error) { return []float64{1}, nil }}
	g, ask := proven(t, m)
	g.Analyses.Known[0].Metrics[0].InitialDelay = backout.Duration(22 * minute)
	if a := ask(21); a.Decision != execute.DecisionWait || len(m.asked) != 0 {
		t.Errorf("before its delay is over: %s, asked %d times", a.Decision, len(m.asked))
	}
	if a := ask(23); a.Decision != execute.DecisionWait || len(m.asked) != 2 {
		t.Errorf("after two of three: %s, asked %d times", a.Decision, len(m.asked))
	}
	if a := ask(23); a.Decision != execute.DecisionWait || len(m.asked) != 2 {
		t.Errorf("asked again at once: %s, asked %d times", a.Decision, len(m.asked))
	}
	if a := ask(24); a.Decision != execute.DecisionGoOn || len(m.asked) != 3 || m.query != `rate{service="payment"}` {
		t.Errorf("after three: %s (%s), asked %d times for %s", a.Decision, a.Why, len(m.asked), m.query)
	}
	// A new process asks about the same moments.
	again := slices.Clone(m.asked)
	m.asked, g.Analyses = nil, &Analyses{Known: g.Analyses.Known, Measurer: m}
	if ask(24); !slices.EqualFunc(m.asked, again, time.Time.Equal) {
		t.Errorf("after a restart it asked about %v, before about %v", m.asked, again)
	}
}

// In the middle of a plan analyses only confirm an early stop: what they say before
// everything is taken back is no ground to halt.
func TestGate_analysesConfirmAnEarlyStop(t *testing.T) {
	for v, want := range map[float64]execute.Decision{.99: execute.DecisionStop, .7: execute.DecisionGoOn, .1: execute.DecisionGoOn} {
		g, _ := proven(t, &gauge{at: func(time.Time) (any, error) { return []float64{v}, nil }})
		inc, _, err := g.Store.Latest(t.Context(), "production")
		if err != nil {
			t.Fatal(err)
		}
		at := inc.Attempts[0]
		moved := at.Plan.Steps()
		at.Plan.Waves = []backout.Wave{{Steps: []backout.Step{{ID: "1", Stages: make([]backout.Stage, 1)}}}, {Steps: []backout.Step{{ID: "2", Stages: make([]backout.Stage, 1)}}}}
		began := at.StartedAt
		a, err := g.Ask(t.Context(), execute.Question{Attempt: at, Moved: moved, Since: began, Until: began.Add(4 * minute), Now: began.Add(24 * minute)})
		if err != nil || a.Decision != want {
			t.Errorf("measured %g: %s (%s), %v; want %s", v, a.Decision, a.Why, err, want)
		}
	}
}

// An outage that passes leaves nothing behind: the analysis begins anew.
func TestGate_analysisRecoversFromAnOutage(t *testing.T) {
	away := true
	_, ask := proven(t, &gauge{at: func(time.Time) (any, error) {
		if away {
			return nil, errors.New("away")
		}
		return []float64{1}, nil
	}})
	if a := ask(24); a.Decision != execute.DecisionFreeze {
		t.Fatalf("%s (%s)", a.Decision, a.Why)
	}
	away = false
	if a := ask(27); a.Decision != execute.DecisionGoOn {
		t.Errorf("%s (%s)", a.Decision, a.Why)
	}
}

// Beyond its time a last gate halts what has not recovered; what an analysis can't say
// is left to a person instead.
func TestGate_inconclusiveAnalysisIsLeftToAPerson(t *testing.T) {
	_, ask := proven(t, &gauge{at: func(time.Time) (any, error) { return []float64{.7}, nil }})
	if a := ask(50); a.Decision != execute.DecisionFreeze || !strings.Contains(a.Why, "a person decides") {
		t.Errorf("%s (%s)", a.Decision, a.Why)
	}
}

// Criteria weigh what is back: with the key objective proven and enough of the weight the
// run may end though something light is still ill.
func TestGate_criteriaDecide(t *testing.T) {
	for name, c := range map[string]struct {
		objectives []backout.Criterion
		minutes    int
		want       execute.Decision
		words      string
	}{
		"no criteria: all must be back":       {nil, 30, execute.DecisionWait, "not proven yet"},
		"enough of the weight":                {[]backout.Criterion{{Service: "payment", Weight: 9, Key: true}, {Service: "shop", Weight: 1}}, 30, execute.DecisionGoOn, "90 % of the weight"},
		"the key objective is ill":            {[]backout.Criterion{{Service: "payment", Weight: 9}, {Service: "shop", Weight: 1, Key: true}}, 30, execute.DecisionWait, "not proven yet"},
		"not enough yet":                      {[]backout.Criterion{{Service: "payment", Weight: 8}, {Service: "shop", Weight: 2}}, 30, execute.DecisionWait, "not proven yet"},
		"a warning when the time has run out": {[]backout.Criterion{{Service: "payment", Weight: 8}, {Service: "shop", Weight: 2}}, 50, execute.DecisionGoOn, "with a warning"},
		"too little for a warning":            {[]backout.Criterion{{Service: "payment", Weight: 5}, {Service: "shop", Weight: 5}}, 50, execute.DecisionHalt, "no recovery"},
		"criteria about something else":       {[]backout.Criterion{{Service: "bank", Weight: 5}}, 30, execute.DecisionWait, "not proven yet"},
	} {
		tw := newTown(t, true, nil)
		inc := tw.until(tw.detect(), backout.StateExecuting)
		began := tw.now
		tw.signals.levels = map[backout.SeriesID]func(time.Time) float64{}
		inc.Findings = nil
		for _, s := range []backout.ServiceID{"payment", "shop"} {
			inc.Findings = append(inc.Findings, backout.Finding{ID: errorsOf(s), Opens: true})
			tw.signals.levels[errorsOf(s)] = func(at time.Time) float64 {
				if at.After(began) && s == "payment" {
					return 0
				}
				return 9
			}
		}
		tw.signals.levels[errorsOf("bank")] = func(time.Time) float64 { return 0 } // never ill
		tw.store.incidents[inc.ID] = inc
		g := &Gate{Store: tw.store, Signals: tw.signals, Minute: minute}
		if c.objectives != nil {
			g.Criteria = []backout.SuccessCriteria{{ID: "c", Objectives: c.objectives, Pass: .9, Warning: .75}}
		}
		if a := askLast(t, g, inc, began, c.minutes); a.Decision != c.want || !strings.Contains(a.Why, c.words) {
			t.Errorf("%s: %s (%s); want %s and %q", name, a.Decision, a.Why, c.want, c.words)
		}
	}
}

// What nobody asks about any more is forgotten, and what is asked about is kept.
func TestAnalyses_forgetAttemptsLongOver(t *testing.T) {
	a := Analyses{}
	ask := func(attempt string, round int, at time.Time) *analysisRun {
		return a.run(backout.Analysis{Name: "orders"}, execute.Question{Attempt: backout.Attempt{ID: backout.AttemptID(attempt)}, Round: round, Now: at})
	}
	first := ask("i/1", 0, noon)
	if ask("i/1", 0, noon.Add(time.Hour)) != first {
		t.Error("another run in the same round")
	}
	if ask("i/1", 1, noon.Add(time.Hour)) == first {
		t.Error("the run of the round before")
	}
	ask("j/1", 0, noon.Add(2*time.Hour))
	if len(a.runs) != 2 || len(a.runs["i/1"].of) != 1 {
		t.Errorf("%d attempts, %d runs of the first; want 2 and 1", len(a.runs), len(a.runs["i/1"].of))
	}
	ask("k/1", 0, noon.Add(keptRuns+90*time.Minute))
	if _, kept := a.runs["j/1"]; len(a.runs) != 2 || !kept {
		t.Errorf("after a day and a half hour %d attempts are kept: %v", len(a.runs), a.runs)
	}
}

// A job is not done for a while, and the way to it may fail: it is asked about by the
// same name until it has ended, so that none is run twice.
func TestAnalyses_aMeasurementKeepsItsName(t *testing.T) {
	answers := []any{nil, errors.New("away"), nil, backout.JobOutcome{Completed: true}, nil, backout.JobOutcome{Completed: true}, backout.JobOutcome{Completed: true}}
	m := &gauge{}
	m.at = func(time.Time) (any, error) {
		a := answers[len(m.asked)-1]
		if err, failed := a.(error); failed {
			return nil, err
		}
		return a, nil
	}
	g, ask := proven(t, m)
	g.Analyses.Known[0].Metrics[0].SuccessCondition, g.Analyses.Known[0].Metrics[0].FailureCondition = "", ""
	for minute := 4; len(m.asked) < len(answers); minute++ {
		if a := ask(minute); a.Decision != execute.DecisionWait && len(m.asked) < len(answers) {
			t.Fatalf("minute %d: %s (%s), want to wait for the job", minute, a.Decision, a.Why)
		}
	}
	var nth []string
	for _, id := range m.ids {
		nth = append(nth, id[strings.LastIndex(id, "/")+1:])
	}
	if got, want := strings.Join(nth, " "), "0 0 0 0 1 1 2"; got != want {
		t.Errorf("measurements asked about: %s, want %s", got, want)
	}
}
