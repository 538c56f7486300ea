package render

import (
	"fmt"
	"strings"

	"github.com/backout-dev/backout"
)

// Waits tells of a journal's line about a step that people do: for whom the run
// waits, or that nobody did it.
func Waits(inc backout.Incident, e backout.Entry) string {
	text := fmt.Sprintf("%s: %s.", inc.ID, strings.TrimSuffix(e.Text, "."))
	if e.Kind == backout.EntryWaits {
		text += fmt.Sprintf(" When it is done: backout done %s %s --reason \"…\"; if it will not be: backout refuse %s %s --reason \"…\".", inc.ID, e.Step, inc.ID, e.Step)
	}
	return text
}

// Task writes a task as whoever does it needs it.
func Task(t backout.Task, s Style) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %s from %s to %s, by hand, until %s\n", s.Paint(InkWaits, s.Glyph("?")), t.Step, t.Component, t.From, t.To, Clock(t.Deadline))
	fmt.Fprintf(&b, "  %s", t.Playbook.Owner)
	if t.Playbook.Title != "" {
		fmt.Fprintf(&b, ": %s", t.Playbook.Title)
	}
	b.WriteString("\n")
	if t.Playbook.Text != "" {
		fmt.Fprintf(&b, "  %s\n", strings.ReplaceAll(strings.TrimSpace(t.Playbook.Text), "\n", "\n  "))
	}
	for i, step := range t.Playbook.Steps {
		fmt.Fprintf(&b, "  %d. %s\n", i+1, step)
	}
	if t.Playbook.Link != "" {
		fmt.Fprintf(&b, "  %s\n", t.Playbook.Link)
	}
	return b.String()
}
