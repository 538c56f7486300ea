// Package ingest is where facts arrive: sources report what changed as
// observations, which the [Recorder] keeps, and other monitors report what is
// wrong as alerts, which go to [Alerts]. Each child package is one source: webhook
// is for whoever can send an HTTP request, cdevents for delivery tools that speak
// CloudEvents, alertmanager for Prometheus' own.
//
// All of them stand behind one [Door], which says who may come in, how much at a
// time and how fast, so that a flood, a slow sender or a replayed message costs
// the same bounded memory wherever it arrives.
//
// A source is believed but not trusted blindly. [Read] takes JSON apart strictly
// and [Check] says field by field what is wrong, so that a sender can mend its
// report instead of having half of it guessed. What happened can't lie in the
// future: a time up to five minutes ahead is taken for a clock that is fast, and
// becomes the time of arrival, because otherwise a change would seem to come
// after the harm it did; a time further ahead is refused.
//
// The same report may arrive any number of times, late and in any order: source
// and native id together make it one observation, and the recorder keeps the
// first; of an alert the newest news counts, by the sender's clock.
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

// Alerts takes what other monitors say. It must be safe for use by several
// goroutines.
type Alerts interface {
	// Alert takes all of them or fails, and may then be called again with the same.
	// What is known already is no error. An error with code unavailable or conflict
	// asks the sender to try again later.
	Alert(ctx context.Context, list []backout.Alert) error
}
