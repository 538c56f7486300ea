// Package metrics asks questions of a metrics backend. The port is [Sampler]:
// signals and a span of time go in, a [backout.Window] comes out.
//
// # The model
//
// A [backout.Signal] holds one or two PromQL expressions. [Asker] does what is
// the same for every backend that speaks PromQL; a child package only says how
// one expression is evaluated ([Evaluate]): embedded evaluates it with
// Prometheus' own engine in this process, prometheus asks a server.
//
// Time. A window is cut at multiples of the step since 1970, both ends rounded
// down. So live ticks and history fall on the same instants, and windows asked
// one after the other neither overlap nor leave a hole.
//
// Variables. In an expression $step is the step and $window is the step plus
// one scrape interval, both as PromQL durations; $step_s is the step as a number
// of seconds. rate and increase see only what lies between the first and the
// last scrape inside their range, so a range of just one step would lose the
// growth between two steps; $window covers it. For the same reason
// increase(x[$window]) counts more than one step: write
// rate(x[$window]) * $step_s for the count in a step. In a quotient of two rates
// the difference cancels.
//
// Pairing. Query gives Value, Total gives the number of requests behind it; they
// are paired by subject and instant. Where Total is known and Value has no
// sample, no failure was counted yet and Value is 0; only a latency without its
// sum is unknown. Total 0, negative or not a number is a gap, and so is any value
// that is not finite. A gap is a sample that is absent, never a 0.
//
// Subjects. The parts of a subject are read from the labels of the same name
// (service, caller, journey, version, location, client), or from those that
// Signal.Labels names. An edge is a series with the labels caller and callee: its
// service is the callee. Two series for one subject are a mistake in the query,
// which must aggregate.
//
// Failure. A signal that could not be measured is named with its reason in
// Window.Missing and does not disturb the others. A backend that is away
// altogether is an error with code unavailable: a monitoring outage freezes, it
// never triggers.
package metrics

import (
	"context"
	"time"

	"github.com/backout-dev/backout"
)

// Sampler measures signals. It must be safe for use by several goroutines.
type Sampler interface {
	// Sample measures the signals between from (exclusive) and to (inclusive),
	// one sample a step, both ends rounded down to a multiple of the step; the
	// window says what it covers. Signals that could not be measured are in
	// Missing. An error means that nothing was measured: code unavailable when the
	// backend is away (try later), forbidden when it refuses our credentials,
	// invalid when the span can't be sampled, the context's own error when the
	// caller gave up.
	Sample(ctx context.Context, signals []backout.Signal, from, to time.Time, step time.Duration) (backout.Window, error)
}
