package plan

import (
	"cmp"
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
	// blocked is what stands in the way, where the answer is to ask.
	blocked *backout.Impossibility
}

// ask is the decision that a person must make, with what would help.
func ask(what string, no *backout.Impossibility) decision {
	d := decision{action: backout.ActionAsk, summary: "A person must decide: " + what + ".", blocked: no}
	if no != nil && len(no.WaysOut) > 0 {
		d.summary += " What would help: " + no.WaysOut[0].Words + "."
	}
	return d
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
		return ask("what was asked for can't be done: "+m.refused, m.refusal())
	case none != nil:
		i := slices.IndexFunc(m.sites, func(s site) bool { return s.wanted != nil })
		no := m.impossible(in, *none, i, m.sites[i].current-1)
		return ask("what was asked for is not safe: "+no.Why, &no)
	case len(m.request.Wanted) > 0:
		return decision{action: backout.ActionRollBack, summary: m.summary(s, moves)}
	case m.waits(len(moves)):
		return decision{action: backout.ActionRollForward, summary: m.waitForFix(in, s, top)}
	case top == nil:
		return decision{action: backout.ActionNone, summary: "No action: no recent change is suspected, so there is nothing to take back." + m.origin()}
	case m.request.Attribution.PNone >= noneDominates:
		return decision{action: backout.ActionNone, summary: fmt.Sprintf("No action: with %s no recent change did this, so taking changes back would not help.%s", percent(m.request.Attribution.PNone), m.origin())}
	case len(moves) > 0:
		d := decision{action: backout.ActionRollBack, summary: m.summary(s, moves)}
		if s.target[top.site] > top.change {
			if why, blocked := m.whyLeft(in, s, top.site, top.change); blocked != nil {
				d.gap = fmt.Sprintf("the likeliest cause, %s (%s), can't be taken back: %s", m.name(top), percent(top.p), why)
			}
		}
		return d
	}
	why, blocked := m.whyLeft(in, s, top.site, top.change)
	if blocked != nil && m.tempting(top) {
		return ask(fmt.Sprintf("the likeliest cause, %s (%s), can't be taken back safely: %s", m.name(top), percent(top.p), why), blocked)
	}
	if blocked != nil {
		return decision{action: backout.ActionNone, summary: fmt.Sprintf("No action: the likeliest cause, %s, is unlikely (%s) and can't be taken back: %s.", m.name(top), percent(top.p), why)}
	}
	return decision{action: backout.ActionNone, summary: fmt.Sprintf("No action: taking back the likeliest cause, %s (%s), %s.", m.name(top), percent(top.p), why)}
}

// refusal is what stands in the way of a wanted version that its component can't be
// brought to; nil when it has no such version.
func (m model) refusal() *backout.Impossibility {
	for i, s := range m.sites {
		to, ok := m.request.Wanted[s.component.ID]
		for l := s.current - 1; ok && s.wanted == nil && l >= 0; l-- {
			if s.versions[l] == to {
				no := m.barredChange(i, l)
				return &no
			}
		}
	}
	return nil
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
	if blocked != nil {
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

// left lists the recent changes that stay, likeliest first, each with the reason,
// and what stands in the way of those that can't go back.
func (m model) left(in *instance, s solution) ([]backout.Left, []backout.Impossibility) {
	out, stuck := []backout.Left{}, []backout.Impossibility{}
	for i, site := range m.sites {
		for x, ch := range site.changes {
			if x >= s.target[i] && x < site.current {
				continue
			}
			l := backout.Left{Change: ch.ID, Component: ch.Component, To: ch.To, P: site.p[x]}
			switch {
			case x >= site.current:
				l.Why = "it was taken back already"
			case m.request.Attribution.PNone >= noneDominates:
				l.Why = "no change is likely to be the cause"
			case site.p[x] < mentioned:
				l.Why = m.innocent(site, x, s)
			default:
				var no *backout.Impossibility
				if l.Why, no = m.whyLeft(in, s, i, x); no != nil {
					stuck = append(stuck, *no)
				}
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
	slices.SortStableFunc(stuck, func(a, b backout.Impossibility) int { return cmp.Compare(b.P, a.P) })
	return out, stuck
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

// whyLeft says why a change stays. blocked tells what stands in the way when it
// can't be taken back safely; it is nil when that merely does not pay.
func (m model) whyLeft(in *instance, s solution, i, x int) (why string, blocked *backout.Impossibility) {
	site := m.sites[i]
	below := levels(1)<<(x+1) - 1
	if site.domain()&below == 0 {
		no := m.barredChange(i, x)
		return no.Why, &no
	}
	forced := *in
	forced.domain = slices.Clone(in.domain)
	forced.domain[i] &= below
	alt, c := m.solve(&forced, min(m.request.Nodes, 500))
	if c != nil {
		no := m.impossible(&forced, *c, i, x)
		return no.Why, &no
	}
	more := m.money(alt.cost - s.cost)
	with := len(slices.Concat(m.moves(alt)...)) - 1
	if with > 0 {
		return fmt.Sprintf("would cost %s more than it is expected to save, with %s that it would drag along", more, count(with, "other step")), nil
	}
	return fmt.Sprintf("would cost %s more than it is expected to save", more), nil
}
