// Package simulate makes incidents whose cause is known: a product of about fifty
// services, some twenty changes within an hour and a half, and one thing that goes
// wrong. What a world shows has the form that the real path meets (observations,
// samples of signals, a dependency graph as somebody wrote it down); what is true
// comes apart from it, in [Truth].
//
// # The model in one page
//
// Services call each other in a graph without cycles, of one of several families.
// Each has a usual latency, failure rate and demand; latency wanders with
// correlated, heavy-tailed noise and hiccups, demand follows the hour of the day,
// and some services run jobs every quarter of an hour. At minute 0 one cause sets in:
//
//   - a change, some minutes after it was exposed and as far as it is exposed. It may
//     show at once, creep in, be silent (the changed service looks healthy to
//     itself; its callers suffer, and only some of them see where it comes from), or
//     make bad calls to a healthy callee;
//   - a provider of others, which nothing of ours measures but its callers;
//   - a service that breaks by itself;
//   - more demand than some services can bear.
//
// Trouble travels from callee to caller along each call with some probability, some
// delay and a gain, and along dependencies that hold resources the other way too.
//
// What makes it hard lies around it: innocent changes on the same service, on its
// neighbours and on services with some unrelated trouble; callers of a failing
// provider that were just changed; a rise of demand that hurts nobody; fixes shipped
// after the onset; dependencies that nobody wrote down and others that don't exist.
//
// # Splits
//
// [Train] is for choosing numbers, [Test] for reporting. Both draw from one
// distribution, by streams of random numbers that never meet. [Shifted] is another
// world on purpose: other families of graphs, coarser or finer samples, noisier
// series, smaller effects that come later, more silent culprits, a worse graph.
//
// # What holds
//
// A world is a function of its split and seed. The cause changes nothing but samples
// from its onset on: the same world without it ([Counterfactual]) has the same
// changes, graph and samples everywhere else, which is how the tests know that
// effects don't precede their cause and that silent culprits are silent.
//
// [Begin] lets the same world go on after its case, for whoever takes something back:
// until then it shows what the case shows. [Day] is another kind of world: 24 hours in
// which no change does harm.
//
// The difficulty was set by what trivial methods reach (bench/attribution -peers),
// never by what our ranking does.
package simulate
