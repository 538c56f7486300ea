package ingest

import (
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

const (
	paceNeeds   = 10             // reports before a source has a pace
	paceSpan    = 48 * time.Hour // over which they must have come
	silenceOver = 1.5            // times its longest pause
)

// Silent names the sources of changes that have reported nothing for much longer than
// they ever paused before: half as long again as the longest of at least nine
// pauses in at least two days. Were pauses alike, the next one were longer than n before it once in n+1
// times (each of n+1 is as likely to be the longest), and this much longer rarely, so
// nights and weekends that were seen before are no silence. Times are those of what
// was reported.
func Silent(obs []backout.Observation, now time.Time) []backout.Degradation {
	at := map[string][]time.Time{}
	for _, o := range obs {
		at[o.Source] = append(at[o.Source], o.At)
	}
	sources := []string{}
	for s := range at {
		sources = append(sources, s)
	}
	slices.Sort(sources)
	out := []backout.Degradation{}
	for _, s := range sources {
		ts := at[s]
		slices.SortFunc(ts, time.Time.Compare)
		if len(ts) < paceNeeds || ts[len(ts)-1].Sub(ts[0]) < paceSpan {
			continue
		}
		longest := time.Duration(0)
		for i := range ts[1:] {
			longest = max(longest, ts[i+1].Sub(ts[i]))
		}
		last := ts[len(ts)-1]
		if quiet := now.Sub(last); float64(quiet) > silenceOver*float64(longest) {
			out = append(out, backout.Degraded(backout.DegradedChanges, "from "+s, last, fmt.Sprintf("it never paused for more than %s, and now for longer", longest.Round(time.Second))))
		}
	}
	return out
}
