package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/backout-dev/backout"
)

// noneDominates is the probability of "no change did it" from which on nothing
// is taken back: what would be lost is likelier than what would be saved, and
// needless rollbacks are what this program is to prevent.
const noneDominates = .5

// mentioned is the least probability at which a change that stays gets a reason
// of its own, found by solving again with the change forced back.
const mentioned = .05

// decision is what the plan proposes as a whole.
type decision struct {
	action  backout.Action
	summary string
	// gap is set when the likeliest cause is not among what is taken back, because
	// it can't be: then the plan works around it, and a person should know.
	gap string
}

// suspect is one change of a site.
type suspect struct {
	site, change int
	p            float64
}

func (m model) topSuspect() *suspect {
	var top *suspect
	for i, s := range m.sites {
		for x := range s.current {
			if s.p[x] > 0 && (top == nil || s.p[x] > top.p) {
				top = &suspect{i, x, s.p[x]}
			}
		}
	}
	return top
}

func (m model) name(t *suspect) string {
	return fmt.Sprintf("%s %s", m.sites[t.site].label(), m.sites[t.site].changes[t.change].To)
}

// decide turns the solver's answer into what is proposed.
func (m model) decide(in *instance, s solution, none *conflict) decision {
	top := m.topSuspect()
	moves := m.moves(s)
	switch {
	case m.refused != "":
		return decision{backout.ActionAsk, fmt.Sprintf("A person must decide: what was asked for can't be done: %s.", m.refused), ""}
	case none != nil:
		i := slices.IndexFunc(m.sites, func(s site) bool { return s.wanted != nil })
		return decision{backout.ActionAsk, fmt.Sprintf("A person must decide: what was asked for is not safe: %s.", m.explain(in, *none, i)), ""}
	case len(m.request.Wanted) > 0:
		return decision{backout.ActionRollBack, m.summary(s, moves), ""}
	case m.waits(len(moves)):
		return decision{backout.ActionRollForward, m.waitForFix(in, s, top), ""}
	case top == nil:
		return decision{backout.ActionNone, "No action: no recent change is suspected, so there is nothing to take back." + m.origin(), ""}
	case m.request.Attribution.PNone >= noneDominates:
		return decision{backout.ActionNone, fmt.Sprintf("No action: with %s no recent change did this, so taking changes back would not help.%s", percent(m.request.Attribution.PNone), m.origin()), ""}
	case len(moves) > 0:
		d := decision{backout.ActionRollBack, m.summary(s, moves), ""}
		if s.target[top.site] > top.change {
			if why, blocked := m.whyLeft(in, s, top.site, top.change); blocked {
				d.gap = fmt.Sprintf("the likeliest cause, %s (%s), can't be taken back: %s", m.name(top), percent(top.p), why)
			}
		}
		return d
	}
	why, blocked := m.whyLeft(in, s, top.site, top.change)
	if blocked && m.tempting(top) {
		return decision{backout.ActionAsk, fmt.Sprintf("A person must decide: the likeliest cause, %s (%s), can't be taken back safely: %s.", m.name(top), percent(top.p), why), ""}
	}
	if blocked {
		return decision{backout.ActionNone, fmt.Sprintf("No action: the likeliest cause, %s, is unlikely (%s) and can't be taken back: %s.", m.name(top), percent(top.p), why), ""}
	}
	return decision{backout.ActionNone, fmt.Sprintf("No action: taking back the likeliest cause, %s (%s), %s.", m.name(top), percent(top.p), why), ""}
}

// waits reports whether an announced fix is worth waiting for: nothing is worth
// taking back until it arrives, or it mends what no change caused and probably none did.
func (m model) waits(moves int) bool {
	f := m.request.Fix
	return f.Pending(m.world.Now) && (moves == 0 || m.request.Attribution.PNone >= noneDominates && f.Mends(""))
}

