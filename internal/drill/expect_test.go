package drill

import (
	"strings"
	"testing"

	"github.com/backout-dev/backout"
)

func TestJudge_againstTheFile(t *testing.T) {
	yes, no := true, false
	back := Expectation{Outcomes: []string{"recovered"}, Reverted: []string{string(pay) + "=2"}, Demanded: []backout.ComponentID{cart}, Detected: true}
	still := Expectation{Outcomes: []string{"waiting", "frozen"}, Asked: &yes, Detected: true}
	partly := Expectation{Outcomes: []string{"recovered"}, Reverted: []string{string(flag) + "=2"}, Audience: "nordwind"}
	tried := Expectation{Outcomes: []string{"halted"}, Reverted: []string{string(pay) + "=2"}, Innocents: 1, Asked: &no}
	asked := func(f Facts) Facts { f.HumanAsked = true; return f }
	unsafe := played(backout.StateRecovered, pay)
	unsafe.Shop.UnsafeRequests = 1
	forClient := func(who string) Facts {
		f := played(backout.StateRecovered, flag)
		s := &f.Incidents[0].Attempts[0].Plan.Waves[0].Steps[0]
		s.Kind, s.Stages = backout.KindFlag, []backout.Stage{{Share: 1, Audience: who}}
		return f
	}
	for name, c := range map[string]struct {
		expect Expectation
		facts  Facts
		why    string // "" = as expected
	}{
		"the culprit":                   {back, played(backout.StateRecovered, pay), ""},
		"what a contract demands":       {back, played(backout.StateRecovered, cart, pay), ""},
		"only that":                     {back, played(backout.StateRecovered, cart), "was not taken back"},
		"another":                       {back, played(backout.StateRecovered, pay, flag), "flag:express@p/e=2, which should have stayed"},
		"another ending":                {back, played(backout.StateHalted, pay), "ended halted, expected recovered"},
		"unsafe":                        {back, unsafe, "1 unsafe requests"},
		"a person was asked":            {still, asked(played(backout.StateWaiting)), ""},
		"nobody was asked":              {still, played(backout.StateWaiting), "nobody was asked"},
		"it was reverted all the same":  {still, asked(played(backout.StateFrozen, pay)), "should have stayed"},
		"nothing was noticed":           {Expectation{Outcomes: []string{"no_action"}, Detected: true}, Facts{}, "not detected"},
		"nothing needed to be":          {Expectation{Outcomes: []string{"no_action"}}, Facts{}, ""},
		"off for the one client":        {partly, forClient("nordwind"), ""},
		"off for another client":        {partly, forClient("web"), `switched for "web"`},
		"off for everybody":             {partly, forClient(""), "switched for everybody"},
		"tried, and an innocent":        {tried, played(backout.StateHalted, pay, cart), ""},
		"tried, and two innocents":      {tried, played(backout.StateHalted, pay, cart, flag), "should have stayed"},
		"asked although nobody need be": {tried, asked(played(backout.StateHalted, pay)), "a person was asked"},
	} {
		truth := Truth{Format: 1, InjectedAt: injected, Culprits: []string{string(pay) + "=2"}, Expect: c.expect}
		r := Score(truth, c.facts)
		if r.AsExpected != (c.why == "") || !strings.Contains(r.Why, c.why) {
			t.Errorf("%s: as expected %t, %q; want %q", name, r.AsExpected, r.Why, c.why)
		}
	}
}
