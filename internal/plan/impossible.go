package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/backout-dev/backout"
)

// blockage is why a site can't go below a level.
type blockage struct {
	in     *instance // with the site forced back
	domain []levels  // what propagation left
	path   []bite    // what led from the site to the one that no level was left for
	cycle  []int     // or: sites that wait for each other, each for the next
}

// bite is one step of propagation: what is left for one site takes levels from another.
type bite struct{ edge, from, to int }

// end is the bite that left no level.
func (b blockage) end() bite { return b.path[len(b.path)-1] }

// stuck reports whether a site has no level but its present one, whatever others do.
func (b blockage) stuck(k int) bool {
	return b.in.domain[k].single() && b.in.domain[k].has(b.in.current[k])
}

// impossible explains why a site's change x can't go back although its domain has a
// level below it: why no targets and no order of the others make it safe.
func (m model) impossible(forced *instance, c conflict, i, x int) backout.Impossibility {
	out := m.blocked(i, x)
	b := m.block(forced, c, i)
	switch {
	case len(b.cycle) > 0:
		out.Kind, out.Waits = backout.ImpossibleCycle, m.ringWaits(b)
		out.Why = m.circle(b.cycle)
	case len(b.path) > 0:
		out.Kind = backout.ImpossiblePair
		if b.stuck(b.end().to) {
			out.Kind = backout.ImpossibleImmovable
		}
		out.Waits, out.Cells = m.pathWaits(b), m.cells(b)
		out.Why = m.pathWords(b, out)
	default:
		out.Kind, out.Why = backout.ImpossibleUnknown, "no safe order was found within the search limit"
	}
	out.WaysOut = append(m.waysOut(b, i), m.forward(i, b))
	return out
}

// blocked is an impossibility about a change of a site, before anybody knows why.
func (m model) blocked(i, x int) backout.Impossibility {
	ch := m.sites[i].changes[x]
	return backout.Impossibility{Change: ch.ID, Component: ch.Component, To: ch.To, P: m.sites[i].p[x], WaysOut: []backout.WayOut{}}
}

// barredChange explains a change whose site can't be brought below it at all.
func (m model) barredChange(i, x int) backout.Impossibility {
	s, out := m.sites[i], m.blocked(i, x)
	out.Kind, out.Why = m.barKind(s, x), s.barred[x]
	lift := func(kind backout.WayOutKind, format string, args ...any) {
		out.WaysOut = append(out.WaysOut, backout.WayOut{Kind: kind, Component: s.component.ID, Words: fmt.Sprintf(format, args...)})
	}
	switch out.Kind {
	case backout.ImpossibleHeld:
		lift(backout.WayOutLift, "end the hold on %s %s, if whoever set it agrees", s.label(), s.versions[x])
	case backout.ImpossibleForbidden:
		lift(backout.WayOutLift, "have whoever answers for that rule allow it: %s", s.barred[x])
	case backout.ImpossibleUnknown:
		lift(backout.WayOutAsk, "see to it that whoever moves %s answers, then the plan is made anew", s.label())
	}
	out.WaysOut = append(out.WaysOut, m.forward(i, blockage{}))
	return out
}

// barKind sorts the reasons of [site.bar].
func (m model) barKind(s site, x int) backout.ImpossibilityKind {
	k := slices.IndexFunc(s.reversal.Levels, func(r backout.Reachable) bool { return int(r.Level) == s.base+x })
	held := slices.ContainsFunc(m.world.Holds, func(h backout.Hold) bool {
		return h.Component == s.component.ID && h.Until.After(m.world.Now) && h.BadTo == s.versions[x]
	})
	switch {
	case s.limits[x].kind != "":
		return s.limits[x].kind
	case m.request.Forbidden[s.component.ID] != "":
		return backout.ImpossibleForbidden
	case s.component.Immovable:
		return backout.ImpossibleImmovable
	case k >= 0 && s.reversal.Known && s.reversal.Levels[k].Loss == backout.LossOneWay:
		return backout.ImpossibleOneWay
	case held:
		return backout.ImpossibleHeld
	case k >= 0 && s.reversal.Known && s.mixes(s.versions[x]) != "":
		return backout.ImpossiblePair
	}
	return backout.ImpossibleUnknown
}

// block finds out what stands in the way. Propagation runs breadth first from the
// site, so that what it finds is near it; a circle is searched for among the moves
// that are forced, the shortest first.
func (m model) block(forced *instance, c conflict, i int) blockage {
	p := compile(forced)
	b := blockage{in: forced, domain: slices.Clone(forced.domain)}
	if b.propagate(p, i) {
		return b
	}
	level := make([]int, len(b.domain))
	for k, d := range b.domain {
		if level[k] = -1; !d.has(forced.current[k]) {
			level[k] = nearest(d, forced.current[k])
		}
	}
	b.cycle = shortestCycle(p.forced(level))
	if b.cycle == nil {
		b.cycle = c.cycle
	}
	return b
}