func (m model) waitForFix(in *instance, s solution, top *suspect) string {
	f := m.request.Fix
	text := fmt.Sprintf("Roll forward: wait for the fix that %s announced for %s (%s sure)", f.By.Name, f.ETA.UTC().Format("15:04:05"), percent(f.Confidence))
	if top == nil || m.request.Attribution.PNone >= noneDominates {
		return text + "; nothing is to be taken back meanwhile."
	}
	why, blocked := m.whyLeft(in, s, top.site, top.change)
	if blocked {
		return fmt.Sprintf("%s; the likeliest cause, %s (%s), can't be taken back safely: %s.", text, m.name(top), percent(top.p), why)
	}
	return fmt.Sprintf("%s; until then, taking back the likeliest cause, %s (%s), %s.", text, m.name(top), percent(top.p), why)
}

// tempting reports whether taking a change back would pay if nothing stood in
// the way, or whether it is the cause more likely than not. Nobody is woken for a
// cause that is both unlikely and out of reach.
func (m model) tempting(t *suspect) bool {
	if t.p >= .5 {
		return true
	}
	c := m.sites[t.site].component
	saves := t.p * float64(m.rate) * float64(m.until(m.sites[t.site].changes[t.change].ID)) / ticksPerMinute
	return saves > (1-t.p)*float64(m.value(c))+float64(m.fast(byKind[c.Kind].effort))
}

// origin says what is ill instead, where the attribution knows.
func (m model) origin() string {
	best := backout.Origin{}
	for _, o := range m.request.Attribution.Origins {
		if o.P > best.P {
			best = o
		}
	}
	switch {
	case best.P == 0:
		return ""
	case best.Text != "":
		return " Likeliest: " + best.Text + "."
	}
	return fmt.Sprintf(" Likeliest: %s %s (%s).", best.Kind, best.Service, percent(best.P))
}

func (m model) summary(s solution, moves [][]int) string {
	var parts []string
	for _, wave := range moves {
		var names []string
		for _, i := range wave {
			site := m.sites[i]
			names = append(names, fmt.Sprintf("%s to %s", site.label(), site.versions[s.target[i]]))
		}
		parts = append(parts, listed(names, 3))
	}
	return fmt.Sprintf("Take back %s, in %s.", strings.Join(parts, ", then "), count(len(moves), "wave"))
}

