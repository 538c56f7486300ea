package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/backout-dev/backout"
)

// mostWays is how many ways out of one kind are named.
const mostWays = 2

// pairs are the two sites of each edge that blocks: of a cycle those side by side in
// it, else those on the path.
func (m model) pairs(b blockage) [][2]int {
	var out [][2]int
	for k, x := range b.cycle {
		out = append(out, [2]int{x, b.cycle[(k+1)%len(b.cycle)]})
	}
	for _, x := range b.path {
		out = append(out, [2]int{x.from, x.to})
	}
	return out
}

// waysOut tries what people do about a blockage, and names what would help.
func (m model) waysOut(b blockage, i int) []backout.WayOut {
	if len(b.path) == 0 && len(b.cycle) == 0 {
		return nil
	}
	var out []backout.WayOut
	for _, list := range [][]backout.WayOut{m.intermediates(b, i), m.atOnce(b), m.corrections(b)} {
		out = append(out, list[:min(len(list), mostWays)]...)
	}
	return out
}

// helps reports whether a safe plan exists for the forced instance after change,
// which gets tables of its own to write on. Money does not matter here.
func (b blockage) helps(change func(in *instance)) bool {
	in := *b.in
	in.domain = slices.Clone(in.domain)
	in.fixed, in.rate = zeros(in.fixed), zeros(in.rate)
	in.edges = slices.Clone(in.edges)
	for k, e := range in.edges {
		in.edges[k].allowed = make([][]bool, len(e.allowed))
		for a, row := range e.allowed {
			in.edges[k].allowed[a] = slices.Clone(row)
		}
	}
	change(&in)
	_, no := solve(&in, 500)
	return no == nil
}

func zeros(like [][]int64) [][]int64 {
	out := make([][]int64, len(like))
	for k := range like {
		out[k] = make([]int64, len(like[k]))
	}
	return out
}

// allow permits a cell of the table of two sites.
func (in *instance) allow(x, lx, y, ly int) {
	for _, e := range in.edges {
		switch {
		case e.i == x && e.j == y:
			e.allowed[lx][ly] = true
		case e.i == y && e.j == x:
			e.allowed[ly][lx] = true
		}
	}
}

// intermediates are versions to be shipped of something in the way, that work with
// the old and with the new version of what stands beside it: then it stays.
func (m model) intermediates(b blockage, i int) []backout.WayOut {
	beside, order := map[int][]int{}, []int{}
	for _, pair := range m.pairs(b) {
		for k, x := range pair {
			if beside[x] == nil {
				order = append(order, x)
			}
			if other := pair[1-k]; !slices.Contains(beside[x], other) {
				beside[x] = append(beside[x], other)
			}
		}
	}
	var out []backout.WayOut
	for _, x := range order {
		if x == i || m.sites[x].component.Immovable {
			continue
		}
		stays := func(in *instance) {
			in.domain[x] = 1 << in.current[x]
			for _, o := range beside[x] {
				for l := nearest(in.domain[o], in.current[o]); l <= in.current[o]; l++ {
					in.allow(x, in.current[x], o, l)
				}
			}
		}
		if b.helps(stays) {
			out = append(out, m.ship(b, x, beside[x]))
		}
	}
	return out
}

// ship words the version of x that is needed.
func (m model) ship(b blockage, x int, beside []int) backout.WayOut {
	w := backout.WayOut{Kind: backout.WayOutIntermediate, Component: m.sites[x].component.ID}
	var parts []string
	for _, o := range beside {
		s := m.sites[o]
		r := backout.VersionRange{From: s.versions[nearest(b.in.domain[o], s.current)], To: s.versions[s.current]}
		w.WorksWith = append(w.WorksWith, backout.Need{Component: s.component.ID, Versions: r})
		parts = append(parts, fmt.Sprintf("%s %s", s.label(), r.Words()))
	}
	w.Words = fmt.Sprintf("ship a version of %s that works with %s, and say so in its contract; then it need not go back", m.sites[x].label(), strings.Join(parts, " and with "))
	return w
}

// atOnce is the change of all that block each other in one instant: no mixed state
// is ever live.
func (m model) atOnce(b blockage) []backout.WayOut {
	pairs := m.pairs(b)
	if len(b.path) > 0 {
		pairs = [][2]int{{b.end().from, b.end().to}}
	}
	var names []string
	var members []int
	for _, pair := range pairs {
		for _, x := range pair {
			if b.stuck(x) {
				return nil // it can't move, at once or otherwise
			}
			if !slices.Contains(members, x) {
				members, names = append(members, x), append(names, m.sites[x].label())
			}
		}
	}
	together := func(in *instance) {
		for _, pair := range pairs {
			x, y := pair[0], pair[1]
			a, o := nearest(in.domain[x], in.current[x]), nearest(in.domain[y], in.current[y])
			in.allow(x, a, y, in.current[y])
			in.allow(x, in.current[x], y, o)
		}
		for _, x := range members {
			in.domain[x] = 1 << nearest(in.domain[x], in.current[x])
		}
	}
	if !b.helps(together) {
		return nil
	}
	by := "by a router in front of them (the catalog has none)"
	if r := m.router(members); r != "" {
		by = "by " + label(r) + ", if old and new run side by side behind it"
	}
	return []backout.WayOut{{Kind: backout.WayOutSwitch, Component: m.sites[members[0]].component.ID,
		Words: fmt.Sprintf("switch %s at once, %s, and record that as one change", list(names), by)}}
}

