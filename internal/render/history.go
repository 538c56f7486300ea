package render

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// AuditCheck says whether records are whole, and the first break of each.
func AuditCheck(r backout.AuditCheck, s Style) string {
	w := sheet{Style: s}
	read := fmt.Sprintf("%s with %s, %s, %s", Plural(r.Logs, "audit log"), entries(r.Entries), Plural(r.Journals, "sealed journal"), Plural(r.Anchors, "anchor"))
	if r.Copies > 0 {
		read += fmt.Sprintf(" and %s outside of the database", copies(r.Copies))
	}
	if r.Whole {
		w.say(0, w.Paint(InkOK, w.Glyph("✔"))+" ", "whole: "+read)
	} else {
		w.say(0, w.Paint(InkBad, w.Glyph("✖"))+" ", "broken: "+read)
	}
	for _, b := range r.Broken {
		w.say(2, w.Paint(InkBad, w.Glyph("✖"))+" ", fmt.Sprintf("%s: %s", b.Record, b.Why))
		w.say(4, "expected: ", b.Expected)
		w.say(4, "found:    ", b.Found)
	}
	for _, n := range r.Notes {
		w.say(2, w.Paint(InkMuted, w.Glyph("·"))+" ", n)
	}
	return w.String()
}

func entries(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}

func copies(n int) string {
	if n == 1 {
		return "1 copy of them"
	}
	return fmt.Sprintf("%d copies of them", n)
}

// History lists past incidents, one a block: what happened, then its times.
func History(all []backout.Past, s Style) string {
	if len(all) == 0 {
		return "No incidents.\n"
	}
	w := sheet{Style: s}
	for _, p := range all {
		glyph, word, ink := StateMark(p.State)
		fmt.Fprintf(&w, "%s  %s  %s\n", w.Paint(InkBold, string(p.Incident)), p.Onset.UTC().Format("2006-01-02 15:04:05 UTC"), w.Paint(ink, w.Glyph(glyph)+" "+word))
		w.say(2, "cause     ", cause(p))
		w.say(2, "back      ", wentBack(p.TakenBack))
		w.say(2, "times     ", milestones(p))
		w.say(2, "cost      ", costOf(p))
		if len(p.ApprovedBy) > 0 {
			w.say(2, "approved  ", "by "+strings.Join(p.ApprovedBy, ", "))
		}
	}
	return w.String()
}

func cause(p backout.Past) string {
	switch {
	case p.Cause != "":
		return fmt.Sprintf("%s, %s", What(p.Cause, p.CauseTo), Chance(p.P))
	case p.PNone > 0:
		return "no change, " + Chance(p.PNone)
	}
	return "not attributed"
}

func wentBack(all []backout.TakenBack) string {
	out := []string{}
	for _, b := range all {
		text := fmt.Sprintf("%s from %s to %s", ShortName(b.Component), b.From, b.To)
		if b.Share < 1 {
			text += fmt.Sprintf(" (%.0f %% of it)", 100*b.Share)
		}
		out = append(out, text)
	}
	return cmp.Or(strings.Join(out, ", "), "nothing was taken back")
}

// milestones are the times from the onset to what was reached.
func milestones(p backout.Past) string {
	out := []string{}
	for _, m := range []struct {
		word string
		at   *backout.Duration
	}{{"detected", p.Detected}, {"decided", p.Decided}, {"first effect", p.FirstEffect}, {"verified", p.Verified}} {
		if m.at != nil {
			out = append(out, fmt.Sprintf("%s after %s", m.word, Span(m.at.Std())))
		}
	}
	text := strings.Join(out, ", ")
	switch {
	case p.EndedAt.IsZero():
		return text + ", still open"
	case p.Verified == nil:
		return text + ", ended after " + Span(p.EndedAt.Sub(p.Onset))
	}
	return text
}

func costOf(p backout.Past) string {
	text := "not measured"
	if p.CostPerMinute.P90.Minor > 0 {
		text = Rate(p.CostPerMinute) + " while it lasted"
	}
	if p.CostNothing.Minor > 0 && p.CostPerMinute.P90.Minor > 0 {
		text += fmt.Sprintf("; expected from the plan on %s, against %s doing nothing", Amount(p.Cost), Amount(p.CostNothing))
	}
	return text
}

// Timeline writes everything that was recorded about an incident, one line each,
// with the record that it stands in.
func Timeline(all []backout.TimelineEntry, s Style) string {
	if len(all) == 0 {
		return "Nothing was recorded.\n"
	}
	w := sheet{Style: s}
	day := ""
	for _, e := range all {
		if d := e.At.UTC().Format(time.DateOnly); d != day {
			day = d
			fmt.Fprintf(&w, "%s UTC\n", w.Paint(InkBold, day))
		}
		text := e.Text
		if e.Entry != nil {
			text = Entry(*e.Entry, s)
		}
		if e.By != "" && e.By != "backout" {
			text = e.By + ": " + text
		}
		w.say(0, fmt.Sprintf("%s  %s ", Clock(e.At), w.Paint(InkMuted, fmt.Sprintf("%-7s", e.Source))), fmt.Sprintf("%s %s", text, w.Paint(InkMuted, "("+e.Of+")")))
	}
	return w.String()
}
