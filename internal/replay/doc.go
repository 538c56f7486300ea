// Package replay is recorded facts as an environment: a folder that holds what
// was known of a product at a time in the past, and the world that follows from
// it at any moment of that time.
//
// # The folder
//
//	catalog/*.yaml   the ordinary catalog, with its Policy
//	signals.yaml     a SignalSet, where it doesn't stand in catalog/
//	changes.jsonl    one observation a line, as the webhook accepts it
//	metrics.om       OpenMetrics text, every sample with its time; or
//	blocks/          a copy or snapshot of a Prometheus data folder
//	replay.yaml      how to play it, and what is known of its incidents; optional
//
// [Open] reads and checks all of it but the samples, which [ReadMetrics] streams.
// Both are strict: half a line, an unknown field, a version that leads nowhere
// are errors that name file, line and what was expected, because a replay of half
// the facts would look like a replay of all of them.
//
// # The world
//
// [World] holds the observations and one moment. Whoever asks it, for the
// observations, for what runs live, for what could be undone, gets what was
// known up to that moment: not the change of a minute later, nor the next stage
// of a rollout that has begun. It meets execute's port of an actuator too, but
// carries out nothing: in a recording nothing can be moved.
//
// What people found out about the incidents is read by [Result.Score], after the
// last answer was given; nothing on the way to a decision reads it.
package replay
