package render

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// troubled is an incident on its way, with a name, money and a cause that some
// audiences must not see.
func troubled(s backout.State) (backout.Incident, Moment) {
	eur := func(n int64) backout.Money { return backout.Money{Minor: n, Currency: "EUR"} }
	p := example()
	p.Digest, p.Summary, p.Cost, p.CostNothing = strings.Repeat("ab12", 16), "take payment-api back", eur(10000), eur(300000)
	p.Waves[0].Steps[0].ID, p.Waves[0].Steps[0].Component = "payment-api", "deployment:payment-api@p/e"
	inc := backout.Incident{
		ID: "INC-1", State: s, Why: "payment-api is slow", Onset: noon.Add(-10 * time.Minute), OpenedAt: noon.Add(-5 * time.Minute), UpdatedAt: noon, Deadline: noon.Add(30 * time.Minute), Plan: &p,
		Findings:    []backout.Finding{{ID: backout.SeriesID{Subject: backout.Subject{Journey: "check-out"}}, Kind: backout.SignalErrors}, {ID: backout.SeriesID{Subject: backout.Subject{Service: "payment-api"}}, Kind: backout.SignalLatency}},
		Attribution: &backout.Attribution{PNone: .1, Suspects: []backout.Suspect{{Change: "c1", Component: "deployment:payment-api@p/e", To: "2", P: .87}}},
		Forecast: &backout.Forecast{CostNow: backout.MoneyRange{P10: eur(130000), P50: eur(170000), P90: eur(230000)}, Hits: []backout.Hit{
			{Target: "check-out", Kind: backout.TargetJourney, HitAt: noon, P: 1}, {Target: "search", Kind: backout.TargetJourney, P: .74, P50: backout.Duration(3 * time.Minute)}}},
	}
	if s != backout.StateDetected && s != backout.StateWaiting && s != backout.StateNoAction {
		inc.Attempts = []backout.Attempt{{ID: "INC-1/1", Plan: p, StartedAt: noon.Add(-4 * time.Minute)}}
	}
	if s == backout.StateRecovered {
		inc.Attempts[0].TakenBack = []backout.TakenBack{{Component: "deployment:payment-api@p/e", From: "2", To: "1", Share: .33}}
	}
	return inc, Moment{Now: noon, Next: noon.Add(11 * time.Minute)}
}

