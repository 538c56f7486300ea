package render

import (
	"strings"
	"testing"

	"github.com/backout-dev/backout"
)

func TestReadable(t *testing.T) {
	for text, want := range map[string]string{
		"deployment:payment@production/eu-1 2 with flag:x@production/eu-1 on: no contract":     "payment 2 with flag x on: no contract",
		"deployment:payment@production/eu-1, deployment:payment@production/us-1 and no others": "payment in eu-1, payment in us-1 and no others",
		"1657.20 EUR more, 10.00 SEK less":                                                     "€1,700 more, SEK 10 less",
		"version 2.14.0 since 11:35 UTC":                                                       "version 2.14.0 since 11:35 UTC",
	} {
		if got := Readable(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestPlan_wrapsUnderTheText(t *testing.T) {
	p := example()
	p.Waves[0].Steps[0].Why = strings.Repeat("word ", 30)
	text := Plan(p, Style{Width: 40, Colour: true})
	if !strings.Contains(text, "       why: word word word word word\n            word") {
		t.Errorf("not wrapped at 40 columns under its beginning:\n%s", text)
	}
}

func TestPlan_whatKeepsAChangeFromGoingBack(t *testing.T) {
	pay, fraud := backout.ComponentID("deployment:payment@p/e"), backout.ComponentID("deployment:fraud@p/e")
	p := backout.Plan{Action: backout.ActionAsk, Summary: "A person must decide.", Impossible: []backout.Impossibility{{
		Component: pay, To: "2", P: .8, Why: "neither can go first", Change: "c",
		Waits: []backout.Wait{{First: fraud, Then: pay, Contract: "K0", Source: backout.ContractSpec, Words: "fraud 2 with payment 1"}},
		Cells: []backout.Cell{
			{A: pay, B: fraud, AVersion: "2", BVersion: "2", Now: true, Allowed: true}, {A: pay, B: fraud, AVersion: "1", BVersion: "2", Contract: "K1", Source: backout.ContractDeclared, Words: "fraud 2 with payment 1: it reads its events"},
			{A: pay, B: fraud, AVersion: "2", BVersion: "1", Contract: "K2"}, {A: pay, B: fraud, AVersion: "1", BVersion: "1", Allowed: true},
		},
		WaysOut: []backout.WayOut{{Words: "ship another"}, {Words: "fix it forward"}},
	}}, Left: []backout.Left{{Change: "c", Component: pay, To: "2", Why: "a long story"}}}
	text := Plan(p, Style{Width: 100})
	for _, want := range []string{
		"What keeps payment 2 (80 %) from going back\n  ✖ neither can go first.\n", "fraud must go back before payment: contract K0 (spec) forbids fraud 2 with payment 1",
		"    payment  fraud  together\n    2        2      what runs now\n    1        2      not allowed by contract K1 (declared), if payment goes back alone: it reads its\n                    events\n",
		"2        1      not allowed by contract K2 (assumed), if fraud goes back alone\n    1        1      allowed, once both have gone back\n",
		"    1. ship another\n    2. fix it forward\n", "= payment 2: it can't go back, see above", "A decision: backout changes nothing by itself here",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("missing %q:\n%s", want, text)
		}
	}
	p.Summary = "A person must decide: neither can go first."
	if strings.Count(Plan(p, Style{}), "neither can go first") != 1 {
		t.Error("the reason is told twice")
	}
}

func TestPlan_saysWhatIsLostAndAsked(t *testing.T) {
	p := example()
	st := &p.Waves[0].Steps[0]
	st.Loss, st.Lost, st.Demanded = backout.LossSome, "a column", true
	p.Gaps = []string{"going back to payment 1 loses a column"}
	p.Digest = "0123456789"
	p.Ruling = backout.Ruling{Approvers: 2, Reasons: []string{"not proven: going back to payment 1 loses a column", "it is night"}}
	text := Plan(p, Style{})
	for _, want := range []string{"! payment: a column\n", "probably innocent, until they are put forward again: payment 2.", "2 different people must approve or reject it", "Digest to approve: 01234567.", "because of what is not proven or is lost, see above", "because it is night"} {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), strings.TrimSpace(want)) {
			t.Errorf("missing %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "No data") || strings.Contains(text, "not proven: going back") {
		t.Errorf("it says that nothing is lost, or calls a loss unproven:\n%s", text)
	}
	for want, r := range map[string]backout.Ruling{"it runs by itself": {Automatic: true}, "may not be carried out": {Forbidden: true}, "One person must approve": {Approvers: 1}} {
		if p.Ruling = r; !strings.Contains(Plan(p, Style{}), want) {
			t.Errorf("%+v does not say %q", r, want)
		}
	}
	if p := (backout.Plan{Action: backout.ActionNone, Summary: "No action."}); !strings.Contains(Plan(p, Style{}), "Nothing: no change is made.") {
		t.Errorf("%s", Plan(p, Style{}))
	}
}

// A hole that opens again stands among what is lost, and who must agree is named.
func TestPlan_saysWhatOpensAgain(t *testing.T) {
	p := example()
	p.Waves[0].Steps[0].Exposes = []string{"CVE-2026-1234"}
	for approvers, asked := range map[int]string{1: "One of ann, bob must approve or reject it", 2: "2 different people, among them one of ann, bob, must approve or reject it"} {
		p.Ruling = backout.Ruling{Approvers: approvers, Among: []string{"ann", "bob"}}
		text := strings.Join(strings.Fields(Plan(p, Style{})), " ")
		for _, want := range []string{"CVE-2026-1234 is open again, which 2", asked} {
			if !strings.Contains(text, want) {
				t.Errorf("missing %q:\n%s", want, text)
			}
		}
	}
}
