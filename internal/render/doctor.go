package render

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/backout-dev/backout"
)

// Doctor says what backout sees, what it can decide, and what to mend.
func Doctor(d backout.Diagnosis, s Style) string {
	w := sheet{Style: s}
	h := d.Health
	mark := func(good bool) string {
		if good {
			return w.Paint(InkOK, w.Glyph("✔")) + " "
		}
		return w.Paint(InkBad, w.Glyph("✖")) + " "
	}
	fmt.Fprintf(&w, "%s  running for %s\n", w.Paint(InkBold, "backout in "+string(h.Environment)), Span(h.At.Sub(h.StartedAt).Truncate(time.Second)))
	w.say(0, mark(h.Alive), turning(h))
	switch frozen, freezes := backout.Freezes(h.Degraded); {
	case h.Ready:
		w.say(0, mark(true), "it can decide")
	case freezes:
		w.say(0, mark(false), "it can't decide: "+frozen.Means)
	default:
		w.say(0, mark(false), "it can't decide while a loop is stuck")
	}
	for _, g := range h.Degraded {
		w.say(0, w.Paint(InkWaits, w.Glyph("!"))+" ", Degraded(g, h.At))
	}
	for _, u := range h.Undelivered {
		w.say(0, w.Paint(InkWaits, w.Glyph("!"))+" ", "not acknowledged by anybody: "+u)
	}
	w.WriteString("\n")
	w.readiness(d)
	return w.String()
}

// turning says whether backout's loops turn; a stuck one is among what is degraded.
func turning(h backout.Health) string {
	stuck := 0
	for _, l := range h.Loops {
		if l.Stuck(h.At) {
			stuck++
		}
	}
	if stuck > 0 {
		return fmt.Sprintf("stuck: %d of %s", stuck, Plural(len(h.Loops), "loop"))
	}
	return "it is alive: " + Plural(len(h.Loops), "loop") + " within their time"
}

const mostServices = 16 // shown; all of a large product is a page that nobody reads

// readiness is how well each service can be judged, the ones that lack most first.
func (w *sheet) readiness(d backout.Diagnosis) {
	series, judged, width := 0, 0, len("service")
	for _, r := range d.Services {
		series, judged, width = series+r.Opening, judged+r.Judged, max(width, utf8.RuneCountInString(r.Name()))
	}
	if series == 0 {
		w.say(0, "", "No series that may open an incident has been seen yet: check that the metrics server has what the catalog's signals ask for.")
	} else {
		w.say(0, "", fmt.Sprintf("%d of %d series that may open an incident are judged.%s", judged, series, learntOfPast(d.PastLearnt)))
		width = min(width, 40)
		head := fmt.Sprintf("%-*s  %6s  %-16s  %12s  %6s", width, "service", "series", "baseline", "long history", "season")
		fmt.Fprintln(w, w.Paint(InkMuted, head))
		least := slices.Clone(d.Services)
		slices.SortStableFunc(least, func(x, y backout.Readiness) int {
			return cmp.Or(cmp.Compare(x.Learnt, y.Learnt), cmp.Compare(x.Seasonal, y.Seasonal))
		})
		for _, r := range least[:min(len(least), mostServices)] {
			name := r.Name()
			if runes := []rune(name); len(runes) > width {
				name = string(runes[:width-1]) + "~"
			}
			fmt.Fprintf(w, "%-*s  %6d  %s %3.0f %%  %12d  %6d\n", width, name, r.Opening, w.Bar(r.Learnt, 10), 100*r.Learnt, r.Seasonal, r.Seasons)
		}
	}
	if n := len(d.Services) - mostServices; n > 0 {
		w.say(0, "", fmt.Sprintf("and %d more that have learnt as much or more; -o json has all", n))
	}
	if len(d.Unmeasured) > 0 {
		names := []string{}
		for _, s := range d.Unmeasured {
			names = append(names, string(s))
		}
		w.say(0, w.Paint(InkWaits, w.Glyph("!"))+" ", "nothing is measured of "+strings.Join(names, ", ")+": trouble there is seen at callers only, if at all")
	}
}

// learntOfPast says how much of the backend's memory was learnt, until all is.
func learntOfPast(learnt float64) string {
	if learnt >= 1 {
		return ""
	}
	return fmt.Sprintf(" %.0f %% of the metrics server's past is learnt.", 100*learnt)
}
