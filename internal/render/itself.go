package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// Itself says to an audience that something about backout itself began, or with over
// is over; "" when that audience need not hear of it. Customers and those who answer
// them hear of what they notice, not of us.
func Itself(a backout.Audience, env backout.Environment, m backout.Matter, over bool, now time.Time) string {
	since := clockUTC(m.Since)
	switch {
	case a == backout.AudienceOnCall && over, a == backout.AudienceMachines && over:
		return fmt.Sprintf("✔ backout in %s: over at %s, since %s: %s", env, clockUTC(now), since, sentence(m.Text))
	case m.Once && (a == backout.AudienceOnCall || a == backout.AudienceMachines):
		return fmt.Sprintf("○ backout in %s, at %s: %s", env, since, sentence(m.Text))
	case a == backout.AudienceOnCall, a == backout.AudienceMachines:
		return fmt.Sprintf("‖ backout in %s, since %s: %s", env, since, sentence(m.Text))
	case a != backout.AudienceExecutive || m.Plain == "":
		return ""
	case over:
		return fmt.Sprintf("The automatic way back works again since %s; it did not since %s.", clockUTC(now), since)
	}
	return fmt.Sprintf("The automatic way back is out of order since %s: %s On-call has been told. No action needed.", since, sentence(m.Plain))
}

// DegradedMatter puts what is degraded of one source into words.
func DegradedMatter(of []backout.Degradation) string {
	names := []string{}
	for _, d := range of {
		names = append(names, d.What()+": "+d.Why)
	}
	text := strings.Join(names[:min(len(names), mostNames)], "; ")
	if n := len(names) - mostNames; n > 0 {
		text += fmt.Sprintf("; and %d more", n)
	}
	return fmt.Sprintf("%s. This means: %s. What to do: %s", strings.TrimSuffix(text, "."), of[0].Means, of[0].Remedy)
}
