package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/backout-dev/backout"
)

// turn is a set of sites that one switch turns at once because no order among them is
// safe: a strongly connected component of the orders that their contracts demand.
type turn struct {
	backout.Switch
	sites []int // ascending
}

// turns condenses the switches to what needs them. Members that can go back one
// after the other do: a switch is turned by hand and moves everything at once.
func (m model) turns() []turn {
	var out []turn
	for _, sw := range m.world.Graph.Switches {
		var members []int
		for i, s := range m.sites {
			if slices.Contains(sw.Members, s.component.ID) {
				members = append(members, i)
			}
		}
		for _, ring := range m.rings(members) {
			if m.fits(ring) {
				out = append(out, turn{sw, ring})
			}
		}
	}
	return out
}

// rings are the sets of at least two members that must, for some targets, each have
// gone back before the other, directly or around.
func (m model) rings(members []int) [][]int {
	before := map[[2]int]bool{}
	in := &instance{}
	for _, s := range m.sites {
		in.current = append(in.current, s.current)
	}
	for _, e := range m.edges {
		if !slices.Contains(members, e.i) || !slices.Contains(members, e.j) {
			continue
		}
		for a := range e.allowed {
			for b, together := range e.allowed[a] {
				r := in.relate(e, a, b)
				apart := r == forbidden && together && a != in.current[e.i] && b != in.current[e.j]
				before[[2]int{e.i, e.j}] = before[[2]int{e.i, e.j}] || r == iFirst || apart
				before[[2]int{e.j, e.i}] = before[[2]int{e.j, e.i}] || r == jFirst || apart
			}
		}
	}
	for _, k := range members { // Warshall 1962: who comes before whom around others
		for _, a := range members {
			for _, b := range members {
				before[[2]int{a, b}] = before[[2]int{a, b}] || before[[2]int{a, k}] && before[[2]int{k, b}]
			}
		}
	}
	var out [][]int
	seen := map[int]bool{}
	for _, a := range members {
		if seen[a] || !before[[2]int{a, a}] {
			continue
		}
		ring := []int{}
		for _, b := range members {
			if a == b || before[[2]int{a, b}] && before[[2]int{b, a}] {
				ring, seen[b] = append(ring, b), true
			}
		}
		if len(ring) > 1 {
			out = append(out, ring)
		}
	}
	return out
}

// fits reports whether sites may be turned at once: their levels can be told apart in
// one component of the solver, and capacity and the policy let all of them move whole.
func (m model) fits(ring []int) bool {
	combinations, services := 1, map[backout.ServiceID]bool{}
	missing, extra := map[string]int{}, map[string]int{}
	for _, i := range ring {
		c := m.sites[i].component
		combinations = min(combinations*len(m.sites[i].versions), maxLevels+1)
		services[c.Service] = true
		r := roomOf(c, m.world.Graph.Pools, m.free)
		if _, ok := r.gentle([]float64{1}, []float64{1}, c.Instances); !ok {
			return false
		}
		for _, p := range m.world.Graph.Pools {
			if p.Has(c) {
				e := min(c.Instances, r.surge)
				missing[p.ID] += c.Instances - e
				extra[p.ID] += e
			}
		}
	}
	lim := m.world.Policy.Limits
	return combinations <= maxLevels &&
		(lim.Components == 0 || len(ring) <= lim.Components) && (lim.Services == 0 || len(services) <= lim.Services) &&
		!slices.ContainsFunc(m.world.Graph.Pools, func(p backout.Pool) bool {
			return p.MaxUnavailable > 0 && missing[p.ID] > p.MaxUnavailable || p.Quota > 0 && extra[p.ID] > m.free[p.ID]
		})
}

// turned is the turn that a site belongs to; nil when it moves by itself.
func (m model) turned(i int) *turn {
	for k := range m.together {
		if slices.Contains(m.together[k].sites, i) {
			return &m.together[k]
		}
	}
	return nil
}

