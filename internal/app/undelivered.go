package app

import (
	"context"
	"fmt"
	"time"

	"github.com/backout-dev/backout"
)

// undelivered names what nobody acknowledged, in words: what must be acknowledged for
// as long as it is tried, other news for a day. It also names the channels on which
// something waits, each since when.
func (a *App) undelivered(ctx context.Context, now time.Time) (untold []string, away []backout.Degradation) {
	untold = []string{}
	all, err := a.store.Undelivered(ctx, now.Add(-24*time.Hour), 20)
	if err != nil {
		return append(untold, err.Error()), nil
	}
	waits := map[string]int{}
	for _, d := range all {
		what := "is tried again"
		if d.GivenUp {
			what = "was given up"
		}
		untold = append(untold, fmt.Sprintf("%s to %s by %s %s: %s", d.Message.Incident, d.Message.Audience, d.Channel, what, d.Failure))
		if d.GivenUp {
			continue
		}
		i, known := waits[d.Channel]
		if !known {
			i = len(away)
			waits[d.Channel] = i
			away = append(away, backout.Degraded(backout.DegradedChannels, d.Channel, d.Message.At, d.Failure))
		}
		if d.Message.At.Before(away[i].Since) {
			away[i].Since = d.Message.At
		}
	}
	return untold, away
}
