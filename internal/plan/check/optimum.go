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

// Cost checks what a plan says that it costs, and how much cheaper another could be, by
// the derivation that its planner shows. The certificate is the plan's with the proven
// lower bound and gap; it claims nothing about cost when anything is wrong. What is
// proven is about the derivation's prices and ties: that these are the world's is the
// planner's word, safety in the world is [Plan]'s to prove.
func Cost(p backout.Plan, d backout.Derivation) (backout.Certificate, []Violation) {
	cert := p.Certificate
	cert.Optimal, cert.LowerCost, cert.Gap = false, backout.Money{}, backout.Money{}
	if d.Nothing != "" {
		return cert, nil
	}
	found := Optimum(d.Problem, d.Best, d.Proof)
	if len(found) == 0 {
		found = append(answer(d.Problem, d.Shown), shows(p, d)...)
	}
	if len(found) > 0 {
		return cert, found
	}
	cert.LowerCost = amount(d, d.Proof.Lower)
	cert.Gap = backout.Money{Minor: p.Cost.Minor - cert.LowerCost.Minor, Currency: p.Cost.Currency}
	cert.Optimal = cert.Gap.Minor == 0
	cert.Checks = append(slices.Clone(cert.Checks), "the expected loss is that of the steps as they are timed", "no safe plan costs less than the lower bound")
	return cert, nil
}

// shows lists where a plan is not what its derivation says that it carries out.
func shows(p backout.Plan, d backout.Derivation) (found []Violation) {
	report := func(step, format string, args ...any) {
		found = append(found, Violation{ReasonCost, step, fmt.Sprintf(format, args...)})
	}
	n := len(d.Problem.Movables)
	if len(d.Components) != n || len(d.Base) != n || d.Unit <= 0 || d.Tick <= 0 {
		report("", "the derivation names %d components and %d levels for %d movables, %d units and %s a tick", len(d.Components), len(d.Base), n, d.Unit, d.Tick)
		return found
	}
	place := map[backout.ComponentID]int{}
	moves := 0
	for i, m := range d.Problem.Movables {
		place[d.Components[i]] = i
		if d.Shown.Targets[i] != m.Current {
			moves++
		}
	}
	for _, s := range p.Steps() {
		moves--
		i, ok := place[s.Component]
		if !ok || s.ToLevel != d.Base[i]+backout.Level(d.Shown.Targets[i]) || s.FromLevel != d.Base[i]+backout.Level(d.Problem.Movables[i].Current) {
			report(s.ID, "the derivation does not move %s from level %d to %d", s.Component, s.FromLevel, s.ToLevel)
			continue
		}
		if at := int(s.Start.Std() / d.Tick); at < d.Shown.Starts[i]-1 || at > d.Shown.Starts[i]+1 {
			report(s.ID, "it starts at tick %d, its cost is that of tick %d", at, d.Shown.Starts[i])
		}
	}
	if moves != 0 {
		report("", "the plan leaves out %d moves of its derivation", moves)
	}
	if says := amount(d, d.Shown.Cost); says != p.Cost {
		report("", "the plan says that it costs %s, its moves cost %s", p.Cost, says)
	}
	return found
}

// amount is a cost as money, rounded to the nearest minor unit, together with what no
// plan can do anything about.
func amount(d backout.Derivation, cost int64) backout.Money {
	return backout.Money{Minor: floor(cost+d.Rest+d.Unit/2, d.Unit), Currency: d.Currency}
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
	last := longest(p)
	for i, m := range p.Movables {
		to, at := a.Targets[i], a.Starts[i]
		if !slices.Contains(m.Levels, to) {
			report(ReasonTarget, "movable %d can't be brought to level %d", i, to)
			return found
		}
		if at < 0 || at > last {
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
