package render

import (
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

func TestVerdictMark_everyVerdictHasWords(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range []backout.Rollbackability{backout.RollbackNow, backout.RollbackUntil, backout.RollbackUnproven, backout.RollbackLossy, backout.RollbackBlocked, backout.RollbackUnknown, backout.RollbackOneWay, backout.RollbackDone} {
		glyph, words, _ := VerdictMark(backout.Prepared{Verdict: v, Until: time.Date(2026, 3, 2, 18, 0, 0, 0, time.UTC)})
		if glyph == "" || words == "" || seen[words] || (Style{ASCII: true}).Glyph(glyph) == "?" && glyph != "?" {
			t.Errorf("%s: glyph %q, words %q", v, glyph, words)
		}
		seen[words] = true
	}
}

// What others wrote must not become markup in a pull request.
func TestCheckMarkdown_escapes(t *testing.T) {
	text := CheckMarkdown(backout.ReleaseCheck{
		Releases: []backout.Prepared{{Component: "flag:a|`b@p/e", From: "1", To: "2", Verdict: backout.RollbackLossy, Lost: []string{"<img> @everyone"}, Reasons: []string{"#12 *x* [y](z)\nline", "same"}, Advice: []string{"do"}}, {Component: "flag:c@p/e", Verdict: backout.RollbackNow, Reasons: []string{"same"}}},
		Warnings: []string{"mind"},
	})
	for _, bad := range []string{"<img>", "@everyone", " *x*", " [y]", "\nline", "a|`b"} {
		if strings.Contains(text, bad) {
			t.Errorf("%q came through:\n%s", bad, text)
		}
	}
	if strings.Count(text, "- same") != 1 || !strings.Contains(text, "Once it is out nobody could promise") || !strings.Contains(text, "**Mind on the way out**\n\n- mind") {
		t.Errorf("not what is to be read:\n%s", text)
	}
}

func TestExplain_aroundThePlan(t *testing.T) {
	p := example()
	p.Action, p.ID, p.Incident, p.Digest = backout.ActionRollBack, "P-1", "INC-1", "0123456789"
	one := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	text := Explain(backout.PlanFile{Plan: p}, Style{})
	for _, want := range []string{"Plan P-1 for INC-1, made ", "digest 01234567", Plan(p, Style{}), "compared again before anything is done", "It is not the whole way: the likeliest cause is not among what goes back"} {
		if !strings.Contains(one(text), one(want)) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
	if text := Explain(backout.PlanFile{Plan: p, Complete: true}, Style{}); strings.Contains(text, "not the whole way") {
		t.Errorf("a complete plan is said to be part of one:\n%s", text)
	}
	if text := Explain(backout.PlanFile{Errored: true, Error: "no world"}, Style{}); !strings.Contains(text, "No plan could be made: no world") {
		t.Errorf("%s", text)
	}
	p.ID = "INC-1/plan-1"
	if text := Explain(backout.PlanFile{Plan: p}, Style{}); !strings.HasPrefix(text, "Plan INC-1/plan-1, made") {
		t.Errorf("%s", text)
	}
}
