package render

import (
	"strings"
	"testing"

	"github.com/backout-dev/backout"
)

func TestPlan_saysWhatItRestsOn(t *testing.T) {
	p := backout.Plan{Grounds: []backout.Ground{
		{Source: backout.ContractObserved, Confidence: .98}, {Source: backout.ContractDeclared, Confidence: 1}, {Source: backout.ContractObserved, Confidence: .83},
	}}
	want := "rests on: 3 pairs of versions meet: 1 written down, 2 seen live together (confidence " + Chance(.83) + " or more)\n"
	if got := Plan(p, Style{}); !strings.Contains(got, want) {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := Plan(backout.Plan{}, Style{}); strings.Contains(got, "rests on") {
		t.Errorf("a plan that rests on nothing: %s", got)
	}
}
