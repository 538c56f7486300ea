package render

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

func TestWords(t *testing.T) {
	eur := func(n int64) backout.Money { return backout.Money{Minor: n, Currency: "EUR"} }
	for got, want := range map[string]string{
		Percent(0): "<1 %", Percent(1): ">99 %", Percent(.874): "87 %", Percent(math.NaN()): "unknown",
		Chance(.96): "almost certain (96 %)", Chance(.05): "very unlikely (5 %)",
		Amount(eur(171234)): "€1,700", Amount(eur(99)): "€1", Amount(eur(450)): "€4.5", Amount(eur(-1234567)): "-€12,000", Amount(backout.Money{Minor: 9050, Currency: "SEK"}): "SEK 91",
		Span(0): "0 s", Span(250 * time.Millisecond): "250 ms", Span(2500 * time.Millisecond): "2.5 s", Span(59 * time.Second): "59 s", Span(200 * time.Second): "3 min 20 s", Span(2 * time.Hour): "2 h",
		What("flag:express@p/e", "on"): "flag express on", What("deployment:payment@p/e", "2.14"): "payment 2.14", Plural(1, "step"): "1 step", Plural(2, "step"): "2 steps",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func example() backout.Plan {
	return backout.Plan{
		Summary: "Take payment back", Success: .9, Takes: backout.Duration(time.Minute), Certificate: backout.Certificate{Safe: true, Checks: []string{"a", "b"}},
		Waves: []backout.Wave{{Steps: []backout.Step{{Component: "deployment:payment@p/e", Kind: backout.KindDeployment, From: "2", To: "1", Why: "it is the cause",
			SideEffects: []backout.SideEffect{{Words: "caches start cold", Priced: true, Cost: backout.Money{Minor: 6000, Currency: "EUR"}}, {Words: "a queue grows; not priced"}}, Stages: []backout.Stage{{Share: .33}, {Share: 1}}}}}},
		Left:         []backout.Left{{Component: "flag:x@p/e", Why: "innocent"}},
		Alternatives: []backout.Alternative{{Name: "do nothing", Why: "dearer"}, {Name: "this", Chosen: true}},
		Gaps:         []string{"a pair nobody knows"},
	}
}

func TestPlan_saysWhatWhyAndWhatNot(t *testing.T) {
	text := Plan(example(), Style{})
	for _, want := range []string{"Take payment back", "W1 - payment", "2 → 1", "33 % of the instances, watched for", "why: it is the cause", "1 step in 1 wave", "by itself: caches start cold (about €60)\n", "by itself: a queue grows; not priced\n", "= flag x", "not chosen: do nothing", "not proven: a pair nobody knows", "✔ proven safe by an independent checker (2 checks)"} {
		if !strings.Contains(text, want) {
			t.Errorf("the plan does not say %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "not chosen: this") || strings.Contains(text, "\x1b") {
		t.Errorf("the chosen one is listed as not chosen, or there are colours without a terminal:\n%s", text)
	}
	if !strings.Contains(Plan(example(), Style{Colour: true}), "\x1b[") {
		t.Error("no colour on a terminal that shows it")
	}
	for _, r := range Plan(example(), Style{ASCII: true}) {
		if r > 126 && r != '€' {
			t.Errorf("%q is not ASCII", r)
		}
	}
}

func TestSuspects_alwaysNameNoChange(t *testing.T) {
	a := backout.Attribution{PNone: .05}
	for i := range 7 {
		a.Suspects = append(a.Suspects, backout.Suspect{Component: "deployment:payment@p/e", To: backout.Version(rune('0' + i)), P: .9 / float64(i+1), For: []backout.Evidence{{Text: "fits"}}, Against: []backout.Evidence{{Text: "does not fit"}}})
	}
	text := Suspects(a, Style{}, 3)
	for _, want := range []string{"no change did this", "4 other changes", "+ fits", "− does not fit"} {
		if !strings.Contains(text, want) {
			t.Errorf("missing %q:\n%s", want, text)
		}
	}
	if !strings.Contains(Suspects(backout.Attribution{PNone: 1}, Style{}, 3), ">99 %") {
		t.Error("without suspects it does not say that no change did it")
	}
}

func TestStateMark_everyStateHasWordAndGlyph(t *testing.T) {
	for _, s := range []backout.State{backout.StateDetected, backout.StateAttributed, backout.StatePlanned, backout.StateWaiting, backout.StateApproved, backout.StateExecuting, backout.StateRecovered, backout.StateNoAction, backout.StateHalted, backout.StateFrozen, backout.StateAborted} {
		if g, w, _ := StateMark(s); g == "" || w == "" || strings.Contains(w, "_") {
			t.Errorf("%s: glyph %q, word %q", s, g, w)
		}
	}
}

func TestNames_sayTheLocationWhereNeeded(t *testing.T) {
	eu, us, cart := backout.ComponentID("deployment:payment@production/eu-1"), backout.ComponentID("deployment:payment@production/us-1"), backout.ComponentID("flag:cart@production/eu-1")
	name := Names([]backout.ComponentID{eu, us, eu, cart})
	if name(eu) != "payment in eu-1" || name(us) != "payment in us-1" || name(cart) != "flag cart" {
		t.Errorf("%q, %q, %q", name(eu), name(us), name(cart))
	}
	if one := Names([]backout.ComponentID{eu, eu}); one(eu) != "payment" {
		t.Errorf("%q: one place needs no location", one(eu))
	}
}

func TestCascade_saysWhen(t *testing.T) {
	second := backout.Duration(time.Second)
	for want, h := range map[string]backout.Hit{
		"any moment now": {P: .9},
		"most likely any moment now (within 2 s)": {P: .9, P90: 2 * second},
		"most likely in 3 s (1 s-9 s)":            {P: .9, P10: second, P50: 3 * second, P90: 9 * second},
	} {
		h.Target, h.Kind = "cart", backout.TargetService
		if text := Cascade(backout.Forecast{Horizon: 30 * second, Hits: []backout.Hit{h}}, Style{}, 5); !strings.Contains(text, want) {
			t.Errorf("%q is missing in %q", want, text)
		}
	}
}