// isTurned reports whether a component is turned with others.
func (m model) isTurned(id backout.ComponentID) bool {
	return slices.ContainsFunc(m.together, func(t turn) bool {
		return slices.ContainsFunc(t.sites, func(i int) bool { return m.sites[i].component.ID == id })
	})
}

// company are the sites that a solution moves at once with a site, itself among them.
func (m model) company(s solution, i int) []int {
	t := m.turned(i)
	if t == nil {
		return []int{i}
	}
	var out []int
	for _, k := range t.sites {
		if s.target[k] != m.sites[k].current {
			out = append(out, k)
		}
	}
	return out
}

// solve finds the cheapest solution. What is turned at once is one component of the
// solver, whose levels are the combinations of its members'.
func (m model) solve(in *instance, limit int) (solution, *conflict) {
	if len(m.together) == 0 {
		return solve(in, limit)
	}
	c := m.condense(in)
	s, why := solve(c.instance, limit)
	if why != nil {
		in.domain = c.left(in) // for the explanation: what turning at once leaves of each
		return solution{}, c.blamed(why)
	}
	return c.expand(in, s), nil
}

// condensed is an instance in which some sites are one.
type condensed struct {
	*instance
	units   [][]int   // sites by unit
	unit    []int     // unit by site
	levels  [][][]int // by unit and level: the level of each of its sites
	origins []int     // by edge: an edge of the instance before
}

func (m model) condense(in *instance) condensed {
	c := condensed{instance: &instance{}, unit: make([]int, len(in.current))}
	for i := range in.current {
		sites := []int{i}
		if t := m.turned(i); t != nil {
			if sites = t.sites; sites[0] != i {
				c.unit[i] = c.unit[sites[0]]
				continue
			}
		}
		c.unit[i] = len(c.units)
		c.units = append(c.units, sites)
	}
	for _, sites := range c.units {
		c.add(in, sites)
	}
	c.link(in)
	return c
}

// add lays out one unit: every combination of its sites' levels, priced together. A
// combination that some edge inside forbids is not in the domain.
func (c *condensed) add(in *instance, sites []int) {
	all := [][]int{{}}
	for _, i := range sites {
		var next [][]int
		for _, head := range all {
			for l := range in.fixed[i] {
				next = append(next, append(slices.Clone(head), l))
			}
		}
		all = next
	}
	u, effect, duration := len(c.levels), in.effect[sites[0]], 0
	for _, i := range sites {
		effect, duration = min(effect, in.effect[i]), max(duration, in.duration[i])
	}
	current, domain := 0, levels(0)
	fixed, rate := make([]int64, len(all)), make([]int64, len(all))
	for l, combination := range all {
		stays, may := true, true
		for k, i := range sites {
			at := combination[k]
			stays, may = stays && at == in.current[i], may && in.domain[i].has(at)
			fixed[l] += in.fixed[i][at]
			if at != in.current[i] {
				rate[l] += in.rate[i][at]
				fixed[l] += in.rate[i][at] * int64(in.effect[i]-effect)
			}
		}
		if stays {
			current = l
		}
		if may && c.agrees(in, u, combination) {
			domain |= 1 << l
		}
	}
	c.levels = append(c.levels, all)
	c.current, c.domain = append(c.current, current), append(c.domain, domain)
	c.duration, c.effect = append(c.duration, duration), append(c.effect, effect)
	c.fixed, c.rate = append(c.fixed, fixed), append(c.rate, rate)
}

// agrees reports whether the sites of a unit may be at a combination of levels.
func (c *condensed) agrees(in *instance, u int, combination []int) bool {
	sites := c.units[u]
	if len(sites) == 1 {
		return true
	}
	return !slices.ContainsFunc(in.edges, func(e edge) bool {
		x, y := slices.Index(sites, e.i), slices.Index(sites, e.j)
		return x >= 0 && y >= 0 && !in.mayMeet(e, combination[x], combination[y])
	})
}

// mayMeet reports whether a pair of levels is allowed, or is the one at the start.
func (in *instance) mayMeet(e edge, a, b int) bool {
	return e.allowed[a][b] || a == in.current[e.i] && b == in.current[e.j]
}