// listed joins names, and counts those beyond the first few.
func listed(names []string, few int) string {
	if extra := len(names) - few; extra > 0 {
		names = append(slices.Clone(names[:few]), fmt.Sprintf("%d more", extra))
	}
	return strings.Join(names, " and ")
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// left lists the recent changes that stay, likeliest first, each with the reason.
func (m model) left(in *instance, s solution) []backout.Left {
	out := []backout.Left{}
	for i, site := range m.sites {
		for x, ch := range site.changes {
			if x >= s.target[i] && x < site.current {
				continue
			}
			l := backout.Left{Change: ch.ID, Component: ch.Component, P: site.p[x]}
			switch {
			case x >= site.current:
				l.Why = "it was taken back already"
			case m.request.Attribution.PNone >= noneDominates:
				l.Why = "no change is likely to be the cause"
			case site.p[x] < mentioned:
				l.Why = m.innocent(site, x, s)
			default:
				l.Why, _ = m.whyLeft(in, s, i, x)
			}
			out = append(out, l)
		}
	}
	slices.SortStableFunc(out, func(a, b backout.Left) int {
		switch {
		case a.P > b.P:
			return -1
		case a.P < b.P:
			return 1
		}
		return strings.Compare(string(a.Change), string(b.Change))
	})
	return out
}

// innocent words the reason for a change that hardly anybody suspects. Schemas
// get a sentence of their own, since people ask about them first.
func (m model) innocent(site site, x int, s solution) string {
	why := fmt.Sprintf("hardly suspected (%s), and nothing that goes back needs it to", percent(site.p[x]))
	if site.component.Kind != backout.KindSchema {
		return why
	}
	for i, other := range m.sites {
		if other.component.Kind == backout.KindDeployment && s.target[i] != other.current && m.near(site, other) {
			return fmt.Sprintf("it stays in place: %s %s works with it, and undoing a migration risks data", other.label(), other.versions[s.target[i]])
		}
	}
	return why + "; undoing a migration risks data"
}

// near reports whether two sites belong to one service or are under a contract.
func (m model) near(a, b site) bool {
	if a.component.Service != "" && a.component.Service == b.component.Service {
		return true
	}
	return slices.ContainsFunc(m.ties, func(t tie) bool {
		x, y := m.sites[t.i].component.ID, m.sites[t.j].component.ID
		return x == a.component.ID && y == b.component.ID || x == b.component.ID && y == a.component.ID
	})
}

// whyLeft says why a change stays. blocked is set when it can't be taken back
// safely, unset when it merely does not pay.
func (m model) whyLeft(in *instance, s solution, i, x int) (why string, blocked bool) {
	site := m.sites[i]
	below := levels(1)<<(x+1) - 1
	if site.domain()&below == 0 {
		return site.barred[x], true
	}
	forced := *in
	forced.domain = slices.Clone(in.domain)
	forced.domain[i] &= below
	alt, c := m.solve(&forced, min(m.request.Nodes, 500))
	if c != nil {
		return m.explain(&forced, *c, i), true
	}
	more := m.money(alt.cost - s.cost)
	with := len(slices.Concat(m.moves(alt)...)) - 1
	if with > 0 {
		return fmt.Sprintf("would cost %s more than it is expected to save, with %s that it would drag along", more, count(with, "other step")), false
	}
	return fmt.Sprintf("would cost %s more than it is expected to save", more), false
}

// explain puts a conflict into words.
func (m model) explain(in *instance, c conflict, i int) string {
	if c.edge < 0 {
		if len(c.cycle) == 0 {
			return "no safe order was found within the search limit"
		}
		var names []string
		for _, k := range c.cycle {
			names = append(names, m.sites[k].label())
		}
		return fmt.Sprintf("%s would each have to go back before the next, in a circle: an atomic switch or a version in between is needed", strings.Join(append(names, names[0]), ", "))
	}
	t := m.ties[c.edge]
	x, y := m.sites[t.i], m.sites[t.j]
	a, b := nearest(in.domain[t.i], x.current), nearest(in.domain[t.j], y.current)
	if t.i == i && b != y.current || t.j == i && a != x.current {
		return m.fourCells(t, a, b)
	}
	return m.pairClash(t, in, a, b)
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

// pairClash words a conflict with a component that stays where it is.
func (m model) pairClash(t tie, in *instance, a, b int) string {
	if in.domain[t.i].has(m.sites[t.i].current) && a != m.sites[t.i].current {
		a = m.sites[t.i].current
	}
	c, clash, bad := t.broken(m.sites, a, b)
	if !bad {
		return m.fourCells(t, a, b)
	}
	text := fmt.Sprintf("contract %s forbids %s%s", c.ID, clash, because(c))
	for _, side := range [2][2]int{{t.i, a}, {t.j, b}} {
		other := m.sites[side[0]]
		if side[1] == other.current && other.domain().single() {
			if other.current > 0 && other.barred[other.current-1] != "" {
				return text + "; " + other.barred[other.current-1]
			}
			return text + "; " + other.label() + " can't be moved"
		}
	}
	return text
}

// fourCells shows the four states of a pair that would have to switch at once.
func (m model) fourCells(t tie, a, b int) string {
	x, y := m.sites[t.i], m.sites[t.j]
	state := func(la, lb int) string {
		at := fmt.Sprintf("%s %s with %s %s", x.label(), x.versions[la], y.label(), y.versions[lb])
		if la == x.current && lb == y.current {
			return at + " (now)"
		}
		if c, clash, bad := t.broken(m.sites, la, lb); bad {
			return fmt.Sprintf("%s: forbidden by contract %s (%s)", at, c.ID, clash)
		}
		return at + ": allowed"
	}
	return fmt.Sprintf("%s and %s would need an atomic switch or a version in between. The four states: %s; %s; %s; %s",
		x.label(), y.label(), state(x.current, y.current), state(a, y.current), state(x.current, b), state(a, b))
}
