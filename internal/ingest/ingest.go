// Package ingest is where facts arrive: sources report what changed as
// observations, and the [Recorder] keeps them. Each child package is one source:
// webhook is for whoever can send an HTTP request, such as a CI system.
//
// A source is believed but not trusted blindly. [Read] takes JSON apart strictly
// and [Check] says field by field what is wrong, so that a sender can mend its
// report instead of having half of it guessed. What happened can't lie in the
// future: a time up to five minutes ahead is taken for a clock that is fast, and
// becomes the time of arrival, because otherwise a change would seem to come
// after the harm it did; a time further ahead is refused.
//
// The same report may arrive any number of times: source and native id together
// make it one observation, and the recorder keeps the first.
package ingest

import (
	"context"

	"github.com/backout-dev/backout"
)

// Recorder keeps observations. It must be safe for use by several goroutines.
type Recorder interface {
	// Record keeps all of them or fails and keeps none. Observations that are
	// known already (same source and native id) are no error. An error with code
	// unavailable asks the sender to try again later.
	Record(ctx context.Context, list []backout.Observation) error
}
