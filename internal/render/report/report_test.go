package report

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

const hostile = `<script>alert("1")</script>|*x*` + "\n" + `[a](http://evil.example)`

// facts of an incident with everything in it: two attempts, one taken back.
func whole() Facts {
	at := time.Date(2026, 11, 24, 14, 2, 10, 0, time.UTC)
	min := func(n float64) time.Time { return at.Add(time.Duration(n * float64(time.Minute)).Round(time.Second)) }
	dur := func(n float64) backout.Duration { return backout.Duration(n * float64(time.Minute)) }
	euro := func(n int64) backout.Money { return backout.Money{Minor: 100 * n, Currency: "EUR"} }
	rng := func(n int64) backout.MoneyRange {
		return backout.MoneyRange{P10: euro(n * 7 / 10), P50: euro(n), P90: euro(n * 13 / 10)}
	}
	stages := []backout.Stage{{Share: .5, Bake: dur(1)}, {Share: 1, Bake: dur(1)}}
	plan := backout.Plan{
		Summary: "Take back flag express-checkout to off, then payment to 2.13.2, in 2 waves", Digest: "7c1f02ab55aa9e2a", Takes: dur(6), Cost: euro(3100), CostNothing: euro(42000),
		Certificate: backout.Certificate{Safe: true, Optimal: true}, OrderReasons: []string{"payment 2.13.2 needs express-checkout off"}, Gaps: []string{"payment 2.13.2 with fraud 5.2.1 was never seen"},
		Waves: []backout.Wave{
			{Steps: []backout.Step{{ID: "a", Component: "flag:express-checkout@production/eu-1", Kind: backout.KindFlag, From: "on", To: "off", Takes: dur(2), Stages: stages, Why: "demanded by contract"}}},
			{Steps: []backout.Step{{ID: "b", Component: "deployment:payment@production/eu-1", Kind: backout.KindDeployment, From: "2.14.0", To: "2.13.2", Start: dur(2), Takes: dur(4), Stages: stages, Why: "91 % cause"}}},
		},
		Left:         []backout.Left{{Component: "deployment:fraud@production/eu-1", To: "5.2.1", P: .01, Why: "innocent: it began before"}},
		Alternatives: []backout.Alternative{{Name: "take back both", Cost: euro(3100), Chosen: true, Why: "cheapest"}, {Name: "all back, one by one", Cost: euro(9800), Why: "eleven innocent changes go too"}},
	}
	hit := func(target string, kind backout.TargetKind, p, in float64, at time.Time) backout.Hit {
		return backout.Hit{Target: target, Kind: kind, P: p, P10: dur(in / 2), P50: dur(in), P90: dur(2 * in), HitAt: at, CostPerMinute: rng(300)}
	}
	said := backout.Forecast{At: min(1), Horizon: dur(30), CostNow: rng(1700), CostHorizon: rng(4000), Hits: []backout.Hit{
		hit("payment", backout.TargetService, 1, 0, at), hit("buy", backout.TargetJourney, 1, 0, min(1)), hit("checkout", backout.TargetService, .84, 2, time.Time{}), hit("web", backout.TargetService, .4, 9, time.Time{}),
	}}
	came := said
	came.Hits = append([]backout.Hit{}, said.Hits...)
	came.Hits[2].HitAt = min(3)
	inc := backout.Incident{
		ID: "INC-142", State: backout.StateRecovered, Why: "recovered: all 3 signals that were ill are back, proven", Onset: at, OpenedAt: min(.6), UpdatedAt: min(11), Plan: &plan,
		Findings: []backout.Finding{{ID: backout.SeriesID{Signal: "errors", Subject: backout.Subject{Service: "payment"}}, Onset: at}, {ID: backout.SeriesID{Signal: "orders", Subject: backout.Subject{Journey: "buy"}}, Onset: min(1)}},
		Attribution: &backout.Attribution{PNone: .03, Suspects: []backout.Suspect{
			{Component: "deployment:payment@production/eu-1", To: "2.14.0", P: .91, For: []backout.Evidence{{Text: "errors began 28 s after it"}, {Text: "its canary is 6 times worse"}}},
			{Component: "config:payment-log-detail@production/eu-1", To: "r2", P: .04, Against: []backout.Evidence{{Text: "the errors began before it"}}},
			{Component: "deployment:fraud@production/eu-1", To: "5.2.1", P: .004},
		}},
		FirstForecast: &said, Forecast: &came,
		Attempts: []backout.Attempt{{ID: "INC-142/1", Digest: plan.Digest, Plan: plan, StartedAt: min(4), EndedAt: min(11), Result: backout.RunCompleted, Why: "every step is done and verified",
			Approvals: []backout.Approval{{By: backout.Principal{Name: "ann"}, At: min(3.9), Digest: plan.Digest, Reason: "the canary says it all", Yes: true}},
			TakenBack: []backout.TakenBack{{Component: "flag:express-checkout@production/eu-1", From: "on", To: "off", Share: 1, Service: "payment"}, {Component: "deployment:payment@production/eu-1", From: "2.14.0", To: "2.13.2", Share: 1, Service: "payment"}}}},
	}
	e := func(n float64, kind backout.EntryKind, step string, c backout.ComponentID, stage int, share float64, out backout.Outcome, text string) backout.Entry {
		return backout.Entry{Attempt: "INC-142/1", At: min(n), Kind: kind, Step: step, Component: c, Stage: stage, Share: share, Outcome: out, Text: text}
	}
	flag, pay := backout.ComponentID("flag:express-checkout@production/eu-1"), backout.ComponentID("deployment:payment@production/eu-1")
	run := backout.Run{Attempt: "INC-142/1", State: backout.RunCompleted, Entries: []backout.Entry{
		e(4, backout.EntryStarted, "", "", 0, 0, "", "carries out 2 steps in 2 waves"),
		e(4, backout.EntryIntent, "a", flag, 0, .5, "", "bringing 50 % of flag:express-checkout@production/eu-1 from on to off"),
		e(4.1, backout.EntryEffect, "a", flag, 0, .5, backout.OutcomeDone, "express-checkout is 50 % at off"),
		e(5.2, backout.EntryGate, "", "", 0, 0, "", "gate passed: not worse: 12 signals, 140 samples"),
		e(5.3, backout.EntryEffect, "a", flag, 1, 1, backout.OutcomeDone, "express-checkout is 100 % at off"),
		e(6.5, backout.EntryGate, "", "", 1, 0, "", "gate passed: not worse: 12 signals, 150 samples"),
		e(6.9, backout.EntryEffect, "b", pay, 0, .5, backout.OutcomeDone, "payment is 50 % at 2.13.2"),
		e(8.1, backout.EntryGate, "", "", 0, 0, "", "gate passed: not worse: 12 signals, 160 samples"),
		e(8.5, backout.EntryEffect, "b", pay, 1, 1, backout.OutcomeDone, "payment is 100 % at 2.13.2"),
		e(11, backout.EntryGate, "", "", 1, 0, "", "gate passed: recovered: all 3 signals that were ill are back, proven"),
		e(11, backout.EntryEnded, "", "", 0, 0, "", "completed"),
	}}
	run.Entries[9].Verdict = backout.VerdictRecovered
	for i := range run.Entries {
		run.Entries[i].Seq = int64(i + 1)
	}
	audit := []backout.AuditEntry{{Seq: 1, At: min(.6), By: "backout", What: "detected: errors of payment"}, {Seq: 2, At: min(3.9), By: "backout", What: "approved: ann approved 7c1f02ab: the canary says it all"}, {Seq: 3, At: min(4), By: "backout", What: "executing: " + plan.Summary}, {Seq: 4, At: min(11), By: "backout", What: "recovered: every step is done and verified", Hash: "5219d2e308ef8ac833bc1b5426c99013dfe28a8a5fe2e14a22d566d4fbab3c96"}}
	return Facts{
		At: min(12), Incident: inc, Runs: []backout.Run{run}, Audit: audit,
		Messages: []backout.Delivery{
			{Message: backout.Message{At: min(.6), Audience: backout.AudienceOnCall, Text: "✖ INC-142: trouble since 14:02:10 UTC: errors of payment. Nothing has been changed."}, Channel: "pager", Tries: 1, At: min(.7)},
			{Message: backout.Message{At: min(11), Audience: backout.AudienceExecutive, Text: "Over at 14:13:10 UTC, after 11 min."}, Channel: "mail", Tries: 9, GivenUp: true, Note: "503 Service Unavailable"},
		},
		Holds: []backout.Hold{{Component: pay, BadTo: "2.14.0", Until: min(1440), Release: "a version other than 2.14.0, or a person"}},
		Check: backout.AuditCheck{Whole: true, Logs: 1, Entries: 4, Journals: 1, Anchors: 2, Anchored: 4},
	}
}

