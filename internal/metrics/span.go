package metrics

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// floor rounds down to a multiple of step since 1970. Time.Truncate counts from
// the year 1, which differs for steps that don't divide that span.
func floor(t time.Time, step time.Duration) time.Time {
	ms, s := t.UnixMilli(), step.Milliseconds()
	rest := ms % s
	if rest < 0 {
		rest += s
	}
	return time.UnixMilli(ms - rest).UTC()
}

// chunks cuts a range into ranges of at most n instants each.
func chunks(r Range, n int) []Range {
	var out []Range
	for first := r.First; !first.After(r.Last); {
		last := first.Add(time.Duration(n-1) * r.Step)
		if last.After(r.Last) {
			last = r.Last
		}
		out = append(out, Range{first, last, r.Step})
		first = last.Add(r.Step)
	}
	return out
}

// expand puts the step and the range to look at into an expression. Durations
// are written in milliseconds because every version of PromQL reads those.
func expand(expression string, scrape, step time.Duration) string {
	return strings.NewReplacer(
		"$step_s", strconv.FormatFloat(step.Seconds(), 'f', -1, 64),
		"$step", promDuration(step),
		"$window", promDuration(step+scrape),
	).Replace(expression)
}

func promDuration(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Millisecond-1)/time.Millisecond), 10) + "ms"
}

// expressions lists each distinct expression once, in order of first use.
func expressions(signals []backout.Signal, scrape, step time.Duration) []string {
	var out []string
	seen := map[string]bool{"": true}
	for _, s := range signals {
		for _, e := range []string{expand(s.Query, scrape, step), expand(s.Total, scrape, step)} {
			if !seen[e] {
				seen[e] = true
				out = append(out, e)
			}
		}
	}
	return out
}

// join appends the rows of a later chunk to those of the earlier ones.
func join(before, after []Row) []Row {
	index := map[string]int{}
	for i, r := range before {
		index[labelKey(r.Labels)] = i
	}
	for _, r := range after {
		if i, ok := index[labelKey(r.Labels)]; ok {
			before[i].Points = append(before[i].Points, r.Points...)
			continue
		}
		index[labelKey(r.Labels)] = len(before)
		before = append(before, r)
	}
	return before
}

func labelKey(labels map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		b.WriteString(strconv.Quote(name))
		b.WriteString(strconv.Quote(labels[name]))
	}
	return b.String()
}
