package permit

import (
	"strings"
	"testing"

	"github.com/backout-dev/backout"
)

// Time alone never suffices, the place with much confidence does, and so does any
// comparison with the policy's own. What a contract demands is nobody's suspect.
func TestWhole_onlyTheTimeSpeaks(t *testing.T) {
	spoken := func(kind backout.EvidenceKind, bf float64) []backout.Evidence {
		return []backout.Evidence{{Kind: kind, LogBF: bf, Text: "it does"}}
	}
	for name, c := range map[string]struct {
		suspect  backout.Suspect
		p        float64
		demanded bool
		tried    bool
		words    string // of the objection; empty = automatic
	}{
		"only the time":                      {suspect: backout.Suspect{Place: .3}, p: .97, words: "only the time tells " + string(payment) + " to 2 from a coincidence: had no change begun it, it would have begun there with 30 %"},
		"time and evidence of time":          {suspect: backout.Suspect{Place: .3, For: spoken(backout.EvidenceTime, 4)}, p: .97, words: "only the time"},
		"the place":                          {suspect: backout.Suspect{Place: .7}, p: .91},
		"the place, less sure":               {suspect: backout.Suspect{Place: .7}, p: .85, words: "90 % are needed then, and it has 85 %"},
		"versions compared":                  {suspect: backout.Suspect{Place: .1, For: spoken(backout.EvidenceArms, 2)}, p: .85},
		"a comparison that says little":      {suspect: backout.Suspect{Place: .1, For: spoken(backout.EvidenceArms, .5)}, p: .95, words: "only the time"},
		"a comparison that speaks against":   {suspect: backout.Suspect{Place: .1, Against: spoken(backout.EvidenceArms, -2)}, p: .95, words: "only the time"},
		"its calls fail, others' don't":      {suspect: backout.Suspect{Place: .1, For: spoken(backout.EvidenceCallers, 2)}, p: .85},
		"taking back a part of it helped":    {suspect: backout.Suspect{Place: .1, For: spoken(backout.EvidenceOutcome, 2)}, p: .85},
		"another one was tried in vain":      {suspect: backout.Suspect{Place: .1}, p: .85, tried: true},
		"a demanded step":                    {suspect: backout.Suspect{Place: .1}, p: .95, demanded: true},
		"a plan for the case that it did it": {suspect: backout.Suspect{Place: .1}, p: 1},
	} {
		s := good()
		c.suspect.Change, c.suspect.Component = "c1", payment
		s.att.Suspects, s.step(0).P = []backout.Suspect{c.suspect}, c.p
		if c.tried {
			s.incident.Tried = []backout.Tried{{Changes: []backout.ChangeID{"c0"}, Share: 1, Result: backout.VerdictInconclusive}}
		}
		if c.demanded {
			s.step(0).Demanded, s.step(1).Demanded = true, false
			s.step(1).P = c.p
		}
		r := s.rule(t)
		if said := strings.Join(r.Reasons, "; "); r.Automatic != (c.words == "") || !strings.Contains(said, c.words) {
			t.Errorf("%s: automatic %t: %s", name, r.Automatic, said)
		}
	}
}