// forced lists what each move that can't be left out waits for. A level of -1 is
// that of a site that may stay.
func (p *problem) forced(level []int) [][]int {
	before := make([][]int, len(level))
	for i, l := range level {
		for _, k := range p.touching[i] {
			if other, _ := p.edges[k].other(i); l >= 0 && level[other] >= 0 && p.waitsFor(k, i, level) == other {
				before[i] = append(before[i], other)
			}
		}
	}
	return before
}

// propagate strikes out levels that fit no level of a neighbour, first those that
// follow from the site's own going back, and remembers what bit what. It reports
// whether some site has no level left; path then leads to it.
func (b *blockage) propagate(p *problem, i int) bool {
	every := []int{i}
	for k := range b.domain {
		if k != i {
			every = append(every, k)
		}
	}
	var bites []bite
	for _, queue := range [][]int{{i}, every} {
		for ; len(queue) > 0; queue = queue[1:] {
			for _, k := range p.touching[queue[0]] {
				to, _ := p.edges[k].other(queue[0])
				next := bite{k, queue[0], to}
				kept := b.domain[next.to] & p.fits(k, next.from, b.domain[next.from])
				if kept == b.domain[next.to] {
					continue
				}
				if bites = append(bites, next); kept == 0 {
					b.path = trace(bites)
					return true
				}
				b.domain[next.to] = kept
				queue = append(queue, next.to)
			}
		}
	}
	return false
}

// fits are the levels of an edge's other side that go with one of those of x.
func (p *problem) fits(k, x int, domain levels) levels {
	_, side := p.edges[k].other(x)
	var out levels
	for l, with := range p.suits[k][side] {
		if domain.has(l) {
			out |= with
		}
	}
	return out
}

// trace keeps of the bites those that led to the last one.
func trace(bites []bite) []bite {
	last := bites[len(bites)-1]
	path, needed := []bite{last}, map[int]bool{last.from: true, last.to: true}
	for k := len(bites) - 2; k >= 0; k-- {
		if needed[bites[k].to] {
			path = append(path, bites[k])
			needed[bites[k].from] = true
		}
	}
	slices.Reverse(path)
	return path
}

// shortestCycle finds a shortest ring in "waits for" lists, by a breadth-first
// search from each member; of equals the one with the first site. nil = none.
func shortestCycle(before [][]int) []int {
	var best []int
	for start := range before {
		came, queue := map[int]int{}, []int{start}
		for ; len(queue) > 0; queue = queue[1:] {
			x := queue[0]
			if slices.Contains(before[x], start) {
				ring := []int{x}
				for ring[0] != start {
					ring = append([]int{came[ring[0]]}, ring...)
				}
				if best == nil || len(ring) < len(best) {
					best = ring
				}
				break
			}
			for _, y := range before[x] {
				if _, seen := came[y]; !seen {
					came[y] = x
					queue = append(queue, y)
				}
			}
		}
	}
	return best
}

// nearest is the newest level below the current one that is left, or else the
// current one.
func nearest(d levels, current int) int {
	for l := current - 1; l >= 0; l-- {
		if d.has(l) {
			return l
		}
	}
	return current
}

// target is the level that a site would go to.
func (b blockage) target(k int) int { return nearest(b.domain[k], b.in.current[k]) }

// between finds the edge of two sites.
func (m model) between(a, b int) (tie, bool) {
	k := slices.IndexFunc(m.ties, func(t tie) bool { return t.i == min(a, b) && t.j == max(a, b) })
	if k < 0 {
		return tie{}, false
	}
	return m.ties[k], true
}

// wait says that second can go back only when first has: with second at its target
// and first as it is now, a contract is broken.
func (m model) wait(first, second, target int) backout.Wait {
	w := backout.Wait{First: m.sites[first].component.ID, Then: m.sites[second].component.ID}
	t, ok := m.between(first, second)
	if !ok {
		return w
	}
	if c, clash, bad := t.brokenFor(m.sites, second, target, m.sites[first].current); bad {
		w.Contract, w.Source, w.Words = c.ID, c.Source, asks(c, clash)
	}
	return w
}

// brokenFor is [tie.broken] for sites in any order.
func (t tie) brokenFor(sites []site, a, la, lb int) (backout.Contract, string, bool) {
	if t.i == a {
		return t.broken(sites, la, lb)
	}
	return t.broken(sites, lb, la)
}

// asks is what a contract that two versions break asks for, in words.
func asks(c backout.Contract, clash string) string {
	if c.Reason != "" {
		return clash + ": " + c.Reason
	}
	return clash
}

// ringWaits are the arrows of a cycle.
func (m model) ringWaits(b blockage) []backout.Wait {
	var out []backout.Wait
	for k, second := range b.cycle {
		out = append(out, m.wait(b.cycle[(k+1)%len(b.cycle)], second, b.target(second)))
	}
	return out
}

