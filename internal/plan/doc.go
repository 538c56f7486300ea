// Package plan finds the cheapest safe way back.
//
// # The model
//
// Every [backout.Component] with recent changes has levels: level l is its state
// after the first l of them. A plan chooses for each a level to be at, the
// present one or an earlier one, and when to move. While a component moves, its
// old and its new version are both live. Contracts say for pairs of components
// which versions may be live together; an immovable neighbour only takes levels
// away. A plan is safe when at every instant every live version of every
// component may meet every live version of every related component. Pairs that
// were live together at the start are not held against a plan.
//
// Of the safe plans the one with the least expected loss is taken. With p the
// probability of a change being the cause, r the money lost in a minute, H the
// minutes until a person would have mended it, q the probability that an action
// fails and X what that costs, v the value of a change lost in vain, e the effort, a what
// the move does by itself (cold caches, queues, data written since; known from the
// catalog and the metrics, else nought):
//
//	a change that stays     p r H
//	one that is taken back  p r (C + q (H-C)) + (1-p) v      C = minutes until it takes effect
//	a component that moves  e + q X + a
//
// The sum is exact for one cause at a time and actions that can run side by
// side; that a failed action delays its successors is left out. "Do nothing" is
// one of the plans compared. Money is counted in whole minor units and time in
// model seconds, so that cheapest is exact and not a matter of rounding.
//
// # Two theorems
//
// Order: fix the targets. For a related pair that moves on both sides look at
// the two mixed states, "first gone back, second not yet" and the reverse. Both
// allowed: any order will do. One allowed: it says who goes first. None: the
// pair would need an atomic switch, and the targets are impossible. If "goes
// first" has no cycle, starting every move as soon as those before it have
// ended is safe, and no safe plan ends any move earlier. If it has one, no safe
// plan exists; the cycle is the proof.
//
// Waves: put each move into the wave numbered by the longest chain of moves
// before it, or a later one. Within a wave every mixed state is safe, all 2^k of them for k
// moves, since contracts speak of pairs and every live pair was allowed. So
// proving it takes one look at each contract, not at each state.
//
// # How it is solved
//
// Levels that fit no level of some neighbour are struck out; components that no
// contract ties together any more are solved apart; a part in which no move pays
// for itself stays as it is. The rest is branch and bound, over the levels that are
// left to each component:
//
//	narrow   strike out what fits no neighbour (arc consistency), and put off what every
//	         level left to some neighbour makes wait: a forced wait is in the price from
//	         the start, not only once it has been decided
//	bound    the cheapest assignment that keeps the implications "i at least a, so j at
//	         least b" of every table: a minimum cut (Picard and Ratliff 1975; Ishikawa
//	         2003), exact for windows that move upwards. The flow starts from that of
//	         the node above, so little of it has to be found again
//	look     if that assignment is a plan and costs what the bound says, the node is done
//	even     where it has a forbidden pair, or a wait that the bound did not see, prices
//	         are shifted between the ends of ties until none promises what the other
//	         denies (Globerson and Jaakkola 2007). This lifts the bound over what no
//	         implication says: tables with holes, and waits, each charged to one tie
//	strike   a level whose shifted price lifts the bound to the best plan's cost is in no
//	         better plan (reduced cost fixing)
//	branch   on what was wrong: a forbidden pair, a ring of waits, or a wait that the
//	         bound did not see; first to the level that the cut chose
//
// Nothing is copied on the way down but flow and shifts: what was narrowed is on a
// trail, and taken back on the way up. The tree of cases with the shifts at each leaf
// is the proof; [backout.Proof] tells how to read it. The search counts its work, not the time, so
// that the same question always gets the same answer; when the work is used up, what
// is open is bounded once more, and the answer is the best plan with a proven gap.
//
// # The limits of the real world
//
// What an actuator can do is not all that matters ([conditions]). They become levels
// that are struck out, losses that are named, and prices:
//
//	point of no return   passed, by time or by rows written: no way back, or a lossy one
//	data format          written by a newer version, unreadable for the target: the same
//	vulnerability        closed by a change that goes back: named, dear, never automatic
//	consumer             outside our reach, with a share of users by version: breaking a
//	                     few is a loss worth their part of the journeys, many is no way
//	disruption budget    a stage takes no more instances than may be missing, less the
//	                     surge; where the actuator can't do that there is no way
//	freeze, deadline     a move ends before the window begins or the point passes, or is
//	                     not begun: solve, look which moves are late, solve without them
//
// Who may move beside whom is decided after solving, by list scheduling over the order
// that contracts demand (Graham 1966), the most urgent first: the money a minute takes
// off by the minutes it takes, of the move or of the best chain that begins with it
// (Smith 1956; Sidney 1975). Budgets and quotas of pools, the policy's limits and the
// canary location are kept there. The solver's optimum knows none of them, so it stays
// a lower bound and the gap is shown.
//
// Moves in a ring of waits, each before the next, are condensed to one component of the
// solver where a switch turns them at once: its levels are the combinations of theirs.
// Only rings are condensed. Members with a safe order keep it, since backout turns no
// router with several components behind it, and leaves that to a person.
//
// # Other ways, and when
//
// The plan is shown among its alternatives, each priced by the same formula and
// split into the same terms: part of the way back, flags only, traffic only, a
// rollout stopped where it is, nothing, a person first. An announced fix shortens H
// for what it mends, so waiting for it is one of the plans compared and needs no rule
// of its own. [Weigh] says whether another minute of evidence is worth its price.
//
// # Where to look
//
//	make, site, table, known, near    a request to a model: what can move, what ties it, what is known of pairs
//	price, stage, sideeffect          what each move costs, how it is staged, what it does by itself
//	limit, capacity, pace, condense   what the real world allows, and when; what a switch turns at once
//	instance, narrow, flow, bound,
//	even, search, solve, order        the problem without words, and its cheapest answer
//	prove, cases                      the answer's proof
//	step, explain, alternative, term,
//	impossible, wayout                the answer in words: steps, reasons, other ways, what stands in the way
//	wait, prepare                     act or look longer; a plan for every change before anything is wrong
//
// Everything here is a pure function of its input. Safety and optimality are proven
// again by package check, which shares no code with this one.
package plan
