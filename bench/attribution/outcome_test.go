package main

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// asked is one answer about the changes a and b.
func asked(class, truth string, a, b, none float64) answer {
	two := []candidate{{id: "a"}, {id: "b"}}
	return answer{id: class, class: class, candidates: two, scores: map[string]float64{"a": a, "b": b}, truth: truth, none: none, noneCounts: true, peer: peer{changes: true}}
}

func TestTally_countsWhatWasRightAndHowTheRestFails(t *testing.T) {
	all := newTally("made up")
	for _, a := range []answer{
		asked("change", "a", .9, .05, .05), // right
		asked("change", "a", .3, .6, .1),   // another is blamed
		asked("change", "a", .3, .1, .6),   // nobody is
		asked("surge", "", .1, .1, .8),     // right
		asked("surge", "", .75, .1, .15),   // somebody is blamed
	} {
		all.add(a)
	}
	o := all.outcome()
	type counted struct {
		N                                                int
		Right, SaidNone, BlamedInnocent, BlamedAnyChange float64
		Ranked                                           bool
	}
	got := map[string]counted{}
	for name, k := range o.Faults {
		got[name] = counted{k.N, k.Right, k.SaidNone, k.BlamedInnocent, k.BlamedAnyChange, k.AC1 != nil}
	}
	want := map[string]counted{"change": {3, 1. / 3, 1. / 3, 1. / 3, 0, true}, "surge": {2, .5, 0, 0, .5, false}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("by class (-want +got):\n%s", d)
	}
	if o.N != 5 || o.Caused != 3 || math.Abs(o.AC1-2./3) > 1e-12 || math.Abs(*o.Faults["change"].AC1-2./3) > 1e-12 {
		t.Errorf("%d cases, %d caused, first place %.3f: the third is ranked first although none is likelier", o.N, o.Caused, o.AC1)
	}
	nll := -(math.Log(.9) + 2*math.Log(.3) + math.Log(.8) + math.Log(.15)) / 5
	if math.Abs(o.NLL-nll) > 1e-12 || o.AccuracyWithNone != .4 {
		t.Errorf("NLL %.4f and %.3f right, expected %.4f and 0.4", o.NLL, o.AccuracyWithNone, nll)
	}
	covers := [][4]float64{} // confidence, answers, right, those that name a change
	for _, c := range o.RiskCoverage {
		covers = append(covers, [4]float64{c.Confidence, float64(c.N), *c.Precision * float64(c.N), float64(c.Changes)})
	}
	if d := cmp.Diff([][4]float64{{.5, 5, 2, 3}, {.7, 3, 2, 2}, {.9, 1, 1, 1}}, covers); d != "" {
		t.Errorf("risk and coverage (-want +got):\n%s", d)
	}
}

// Where no change is known at all, "none" is no answer.
func TestClaim_withoutChanges(t *testing.T) {
	a := asked("node", "a", .2, .1, 1)
	a.noneCounts = false
	if c := a.claim(); !c.right || c.top != .2 || math.Abs(c.squares-(.64+.01)) > 1e-12 {
		t.Errorf("got %+v", c)
	}
}

// Ten bins of equal mass: the deviations of all tenths, weighed alike.
func TestECE_byHand(t *testing.T) {
	var claims []claim
	for i := range 100 {
		claims = append(claims, claim{top: float64(i/10)/10 + .05, right: i%10 < 5})
	}
	// Bins at .05, .15, ... .95, each right in one half: mean |.5 - (.05 + k/10)|.
	if got := eceOf(claims); math.Abs(got-.25) > 1e-9 {
		t.Errorf("ECE %.4f, expected 0.25", got)
	}
}
