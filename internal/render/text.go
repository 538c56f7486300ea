package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// Suspects writes an attribution: every suspect worth a line with what speaks
// for and against it, and always "no change did this".
func Suspects(a backout.Attribution, s Style, limit int) string {
	var b strings.Builder
	rest, restP := 0, 0.0
	ids := []backout.ComponentID{}
	for _, x := range a.Suspects {
		ids = append(ids, x.Component)
	}
	name := Names(ids)
	for i, x := range a.Suspects {
		if i >= limit {
			rest, restP = rest+1, restP+x.P
			continue
		}
		fmt.Fprintf(&b, "  %-26s %s %s\n", name(x.Component)+" "+string(x.To), s.Bar(x.P, 16), Percent(x.P))
		writeEvidence(&b, x, s, i)
	}
	if rest > 0 {
		fmt.Fprintf(&b, "  %-26s %s\n", Plural(rest, "other change"), Percent(restP)+" together")
	}
	fmt.Fprintf(&b, "  %-26s %s %s\n", "no change did this", s.Bar(a.PNone, 16), Percent(a.PNone))
	if len(a.Origins) > 0 && a.PNone >= .2 && a.Origins[0].Text != "" {
		fmt.Fprintf(&b, "      %s %s\n", s.Paint(InkMuted, s.Glyph("·")), a.Origins[0].Text)
	}
	return b.String()
}

func writeEvidence(b *strings.Builder, x backout.Suspect, s Style, rank int) {
	if rank > 2 && x.P < .05 {
		return
	}
	for i, e := range x.For {
		if i == 3 {
			break
		}
		fmt.Fprintf(b, "      %s %s\n", s.Paint(InkBad, "+"), e.Text)
	}
	for i, e := range x.Against {
		if i == 2 {
			break
		}
		fmt.Fprintf(b, "      %s %s\n", s.Paint(InkOK, s.Glyph("−")), e.Text)
	}
	if len(x.Against) == 0 && rank == 0 {
		fmt.Fprintf(b, "      %s nothing speaks against it\n", s.Paint(InkMuted, s.Glyph("·")))
	}
}

// Cascade writes a forecast: who is hit, who is next, when, and what it costs.
func Cascade(f backout.Forecast, s Style, limit int) string {
	var b strings.Builder
	shown := 0
	for _, h := range f.Hits {
		if shown == limit {
			fmt.Fprintf(&b, "  and %d more\n", len(f.Hits)-limit)
			break
		}
		shown++
		name := string(h.Kind) + " " + h.Target
		if !h.HitAt.IsZero() {
			fmt.Fprintf(&b, "  %s %-28s hit now", s.Paint(InkBad, s.Glyph("✖")), name)
		} else {
			fmt.Fprintf(&b, "  %s %-28s %s within %s, %s", s.Paint(InkWaits, s.Glyph("○")), name, Chance(h.P), Span(f.Horizon.Std()), arrival(h))
		}
		if h.CostPerMinute.P50.Minor > 0 {
			fmt.Fprintf(&b, ", %s", Rate(h.CostPerMinute))
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "  costs %s now, %s in %s if nobody acts%s\n", Rate(f.CostNow), Rate(f.CostHorizon), Span(f.Horizon.Std()), inAll(f))
	if len(f.Hits) > 0 {
		fmt.Fprintf(&b, "  %s\n", s.Paint(InkMuted, basis(f.Fitted, "hit")))
	}
	for _, w := range f.Warnings {
		fmt.Fprintf(&b, "  %s %s\n", s.Paint(InkWaits, "!"), w)
	}
	return b.String()
}

// inAll is what is lost until the horizon, "" where nothing has a price.
func inAll(f backout.Forecast) string {
	if f.Loss.P90.Minor <= 0 {
		return ""
	}
	return fmt.Sprintf(", about %s until then (%s-%s)", Amount(f.Loss.P50), bare(f.Loss.P10), bare(f.Loss.P90))
}

// arrival says when a target is hit, given that it is.
func arrival(h backout.Hit) string {
	switch {
	case h.P90 <= 0:
		return "any moment now"
	case h.P50 <= 0:
		return fmt.Sprintf("most likely any moment now (within %s)", Span(h.P90.Std()))
	}
	return fmt.Sprintf("most likely in %s (%s-%s)", Span(h.P50.Std()), Span(h.P10.Std()), Span(h.P90.Std()))
}

// Entry writes one line of a run's journal.
func Entry(e backout.Entry, s Style) string {
	mark, ink := "·", InkMuted
	switch {
	case e.Kind == backout.EntryGate:
		mark, ink = "◆", InkRunning
	case e.Outcome == backout.OutcomeDone:
		mark, ink = "✔", InkOK
	case e.Outcome == backout.OutcomeUnknown:
		mark, ink = "?", InkWaits
	case e.Outcome == backout.OutcomeNotDone, e.Kind == backout.EntryReversed:
		mark, ink = "✖", InkBad
	case e.Kind == backout.EntryIntent:
		mark, ink = "▶", InkRunning
	}
	return s.Paint(ink, s.Glyph(mark)) + " " + e.Text
}

// Clock writes a time of day to the second.
func Clock(t time.Time) string { return t.UTC().Format("15:04:05") }

// Incident writes everything about one incident on one screen.
// now ages what could not be seen.
func Incident(inc backout.Incident, s Style, now time.Time) string {
	var b strings.Builder
	glyph, word, ink := StateMark(inc.State)
	fmt.Fprintf(&b, "%s %s  since %s\n%s\n", inc.ID, s.Paint(ink, s.Glyph(glyph)+" "+word), Clock(inc.Onset), inc.Why)
	for _, d := range inc.Degraded {
		fmt.Fprintf(&b, "%s %s\n", s.Paint(InkWaits, "!"), Degraded(d, now))
	}
	if inc.Attribution != nil {
		b.WriteString("\n" + s.Paint(InkBold, "Who did it") + "\n" + Suspects(*inc.Attribution, s, 5))
	}
	if inc.Likeness != nil {
		fmt.Fprintf(&b, "  %s\n", past(inc))
	}
	if inc.Forecast != nil {
		b.WriteString("\n" + s.Paint(InkBold, "Where it goes") + "\n" + Cascade(*inc.Forecast, s, 10))
	}
	if e := ending(inc); e != nil {
		b.WriteString("\n" + s.Paint(InkBold, "When it is over") + "\n" + recovery(*e, inc.State == backout.StateWaiting))
	}
	if inc.Fix != nil {
		fmt.Fprintf(&b, "\n%s announced a fix for %s, %s\n", inc.Fix.By.Name, Clock(inc.Fix.ETA), strings.TrimSuffix(strings.Join([]string{Percent(inc.Fix.Confidence) + " sure", inc.Fix.Text}, ": "), ": "))
	}
	if inc.Plan != nil {
		b.WriteString("\n" + s.Paint(InkBold, "The way back") + "\n" + Plan(*inc.Plan, s))
	}
	return b.String()
}
