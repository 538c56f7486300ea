package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/backout-dev/backout"
)

// score prices the plan and its alternatives in the same money and fills in the
// certificate's half that the planner can speak for; Safe is the checker's.
func (m model) score(p *backout.Plan, in *instance, s, kept solution, actions []action) {
	rest := clamp(m.none * float64(m.rate) * float64(m.horizon)) // what no rollback can mend
	nothing := in.cost(in.current, make([]int, len(in.current)))
	cost := in.cost(kept.target, m.starts(kept, actions))
	p.Cost, p.CostNothing = m.money(cost+rest), m.money(nothing+rest)
	p.Certificate = backout.Certificate{
		Checks:    []string{},
		Optimal:   s.optimal && cost == s.lower,
		LowerCost: m.money(s.lower + rest),
	}
	chosen := backout.Alternative{
		Name: "this plan", Cost: p.Cost, Steps: len(p.Steps()), Chosen: true, Why: "the cheapest safe way",
		Terms: m.terms(in, kept, m.starts(kept, actions), rest),
	}
	var all []backout.Alternative
	if p.Action == backout.ActionRollBack {
		all = append(all, chosen, m.price(in, "do nothing", m.stay(in), rest, actions), m.askFirst(in, kept, actions, rest))
	} else {
		chosen.Name, chosen.Why = "do nothing", "nothing is taken back without good reason"
		if p.Action == backout.ActionAsk {
			chosen.Name, chosen.Why = "ask a person", "what is likely to help is not safe by itself"
		}
		all = append(all, chosen)
		if len(m.moves(s)) > 0 {
			a := m.price(in, "cheapest rollback", s, rest, actions)
			if a.Why = "would go against the odds that no change did this"; p.Action == backout.ActionAsk {
				a.Why = "would leave in place what is to be taken back"
			}
			all = append(all, a)
		}
	}
	for _, o := range []option{m.topOnly(in), m.everything(in)} {
		if in.steps(o.target) > 0 && !slices.Equal(o.target, kept.target) {
			all = append(all, m.naive(in, o, rest, actions))
		}
	}
	for k := range all {
		if all[k].Why == "" {
			all[k].Why = m.versus(all[k].Cost, p.Cost)
		}
	}
	slices.SortStableFunc(all, func(a, b backout.Alternative) int { return cmp.Compare(a.Cost.Minor, b.Cost.Minor) })
	p.Alternatives = all
}

// versus says how an alternative compares; the amounts stand beside it.
func (m model) versus(cost, chosen backout.Money) string {
	switch diff := cost.Minor - chosen.Minor; {
	case diff > 0:
		return "expected to cost more"
	case diff < 0:
		return "expected to cost less"
	}
	return "expected to cost the same"
}

// price is one alternative carried out in waves.
func (m model) price(in *instance, name string, s solution, rest int64, actions []action) backout.Alternative {
	starts := m.starts(s, actions)
	return backout.Alternative{
		Name: name, Cost: m.money(in.cost(s.target, starts) + rest), Steps: in.steps(s.target),
		Terms: m.terms(in, s, starts, rest),
	}
}

func (in *instance) steps(target []int) int {
	n := 0
	for i, l := range target {
		if l != in.current[i] {
			n++
		}
	}
	return n
}

// terms splits a cost into what people ask about.
func (m model) terms(in *instance, s solution, starts []int, rest int64) []string {
	var stays, acting, waiting int64
	for i, l := range s.target {
		if l == in.current[i] {
			stays += in.fixed[i][l]
			continue
		}
		w := in.price(i, l, starts[i]) - in.fixed[i][l]
		waiting += w
		acting += in.fixed[i][l]
	}
	out := []string{
		fmt.Sprintf("%s if no change did it", m.money(rest)),
		fmt.Sprintf("%s if a change that stays did it", m.money(stays)),
	}
	if in.steps(s.target) > 0 {
		out = append(out,
			fmt.Sprintf("%s until the steps take effect", m.money(waiting)),
			fmt.Sprintf("%s for the steps themselves, their risks and what they take away in vain", m.money(acting)))
	}
	if m.assumed {
		out = append(out, fmt.Sprintf("no journey has a value: %s a minute is assumed", backout.Money{Minor: m.rate, Currency: m.currency}))
	}
	return out
}

// askFirst is the chosen plan, after a person was found and has read it.
func (m model) askFirst(in *instance, s solution, actions []action, rest int64) backout.Alternative {
	starts := m.starts(s, actions)
	for i := range starts {
		starts[i] += humanMinutes * ticksPerMinute
	}
	a := backout.Alternative{Name: "ask a person first", Cost: m.money(in.cost(s.target, starts) + rest), Steps: in.steps(s.target)}
	a.Terms = append(m.terms(in, s, starts, rest), fmt.Sprintf("%d minutes until a person has decided", humanMinutes))
	return a
}

// option is a target that nobody checked.
type option struct {
	name   string
	target []int
}

// topOnly takes the likeliest suspect back and nothing else, safe or not.
func (m model) topOnly(in *instance) option {
	o := option{target: slices.Clone(in.current)}
	if top := m.topSuspect(); top != nil {
		o.name = "top suspect only: " + m.name(top)
		o.target[top.site] = nearest(in.domain[top.site]&(1<<(top.change+1)-1), in.current[top.site])
	}
	return o
}

// everything takes back all that can be taken back, safe or not: what a team does
// that has no idea.
func (m model) everything(in *instance) option {
	o := option{"everything in the window", slices.Clone(in.current)}
	for i, d := range in.domain {
		o.target[i] = d.lowest()
	}
	return o
}

// naive prices an option, and says so when it is unsafe.
func (m model) naive(in *instance, o option, rest int64, actions []action) backout.Alternative {
	target := o.target
	s := solution{target: target}
	p := compile(in)
	why := ""
	for k, e := range in.edges {
		if a, b := target[e.i], target[e.j]; p.relations[k][a][b] == forbidden && why == "" {
			if by, bad := m.ties[k].broken(m.sites, a, b); bad {
				why = "not safe: " + by.forbids()
			} else {
				why = "not safe: " + m.fourCells(m.ties[k], a, b)
			}
		}
	}
	s.schedule = p.order(target)
	if s.cycle != nil && why == "" {
		why = "not safe: " + m.explain(in, conflict{edge: -1, cycle: s.cycle}, s.cycle[0])
	}
	if why != "" { // priced as if nothing stood in the way, all at once
		n := len(target)
		s.schedule = schedule{start: make([]int, n), depth: make([]int, n), before: make([][]int, n)}
	}
	a := m.price(in, o.name, s, rest, actions)
	a.Why = why
	return a
}
