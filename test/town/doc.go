// Package town is a simulated product with the real backout beside it, for tests
// of endings and for measurements: watch, detect, respond with its guard and gate,
// execute on its engine, store and notify are the ones that ship, on a SQLite file.
// Only the outside is made up, so that it can misbehave as scripted.
//
// # How it simulates
//
// A [Product] keeps what is live of each component, with its whole history. Each
// service serves 600 requests a minute, of which one in a hundred fails and which
// take a tenth of a second. A [Harm] adds errors, and slows by as much, in
// proportion to the share that the guilty version had in the middle of the sampled
// step; a [Trouble] does the same by itself for a time. Counts are drawn with the
// spread of a binomial, latency with 5 %, from the seed, the series and the moment:
// a sample is the same however often it is asked for.
//
// A [Path] is meant to run inside a testing/synctest bubble: hours pass in
// seconds, and nothing in it can tell. A deed of the actuator takes no time unless
// its fault makes it.
package town