// router is a component that could switch traffic for one of the sites; "" = none.
func (m model) router(members []int) backout.ComponentID {
	for _, c := range m.world.Graph.Components {
		for _, x := range members {
			s := m.sites[x].component
			if c.Kind == backout.KindTraffic && c.Actuator != "" && c.Service == s.Service && c.Environment == s.Environment && c.Location == s.Location {
				return c.ID
			}
		}
	}
	return ""
}

// corrections are contracts that may be wrong: with one state more allowed the plan
// exists. What was inferred is named before what somebody wrote.
func (m model) corrections(b blockage) []backout.WayOut {
	type correction struct {
		way   backout.WayOut
		trust int // rank of the best source that says no
	}
	var all []correction
	for _, pair := range m.pairs(b) {
		t, _ := m.between(pair[0], pair[1])
		for _, turn := range [][2]int{pair, {pair[1], pair[0]}} {
			x, y := turn[0], turn[1]
			lx := b.target(x)
			if len(b.path) > 0 && x == b.end().to {
				lx = nearest(b.in.domain[x], b.in.current[x])
			}
			c, _, bad := t.brokenFor(m.sites, x, lx, b.in.current[y])
			if lx == b.in.current[x] || !bad || !b.helps(func(in *instance) { in.allow(x, lx, y, in.current[y]) }) {
				continue
			}
			all = append(all, correction{m.correct(t, c, x, lx, y), rank(c.Source)})
		}
	}
	slices.SortStableFunc(all, func(a, b correction) int { return b.trust - a.trust })
	var out []backout.WayOut
	for _, c := range all {
		out = append(out, c.way)
	}
	return out
}

// correct is what somebody who knows better would write about x at a level together
// with y as it is. It names every contract that says otherwise.
func (m model) correct(t tie, best backout.Contract, x, lx, y int) backout.WayOut {
	s, r := m.sites[x], m.sites[y]
	vx, vy := clashing(best, s, lx, r, r.current)
	pair := fmt.Sprintf("if you know that %s %s works with %s %s", s.label(), vx, r.label(), vy)
	var wrong []string
	declared := false
	for _, c := range t.contracts {
		if rank(c.Source) > rank(best.Source) {
			continue // who is believed less needs no correction
		}
		if c.Consumer == s.component.ID && !c.Allows(vx, vy) || c.Consumer == r.component.ID && !c.Allows(vy, vx) {
			declared = declared || rank(c.Source) == 0
			wrong = append(wrong, fmt.Sprintf("%s (%s)", c.ID, cmp.Or(c.File, string(c.Source), "assumed")))
		}
	}
	words := fmt.Sprintf("%s, write a contract that says so in place of %s", pair, list(wrong))
	if declared {
		words = fmt.Sprintf("%s, correct contract %s", pair, list(wrong))
	}
	return backout.WayOut{Kind: backout.WayOutContract, Component: s.component.ID, Version: vx, Words: words,
		WorksWith: []backout.Need{{Component: r.component.ID, Versions: backout.VersionRange{From: vy, To: vy}}}}
}

// forward is what is left when nothing goes back: a corrected newer version.
func (m model) forward(i int, b blockage) backout.WayOut {
	s := m.sites[i]
	w := backout.WayOut{Kind: backout.WayOutForward, Component: s.component.ID}
	var parts []string
	for _, pair := range m.pairs(b) {
		for k, x := range pair {
			if o := pair[1-k]; x == i && o != i {
				r := m.sites[o]
				v := r.versions[r.current]
				w.WorksWith = append(w.WorksWith, backout.Need{Component: r.component.ID, Versions: backout.VersionRange{From: v, To: v}})
				parts = append(parts, fmt.Sprintf("%s %s", r.label(), v))
			}
		}
	}
	w.Words = fmt.Sprintf("fix it forward: ship a corrected %s", s.label())
	if len(parts) > 0 {
		w.Words += " that works with " + list(parts)
	}
	if inc := m.request.Incident; inc != "" {
		w.Words += fmt.Sprintf("; announce when it comes, and the plan reckons with it: backout fix announce %s --eta 20m", inc)
	}
	return w
}

// list joins names as people do: a, b and c.
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