// Both formats say what the facts say, a leader's summary first.
func TestReport_saysTheFacts(t *testing.T) {
	f := whole()
	html, err := HTML(f)
	if err != nil {
		t.Fatal(err)
	}
	tags := regexp.MustCompile(`<style>[\s\S]*?</style>|<svg[\s\S]*?</svg>|<[^>]*>`)
	squash := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	text := squash(strings.NewReplacer("&#43;", "+", "&#39;", "'", "&#34;", `"`, "&amp;", "&").Replace(tags.ReplaceAllString(html, " ")))
	md := squash(strings.NewReplacer(`\_`, "_", "<br>", " ", "|", " ").Replace(Markdown(f)))
	for _, want := range []string{
		"Customers were hurt in buy. It began at 2026-11-24 14:02:10 UTC and ended after 11 min. Recovery was verified by the signals. Taken back: flag express-checkout from on to off, payment from 2.14.0 to 2.13.2.",
		"Cause: payment 2.14.0, likely (91 %). It cost about €1,700/min (1,200-2,200) while it lasted. The plan's estimate when it began: €3,100 with it, €42,000 doing nothing.",
		"first effect 2026-11-24 14:06:16 UTC 4 min 6 s", "verified 2026-11-24 14:13:10 UTC 11 min",
		"+ its canary is 6 times worse", "− the errors began before it", "no change at all 3 %",
		"service checkout 84 % 2 min (1 min-4 min) hit at 14:05:10", "service web 40 % 9 min (4 min 30 s-18 min) not hit",
		"Attempt 1, started 14:06:10, ended 14:13:10 as completed", "100 % done at 14:10:40", "Proven safe by an independent checker before it ran, and the cheapest",
		"14:13:10 payment at 100 % recovered gate passed: recovered: all 3 signals that were ill are back, proven",
		"all back, one by one €9,800 eleven innocent changes go too",
		"payment 2.14.0 is held until 2026-11-25 14:02:10 UTC", "fraud 5.2.1 stays (1 %): innocent",
		"ann yes 7c1f02ab55aa the canary says it all", "executive by mail ✖ given up: 503 Service Unavailable",
		"Ship a version of payment other than 2.14.0, or release its hold.", "Find out why executive could not be told by mail", "Prove or write down: payment 2.13.2 with fraud 5.2.1 was never seen.",
		"head is entry 4, hash 5219d2e308ef8ac833bc1b5426c99013dfe28a8a5fe2e14a22d566d4fbab3c96", "✔ whole: 1 audit log with 4 entries",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
		if want != "+ its canary is 6 times worse" && !strings.Contains(md, want) {
			t.Errorf("the Markdown does not say %q", want)
		}
	}
	if os.Getenv("REPORT_OUT") != "" {
		_ = os.WriteFile(os.Getenv("REPORT_OUT"), []byte(html), 0o600)
		_ = os.WriteFile(os.Getenv("REPORT_OUT")+".md", []byte(Markdown(f)), 0o600)
	}
}

