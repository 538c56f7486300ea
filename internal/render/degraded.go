package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// Degraded says in one line what backout can't see or do now, for how long, what
// that means for its decisions and what to do.
func Degraded(d backout.Degradation, now time.Time) string {
	if d.Source == "" {
		return "can't see now: " + d.Why // words of an earlier format
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", degradedLead(d.Source), d.What())
	if !d.Since.IsZero() {
		fmt.Fprintf(&b, ", for %s (since %s)", Span(now.Sub(d.Since).Truncate(time.Second)), d.Since.UTC().Format(time.DateTime+" UTC"))
	}
	fmt.Fprintf(&b, ": %s This means: %s. What to do: %s.", sentence(d.Why), d.Means, d.Remedy)
	return b.String()
}

// degradedLead begins the line: not to see is something else than not to work.
func degradedLead(s backout.DegradedSource) string {
	switch s {
	case backout.DegradedMetrics, backout.DegradedActuators, backout.DegradedChanges, backout.DegradedReplicas:
		return "can't see now"
	}
	return "not working now"
}

// degradedNote adds to a message what its audience must know of what backout can't
// see while it decides; "" when that is nothing. Those who answer customers and
// customers themselves hear of effects only.
func degradedNote(a backout.Audience, all []backout.Degradation) string {
	if len(all) == 0 {
		return ""
	}
	frozen, freezes := backout.Freezes(all)
	switch a {
	case backout.AudienceOnCall:
		names := []string{}
		for _, d := range all {
			name := d.What()
			if !d.Since.IsZero() {
				name += " since " + clockUTC(d.Since)
			}
			names = append(names, name)
		}
		text := " Degraded, so look yourself: " + strings.Join(names[:min(len(names), mostNames)], ", ")
		if n := len(names) - mostNames; n > 0 {
			text += fmt.Sprintf(" and %d more", n)
		}
		if freezes {
			text += "; " + frozen.Means
		}
		return text + "."
	case backout.AudienceExecutive:
		if freezes {
			return fmt.Sprintf(" Since %s this is said without fresh measurements, and nothing is changed until they are back.", clockUTC(frozen.Since))
		}
		return " Part of the picture is missing, so what is said here may be incomplete."
	}
	return ""
}

// Measured says up to when it was measured, and how long ago that is.
func Measured(at, now time.Time) string {
	if at.IsZero() {
		return "nothing measured yet"
	}
	return fmt.Sprintf("measured %s, %s ago", clockUTC(at), Span(max(0, now.Sub(at).Truncate(time.Second))))
}
