package plan

import (
	"fmt"

	"github.com/backout-dev/backout"
)

// Effort is the search that a plan is worth when nobody says otherwise, counted in
// nodes of the search tree, each worth a few thousand steps: a second or two.
const Effort = 20000

// Solve finds the cheapest safe plan for a problem, the one with the fewest moves if
// several cost the same, and proves it. The search ends after about so much effort
// (0 = [Effort]); what was found by then is safe all the same, and the proof's lower
// bound says how much cheaper another plan could be. Package check verifies both.
// The error is [backout.CodeInvalid] for a problem that makes no sense, and
// [backout.CodeConflict] for one that has no safe plan.
func Solve(p backout.Problem, effort int) (backout.Answer, backout.Proof, error) {
	if err := p.Valid(); err != nil {
		return backout.Answer{}, backout.Proof{}, err
	}
	if effort == 0 {
		effort = Effort
	}
	s, why := solve(newInstance(p), effort)
	if why != nil {
		return backout.Answer{}, backout.Proof{}, &backout.Error{Code: backout.CodeConflict, Message: "there is no safe plan: " + why.words(p)}
	}
	return s.answer(), s.proven(), nil
}

func (c conflict) words(p backout.Problem) string {
	if c.edge >= 0 {
		return fmt.Sprintf("no two levels of movables %d and %d suit tie %d and each other's ties", p.Ties[c.edge].I, p.Ties[c.edge].J, c.edge)
	}
	return fmt.Sprintf("movables %v wait for each other", c.cycle)
}

// newInstance takes a problem in.
func newInstance(p backout.Problem) *instance {
	in := &instance{}
	for _, m := range p.Movables {
		var d levels
		for _, l := range m.Levels {
			d |= 1 << l
		}
		in.current, in.domain = append(in.current, m.Current), append(in.domain, d)
		in.duration, in.effect = append(in.duration, m.Duration), append(in.effect, m.Effect)
		in.fixed, in.rate = append(in.fixed, m.Fixed), append(in.rate, m.Rate)
	}
	for _, t := range p.Ties {
		in.edges = append(in.edges, edge{t.I, t.J, t.Allowed})
	}
	return in
}

// problem is the instance as others may see it.
func (in *instance) problem() backout.Problem {
	p := backout.Problem{Movables: make([]backout.Movable, len(in.current)), Ties: make([]backout.Tie, len(in.edges))}
	for i := range p.Movables {
		p.Movables[i] = backout.Movable{
			Current: in.current[i], Duration: in.duration[i], Effect: in.effect[i], Fixed: in.fixed[i], Rate: in.rate[i],
			Levels: make([]int, 0, in.domain[i].count()),
		}
		for l := range in.domain[i].all() {
			p.Movables[i].Levels = append(p.Movables[i].Levels, l)
		}
	}
	for k, e := range in.edges {
		p.Ties[k] = backout.Tie{I: e.i, J: e.j, Allowed: e.allowed}
	}
	return p
}

func (s solution) answer() backout.Answer {
	return backout.Answer{Targets: s.target, Starts: s.start, Cost: s.cost}
}

func (s solution) proven() backout.Proof { return backout.Proof{Lower: s.lower, Parts: s.proof} }

// derivation is how the plan was found, for others to check.
func (m model) derivation(in *instance, best, shown solution, actions []action) backout.Derivation {
	if len(m.together) > 0 {
		return backout.Derivation{Nothing: "what a switch turns at once is one component of the solver, and its proof is about that"}
	}
	d := backout.Derivation{
		Problem: in.problem(), Best: best.answer(), Shown: shown.answer(), Proof: best.proven(),
		Unit: ticksPerMinute, Rest: m.rest(), Currency: m.currency, Tick: m.minute / ticksPerMinute,
	}
	d.Shown.Starts = m.starts(shown, actions)
	d.Shown.Cost = in.cost(shown.target, d.Shown.Starts)
	for _, s := range m.sites {
		d.Components, d.Base = append(d.Components, s.component.ID), append(d.Base, backout.Level(s.base))
	}
	return d
}
