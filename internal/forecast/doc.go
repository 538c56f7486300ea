// Package forecast answers "what is hit next, when, and what does it cost while
// nobody acts", and "when is it over".
//
// # The model in one page
//
// Trouble starts at an origin and travels along the ways of [backout.Graph]:
// from callee to caller, and from caller to callee where resources are held. Of
// each way we know a posterior: it passes trouble on with probability
// θ ~ Beta(prior + followed, prior + stayed), after a delay with shape 2 whose
// mean μ is uncertain too, 1/μ ~ Gamma(2.5 + 2n, 2.25·pooled + 2·Σ delays). Hard,
// soft, asynchronous and resource-holding dependencies start from different
// priors. Where past incidents tell whether they began at the start of a way or only
// came through it, each of the two has a posterior of its own, drawn to the mean of
// both: what is broken itself starves those it calls, what passes trouble on seldom
// does.
//
// One draw is one possible world: an origin from the attribution, θ and delay of
// every way, which ways are open, and a first-passage time for every service by
// Dijkstra's algorithm. Of 400 such worlds those count that agree with what has
// been seen: a service that was hit must be reached about then, and a service
// that is still healthy must not have been reached before now. Agreement is a
// weight; when a few worlds hold all of it the weights are tempered until at
// least fifty count.
//
// Trouble has a pace: one factor, drawn with each world, slows all ways of which little
// is known. Times of hits weigh worlds by it, so that what has travelled fast is
// expected to go on so. What the last nine or more forecasts missed their times by
// rescales the intervals of the next.
//
// Callers that try again multiply the load of a service that fails. Where its
// utilisation is known, what fails in the end is the fixed point of that circle, and
// the moment from which on it closes is told as a warning.
//
// A journey is hit when any service of its critical path is; it loses its value
// in proportion to how severe that is. Severity shrinks on each way travelled.
// Probabilities, quantiles and money ranges are weighted quantiles over the worlds.
//
// [Recover] is the other half: when a plan is carried out, when is it over? Its comment
// has the model.
//
// Everything is a pure function of its question, the seed among it. All times are
// multiples of the world's model minute.
package forecast
