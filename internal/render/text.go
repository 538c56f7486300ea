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
	fmt.Fprintf(&b, "  costs %s now, %s in %s if nobody acts\n", Rate(f.CostNow), Rate(f.CostHorizon), Span(f.Horizon.Std()))
	for _, w := range f.Warnings {
		fmt.Fprintf(&b, "  %s %s\n", s.Paint(InkWaits, "!"), w)
	}
	return b.String()
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

// Plan writes a plan the way Terraform's users expect: symbols with their legend
// first, waves in order, reasons, what stays and why, one summary line.
func Plan(p backout.Plan, s Style) string {
	var b strings.Builder
	b.WriteString(p.Summary + "\n")
	if len(p.Waves) > 0 {
		fmt.Fprintf(&b, "  %s take a version back   %s switch in place   %s left alone\n", s.Paint(InkBad, "-"), s.Paint(InkWaits, "~"), "=")
	}
	name := Names(mentioned(p))
	for i, w := range p.Waves {
		for j, st := range w.Steps {
			lead := "  "
			if j == 0 {
				lead = fmt.Sprintf("W%d", i+1)
			}
			writeStep(&b, lead, name(st.Component), st, s)
		}
	}
	for _, r := range p.OrderReasons {
		fmt.Fprintf(&b, "  order: %s\n", r)
	}
	if rests := Grounds(p.Grounds); rests != "" {
		fmt.Fprintf(&b, "  rests on: %s\n", rests)
	}
	for i, l := range p.Left {
		if i == 4 {
			fmt.Fprintf(&b, "  = %d more changes stay\n", len(p.Left)-4)
			break
		}
		fmt.Fprintf(&b, "  = %-26s stays: %s\n", name(l.Component), l.Why)
	}
	for _, a := range p.Alternatives {
		if !a.Chosen {
			fmt.Fprintf(&b, "  not chosen: %s, %s instead of %s: %s\n", a.Name, Amount(a.Cost), Amount(p.Cost), a.Why)
		}
	}
	for _, g := range p.Gaps {
		fmt.Fprintf(&b, "  %s not proven: %s\n", s.Paint(InkWaits, "!"), g)
	}
	if len(p.Waves) > 0 {
		fmt.Fprintf(&b, "Plan: %s in %s. Success %s, takes about %s, expected loss %s against %s if nobody acts.\n",
			Plural(len(p.Steps()), "step"), Plural(len(p.Waves), "wave"), Chance(p.Success), Span(p.Takes.Std()), Amount(p.Cost), Amount(p.CostNothing))
	}
	if p.Certificate.Safe {
		fmt.Fprintf(&b, "%s proven safe by an independent checker (%s)\n", s.Paint(InkOK, s.Glyph("✔")), Plural(len(p.Certificate.Checks), "check"))
	}
	return b.String()
}

// mentioned are the components that a plan moves or leaves.
func mentioned(p backout.Plan) []backout.ComponentID {
	ids := p.Touched()
	for _, l := range p.Left {
		ids = append(ids, l.Component)
	}
	return ids
}

func writeStep(b *strings.Builder, lead, name string, st backout.Step, s Style) {
	mark := s.Paint(InkBad, "-")
	if st.Kind == backout.KindFlag || st.Kind == backout.KindConfig || st.Kind == backout.KindTraffic {
		mark = s.Paint(InkWaits, "~")
	}
	shares := make([]string, len(st.Stages))
	for i, g := range st.Stages {
		shares[i] = fmt.Sprintf("%.0f %%", g.Share*100)
	}
	fmt.Fprintf(b, "%s %s %-26s %s %s %s   %s\n", lead, mark, name, st.From, s.Glyph("→"), st.To, strings.Join(shares, ", "))
	fmt.Fprintf(b, "       why: %s\n", st.Why)
	if st.Loss != backout.LossNone && st.Loss != "" {
		fmt.Fprintf(b, "       %s %s: %s\n", s.Paint(InkWaits, "!"), st.Loss, st.Lost)
	}
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
func Incident(inc backout.Incident, s Style) string {
	var b strings.Builder
	glyph, word, ink := StateMark(inc.State)
	fmt.Fprintf(&b, "%s %s  since %s\n%s\n", inc.ID, s.Paint(ink, s.Glyph(glyph)+" "+word), Clock(inc.Onset), inc.Why)
	for _, d := range inc.Degraded {
		fmt.Fprintf(&b, "%s can't see now: %s\n", s.Paint(InkWaits, "!"), d)
	}
	if inc.Attribution != nil {
		b.WriteString("\n" + s.Paint(InkBold, "Who did it") + "\n" + Suspects(*inc.Attribution, s, 5))
	}
	if inc.Forecast != nil {
		b.WriteString("\n" + s.Paint(InkBold, "Where it goes") + "\n" + Cascade(*inc.Forecast, s, 10))
	}
	if inc.Plan != nil {
		b.WriteString("\n" + s.Paint(InkBold, "The way back") + "\n" + Plan(*inc.Plan, s))
	}
	return b.String()
}
