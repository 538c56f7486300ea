package render

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// Explain writes a plan for somebody who never saw it: what happens, in what order,
// why that is safe, what it costs, what is lost, and what is asked of the reader.
func Explain(f backout.PlanFile, s Style) string {
	var b strings.Builder
	p := f.Plan
	title := func(text string) { fmt.Fprintf(&b, "\n%s\n", s.Paint(InkBold, text)) }
	if f.Errored {
		fmt.Fprintf(&b, "%s No plan could be made: %s\nThis can't be applied.\n", s.Paint(InkBad, s.Glyph("✖")), f.Error)
		return b.String()
	}
	fmt.Fprintf(&b, "Plan %s", p.ID)
	if p.Incident != "" {
		fmt.Fprintf(&b, " for %s", p.Incident)
	}
	fmt.Fprintf(&b, ", made %s, digest %.8s\n", p.MadeAt.UTC().Format(time.DateTime+" UTC"), p.Digest)
	title("What happens")
	fmt.Fprintf(&b, "  %s\n", p.Summary)
	if len(p.Waves) > 0 {
		title("In what order")
		writeOrder(&b, p, s)
	}
	writeStays(&b, p, title)
	if len(p.Waves) > 0 {
		title("Why this is safe")
		writeSafety(&b, p, s)
	}
	title("What it costs")
	writeCost(&b, p)
	if len(p.Waves) > 0 {
		title("What is lost")
		writeLosses(&b, p, s)
	}
	title("What is asked of you")
	writeAsked(&b, f, s)
	return b.String()
}

func writeOrder(b *strings.Builder, p backout.Plan, s Style) {
	name := Names(mentioned(p))
	for i, w := range p.Waves {
		for j, st := range w.Steps {
			lead := "  "
			if j == 0 {
				lead = fmt.Sprintf("W%d", i+1)
			}
			begins := "at once"
			if st.Start > 0 {
				begins = "after about " + Span(st.Start.Std())
			}
			fmt.Fprintf(b, "%s %s: %s %s %s, begins %s, takes about %s\n", lead, name(st.Component), st.From, s.Glyph("→"), st.To, begins, Span(st.Takes.Std()))
			for _, g := range st.Stages {
				who := ""
				if g.Audience != "" {
					who = " of " + g.Audience
				}
				fmt.Fprintf(b, "     %.0f %%%s, then watched for %s at least\n", 100*g.Share, who, Span(g.Bake.Std()))
			}
			fmt.Fprintf(b, "     why: %s\n     first: %s\n     done when: %s\n", st.Why, st.Precondition, st.Check)
		}
	}
	for _, r := range p.OrderReasons {
		fmt.Fprintf(b, "   order: %s\n", r)
	}
}

func writeStays(b *strings.Builder, p backout.Plan, title func(string)) {
	if len(p.Left) == 0 {
		return
	}
	name := Names(mentioned(p))
	title("What stays")
	for _, l := range p.Left {
		fmt.Fprintf(b, "  %s: %s\n", name(l.Component), l.Why)
	}
}

func writeSafety(b *strings.Builder, p backout.Plan, s Style) {
	if !p.Certificate.Safe {
		fmt.Fprintf(b, "  %s nobody has proven it safe: it can't be applied like this\n", s.Paint(InkBad, s.Glyph("✖")))
		return
	}
	b.WriteString("  A checker that shares no code with the planner looked at every state on the way:\n")
	for _, c := range p.Certificate.Checks {
		fmt.Fprintf(b, "  %s %s\n", s.Paint(InkOK, s.Glyph("✔")), c)
	}
	b.WriteString("  It holds for the world as it was then. What the plan rests on is in the file and is compared again before anything is done.\n")
	for _, g := range p.Gaps {
		fmt.Fprintf(b, "  %s not proven: %s\n", s.Paint(InkWaits, "!"), g)
	}
}

func writeCost(b *strings.Builder, p backout.Plan) {
	fmt.Fprintf(b, "  expected loss %s with this plan, %s if nobody acts\n", Amount(p.Cost), Amount(p.CostNothing))
	if len(p.Waves) > 0 {
		fmt.Fprintf(b, "  takes about %s; ends the trouble: %s\n", Span(p.Takes.Std()), Chance(p.Success))
	}
	for _, a := range p.Alternatives {
		if !a.Chosen {
			fmt.Fprintf(b, "  not chosen: %s, %s: %s\n", a.Name, Amount(a.Cost), a.Why)
		}
	}
}

func writeLosses(b *strings.Builder, p backout.Plan, s Style) {
	name, lost := Names(mentioned(p)), false
	for _, st := range p.Steps() {
		switch st.Loss {
		case backout.LossNone:
		case backout.LossSome:
			lost = true
			fmt.Fprintf(b, "  %s %s to %s: %s\n", s.Paint(InkWaits, "!"), name(st.Component), st.To, cmp.Or(st.Lost, "something that its actuator does not name"))
		default:
			lost = true
			fmt.Fprintf(b, "  %s %s to %s: nobody has checked\n", s.Paint(InkWaits, "?"), name(st.Component), st.To)
		}
	}
	if !lost {
		b.WriteString("  nothing, as far as its actuators can say\n")
	}
	for _, st := range p.Steps() {
		if st.WayBack != "" {
			fmt.Fprintf(b, "  if it was wrong: %s\n", st.WayBack)
		}
	}
}

func writeAsked(b *strings.Builder, f backout.PlanFile, s Style) {
	r := f.Plan.Ruling
	switch {
	case f.Plan.Action == backout.ActionAsk:
		b.WriteString("  to decide: backout does not choose by itself here\n")
	case len(f.Plan.Waves) == 0:
		b.WriteString("  nothing\n")
	case r.Forbidden:
		fmt.Fprintf(b, "  %s nothing: the policy forbids this plan\n", s.Paint(InkBad, s.Glyph("✖")))
	case r.Automatic:
		b.WriteString("  nothing: the policy lets it run by itself\n")
	case r.Approvers == 0 && len(r.Reasons) == 0:
		b.WriteString("  a person's yes, when an incident needs it\n")
	default:
		fmt.Fprintf(b, "  the yes of %s, with a reason\n", Plural(max(1, r.Approvers), "approver"))
	}
	for _, why := range r.Reasons {
		fmt.Fprintf(b, "  %s %s\n", s.Glyph("·"), why)
	}
	if !f.Complete && f.Plan.Action == backout.ActionRollBack {
		b.WriteString("  and another look afterwards: the likeliest cause is not among what goes back\n")
	}
}
