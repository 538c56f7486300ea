package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// shareSteps is how many steps back the newest sample of a consumer's versions may lie.
const shareSteps = 5

// consumers fills in which versions the users of software outside our reach run, as
// the metrics say. It gives what could not be measured, each with the reason; their
// versions then stay unknown.
func (f *facts) consumers(ctx context.Context, w *backout.World) []backout.Degradation {
	var asked []backout.Signal
	by := map[backout.SignalName]backout.Consumer{}
	for _, u := range w.Graph.Consumers {
		if u.Query == "" {
			continue
		}
		name := backout.SignalName("consumer/" + u.ID)
		by[name] = u
		asked = append(asked, backout.Signal{Name: name, Kind: backout.SignalTraffic, Query: u.Query, Labels: map[string]string{"version": u.VersionLabel}})
	}
	if len(asked) == 0 || f.sampler == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, surveyTimeout)
	defer cancel()
	win, err := f.sampler.Sample(ctx, asked, w.Now.Add(-shareSteps*f.step), w.Now, f.step)
	var silent []backout.Degradation
	unknown := func(u backout.Consumer, format string, args ...any) {
		silent = append(silent, backout.Degraded(backout.DegradedActuators, "versions of "+u.Users, time.Time{}, fmt.Sprintf(format, args...)))
	}
	for _, s := range asked {
		u := by[s.Name]
		live := shares(win, s.Name, w.Now)
		switch {
		case err != nil:
			unknown(u, "%v", err)
		case win.Missing[s.Name] != "":
			unknown(u, "%s", win.Missing[s.Name])
		case len(live.Shares) == 0:
			unknown(u, "its query has no series with a label %s and a value above 0", u.VersionLabel)
		default:
			w.Live[u.Component] = live
		}
	}
	return silent
}

// shares makes shares by version out of a signal's values at the newest instant that
// has any: a version that is not seen then has no users any more.
func shares(win backout.Window, name backout.SignalName, now time.Time) backout.Live {
	out, total := backout.Live{Shares: map[backout.Version]float64{}, Healthy: true, At: now}, 0.0
	var newest time.Time
	for _, s := range win.Series {
		if x, ok := s.Latest(); s.ID.Signal == name && ok && x.At.After(newest) {
			newest = x.At
		}
	}
	for _, s := range win.Series {
		if x, ok := s.Latest(); s.ID.Signal == name && ok && x.At.Equal(newest) && s.ID.Subject.Version != "" && x.Value > 0 {
			out.Shares[s.ID.Subject.Version] += x.Value
			total += x.Value
		}
	}
	for v := range out.Shares {
		out.Shares[v] /= total
	}
	return out
}

// unseen keeps what the last survey could not see.
func (f *facts) unseen(now time.Time, silent []backout.Degradation) {
	slices.SortFunc(silent, func(a, b backout.Degradation) int { return strings.Compare(a.What(), b.What()) })
	f.mu.Lock()
	f.degraded = backout.Lasting(f.degraded, silent, now)
	f.mu.Unlock()
}
