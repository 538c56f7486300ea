package plan

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/backout-dev/backout"
)

// score prices the plan and its alternatives in the same money.
func (m model) score(p *backout.Plan, in *instance, s, kept solution, actions []action) {
	v := valuer{m, in, actions, m.rest()}
	chosen := v.chosen(*p, kept)
	all := append([]backout.Alternative{chosen}, v.rivals(*p, s, kept)...)
	for k := range all[1:] {
		if a := &all[k+1]; a.Why == "" {
			a.Why = versus(*a, chosen)
		}
	}
	if next := v.next(all); next != nil && p.Action == backout.ActionRollBack {
		all[0].Why = fmt.Sprintf("the cheapest safe way; the next best (%s) has %s", next.Name, apart(*next, chosen))
	}
	slices.SortStableFunc(all, func(a, b backout.Alternative) int { return cmp.Compare(a.Cost.Minor, b.Cost.Minor) })
	p.Alternatives, p.Cost = all, chosen.Cost
	p.CostNothing = m.money(in.cost(in.current, make([]int, len(in.current))) + v.rest)
	p.Certificate = backout.Certificate{Checks: []string{}} // what is proven is the checker's to say
}

// rest is what no rollback can mend.
func (m model) rest() int64 { return clamp(m.none * float64(m.rate) * float64(m.until(""))) }

// valuer prices ways to act, all in the same money.
type valuer struct {
	model
	in      *instance
	actions []action
	rest    int64 // what no rollback can mend
}

// chosen is the plan itself among its alternatives.
func (v valuer) chosen(p backout.Plan, kept solution) backout.Alternative {
	a := v.price(v.way(kept), "this plan", kept)
	a.Chosen, a.Why = true, "the cheapest safe way"
	switch p.Action {
	case backout.ActionNone:
		a.Name, a.Why = "do nothing", "nothing is taken back without good reason"
	case backout.ActionRollForward:
		a.Kind, a.Name, a.Why = backout.WayRollForward, "wait for the announced fix", "nothing that can be taken back safely pays until it arrives"
	case backout.ActionAsk:
		a.Kind, a.Name, a.Why = backout.WayAsk, "ask a person", "what is likely to help is not safe by itself"
	}
	return a
}

// rivals are the other ways to act that are worth a thought, each target once.
func (v valuer) rivals(p backout.Plan, s, kept solution) []backout.Alternative {
	var out []backout.Alternative
	seen := [][]int{kept.target}
	add := func(kind backout.AlternativeKind, name, why string, o solution) {
		if slices.ContainsFunc(seen, func(t []int) bool { return slices.Equal(t, o.target) }) {
			return
		}
		seen = append(seen, o.target)
		a := v.price(kind, name, o)
		a.Why = why
		out = append(out, a)
	}
	if p.Action == backout.ActionRollBack {
		if v.request.Fix.Pending(v.world.Now) {
			add(backout.WayRollForward, "wait for the announced fix", "", v.stay(v.in))
		}
		add(backout.WayNone, "do nothing", "", v.stay(v.in))
		out = append(out, v.askFirst(kept))
	} else {
		add(backout.WayRollBack, "cheapest rollback", v.against(p), s)
	}
	for _, r := range v.restrictions() {
		if o, none := v.solve(r.in, v.request.Nodes); none == nil && v.in.steps(o.target) > 0 {
			add(r.kind, v.called(r.kind, o), "", o)
		}
	}
	for _, o := range []option{v.topOnly(v.in), v.everything(v.in)} {
		if v.in.steps(o.target) > 0 && !slices.ContainsFunc(seen, func(t []int) bool { return slices.Equal(t, o.target) }) {
			seen = append(seen, o.target)
			out = append(out, v.naive(o))
		}
	}
	if a, ok := v.freeze(); ok {
		out = append(out, a)
	}
	return out
}

// against says why the cheapest rollback is not what is proposed.
func (v valuer) against(p backout.Plan) string {
	switch {
	case p.Action == backout.ActionAsk:
		return "would leave in place what is to be taken back"
	case v.request.Attribution.PNone >= noneDominates:
		return "would go against the odds that no change did this"
	}
	return ""
}

// next is the cheapest of the ways that were not chosen and could be taken.
func (v valuer) next(all []backout.Alternative) *backout.Alternative {
	var best *backout.Alternative
	for k := range all {
		a := &all[k]
		if !a.Chosen && !a.Unsafe && (best == nil || a.Cost.Minor < best.Cost.Minor) {
			best = a
		}
	}
	return best
}

// versus says how an alternative compares with what was chosen.
func versus(a, chosen backout.Alternative) string {
	why := apart(a, chosen)
	switch {
	case why == "":
		return "expected to cost the same"
	case a.Cost.Minor < chosen.Cost.Minor:
		return "cheaper by itself: " + why
	}
	return why
}

// price is one way carried out in waves.
func (v valuer) price(kind backout.AlternativeKind, name string, s solution) backout.Alternative {
	return v.priceAt(kind, name, s, v.starts(s, v.actions))
}

