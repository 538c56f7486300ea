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

func TestExplain_answersTheQuestions(t *testing.T) {
	p := example()
	p.Action, p.ID, p.Digest, p.Ruling = backout.ActionRollBack, "P-1", "0123456789", backout.Ruling{Approvers: 2, Reasons: []string{"four eyes"}}
	st := &p.Waves[0].Steps[0]
	st.Loss, st.Lost, st.WayBack, st.Precondition, st.Check = backout.LossSome, "orders of today", "put payment 2 back", "it runs 2", "it runs 1"
	p.Waves = append(p.Waves, backout.Wave{Steps: []backout.Step{{Component: "flag:y@p/e", Kind: backout.KindFlag, From: "on", To: "off", Start: backout.Duration(4 * time.Minute), Loss: backout.LossUnknown, Stages: []backout.Stage{{Share: 1, Audience: "acme"}}}}})
	text := Explain(backout.PlanFile{Plan: p}, Style{})
	for _, want := range []string{
		"Plan P-1, made ", "digest 01234567", "What happens\n  Take payment back", "W1 payment: 2 → 1, begins at once", "33 %, then watched", "W2 flag y: on → off, begins after about 4 min", "100 % of acme",
		"why: it is the cause", "first: it runs 2", "done when: it runs 1", "What stays\n  flag x: innocent", "shares no code with the planner", "! not proven: a pair nobody knows",
		"What it costs", "not chosen: do nothing", "! payment to 1: orders of today", "? flag y to off: nobody has checked", "if it was wrong: put payment 2 back", "the yes of 2 approvers", "· four eyes", "another look afterwards",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
	for want, f := range map[string]backout.PlanFile{
		"No plan could be made: no world":    {Errored: true, Error: "no world"},
		"What is asked of you\n  nothing\n":  {Plan: backout.Plan{Action: backout.ActionNone}},
		"to decide: backout does not choose": {Plan: backout.Plan{Action: backout.ActionAsk}},
		"nobody has proven it safe":          {Plan: backout.Plan{Action: backout.ActionRollBack, Waves: p.Waves}},
		"nothing: the policy forbids":        {Plan: backout.Plan{Action: backout.ActionRollBack, Waves: p.Waves, Ruling: backout.Ruling{Forbidden: true}}},
		"nothing: the policy lets it run":    {Plan: backout.Plan{Action: backout.ActionRollBack, Waves: p.Waves, Ruling: backout.Ruling{Automatic: true}}},
		"a person's yes, when an incident":   {Plan: backout.Plan{Action: backout.ActionRollBack, Waves: p.Waves}},
	} {
		if text := Explain(f, Style{}); !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
}
