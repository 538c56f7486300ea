package respond

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
)

// alerted is a town in which nothing measured is ill: only alerts speak.
func alerted(t *testing.T) *town {
	t.Helper()
	tw := newTown(t, true, nil)
	for s := range tw.signals.levels {
		tw.signals.levels[s] = func(time.Time) float64 { return 0 }
	}
	return tw
}

func fires(id string, service backout.ServiceID, start time.Time) backout.Alert {
	return backout.Alert{Source: "m", NativeID: id, Name: "HighErrors", Subject: backout.Subject{Service: service}, State: backout.AlertFiring, StartsAt: start, Labels: map[string]string{}}
}

func over(a backout.Alert, at time.Time) backout.Alert {
	a.State, a.EndsAt = backout.AlertResolved, at
	return a
}

// alert delivers news on top of what is known.
func (t *town) alert(known *[]backout.Alert, news ...backout.Alert) backout.IncidentID {
	t.Helper()
	*known = backout.FoldAlerts(append(*known, news...))
	id, err := t.r.Alert(t.Context(), t.now, "production", news, *known, nil)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestAlert_opensJoinsAndIsTold(t *testing.T) {
	tw, known := alerted(t), []backout.Alert{}
	one, two := fires("a", "payment", noon.Add(-8*minute)), fires("b", "payment", noon.Add(-9*minute))
	id := tw.alert(&known, one)
	inc := tw.store.incidents[id]
	if len(inc.Findings) != 1 || inc.Findings[0].Mode != backout.ModeAlert || inc.Why != "alert HighErrors payment" || !inc.Onset.Equal(one.StartsAt) {
		t.Fatalf("opened %+v: want one finding of the alert", inc)
	}
	if again := tw.alert(&known, two); again != id || len(tw.store.incidents[id].Findings) != 1 {
		t.Errorf("the same series from another instance opened %q: %+v", again, tw.store.incidents[id].Findings)
	}
	tw.alert(&known, over(one, tw.now))
	if f := tw.store.incidents[id].Findings[0]; !f.EndedAt.IsZero() {
		t.Errorf("ended at %s though another instance still fires", f.EndedAt)
	}
	rows := tw.store.incidents[id].Row
	tw.alert(&known, over(two, tw.now.Add(minute)))
	if f := tw.store.incidents[id].Findings[0]; !f.EndedAt.Equal(tw.now.Add(minute)) {
		t.Errorf("ended at %s, want the last end", f.EndedAt)
	}
	tw.alert(&known, over(two, tw.now.Add(minute)))
	if got := tw.store.incidents[id].Row; got != rows+1 {
		t.Errorf("%d saves for one end told twice", got-rows)
	}
	if last := tw.store.messages[len(tw.store.messages)-1]; !strings.Contains(last.Text, "over: alert HighErrors payment") {
		t.Errorf("last message %q: want the end told", last.Text)
	}
	tw.alert(&known, fires("a", "payment", tw.now.Add(2*minute)))
	if f := tw.store.incidents[id].Findings; len(f) != 1 || !f[0].EndedAt.IsZero() {
		t.Errorf("fires again: %+v, want the finding to go on", f)
	}
}

func TestAlert_opensNothing(t *testing.T) {
	staging := fires("a", "payment", noon)
	staging.Environment = "staging"
	for name, a := range map[string]backout.Alert{
		"a service nobody knows": fires("a", "node", noon),
		"no service at all":      fires("a", "", noon),
		"another environment":    staging,
		"over before it came":    over(fires("a", "payment", noon), noon),
	} {
		tw, known := alerted(t), []backout.Alert{}
		if id := tw.alert(&known, a); id != "" || len(tw.store.incidents) > 0 {
			t.Errorf("%s: opened %s", name, id)
		}
	}
}

// Where only an alert shows the fault the change is found by it, and the way back
// ends when the alert is over.
func TestAlert_isEnoughForTheWholeWay(t *testing.T) {
	tw, known := alerted(t), []backout.Alert{}
	a := fires("a", "payment", noon.Add(-9*minute))
	id := tw.alert(&known, a)
	inc := tw.until(id, backout.StateExecuting)
	if s := inc.Attribution.Suspects[0]; s.Change != "c1" || s.P < .6 {
		t.Errorf("leading suspect %+v, want c1", s)
	}
	ask := func(minutes float64) execute.Answer {
		t.Helper()
		g := Gate{Store: tw.store, Signals: tw.signals, Minute: minute}
		began := tw.now
		answer, err := g.Ask(t.Context(), execute.Question{Attempt: inc.Attempts[0], Moved: inc.Plan.Steps(), Since: began, Until: began, Now: began.Add(time.Duration(minutes * float64(minute))), Last: true})
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	if got := ask(10); got.Decision != execute.DecisionWait || !strings.Contains(got.Why, "still fires") {
		t.Errorf("while it fires: %+v, want wait", got)
	}
	if got := ask(46); got.Decision != execute.DecisionHalt {
		t.Errorf("it never ends: %+v, want halt when the budget is spent", got)
	}
	tw.alert(&known, over(a, tw.now))
	if got := ask(1); got.Decision != execute.DecisionGoOn || !strings.Contains(got.Why, "alerts are over") {
		t.Errorf("over: %+v, want to go on", got)
	}
}

// An alert that has no residuals holds up nothing that is proven by measuring.
func TestAlert_measuredSignalsDecideAlone(t *testing.T) {
	tw, known := newTown(t, true, nil), []backout.Alert{}
	id := tw.detect()
	tw.alert(&known, fires("a", "payment", noon.Add(-5*minute)))
	inc := tw.until(id, backout.StateExecuting)
	if len(inc.Findings) != 2 || inc.Attribution.Suspects[0].Change != "c1" {
		t.Fatalf("findings %+v, suspects %+v", inc.Findings, inc.Attribution.Suspects)
	}
	began := tw.now
	for s, level := range tw.signals.levels {
		tw.signals.levels[s] = func(at time.Time) float64 {
			if at.After(began) {
				return 0
			}
			return level(at)
		}
	}
	g := Gate{Store: tw.store, Signals: tw.signals, Minute: minute}
	q := execute.Question{Attempt: inc.Attempts[0], Moved: inc.Plan.Steps(), Since: began, Until: began, Now: began.Add(24 * minute), Last: true}
	if a, err := g.Ask(t.Context(), q); err != nil || a.Decision != execute.DecisionGoOn || !strings.Contains(a.Why, "proven") {
		t.Errorf("%+v, %v: want to go on though the alert still fires", a, err)
	}
}

func TestAlert_goesAwayByItself(t *testing.T) {
	tw, known := alerted(t), []backout.Alert{}
	a := fires("a", "payment", noon.Add(-2*minute))
	id := tw.alert(&known, a)
	tw.alert(&known, over(a, tw.now.Add(minute)))
	tw.now = tw.now.Add(5 * minute)
	tw.until(id, backout.StateSelfRecovered)
}

// While nothing can be seen, an alert that ended is no proof: its monitor may be
// blind as well.
func TestAlert_blindIsBlind(t *testing.T) {
	tw, known := alerted(t), []backout.Alert{}
	a := fires("a", "payment", noon.Add(-9*minute))
	id := tw.alert(&known, a)
	inc := tw.until(id, backout.StateExecuting)
	tw.alert(&known, over(a, tw.now))
	r := backout.Verdict{Blind: true}
	if v := alertsToo(tw.store.incidents[id], (&Gate{Signals: tw.signals, Minute: minute}).question(inc, execute.Question{Last: true, Now: tw.now, Since: tw.now}), r); !v.Blind || v.Value == backout.VerdictRecovered {
		t.Errorf("%+v: want it to stay blind", v)
	}
}

func TestAlert_troubleThatGoesOnIsNoNews(t *testing.T) {
	tw, known := alerted(t), []backout.Alert{}
	tw.world.Changes = nil
	id := tw.alert(&known, fires("a", "payment", noon.Add(-2*minute)))
	tw.until(id, backout.StateNoAction)
	other := fires("b", "payment", tw.now)
	other.Name = "SlowAnswers"
	if got := tw.alert(&known, other); got != id {
		t.Errorf("opened %s, want it joined to %s", got, id)
	}
	if f := tw.store.incidents[id].Findings; !slices.ContainsFunc(f, func(f backout.Finding) bool { return f.ID.Signal == "alert:SlowAnswers" }) {
		t.Errorf("findings %+v", f)
	}
}

// A change of something that the catalog does not know is a suspect without a
// place: it is ranked, and never moved.
func TestStep_unknownComponents(t *testing.T) {
	const ghost = backout.ComponentID("deployment:ghost@production/eu")
	change := backout.Change{ID: "ghost", Kind: backout.KindDeployment, Component: ghost, Services: []backout.ServiceID{}, From: "1", To: "2", Sources: []string{"ci"},
		Exposure: backout.Exposure{Stages: []backout.ExposureStage{{At: noon.Add(-11 * minute), Share: 1}}}}
	for name, c := range map[string]struct {
		changes func(known []backout.Change) []backout.Change
		want    []backout.State
	}{
		"beside the culprit": {func(known []backout.Change) []backout.Change { return append(known, change) }, []backout.State{backout.StateExecuting, backout.StateWaiting}},
		"alone":              {func([]backout.Change) []backout.Change { return []backout.Change{change} }, []backout.State{backout.StateNoAction, backout.StateWaiting, backout.StateHalted}},
	} {
		t.Run(name, func(t *testing.T) {
			tw := newTown(t, true, nil)
			tw.world.Changes = c.changes(tw.world.Changes)
			inc := tw.until(tw.detect(), c.want...)
			if !slices.ContainsFunc(inc.Attribution.Suspects, func(s backout.Suspect) bool { return s.Component == ghost }) {
				t.Errorf("suspects %+v: the unknown one is missing", inc.Attribution.Suspects)
			}
			if inc.Plan != nil && slices.Contains(inc.Plan.Touched(), ghost) {
				t.Errorf("the plan touches what nobody can move: %+v", inc.Plan.Steps())
			}
			t.Logf("%s: %s", inc.State, inc.Why)
		})
	}
}
