package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// Explain writes a plan file: where it comes from, the plan as [Plan] has it, and
// what applying it would still ask of the world.
func Explain(f backout.PlanFile, s Style) string {
	var b strings.Builder
	p := f.Plan
	if f.Errored {
		fmt.Fprintf(&b, "%s No plan could be made: %s\nThis can't be applied.\n", s.Paint(InkBad, s.Glyph("✖")), f.Error)
		for _, d := range f.Degraded {
			fmt.Fprintf(&b, "%s %s\n", s.Paint(InkWaits, "!"), Degraded(d, p.MadeAt))
		}
		return b.String()
	}
	fmt.Fprintf(&b, "Plan %s", p.ID)
	if p.Incident != "" && !strings.HasPrefix(string(p.ID), string(p.Incident)) {
		fmt.Fprintf(&b, " for %s", p.Incident)
	}
	fmt.Fprintf(&b, ", made %s, digest %.8s\n\n", p.MadeAt.UTC().Format(time.DateTime+" UTC"), p.Digest)
	b.WriteString(Plan(p, s))
	w := sheet{Style: s}
	for _, d := range f.Degraded {
		w.say(2, w.Paint(InkWaits, "!")+" ", "When it was made: "+Degraded(d, p.MadeAt))
	}
	if len(p.Waves) > 0 {
		w.say(2, "", "All this holds for the world as it was then. What the plan rests on is in the file and is compared again before anything is done.")
	}
	if !f.Complete && p.Action == backout.ActionRollBack {
		w.say(2, w.Paint(InkWaits, "!")+" ", "It is not the whole way: the likeliest cause is not among what goes back, so another look is needed afterwards.")
	}
	b.WriteString(w.String())
	return b.String()
}
