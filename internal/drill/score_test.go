package drill

import (
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

const (
	pay  = backout.ComponentID("deployment:payment@p/e")
	flag = backout.ComponentID("flag:express@p/e")
	cart = backout.ComponentID("deployment:cart@p/e")
)

var injected = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func played(state backout.State, moved ...backout.ComponentID) Facts {
	p := backout.Plan{MadeAt: injected.Add(4 * time.Second)}
	f := Facts{}
	for i, id := range moved {
		st := backout.Step{ID: string(rune('a' + i)), Component: id, From: "2", To: "1"}
		p.Waves = append(p.Waves, backout.Wave{Steps: []backout.Step{st}})
		f.Entries = append(f.Entries,
			backout.Entry{Attempt: "i/1", Kind: backout.EntryIntent, Step: st.ID, At: injected.Add(5 * time.Second)},
			backout.Entry{Attempt: "i/1", Kind: backout.EntryEffect, Step: st.ID, Outcome: backout.OutcomeDone, Share: 1})
	}
	f.Incidents = []backout.Incident{{State: state, OpenedAt: injected.Add(2 * time.Second), UpdatedAt: injected.Add(20 * time.Second), Plan: &p, Attempts: []backout.Attempt{{ID: "i/1", Plan: p}}}}
	return f
}

func TestScore_asExpected(t *testing.T) {
	guilty := Truth{Format: 1, InjectedAt: injected, Culprits: []string{string(pay) + "=2"}, Demanded: []backout.ComponentID{flag},
		Expect: Expectation{Outcomes: []string{"recovered"}, Reverted: []string{string(pay) + "=2"}, Demanded: []backout.ComponentID{flag}, Detected: true}}
	nobody := Truth{Format: 1, InjectedAt: injected, Expect: Expectation{Outcomes: []string{"no_action"}, Detected: true}}
	unsafe := played(backout.StateRecovered, pay)
	unsafe.Shop.UnsafeRequests = 1
	for name, c := range map[string]struct {
		truth              Truth
		facts              Facts
		want               bool
		innocent, demanded int
	}{
		"the culprit and what a contract demands": {guilty, played(backout.StateRecovered, flag, pay), true, 0, 1},
		"an innocent one as well":                 {guilty, played(backout.StateRecovered, pay, cart), false, 1, 0},
		"only an innocent one":                    {guilty, played(backout.StateRecovered, cart), false, 1, 0},
		"it waited for a person":                  {guilty, played(backout.StateWaiting), false, 0, 0},
		"an unsafe request":                       {guilty, unsafe, false, 0, 0},
		"nothing was noticed":                     {guilty, Facts{}, false, 0, 0},
		"nobody was guilty, nothing was done":     {nobody, played(backout.StateNoAction), true, 0, 0},
		"nobody was guilty, something was done":   {nobody, played(backout.StateRecovered, cart), false, 1, 0},
		"an outage that nobody noticed":           {nobody, Facts{}, false, 0, 0},
	} {
		r := Score(c.truth, c.facts)
		if r.AsExpected != c.want || r.InnocentReverted != c.innocent || r.ContractDemanded != c.demanded || r.AsExpected == (r.Why != "") {
			t.Errorf("%s: as expected %t (%s), innocent %d, demanded %d", name, r.AsExpected, r.Why, r.InnocentReverted, r.ContractDemanded)
		}
	}
	r := Score(guilty, played(backout.StateRecovered, pay))
	if *r.DetectedS != 2 || *r.FirstEffectS != 5 || *r.RecoveredS != 20 || r.OnsetS != nil {
		t.Errorf("times %v %v %v %v: want 2, 5, 20 and no onset", *r.DetectedS, *r.FirstEffectS, *r.RecoveredS, r.OnsetS)
	}
}

func TestUnsafeStates_walksTheJournal(t *testing.T) {
	w := backout.World{
		Contracts: []backout.Contract{{ID: "needs", Consumer: flag, Provider: pay, Rules: []backout.ContractRule{{When: backout.VersionRange{From: "on", To: "on"}, Needs: backout.VersionRange{From: "2"}}}}},
		Live:      map[backout.ComponentID]backout.Live{flag: {Shares: map[backout.Version]float64{"off": 1}}, pay: {Shares: map[backout.Version]float64{"1": 1}}},
	}
	p := backout.Plan{Waves: []backout.Wave{{Steps: []backout.Step{{ID: "f", Component: flag, From: "on", To: "off"}}}, {Steps: []backout.Step{{ID: "p", Component: pay, From: "2", To: "1"}}}}}
	done := func(step string, share float64) backout.Entry {
		return backout.Entry{Kind: backout.EntryEffect, Outcome: backout.OutcomeDone, Step: step, Share: share}
	}
	if n := UnsafeStates(w, p, []backout.Entry{done("f", .1), done("f", 1), done("p", .3), done("p", 1)}); n != 0 {
		t.Errorf("%d unsafe states in the right order", n)
	}
	if n := UnsafeStates(w, p, []backout.Entry{done("p", .3), done("f", 1), done("p", 1)}); n != 1 {
		t.Errorf("%d unsafe states when the release went back under the flag, want 1", n)
	}
	if n := UnsafeStates(w, p, []backout.Entry{done("f", .5), done("p", .3)}); n != 1 {
		t.Errorf("%d unsafe states when half the audience still had the flag, want 1", n)
	}
}

func TestScored_whatBeganBeforeTheFaultIsAFalseAlarm(t *testing.T) {
	truth := Truth{Format: 1, InjectedAt: injected, Expect: Expectation{Outcomes: []string{"no_action"}, Detected: true}}
	early := backout.Incident{ID: "early", State: backout.StateNoAction, OpenedAt: injected.Add(-time.Second)}
	blip := backout.Incident{ID: "blip", State: backout.StateSelfRecovered, OpenedAt: injected.Add(9 * time.Second)}
	real := backout.Incident{ID: "real", State: backout.StateNoAction, OpenedAt: injected.Add(2 * time.Second)}
	if r := Score(truth, Facts{Incidents: []backout.Incident{blip, real, early}}); r.FalseAlarms != 1 || *r.DetectedS != 2 || !r.AsExpected {
		t.Errorf("false alarms %d, detected %v, as expected %t: want 1, 2 and true", r.FalseAlarms, *r.DetectedS, r.AsExpected)
	}
	if r := Score(truth, Facts{Incidents: []backout.Incident{early}}); r.AsExpected || r.DetectedS != nil {
		t.Errorf("a false alarm before the fault passed for the fault's detection: %+v", r)
	}
	joined := early
	joined.UpdatedAt, joined.Findings = injected.Add(9*time.Second), []backout.Finding{{At: injected.Add(-time.Second)}, {At: injected.Add(3 * time.Second)}}
	if r := Score(truth, Facts{Incidents: []backout.Incident{joined}}); !r.AsExpected || *r.DetectedS != 3 || r.FalseAlarms != 1 {
		t.Errorf("detected %v, as expected %t: the fault's findings joined an open incident after 3 s", r.DetectedS, r.AsExpected)
	}
	moved := played(backout.StateRecovered, cart)
	moved.Incidents[0].OpenedAt = injected.Add(-time.Second)
	if r := Score(truth, moved); r.InnocentReverted != 1 {
		t.Errorf("%d innocent: what a false alarm took back counts", r.InnocentReverted)
	}
}
