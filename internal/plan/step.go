package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// begins is when each wave starts: a wave begins when all of the one before has
// ended, since a gate stands between them. That may be later than the earliest
// safe start, never sooner.
func begins(moves [][]int, actions []action) []time.Duration {
	out := make([]time.Duration, len(moves)+1)
	for w, wave := range moves {
		longest := time.Duration(0)
		for _, i := range wave {
			longest = max(longest, actions[i].takes)
		}
		out[w+1] = out[w] + longest
	}
	return out
}

func (m model) takes(s solution, actions []action) backout.Duration {
	b := begins(m.moves(s), actions)
	return backout.Duration(b[len(b)-1])
}

// starts are the waves' starts in ticks, by site, for pricing what will be done.
func (m model) starts(s solution, actions []action) []int {
	out := make([]int, len(m.sites))
	moves := m.moves(s)
	b := begins(moves, actions)
	for w, wave := range moves {
		for _, i := range wave {
			out[i] = max(s.start[i], ticks(b[w], m.minute))
		}
	}
	return out
}

// waves turns a solution into steps with words.
func (m model) waves(in *instance, s solution, actions []action) []backout.Wave {
	out := []backout.Wave{}
	moves := m.moves(s)
	b := begins(moves, actions)
	for w, wave := range moves {
		steps := []backout.Step{}
		for k, i := range wave {
			st := m.step(in, s, i, actions[i])
			st.ID = fmt.Sprintf("%d.%d", w+1, k+1)
			st.Start = backout.Duration(b[w])
			steps = append(steps, st)
		}
		out = append(out, backout.Wave{Steps: steps})
	}
	return out
}

func (m model) step(in *instance, s solution, i int, a action) backout.Step {
	site, l := m.sites[i], s.target[i]
	c := site.component
	st := backout.Step{
		Component: c.ID, Service: c.Service, Kind: c.Kind,
		From: site.versions[site.current], To: site.versions[l],
		FromLevel: backout.Level(site.base + site.current), ToLevel: backout.Level(site.base + l),
		Reverts: []backout.ChangeID{}, Stages: a.stages, Takes: backout.Duration(a.takes),
		Loss: site.reach[l].Loss, Lost: site.reach[l].Lost, Exposes: site.limits[l].exposes, Until: site.limits[l].until,
		Demanded: site.wanted == nil && in.price(i, l, 0) >= in.fixed[i][site.current],
	}
	for x := l; x < site.current; x++ {
		st.Reverts = append(st.Reverts, site.changes[x].ID)
		st.P += site.p[x]
	}
	st.P = min(st.P, 1)
	name := site.label()
	st.Precondition = fmt.Sprintf("%s runs %s, %s can still be brought about, and %s", name, st.From, st.To, m.waitsFor(s, i))
	if with := m.company(s, i); len(with) > 1 {
		st.Switch = m.turned(i).ID
	}
	st.Check = fmt.Sprintf("%s runs %s everywhere and is ready, and no signal of %s is worse than before", name, st.To, c.Service)
	if audience := a.stages[0].Audience; audience != "" {
		st.Check = fmt.Sprintf("%s is %s for %s and as before for everybody else", name, st.To, audience)
	}
	st.SideEffects = a.effects[l]
	st.WayBack = wayBack(name, st)
	st.Why = strings.Join(append([]string{m.whyStep(s, i, st)}, site.limits[l].notes...), "; ")
	if lim := site.limits[l]; m.soon(lim.until) {
		st.Why += fmt.Sprintf("; it must have ended before %s, %s", hhmm(lim.until), lim.why)
	}
	if len(st.Exposes) > 0 {
		st.Why += fmt.Sprintf("; it opens %s again", strings.Join(st.Exposes, ", "))
	}
	return st
}

func (m model) waitsFor(s solution, i int) string {
	var names []string
	for _, b := range s.before[i] {
		names = append(names, m.sites[b].label())
	}
	if len(names) == 0 {
		return "it waits for nothing"
	}
	slices.Sort(names)
	return "these have gone back: " + strings.Join(slices.Compact(names), ", ")
}

