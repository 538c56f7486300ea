// Package backout is the glossary: the nouns that every part of the program
// shares, as plain values. It reads no clock, opens no file and calls nobody.
//
// # The model in one page
//
// A [Service] is something that answers requests; a [Dependency] says that one
// service needs another. Both live in a [Graph], together with the [Journey]s
// that customers travel (and the [Money] a minute of each is worth).
//
// A [Component] is the smallest thing that can be changed and taken back by
// itself: a deployment, a flag, a configuration value, a schema, a traffic
// split. It is named by a [ComponentID] and by nothing else. Each component
// stands at a [Version]. Its recent [Change]s form a stack; [Level] l is the
// state after the first l of them, so the current state is the highest level
// and going back means choosing a lower one.
//
// Sources report [Observation]s. [Fold] turns the observations of one event
// into one [Change], whatever number of sources saw it.
//
// A [Signal] is a question that a metrics backend can answer again and again; a
// [Series] is its answer for one [Subject]. A detector compares each series with
// its [Baseline] and reports a [Finding] when the difference can't be luck.
//
// Findings open an [Incident]. The [Attribution] gives every recent change, and
// "no change did this", a probability. The [Forecast] says what is hit next,
// when, and what a minute costs. The [Plan] is the cheapest safe way back: a
// sequence of [Wave]s of [Step]s, each carried out in [Stage]s. Safe means that
// in every intermediate state all versions that live together are compatible
// under the [Contract]s of the [World].
//
// A [Policy] and its [Ruling] say whether the plan may run by itself or waits
// for an [Approval]. An [Attempt] is one approved plan being carried out; its
// [Run] records every effect as done, not done or unknown ([Outcome]). Between
// stages a [Verdict] says recovered, worse or inconclusive.
//
// Afterwards a [Review] records what really happened, and [Priors] carry what
// was learnt into the next incident. [Message]s tell people all along.
//
// # Conventions
//
// The JSON form of these types is the wire, file and stored form: snake_case,
// numbers with their unit in the name (_s, _ms, _ratio), money in minor units,
// text enums. Times are UTC. Probabilities are in [0,1]. Unknown is a value.
package backout

//go:generate go run ./test/glossary
//go:generate go run ./test/pictures
