package render

import (
	"strings"
	"testing"

	"github.com/backout-dev/backout"
)

func TestPlan_saysWhatItRestsOn(t *testing.T) {
	p := backout.Plan{Meetings: []backout.Meeting{
		{Source: backout.ContractObserved, Confidence: .98}, {Source: backout.ContractDeclared, Confidence: 1}, {Source: backout.ContractObserved, Confidence: .83},
	}}
	p.Waves = []backout.Wave{{Steps: []backout.Step{{Stages: []backout.Stage{{Share: 1}}}}}}
	want := "3 pairs of versions meet: 1 written down, 2 seen live together (at least 83 % sure)"
	if got := strings.Join(strings.Fields(Plan(p, Style{})), " "); !strings.Contains(got, want) {
		t.Errorf("%s\nwant %s", got, want)
	}
	p.Meetings = nil
	if got := Plan(p, Style{}); strings.Contains(got, "versions meet") {
		t.Errorf("a plan that rests on nothing: %s", got)
	}
}
