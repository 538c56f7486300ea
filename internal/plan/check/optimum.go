package check

import (
	"fmt"
	"slices"

	"github.com/backout-dev/backout"
)

// The reasons that are about cost.
const (
	ReasonCost  Reason = "cost"  // an answer is not a plan for the problem, or does not cost what it says
	ReasonProof Reason = "proof" // the proof does not show what it claims
)

// Optimum lists what is wrong with an answer to a problem and with the proof of how
// much cheaper another could be. After an empty list it is certain that the answer is
// safe and costs what it says, and that no safe plan costs less than the proof's
// lower bound; where the two are equal the answer is optimal. Nothing in the proof is
// believed: prices, waits and implications are worked out again from the problem.
// It takes time in proportion to the proof's cases times the ties of their part.
func Optimum(p backout.Problem, a backout.Answer, proof backout.Proof) []Violation {
	if err := p.Valid(); err != nil {
		return []Violation{{Reason: ReasonCost, Text: "the problem makes no sense: " + err.Error()}}
	}
	found := answer(p, a)
	lower, err := newProver(p).lower(proof)
	switch {
	case err != nil:
		found = append(found, Violation{Reason: ReasonProof, Text: err.Error()})
	case lower != proof.Lower:
		found = append(found, Violation{Reason: ReasonProof, Text: fmt.Sprintf("the proof claims the lower bound %d, its cases show %d", proof.Lower, lower)})
	case lower > a.Cost:
		found = append(found, Violation{Reason: ReasonProof, Text: fmt.Sprintf("the proof shows that nothing costs less than %d, the answer costs %d", lower, a.Cost)})
	}
	return found
}

// answer lists what is wrong with an answer: it looks at what is live when.
func answer(p backout.Problem, a backout.Answer) (found []Violation) {
	report := func(r Reason, format string, args ...any) {
		found = append(found, Violation{Reason: r, Text: fmt.Sprintf(format, args...)})
	}
	if len(a.Targets) != len(p.Movables) || len(a.Starts) != len(p.Movables) {
		report(ReasonCost, "the answer has %d targets and %d starts for %d movables", len(a.Targets), len(a.Starts), len(p.Movables))
		return found
	}
	var cost int64
	for i, m := range p.Movables {
		to, at := a.Targets[i], a.Starts[i]
		if !slices.Contains(m.Levels, to) {
			report(ReasonTarget, "movable %d can't be brought to level %d", i, to)
			return found
		}
		if at < 0 || at > longest(p) {
			report(ReasonCost, "movable %d begins at tick %d", i, at)
			return found
		}
		cost += m.Fixed[to]
		if to != m.Current {
			cost += m.Rate[to] * int64(at+m.Effect)
		}
	}
	if cost != a.Cost {
		report(ReasonCost, "the answer costs %d, not %d", cost, a.Cost)
	}
	for _, t := range p.Ties {
		if at, ok := meets(p, a, t); !ok {
			report(ReasonIncompatible, "movables %d and %d meet at tick %d at levels that may not be live together", t.I, t.J, at)
		}
	}
	return found
}

// longest is the time of all moves one after the other, twice over: a plan that
// begins a move later than that is padded with idleness.
func longest(p backout.Problem) int {
	sum := 0
	for _, m := range p.Movables {
		sum += m.Duration
	}
	return 2 * sum
}

// meets reports whether all that two movables have live at the same time may meet,
// else the first tick at which it may not. What is live changes only when a move
// begins or ends.
func meets(p backout.Problem, a backout.Answer, t backout.Tie) (tick int, ok bool) {
	x, y := p.Movables[t.I], p.Movables[t.J]
	live := func(i int, m backout.Movable, at int) []int {
		switch to, begin := a.Targets[i], a.Starts[i]; {
		case to == m.Current || at < begin:
			return []int{m.Current}
		case at < begin+m.Duration:
			return []int{m.Current, to}
		default:
			return []int{to}
		}
	}
	for _, at := range []int{0, a.Starts[t.I], a.Starts[t.I] + x.Duration, a.Starts[t.J], a.Starts[t.J] + y.Duration} {
		for _, la := range live(t.I, x, at) {
			for _, lb := range live(t.J, y, at) {
				if !t.Allowed[la][lb] && (la != x.Current || lb != y.Current) {
					return at, false
				}
			}
		}
	}
	return 0, true
}
