package render

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// alike is the distance up to which a past incident is worth naming while nothing
// proves that it is of the same sort.
const alike = .35

// Likeness says in one sentence what the past says about an incident that began at a time.
func Likeness(l backout.Likeness, onset time.Time) string {
	nearest := ""
	if len(l.Nearest) > 0 && (l.Novelty == backout.NoveltyFamiliar || l.Nearest[0].Distance <= alike) {
		nearest = "most like " + Neighbour(l.Nearest[0], onset)
	}
	switch l.Novelty {
	case backout.NoveltyNovel:
		return fmt.Sprintf("nothing like this in %s (p = %.2f)", Plural(l.N, "incident"), l.P)
	case backout.NoveltyInsufficient:
		text := fmt.Sprintf("insufficient history (%d of %s)", l.N, Plural(l.Needed, "incident"))
		if nearest != "" {
			text += "; " + nearest
		}
		return text
	}
	return cmp.Or(nearest, fmt.Sprintf("nothing unusual among %s", Plural(l.N, "incident")))
}

// Neighbour says which incident it was, and what helped then.
func Neighbour(n backout.Neighbour, onset time.Time) string {
	where := []string{}
	if n.Service != "" {
		where = append(where, string(n.Service))
	}
	where = append(where, earlier(onset.Sub(n.At)))
	if n.Source != "" {
		where = append(where, "imported from "+n.Source)
	}
	name := string(n.Precedent)
	if n.Source != "" {
		name = strings.TrimPrefix(name, n.Source+":")
	}
	return fmt.Sprintf("%s (%s): %s", name, strings.Join(where, ", "), whatHelped(n))
}

func whatHelped(n backout.Neighbour) string {
	in := ""
	if n.Took > 0 {
		in = " in " + Span(n.Took.Std().Round(time.Minute))
		if n.Took.Std() < 2*time.Minute {
			in = " in " + Span(n.Took.Std())
		}
	}
	switch {
	case n.Label == backout.LabelFalseAlarm:
		return "it was a false alarm"
	case n.Outcome == backout.PrecedentVerified:
		return cmp.Or(n.Did, "what was taken back") + " recovered it" + in
	case n.Outcome == backout.PrecedentTold:
		return fmt.Sprintf("people wrote that this helped%s: %s", in, cmp.Or(n.Did, "not said what"))
	case n.Outcome == backout.PrecedentByItself:
		return "it went away by itself" + in
	case n.Outcome == backout.PrecedentUnresolved && n.Did != "":
		return n.Did + " did not bring recovery"
	case n.Label == backout.LabelNone:
		return "no change had done it, and nothing was taken back"
	case n.Outcome == backout.PrecedentUnresolved:
		return "nothing was taken back"
	}
	return cmp.Or(n.Did, "what helped is not known")
}

func earlier(d time.Duration) string {
	switch days := int(d.Hours() / 24); {
	case d < 0:
		return "later"
	case days >= 730:
		return fmt.Sprintf("%d years earlier", days/365)
	case days >= 2:
		return fmt.Sprintf("%d days earlier", days)
	}
	return Span(d) + " earlier"
}

// Drifted says that incidents have become different; "" while nothing speaks for it.
func Drifted(l backout.Likeness) string {
	if l.Drift < backout.DriftAlarm {
		return ""
	}
	return fmt.Sprintf("incidents have become different from those before (%.0f to 1 against \"as ever\"): what was learnt may be out of date", l.Drift)
}

// Calibrated says what a probability has been worth so far.
func Calibrated(c backout.Calibration) string {
	return fmt.Sprintf("when about %s was said, it was right in %s (%s-%s) of %s; decisions count the lower", Percent(c.Said), Percent(c.P), Percent(c.P0), Percent(c.P1), Plural(c.N, "incident"))
}

// past is everything that a short view says of the past.
func past(inc backout.Incident) string {
	text := "history: " + Likeness(*inc.Likeness, inc.Onset)
	if d := Drifted(*inc.Likeness); d != "" {
		text += "; " + d
	}
	return text
}
