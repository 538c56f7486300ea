// Package attribute answers "who did it": it gives every recent change, and "no
// change at all", a probability, with the reasons in words.
//
// # The model in one page
//
// At most one cause started the trouble, at minute t0. Causes compete:
//
//   - every change c, with a hazard that is high just after it was exposed:
//     prior of its kind × delay(t0 − exposure), over its stages;
//   - every service and provider, with a small constant hazard ("it broke by
//     itself"), and a surge of demand.
//
// What was measured then decides. For each series the shift evidence BF(τ) says
// how much likelier the residuals are if the series turned worse at minute τ,
// at once or along a ramp, than if nothing happened. A cause at service o
// reaches service s with probability a(o,s), some minutes later for every hop
// (trouble spreads from callee to caller, and the other way along dependencies
// that hold resources). So, against the background that anything may go wrong
// by itself with probability b,
//
//	Λ_o(t0) = Σ_s log( (1 − a_os) + a_os · Σ_τ kernel(τ − t0) · BF_s(τ)/g_s ),   g_s = 1 − b + b·mean BF_s
//
// which rewards an ill service that the cause reaches, and punishes a quiet one
// that it should have reached. A service is seen by itself and by its callers;
// both are folded into one reading, against which b is held once, and a provider, which tells us nothing
// itself, is seen by its callers alone. On the way out of the origin each service
// is looked at before the trouble is supposed to go on from it: from one that is seen
// ill it goes on, from a quiet one hardly at all. One caller failing where the others
// succeed speaks against that caller, not against the callee.
//
// A bad change may also be silent: its service looks healthy to itself, some of its callers
// suffer, and those see where from in their calls. A change has the evidence of both ways
// of being the cause, the silent one with a share of .15; what breaks by itself is not silent.
//
// A change that is live on some instances only has a control group: treated
// against control gives B_c(t0), and equal arms speak strongly against it. So does
// silence: a new version that answers nothing for minutes in which the old one does
// may be dead on arrival. A change that was exposed in stages should hurt in stages, and
// trouble should fade on its way from where it began. When the trouble was noticed, if known, says when it began. What
// came of actions already taken is evidence too. The parts multiply (tempered by
// 0.8, because services that fail together are not independent witnesses), t0 is
// summed out, and the sum over all causes is normalised to 1.
//
// A surge of demand is looked at apart: each service may be overloaded, and passes its
// trouble on along the same ways; demand begins to rise some minutes before. How far the
// place alone speaks for a change is told beside its probability: where trouble would have
// begun if no change had begun it, asked without the times of the changes.
//
// Everything is a pure function of [Question]: no clock, no randomness.
package attribute