func (v valuer) priceAt(kind backout.AlternativeKind, name string, s solution, starts []int) backout.Alternative {
	a := backout.Alternative{
		Kind: kind, Name: name, Cost: v.money(v.in.cost(s.target, starts) + v.rest), Steps: v.in.steps(s.target),
		Terms: v.terms(s, starts, v.actions, v.rest),
	}
	if v.assumed {
		a.Notes = append(a.Notes, fmt.Sprintf("no journey has a value: %s a minute is assumed", backout.Money{Minor: v.rate, Currency: v.currency}))
	}
	return a
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

// way is the kind of a solution, by what it moves.
func (m model) way(s solution) backout.AlternativeKind {
	light, traffic, moves := 0, 0, 0
	for i, site := range m.sites {
		if s.target[i] == site.current {
			continue
		}
		moves++
		switch site.component.Kind {
		case backout.KindFlag, backout.KindConfig:
			light++
		case backout.KindTraffic:
			traffic++
		}
	}
	switch moves {
	case 0:
		return backout.WayNone
	case light:
		return backout.WayFlagOff
	case traffic:
		return backout.WayTrafficShift
	}
	return backout.WayRollBack
}

// called names a restricted way by what it moves.
func (v valuer) called(kind backout.AlternativeKind, s solution) string {
	var names []string
	for i, site := range v.sites {
		if s.target[i] == site.current {
			continue
		}
		name := fmt.Sprintf("%s to %s", site.label(), site.versions[s.target[i]])
		if at := v.actions[i].stages[0].Audience; at != "" {
			name += " for " + at
		}
		names = append(names, name)
	}
	lead := map[backout.AlternativeKind]string{
		backout.WayFlagOff: "flags and configuration only", backout.WayTrafficShift: "traffic only", backout.WayPartial: "only the likeliest suspect and what must go with it",
	}[kind]
	return lead + ": " + listed(names, 3)
}

// askFirst is the chosen plan, after a person was found and has read it.
func (v valuer) askFirst(s solution) backout.Alternative {
	starts := v.starts(s, v.actions)
	for i := range starts {
		starts[i] += humanMinutes * ticksPerMinute
	}
	a := v.priceAt(backout.WayAsk, "ask a person first", s, starts)
	a.Notes = append(a.Notes, fmt.Sprintf("%d minutes until a person has decided", humanMinutes))
	return a
}

// restriction is the instance with less to choose from.
type restriction struct {
	kind backout.AlternativeKind
	in   *instance
}

// restrictions are the narrower ways that can be thought of here: only the likeliest
// suspect for suspicion, only flags and configuration, only traffic.
func (v valuer) restrictions() []restriction {
	var out []restriction
	if top := v.topSuspect(); top != nil {
		only := *v.in
		only.domain, only.fixed, only.rate = slices.Clone(v.in.domain), slices.Clone(v.in.fixed), slices.Clone(v.in.rate)
		only.domain[top.site] &= 1<<(top.change+1) - 1
		for i, s := range v.sites { // the others move only where a contract demands it
			if i != top.site {
				s.p = make([]float64, len(s.p))
				only.fixed[i], only.rate[i] = v.prices(s, v.actions[i])
			}
		}
		if only.domain[top.site] != 0 {
			out = append(out, restriction{backout.WayPartial, &only})
		}
	}
	return append(out,
		v.onlyKinds(backout.WayFlagOff, backout.KindFlag, backout.KindConfig),
		v.onlyKinds(backout.WayTrafficShift, backout.KindTraffic))
}

func (v valuer) onlyKinds(kind backout.AlternativeKind, may ...backout.ComponentKind) restriction {
	only := *v.in
	only.domain = slices.Clone(v.in.domain)
	for i, s := range v.sites {
		if !slices.Contains(may, s.component.Kind) && s.wanted == nil {
			only.domain[i] = 1 << s.current
		}
	}
	return restriction{kind, &only}
}

// freeze stops rollouts where they are: what is partly out stays so, and if it did
// it, the trouble stays as large as it is now instead of growing. First-order: other
// suspects go on as before. It is no way when nothing suspected is being rolled out.
func (v valuer) freeze() (backout.Alternative, bool) {
	growth := float64(v.rate - min(v.rate, v.request.Forecast.CostNow.P50.Minor))
	saved, names := 0.0, []string{}
	for _, s := range v.sites {
		x := s.current - 1
		if x < 0 || s.p[x] < mentioned || !partly(s.changes[x]) {
			continue
		}
		saved += s.p[x] * growth * float64(v.until(s.changes[x].ID))
		names = append(names, fmt.Sprintf("%s %s", s.label(), s.changes[x].To))
	}
	if len(names) == 0 {
		return backout.Alternative{}, false
	}
	a := v.price(backout.WayFreeze, "freeze: stop the rollout of "+listed(names, 3), v.stay(v.in))
	less := int64(math.Round(saved / ticksPerMinute))
	a.Cost.Minor -= less
	for k := range a.Terms {
		if a.Terms[k].Name == termStays {
			a.Terms[k].Cost.Minor -= less
		}
	}
	return a, true
}

// partly reports whether a change has reached a part of what it is meant for.
func partly(c backout.Change) bool {
	st := c.Exposure.Stages
	return len(st) > 0 && st[len(st)-1].Share < 1 && st[len(st)-1].Audience == ""
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
func (v valuer) naive(o option) backout.Alternative {
	target := o.target
	s := solution{target: target}
	p := compile(v.in)
	why := ""
	for k, e := range v.in.edges {
		if a, b := target[e.i], target[e.j]; p.relation(k, a, b) == forbidden && why == "" {
			if c, clash, bad := v.ties[k].broken(v.sites, a, b); bad {
				why = fmt.Sprintf("not safe: contract %s forbids %s", c.ID, clash)
			} else {
				why = fmt.Sprintf("not safe: neither %s nor %s can go back first", v.sites[e.i].label(), v.sites[e.j].label())
			}
		}
	}
	s.schedule = p.order(target)
	if s.cycle != nil && why == "" {
		why = "not safe: " + v.circle(s.cycle)
	}
	if why != "" { // priced as if nothing stood in the way, all at once
		n := len(target)
		s.schedule = schedule{start: make([]int, n), depth: make([]int, n), before: make([][]int, n)}
	}
	a := v.price(v.way(s), o.name, s)
	a.Why, a.Unsafe = why, why != ""
	return a
}
