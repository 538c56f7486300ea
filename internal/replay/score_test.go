package replay

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

const ledger = backout.ComponentID("deployment:ledger@production/eu-1")

// said is an answer that accuses payment 2 with .6, ledger 5 with .3 and nobody with none.
func said(m int, none float64, steps ...backout.Step) Answer {
	return Answer{
		DetectedAt: at(m), PNone: none, TookMS: float64(m), Plan: &Plan{Action: backout.ActionRollBack, Steps: steps},
		Suspects: []backout.Suspect{{Component: payment, To: "2", P: .6}, {Component: ledger, To: "5", P: .3}},
	}
}

func label(m int, culprits ...Culprit) Known { return Known{At: at(m), Culprits: culprits} }

func TestScore_verdicts(t *testing.T) {
	back := backout.Step{Component: payment, From: "2", To: "1"}
	for name, c := range map[string]struct {
		answer Answer
		label  Known
		want   Verdict
	}{
		"the first suspect":          {said(2, .1, back), label(0, Culprit{Component: payment, To: "2"}), Verdict{Culprits: []string{string(payment) + "=2"}, Rank: 1, P: .6, PlanRight: true}},
		"the second":                 {said(2, .1, back), label(0, Culprit{Component: ledger, To: "5"}), Verdict{Culprits: []string{string(ledger) + "=5"}, Rank: 2, P: .3}},
		"another version":            {said(2, .1, back), label(0, Culprit{Component: payment, To: "3"}), Verdict{Culprits: []string{string(payment) + "=3"}}},
		"two together":               {said(2, .1, back), label(0, Culprit{Component: ledger, To: "5"}, Culprit{Component: payment, To: "2"}), Verdict{Culprits: []string{string(ledger) + "=5", string(payment) + "=2"}, Rank: 1, P: .9, PlanRight: true}},
		"nobody, and it said":        {said(2, .7), label(0), Verdict{Culprits: []string{}, Rank: 1, P: .7, PlanRight: true}},
		"nobody, and it did not say": {said(2, .1, back), label(0), Verdict{Culprits: []string{}, Rank: 3, P: .1}},
	} {
		t.Run(name, func(t *testing.T) {
			r := Result{From: at(0), To: at(60), Incidents: []Answer{c.answer}}
			r.Score([]Known{c.label}, time.Minute, false)
			c.want.At = at(0)
			got := *r.Incidents[0].Known
			if got.P-c.want.P < 1e-9 && c.want.P-got.P < 1e-9 {
				got.P = c.want.P
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
		})
	}
}

func TestScore_countsEachLabelOnce(t *testing.T) {
	back := backout.Step{Component: payment, From: "2", To: "1"}
	labels := []Known{label(0, Culprit{Component: payment, To: "2"}), label(200), label(-500), label(100, Culprit{Component: ledger, To: "5"})}
	answers := func() []Answer { return []Answer{said(4, .1, back), said(9, .1), said(103, .1, back), said(290, .1)} }
	r := Result{From: at(0), To: at(300), Incidents: answers(), Missed: []time.Time{}}
	r.Score(labels, time.Minute, false)
	want := Summary{Incidents: 4, Labels: 3, WithLabel: 2, Top1: 1, Top3: 2, PlanRight: 1, RollBack: 4, MedianDelayS: 210, MedianAttributionMS: 56}
	if diff := cmp.Diff(want, r.Summary); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if !r.Incidents[1].Known.Again || r.Incidents[3].Known != nil || len(r.Missed) != 1 || !r.Missed[0].Equal(at(200)) {
		t.Errorf("%+v, missed %v", r.Incidents, r.Missed)
	}
	r = Result{From: at(0), To: at(300), Incidents: answers(), Missed: []time.Time{}}
	if r.Score(labels, time.Minute, true); r.Summary.WithLabel != 3 {
		t.Errorf("%+v, expected both answers about the first label to count when moments were given", r.Summary)
	}
}