func TestMessage_inEachAudiencesWords(t *testing.T) {
	for _, c := range []struct {
		audience backout.Audience
		state    backout.State
		want     string
	}{
		{backout.AudienceOnCall, backout.StateDetected, "✖ INC-1: trouble since 11:50:00 UTC: payment-api is slow. Nothing has been changed."},
		{backout.AudienceOnCall, backout.StateWaiting, "! INC-1 waits for you until 12:30:00 UTC; if nobody decides, nothing is changed. Suspect: payment-api 2, likely (87 %). Next: journey search in about 3 min, likely (74 %). Plan ab12ab12: take payment-api back (1 step, about 1 min). Why a person: payment-api is slow. `backout approve INC-1 --digest ab12ab12 --reason \"...\"`"},
		{backout.AudienceOnCall, backout.StateExecuting, "▶ INC-1 starts the way back: take payment-api back (1 step, about 1 min). Nothing is done yet."},
		{backout.AudienceOnCall, backout.StateFrozen, "‖ INC-1 is frozen: backout can't see: payment-api is slow. Nothing further is done until it can."},
		{backout.AudienceOnCall, backout.StateRecovered, "✔ INC-1 recovered at 12:00:00 UTC, verified by the signals, 10 min after it began. Taken back: payment-api from 2 to 1 (33 % of it). Left: 1 other change. Not to be shipped again for now: payment-api 2."},
		{backout.AudienceOnCall, backout.StateNoAction, "◇ INC-1: nothing to take back. Suspect: payment-api 2, likely (87 %). payment-api is slow. The trouble is not over; backout does nothing further by itself. Nothing was changed."},
		{backout.AudienceOnCall, backout.StateHalted, "◇ INC-1 has not recovered (halted): payment-api is slow. A person decides. Nothing further will happen by itself."},
		{backout.AudienceOnCall, backout.StateApproved, ""},
		{backout.AudienceSupport, backout.StateDetected, "Customers may see errors and slow answers in check out since 11:50:00 UTC. Say: \"We know of trouble with check out and are working on it.\" Next word by 12:11:00 UTC."},
		{backout.AudienceSupport, backout.StateRecovered, "Working again since 12:00:00 UTC: check out. Say: \"The trouble with check out is over. Please try again.\" Tickets to link: INC-1."},
		{backout.AudienceSupport, backout.StateHalted, "Not back to normal: check out. People decide what is next. Say: \"We are still working on check out.\" Nothing further will happen by itself, so ask on-call for the next word about INC-1."},
		{backout.AudienceExecutive, backout.StateDetected, ""},
		{backout.AudienceExecutive, backout.StateWaiting, "Degraded since 11:50:00 UTC: check out; about €1,700/min (1,300-2,300). Decision needed: approve or reject the way back (on-call has it), by 12:30:00 UTC; otherwise nothing is changed."},
		{backout.AudienceExecutive, backout.StateExecuting, "Degraded since 11:50:00 UTC: check out; about €1,700/min (1,300-2,300). The way back is under way, expected to end at 11:57:00 UTC and takes longer. No action needed."},
		{backout.AudienceExecutive, backout.StateRecovered, "Over at 12:00:00 UTC, after 10 min. Estimated loss avoided: about €2,900, against doing nothing (the plan's estimate)."},
		{backout.AudienceStatusPage, backout.StateDetected, "Investigating: some customers may have trouble with check out. Next update by 12:11:00 UTC."},
		{backout.AudienceStatusPage, backout.StateExecuting, "Identified: we are restoring check out. Next update by 12:11:00 UTC."},
		{backout.AudienceStatusPage, backout.StateRecovered, "Resolved: the trouble with check out lasted from 11:50:00 UTC to 12:00:00 UTC."},
	} {
		inc, m := troubled(c.state)
		if got := Message(c.audience, inc, m); got != c.want {
			t.Errorf("%s, %s:\n got %s\nwant %s", c.audience, c.state, got, c.want)
		}
	}
}

// What was not back when the rest was is said where recovery is.
func TestMessage_whatIsStillIll(t *testing.T) {
	inc, m := troubled(backout.StateRecovered)
	inc.Attempts[0].Unproven = []backout.SeriesID{{Signal: "errors", Subject: backout.Subject{Service: "cart"}}, {Signal: "latency", Subject: backout.Subject{Service: "search"}}}
	if got, want := Message(backout.AudienceOnCall, inc, m), "Not back, and taken for another trouble: cart errors, search latency."; !strings.Contains(got, want) {
		t.Errorf("got %s\nwant it to say %s", got, want)
	}
}

// Nobody is asked to approve what has no steps.
func TestMessage_waitingWithNothingToApprove(t *testing.T) {
	inc, m := troubled(backout.StateWaiting)
	inc.Plan.Waves = nil
	for _, c := range []struct {
		action       backout.Action
		audience     backout.Audience
		summary, say string
	}{
		{backout.ActionRollForward, backout.AudienceOnCall, "Roll forward: wait for ana's fix", "! INC-1 waits for a fix until 12:30:00 UTC: Roll forward: wait for ana's fix. If the trouble is still there then, another plan is made."},
		{backout.ActionRollForward, backout.AudienceExecutive, "", "A fix is expected by 12:30:00 UTC. No action needed."},
		{backout.ActionAsk, backout.AudienceOnCall, "A person must decide: payment-api can't go back", "! INC-1 needs you: A person must decide: payment-api can't go back. Next: journey search in about 3 min, likely (74 %). There is no safe plan to approve"},
		{backout.ActionAsk, backout.AudienceExecutive, "", "There is no safe way back; on-call looks for another."},
	} {
		inc.Plan.Action, inc.Plan.Summary = c.action, c.summary
		if got := Message(c.audience, inc, m); !strings.Contains(got, c.say) || strings.Contains(got, "approve INC-1") {
			t.Errorf("%s to %s:\n got %s\nwant %s", c.action, c.audience, got, c.say)
		}
	}
}