func wayBack(name string, st backout.Step) string {
	switch {
	case st.Loss == backout.LossSome:
		return fmt.Sprintf("put %s %s back; what was lost (%s) does not come back", name, st.From, st.Lost)
	case st.Loss != backout.LossNone:
		return fmt.Sprintf("put %s %s back; nobody checked whether anything is lost", name, st.From)
	}
	return fmt.Sprintf("put %s %s back", name, st.From)
}

// whyStep is the reason for a step: suspicion, or the contract that demands it.
func (m model) whyStep(s solution, i int, st backout.Step) string {
	if m.sites[i].wanted != nil {
		return fmt.Sprintf("somebody asked for %s %s; it is the cause with %s", m.sites[i].label(), st.To, percent(st.P))
	}
	if !st.Demanded {
		what := string(st.To)
		if n := len(st.Reverts); n > 1 {
			what = fmt.Sprintf("%s (%d changes)", st.To, n)
		}
		return fmt.Sprintf("%s %s is the cause with a probability of %s; going back to %s undoes it", m.sites[i].label(), st.From, percent(st.P), what)
	}
	for k, t := range m.ties {
		other := t.i + t.j - i
		if t.i != i && t.j != i || s.target[other] == m.sites[other].current {
			continue
		}
		a, b := s.target[t.i], s.target[t.j]
		if t.i == i {
			a = m.sites[i].current
		} else {
			b = m.sites[i].current
		}
		if m.edges[k].allowed[a][b] {
			continue
		}
		c, clash, _ := t.broken(m.sites, a, b)
		return fmt.Sprintf("probably innocent (%s), but contract %s forbids %s%s", percent(st.P), c.ID, clash, because(c))
	}
	return fmt.Sprintf("probably innocent (%s), but other steps of this plan need it", percent(st.P))
}

func because(c backout.Contract) string {
	if c.Reason == "" {
		return ""
	}
	return ": " + c.Reason
}

func percent(p float64) string {
	if p > 0 && p < .01 {
		return "less than 1 %"
	}
	return fmt.Sprintf("%.0f %%", 100*p)
}

// orderReasons says for each wait which contract or line demands it, and from where
// that is known.
func (m model) orderReasons(s solution) []string {
	out := []string{}
	for k, t := range m.ties {
		a, b := s.target[t.i], s.target[t.j]
		x, y := m.sites[t.i], m.sites[t.j]
		if slices.Contains(m.company(s, t.i), t.j) {
			continue // neither is before the other
		}
		if a == x.current || b == y.current || m.edges[k].allowed[a][y.current] && m.edges[k].allowed[x.current][b] {
			continue
		}
		first, second := x.label(), y.label()
		c, clash, bad := t.broken(m.sites, x.current, b)
		if !bad {
			first, second = second, first
			c, clash, _ = t.broken(m.sites, a, y.current)
		}
		out = append(out, fmt.Sprintf("%s goes back before %s: contract %s forbids %s%s", first, second, c.ID, clash, because(c)))
	}
	return out
}

// success is the probability that the cause is among what is taken back and that
// every action up to it works.
func (m model) success(s solution, actions []action) float64 {
	sum := 0.0
	for i, site := range m.sites {
		if s.target[i] == site.current {
			continue
		}
		chain := map[int]bool{}
		m.ancestors(s, i, chain)
		works := 1.0
		for j := range m.sites { // in fixed order: floating products must not depend on a map
			if chain[j] {
				works *= 1 - actions[j].fails
			}
		}
		for x := s.target[i]; x < site.current; x++ {
			sum += site.p[x] * works
		}
	}
	return min(sum, 1)
}

func (m model) ancestors(s solution, i int, into map[int]bool) {
	if into[i] {
		return
	}
	into[i] = true
	for _, b := range s.before[i] {
		m.ancestors(s, b, into)
	}
}