// What was not back when the rest was is said where recovery is.
func TestReport_whatIsStillIll(t *testing.T) {
	f := whole()
	at := &f.Incident.Attempts[len(f.Incident.Attempts)-1]
	at.Unproven = []backout.SeriesID{{Signal: "errors", Subject: backout.Subject{Service: "cart"}}}
	html, err := HTML(f)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"page": html, "Markdown": Markdown(f)} {
		if want := "Recovery was verified by the signals. Not back, and taken for another trouble: cart errors. Taken back:"; !strings.Contains(text, want) {
			t.Errorf("the %s does not say %q", name, want)
		}
	}
	if os.Getenv("REPORT_OUT") != "" {
		_ = os.WriteFile(os.Getenv("REPORT_OUT"), []byte(html), 0o600)
	}
}

// The page needs nothing else, is small, and no name in it becomes markup.
func TestHTML_standsAlone(t *testing.T) {
	f := whole()
	f.Incident.Why, f.Messages[0].Message.Text, f.Incident.Attempts[0].Approvals[0].Reason, f.Incident.Attempts[0].Plan.Summary = hostile, hostile, hostile, hostile
	html, err := HTML(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, never := range []string{"<script", "src=", "href=", "@import", "url(h", "<link"} {
		if strings.Contains(html, never) {
			t.Errorf("the page has %q", never)
		}
	}
	if len(html) > 300_000 || strings.Count(html, "<svg") != 4 {
		t.Errorf("%d bytes, %d pictures", len(html), strings.Count(html, "<svg"))
	}
	for _, never := range []string{"<script", "[a]", "|*x*"} {
		if strings.Contains(Markdown(f), never) {
			t.Errorf("the Markdown has %q", never)
		}
	}
}

// Every table of the Markdown keeps its columns, whatever is in a cell.
func TestMarkdown_tablesKeepTheirColumns(t *testing.T) {
	f := whole()
	f.Messages[0].Message.Text = hostile
	columns := 0
	for l := range strings.Lines(Markdown(f)) {
		n := strings.Count(strings.ReplaceAll(l, `\|`, ""), "|")
		if !strings.HasPrefix(l, "|") {
			columns = 0
			continue
		}
		if columns == 0 {
			columns = n
		}
		if n != columns {
			t.Errorf("%d columns, want %d: %s", n, columns, l)
		}
	}
}

// An incident of which little is known has a report too.
func TestReport_ofLittle(t *testing.T) {
	f := Facts{Incident: backout.Incident{ID: "INC-1", State: backout.StateDetected, Onset: time.Unix(0, 0), OpenedAt: time.Unix(9, 0)}, Check: backout.AuditCheck{Broken: []backout.AuditBreak{{Record: "audit log of INC-1", Why: "entry 1 is missing"}}}}
	if _, err := HTML(f); err != nil {
		t.Fatal(err)
	}
	md := Markdown(f)
	for _, want := range []string{"is not over", "It was not attributed", "There was no forecast", "No plan was made", "Nobody was told", "Find out who changed the records", "entry 1 is missing"} {
		if !strings.Contains(md, want) {
			t.Errorf("%q is missing:\n%s", want, md)
		}
	}
}