// Customers read the status page: neither a service's name nor money, cause or
// probability may stand there, whatever the state.
func TestMessage_statusPageKeepsInsidesInside(t *testing.T) {
	inside := regexp.MustCompile(`(?i)payment|€|eur|%|c1|slow|rollback|deploy`)
	for _, s := range []backout.State{
		backout.StateDetected, backout.StateAttributed, backout.StatePlanned, backout.StateWaiting, backout.StateApproved, backout.StateExecuting, backout.StateRecovered, backout.StateSelfRecovered,
		backout.StateNoAction, backout.StateHalted, backout.StateFrozen, backout.StateAborted, backout.StateTakenOver, backout.StateShadowed, backout.StateFalseAlarm, backout.StateReviewed,
	} {
		inc, m := troubled(s)
		if got := Message(backout.AudienceStatusPage, inc, m); inside.MatchString(got) {
			t.Errorf("%s: customers read %q", s, got)
		}
		inc.Findings, inc.Forecast = inc.Findings[1:], nil
		if got := Message(backout.AudienceStatusPage, inc, m); got != "" {
			t.Errorf("%s: customers hear of trouble that none of them is known to have: %q", s, got)
		}
	}
}

func TestMessage_doneIsNotSaidBeforeItIsSeen(t *testing.T) {
	inc, m := troubled(backout.StateExecuting)
	step := inc.Attempts[0].Plan.Waves[0].Steps[0]
	entry := func(k backout.EntryKind, o backout.Outcome, text string) backout.Entry {
		return backout.Entry{Kind: k, Step: step.ID, Component: step.Component, Share: .33, Outcome: o, Text: text}
	}
	intent, unknown := entry(backout.EntryIntent, "", "bringing"), entry(backout.EntryEffect, backout.OutcomeUnknown, "no answer")
	done, gate := entry(backout.EntryEffect, backout.OutcomeDone, "done"), entry(backout.EntryGate, "", "errors are back to normal")
	for _, c := range []struct {
		entries []backout.Entry
		want    string
	}{
		{[]backout.Entry{intent}, "Nothing is done yet."},
		{[]backout.Entry{intent, unknown}, "Nothing is done yet."},
		{[]backout.Entry{intent, done}, "step 1 of 1: 33 % of payment-api is at 1. Not verified yet"},
		{[]backout.Entry{intent, done, gate}, "33 % of payment-api is at 1. Last gate: errors are back to normal."},
		{[]backout.Entry{gate, intent, done}, "Not verified yet"},
	} {
		m.Run = &backout.Run{Entries: c.entries}
		if got := Message(backout.AudienceOnCall, inc, m); !strings.Contains(got, c.want) {
			t.Errorf("%q does not say %q", got, c.want)
		}
	}
}

func TestMessage_saysWhatAFailedRunLeft(t *testing.T) {
	inc, m := troubled(backout.StateHalted)
	inc.Attempts[0].TakenBack = []backout.TakenBack{{Component: "flag:x@p/e", From: "on", To: "off", Share: 1}}
	if got := Message(backout.AudienceOnCall, inc, m); !strings.Contains(got, "has not recovered") || !strings.Contains(got, "Moved and not moved back: flag x from on to off.") {
		t.Errorf("%q, want what is left behind", got)
	}
}

func TestMessage_unknownIsSaid(t *testing.T) {
	inc, m := troubled(backout.StateWaiting)
	inc.Forecast.CostNow = backout.MoneyRange{}
	if got := Message(backout.AudienceExecutive, inc, m); !strings.Contains(got, "cost not measured") || strings.Contains(got, "€0") {
		t.Errorf("%q, want the cost named as not measured", got)
	}
	inc.Attribution.Suspects[0].P = .38
	if got := Message(backout.AudienceOnCall, inc, m); !strings.Contains(got, "We do not know which change. Best guess payment-api 2 (38 %).") {
		t.Errorf("%q, want the doubt", got)
	}
	inc.Attribution.PNone = .6
	if got := Message(backout.AudienceOnCall, inc, m); !strings.Contains(got, "Most likely no change did this: about even (60 %).") {
		t.Errorf("%q, want no change named", got)
	}
}