// pathWaits are the arrows from the change to the pair where it ends: who can't stay
// as it is when another goes back.
func (m model) pathWaits(b blockage) []backout.Wait {
	var out []backout.Wait
	for _, x := range b.path[:len(b.path)-1] {
		if w := m.wait(x.to, x.from, b.target(x.from)); w.Contract != "" {
			out = append(out, w)
		}
	}
	return out
}

// cells are the states of the last pair: now, each side gone back alone, both. Of a
// side that can't be moved only what runs is shown.
func (m model) cells(b blockage) []backout.Cell {
	x, y := b.end().from, b.end().to
	nowX, nowY, a, o := b.in.current[x], b.in.current[y], b.target(x), b.target(y)
	if o == nowY {
		o = nearest(b.in.domain[y], nowY)
	}
	states := [][2]int{{nowX, nowY}, {a, nowY}}
	if o != nowY {
		states = append(states, [2]int{nowX, o}, [2]int{a, o})
	}
	t, s, r := m.ties[b.end().edge], m.sites[x], m.sites[y]
	var out []backout.Cell
	for k, st := range states {
		c := backout.Cell{A: s.component.ID, B: r.component.ID, AVersion: s.versions[st[0]], BVersion: r.versions[st[1]], Now: k == 0, Allowed: true}
		if by, clash, bad := t.brokenFor(m.sites, x, st[0], st[1]); bad && k > 0 {
			c.Allowed, c.Contract, c.Source, c.Words = false, by.ID, by.Source, asks(by, clash)
			c.AVersion, c.BVersion = clashing(by, s, st[0], r, st[1])
		}
		out = append(out, c)
	}
	return out
}

// clashing are the versions at two levels that a contract keeps apart: one of those
// that run, where a rollout left several.
func clashing(by backout.Contract, s site, a int, r site, b int) (backout.Version, backout.Version) {
	for _, va := range s.at(a) {
		for _, vb := range r.at(b) {
			if by.Consumer == s.component.ID && !by.Allows(va, vb) || by.Consumer == r.component.ID && !by.Allows(vb, va) {
				return va, vb
			}
		}
	}
	return s.versions[a], r.versions[b]
}

func (m model) circle(cycle []int) string {
	var names []string
	for _, k := range cycle {
		names = append(names, m.sites[k].label())
	}
	return fmt.Sprintf("%s each have to wait for the next to go back, in a circle", strings.Join(append(names, names[0]), ", "))
}

// pathWords says in one sentence what the waits and the cells show.
func (m model) pathWords(b blockage, out backout.Impossibility) string {
	x, y := m.sites[b.end().from], m.sites[b.end().to]
	var lead []string
	for _, w := range out.Waits {
		lead = append(lead, fmt.Sprintf("%s would have to go back before %s (contract %s), ", m.nameOf(w.First), m.nameOf(w.Then), w.Contract))
	}
	text, alone := strings.Join(lead, "and "), out.Cells[1]
	if text != "" {
		text += "but "
	}
	clash := fmt.Sprintf("%s %s does not work with %s %s (contract %s)", x.label(), alone.AVersion, y.label(), alone.BVersion, alone.Contract)
	if len(out.Cells) == 2 {
		why := y.label() + " can't be moved"
		if y.current > 0 && y.barred[y.current-1] != "" {
			why = y.barred[y.current-1]
		}
		return fmt.Sprintf("%s%s, and %s", text, clash, why)
	}
	switch other, both := out.Cells[2], out.Cells[3]; {
	case alone.Allowed:
		return fmt.Sprintf("%s%s and %s would both have to go back, and %s %s does not work with %s %s (contract %s)",
			text, x.label(), y.label(), x.label(), both.AVersion, y.label(), both.BVersion, both.Contract)
	case !both.Allowed:
		return fmt.Sprintf("%s%s, and not with %s either (contract %s)", text, clash, both.BVersion, both.Contract)
	case !other.Allowed:
		return fmt.Sprintf("%s%s, and %s %s not with %s %s (contract %s): neither can go back first",
			text, clash, y.label(), other.BVersion, x.label(), other.AVersion, other.Contract)
	}
	return text + clash + m.third(b)
}

// third says who keeps the last site from going back, where that is neither it nor
// the other of the pair.
func (m model) third(b blockage) string {
	y := b.end().to
	for _, x := range b.path[:len(b.path)-1] {
		if x.to != y {
			continue
		}
		o := nearest(b.in.domain[y], b.in.current[y])
		if c, clash, bad := m.ties[x.edge].brokenFor(m.sites, y, o, b.target(x.from)); bad {
			return fmt.Sprintf(", and contract %s forbids %s", c.ID, clash)
		}
	}
	return fmt.Sprintf(", and %s can't go back for the sake of others", m.sites[y].label())
}

func (m model) nameOf(id backout.ComponentID) string {
	k := slices.IndexFunc(m.sites, func(s site) bool { return s.component.ID == id })
	if k < 0 {
		return label(id)
	}
	return m.sites[k].label()
}
