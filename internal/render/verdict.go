package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// VerdictMark is the glyph, the few words and the ink of a rollbackability.
func VerdictMark(p backout.Prepared) (glyph, words string, ink Ink) {
	switch p.Verdict {
	case backout.RollbackNow:
		return "✔", "can go back", InkOK
	case backout.RollbackUntil:
		return "✔", "can go back until " + p.Until.UTC().Format("2006-01-02 15:04 UTC"), InkOK
	case backout.RollbackUnproven:
		return "?", "can go back, not proven", InkWaits
	case backout.RollbackLossy:
		return "!", "can go back, with loss", InkWaits
	case backout.RollbackBlocked:
		return "✖", "can't go back as things are", InkBad
	case backout.RollbackOneWay:
		return "✖", "one way", InkBad
	case backout.RollbackDone:
		return "·", "taken back", InkMuted
	}
	return "?", "nobody knows", InkWaits
}

// Prepared writes what lies ready for one change: the verdict, why, what to do
// about it, and the plan's course.
func Prepared(p backout.Prepared, s Style) string {
	var b strings.Builder
	glyph, words, ink := VerdictMark(p)
	fmt.Fprintf(&b, "%s: %s\n", What(p.Component, p.To), s.Paint(ink, s.Glyph(glyph)+" "+words))
	for _, l := range p.Lost {
		fmt.Fprintf(&b, "  lost: %s\n", l)
	}
	for _, r := range p.Reasons {
		fmt.Fprintf(&b, "  %s %s\n", s.Glyph("·"), r)
	}
	if n := len(p.With); n > 0 {
		name := Names(append([]backout.ComponentID{p.Component}, p.With...))
		with := make([]string, n)
		for i, id := range p.With {
			with[i] = name(id)
		}
		fmt.Fprintf(&b, "  with it: %s\n", strings.Join(with, ", "))
	}
	if p.Takes > 0 {
		fmt.Fprintf(&b, "  takes about %s\n", Span(p.Takes.Std()))
	}
	for _, a := range p.Advice {
		fmt.Fprintf(&b, "  %s what to do: %s\n", s.Glyph("→"), a)
	}
	return b.String()
}

// Check writes a pipeline's answer.
func Check(c backout.ReleaseCheck, s Style) string {
	var b strings.Builder
	for _, p := range c.Releases {
		b.WriteString(Prepared(p, s))
	}
	for _, w := range c.Warnings {
		fmt.Fprintf(&b, "%s %s\n", s.Paint(InkWaits, "!"), w)
	}
	b.WriteString(checkLine(c) + "\n")
	return b.String()
}

func checkLine(c backout.ReleaseCheck) string {
	if c.Reversible {
		return "Once it is out this can be undone without loss."
	}
	return "Once it is out nobody could promise to undo this without loss."
}

// CheckMarkdown writes a pipeline's answer as a comment for a pull request.
func CheckMarkdown(c backout.ReleaseCheck) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### Can this release be undone?\n\n%s\n\n| release | verdict | takes | goes back with it |\n|---|---|---|---|\n", checkLine(c))
	for _, p := range c.Releases {
		glyph, words, _ := VerdictMark(p)
		takes, with := "", []string{}
		if p.Takes > 0 {
			takes = Span(p.Takes.Std())
		}
		for _, id := range p.With {
			with = append(with, cell(string(id)))
		}
		fmt.Fprintf(&b, "| %s %s → %s | %s %s | %s | %s |\n", cell(string(p.Component)), cell(string(p.From)), cell(string(p.To)), glyph, words, takes, strings.Join(with, ", "))
	}
	list := func(title string, lines []string) {
		if len(lines) == 0 {
			return
		}
		fmt.Fprintf(&b, "\n**%s**\n\n", title)
		for _, l := range lines {
			fmt.Fprintf(&b, "- %s\n", prose(l))
		}
	}
	lost, reasons, advice := gather(c.Releases)
	list("It would lose", lost)
	list("Why", reasons)
	list("What to do about it", advice)
	list("Mind on the way out", c.Warnings)
	fmt.Fprintf(&b, "\n<sub>backout, as of %s</sub>\n", c.At.UTC().Format(time.RFC3339))
	return b.String()
}

// gather joins what is said of several releases, each thing once.
func gather(all []backout.Prepared) (lost, reasons, advice []string) {
	seen := map[string]bool{}
	add := func(to []string, lines []string) []string {
		for _, l := range lines {
			if !seen[l] {
				seen[l] = true
				to = append(to, l)
			}
		}
		return to
	}
	for _, p := range all {
		lost, reasons, advice = add(lost, p.Lost), add(reasons, p.Reasons), add(advice, p.Advice)
	}
	return lost, reasons, advice
}

// cell and prose keep what others wrote from becoming markup.
func cell(s string) string {
	return "`" + strings.NewReplacer("`", "'", "|", "\\|", "\n", " ").Replace(s) + "`"
}

func prose(s string) string {
	return strings.NewReplacer("\n", " ", "<", "&lt;", "*", "\\*", "_", "\\_", "`", "\\`", "[", "\\[", "@", "@\u200b", "#", "\\#").Replace(s)
}