// link joins the edges between two units into one table.
func (c *condensed) link(in *instance) {
	at := map[[2]int]int{}
	for k, e := range in.edges {
		u, v := c.unit[e.i], c.unit[e.j]
		if u == v {
			continue
		}
		key := [2]int{min(u, v), max(u, v)}
		n, known := at[key]
		if !known {
			n = len(c.edges)
			at[key] = n
			c.edges, c.origins = append(c.edges, edge{key[0], key[1], open(len(c.levels[key[0]]), len(c.levels[key[1]]))}), append(c.origins, k)
		}
		c.narrow(in, e, c.edges[n])
	}
}

// open is a table in which everything is allowed.
func open(rows, columns int) [][]bool {
	out := make([][]bool, rows)
	for a := range out {
		out[a] = slices.Repeat([]bool{true}, columns)
	}
	return out
}

// narrow forbids in the table of two units what an edge of two of their sites forbids.
func (c *condensed) narrow(in *instance, e, into edge) {
	i, j := e.i, e.j
	x, y := slices.Index(c.units[into.i], i), slices.Index(c.units[into.j], j)
	swapped := x < 0
	if swapped {
		x, y = slices.Index(c.units[into.i], j), slices.Index(c.units[into.j], i)
	}
	for a, left := range c.levels[into.i] {
		for b, right := range c.levels[into.j] {
			la, lb := left[x], right[y]
			if swapped {
				la, lb = lb, la
			}
			into.allowed[a][b] = into.allowed[a][b] && in.mayMeet(e, la, lb)
		}
	}
}

// expand turns a solution of units into one of sites: what is turned at once starts
// at once, after everything that its unit waits for.
func (c condensed) expand(in *instance, s solution) solution {
	n := len(in.current)
	out := s
	out.target = make([]int, n)
	out.schedule = schedule{start: make([]int, n), depth: make([]int, n), before: make([][]int, n)}
	for u, sites := range c.units {
		for k, i := range sites {
			out.target[i] = c.levels[u][s.target[u]][k]
		}
	}
	for u, sites := range c.units {
		for _, i := range sites {
			if out.target[i] == in.current[i] {
				continue
			}
			out.start[i], out.depth[i] = s.start[u], s.depth[u]
			for _, b := range s.before[u] {
				for _, k := range c.units[b] {
					if out.target[k] != in.current[k] {
						out.before[i] = append(out.before[i], k)
					}
				}
			}
		}
	}
	return out
}

// left are the levels of each site that occur in some combination of its unit.
func (c condensed) left(in *instance) []levels {
	out := make([]levels, len(in.domain))
	for u, sites := range c.units {
		for l, combination := range c.levels[u] {
			for k, i := range sites {
				if c.domain[u].has(l) {
					out[i] |= 1 << combination[k]
				}
			}
		}
	}
	return out
}

// blamed turns a conflict of units into one of sites.
func (c condensed) blamed(why *conflict) *conflict {
	if why.edge >= 0 {
		return &conflict{edge: c.origins[why.edge]}
	}
	out := &conflict{edge: -1}
	for _, u := range why.cycle {
		out.cycle = append(out.cycle, c.units[u][0])
	}
	return out
}

// turnReasons says what a plan turns at once, by which switch. backout turns no router
// with several components behind it by itself, so this is for a person.
func (m model) turnReasons(s solution) []string {
	var out []string
	for _, t := range m.together {
		var names []string
		for _, i := range t.sites {
			if s.target[i] != m.sites[i].current {
				names = append(names, fmt.Sprintf("%s to %s", m.sites[i].label(), m.sites[i].versions[s.target[i]]))
			}
		}
		if len(names) > 1 {
			out = append(out, fmt.Sprintf("%s turns %s at once (switch %s%s), since no order of them is safe; a person must do it there", label(t.Router), strings.Join(names, " and "), t.ID, reasonOf(t.Reason)))
		}
	}
	return out
}
