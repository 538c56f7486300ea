// Package check proves a plan safe, or says what is wrong with it. It shares no
// code with the planner and uses another method: where the planner reasons about
// orders, this package looks at which versions are live when, and asks the
// contracts about every pair of them. A defect in one is then unlikely to be
// hidden by the same defect in the other.
//
// What runs of a component is a set of versions: what the world says runs now;
// while a step is under way that and the step's target; after it the target
// alone. A plan is safe when at every instant all versions in the sets of two
// components under a contract may meet, and no pair was added that is not either
// allowed by a contract, or known from the past, or admitted in the plan's gaps.
// Pairs that are live in the world as it is are not held against the plan.
//
// Looking at pairs is enough: contracts speak of two components, so a mixed state
// of a wave of k steps, one of 2^k, can only be wrong in some pair.
//
// The sets change only when a step starts or ends, so it is enough to look at
// those instants. It is done twice: by the steps' times, and by the waves with
// every step of a wave taken to last as long as the wave, which is what remains
// true when steps take longer than planned.
//
// What a plan costs, and that no other is cheaper, is proven from its derivation, in
// numbers ([Cost], [Optimum]): the answer by sweeping over what is live when, the bound
// by following the proof's cases. Prices, waits and implications are worked out from
// the problem again, so a proof can be useless but not misleading.
//
// What else limits a plan is worked out from the world again: what each step loses by
// data formats, points of no return and users outside our reach; which vulnerabilities
// come back; that each step ends before a point of no return or a freeze; that at every
// instant enough instances stay in service, quotas hold, and no more moves than the
// policy lets. What a switch turns at once has no mixed state, and is looked at after it.
//
// A plan under way is checked the same way: what has been done shows in what runs
// now, and a step whose target is all that runs is no step any more.
package check
