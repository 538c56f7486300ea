package plan

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

// Prepare gives for every change of a world, oldest first, what lies ready for the
// case that it alone is the cause: the verdict on its rollbackability, with reasons
// and advice, and the plan. forbidden names components that policy does not let us
// move, each with the sentence that says why.
//
// Each change is planned in its own neighbourhood: what contracts tie to it,
// directly or through components that may move, and what its services call or are
// called by. Nothing else can take part in a plan that nobody else is suspected in.
// So the whole costs about as much as the neighbourhoods together, and each plan's
// fingerprint is that of the whole world.
func Prepare(w backout.World, forbidden map[backout.ComponentID]string) []backout.Prepared {
	n := neighbourhood(w)
	out := []backout.Prepared{}
	for _, ch := range w.Changes {
		out = append(out, prepare(n.around(ch.Component), ch, forbidden))
	}
	return out
}

// Check says before a deployment whether its releases could be undone afterwards.
// w is the world as it would be with them out: see [Released].
func Check(w backout.World, releases []backout.Release, forbidden map[backout.ComponentID]string) backout.ReleaseCheck {
	out := backout.ReleaseCheck{Format: 1, At: w.Now, Reversible: true, Releases: []backout.Prepared{}, Warnings: []string{}}
	n := neighbourhood(w)
	for _, r := range releases {
		stack := w.Stack(r.Component)
		p := prepare(n.around(r.Component), stack[len(stack)-1], forbidden)
		out.Releases = append(out.Releases, p)
		out.Reversible = out.Reversible && p.Verdict.Reversible()
		out.Warnings = append(out.Warnings, broken(w, r)...)
	}
	slices.Sort(out.Warnings)
	out.Warnings = slices.Compact(out.Warnings)
	return out
}

// Released is a world with releases out that are not: each is a change of now, and
// the only version live of its component. What could then be undone is not in it;
// that is for actuators to say. The error names a release that can't be imagined.
func Released(w backout.World, releases []backout.Release) (backout.World, error) {
	w.Changes = slices.Clone(w.Changes)
	live := make(map[backout.ComponentID]backout.Live, len(w.Live))
	for id, l := range w.Live {
		live[id] = l
	}
	for i, r := range releases {
		c, known := w.Graph.Component(r.Component)
		from := cmp.Or(r.From, w.Live[r.Component].Version())
		switch {
		case !known:
			return w, &backout.Error{Code: backout.CodeNotFound, Message: fmt.Sprintf("check release: the catalog knows no component %s", r.Component)}
		case r.To == "":
			return w, &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("check release: %s: expected the version that is to be shipped", r.Component)}
		case from == "":
			return w, &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("check release: it is not known what runs of %s: expected the version to go back to, by --from", r.Component)}
		case from == r.To:
			return w, &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("check release: %s runs %s already: expected another version", r.Component, r.To)}
		case slices.ContainsFunc(releases[:i], func(o backout.Release) bool { return o.Component == r.Component }):
			return w, &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("check release: %s is named twice", r.Component)}
		}
		w.Changes = append(w.Changes, backout.Change{
			ID: backout.ChangeID(fmt.Sprintf("%s=%s#planned", r.Component, r.To)), Kind: c.Kind, Component: r.Component, Services: []backout.ServiceID{},
			From: from, To: r.To, Exposure: backout.Exposure{Stages: []backout.ExposureStage{{At: w.Now, Share: 1}}}, Sources: []string{},
		})
		live[r.Component] = backout.Live{Shares: map[backout.Version]float64{r.To: 1}, Healthy: true, At: w.Now}
	}
	w.Live = live
	return w, nil
}

// broken names the contracts and lines that a release would break on its way out.
func broken(w backout.World, r backout.Release) []string {
	k, roads := know(w), []directed{}
	add := func(consumer, provider backout.ComponentID) {
		if d := (directed{consumer, provider}); (consumer == r.Component || provider == r.Component) && !slices.Contains(roads, d) {
			roads = append(roads, d)
		}
	}
	for _, c := range w.Contracts {
		add(c.Consumer, c.Provider)
	}
	for _, l := range w.Lines {
		add(l.Consumer, l.Provider)
	}
	out := []string{}
	for _, d := range roads {
		for a := range w.Live[d.consumer].Shares {
			for b := range w.Live[d.provider].Shares {
				if s := k.says(d, a, b); s.known && !s.allows {
					out = append(out, fmt.Sprintf("shipping it breaks contract %s: %s %s with %s %s%s", s.contract.ID, label(d.consumer), a, label(d.provider), b, because(s.contract)))
				}
			}
		}
	}
	return out
}

// prepare is the answer for one change in its neighbourhood.
func prepare(w backout.World, ch backout.Change, forbidden map[backout.ComponentID]string) backout.Prepared {
	out := backout.Prepared{
		Change: ch.ID, Component: ch.Component, From: ch.From, To: ch.To,
		Lost: []string{}, Reasons: []string{}, Advice: []string{}, With: []backout.ComponentID{},
	}
	req := Request{World: w, Forbidden: forbidden, Forecast: atStake(w, ch.Component), Attribution: backout.Attribution{Suspects: []backout.Suspect{{Change: ch.ID, Component: ch.Component, To: ch.To, P: 1}}}}
	m := newModel(req)
	i := slices.IndexFunc(m.sites, func(s site) bool { return s.component.ID == ch.Component })
	x := slices.IndexFunc(m.sites[i].changes, func(c backout.Change) bool { return c.ID == ch.ID })
	site := m.sites[i]
	switch {
	case !known(w, ch.Component):
		return unfit(out, backout.RollbackUnknown, fmt.Sprintf("the catalog knows no component %s", ch.Component))
	case x < 0:
		return unfit(out, backout.RollbackUnknown, fmt.Sprintf("%s changed too often since: only its newest %d changes are looked at", site.label(), maxLevels-1))
	case x >= site.current:
		return unfit(out, backout.RollbackDone, fmt.Sprintf("%s runs %s: the change was taken back already, or never arrived", site.label(), site.versions[site.current]))
	}
	p, found := m.aimed(i, x)
	if p.Digest != "" {
		out.Plan = p
	}
	if !found {
		return m.stuck(out, i, x)
	}
	return m.judged(out, i, x)
}

func known(w backout.World, id backout.ComponentID) bool {
	_, ok := w.Graph.Component(id)
	return ok
}

func unfit(p backout.Prepared, v backout.Rollbackability, why string) backout.Prepared {
	p.Verdict, p.Reasons = v, append(p.Reasons, why)
	return p
}

// atStake is what a minute is worth while a component's service is ill: all that
// the journeys through it earn.
func atStake(w backout.World, id backout.ComponentID) backout.Forecast {
	c, _ := w.Graph.Component(id)
	sum := backout.Money{}
	for _, j := range w.Graph.Journeys {
		if slices.Contains(j.Services, c.Service) {
			sum.Currency = cmp.Or(sum.Currency, j.ValuePerMinute.Currency)
			sum.Minor += j.ValuePerMinute.Minor
		}
	}
	return backout.Forecast{CostNow: backout.MoneyRange{P50: sum}, CostHorizon: backout.MoneyRange{P50: sum}}
}

// aimed is the plan that takes change x of site i back whatever it costs, to the
// newest state before it that can be reached safely. Where there is none it is the plan
// that says why: of the newest state that could be reached but for others, else of the
// newest.
func (m model) aimed(i, x int) (p backout.Plan, found bool) {
	id := m.sites[i].component.ID
	tried, told := map[backout.Version]bool{"": true}, false
	for l := x; l >= 0; l-- {
		v := m.sites[i].versions[l]
		if tried[v] {
			continue
		}
		tried[v] = true
		req := m.request
		req.Wanted = map[backout.ComponentID]backout.Version{id: v}
		next, err := Make(req)
		if err != nil {
			continue // the request is ours: it makes sense
		}
		if next.Action == backout.ActionRollBack && slices.ContainsFunc(next.Steps(), func(s backout.Step) bool { return s.Component == id }) {
			return prepared(next, m.sites[i], x), true
		}
		if _, reachable := m.sites[i].reach[l]; p.Digest == "" || reachable && !told {
			p, told = next, reachable
		}
	}
	return p, false
}

// prepared says in a plan's words that nobody asked for it yet.
func prepared(p backout.Plan, s site, x int) backout.Plan {
	for k := range p.Waves {
		for j := range p.Waves[k].Steps {
			if st := &p.Waves[k].Steps[j]; st.Component == s.component.ID {
				st.Why = fmt.Sprintf("prepared for the case that %s %s is the cause", s.label(), s.versions[x+1])
			}
		}
	}
	return p
}

// judged is the verdict where there is a plan.
func (m model) judged(p backout.Prepared, i, x int) backout.Prepared {
	p.Takes = p.Plan.Takes
	for _, s := range p.Plan.Steps() {
		if s.Component == p.Component {
			p.Reasons = append(p.Reasons, m.course(i, x, s))
		} else {
			p.With = append(p.With, s.Component)
			p.Reasons = append(p.Reasons, fmt.Sprintf("%s goes back with it to %s: %s", m.label(s.Component), s.To, s.Why))
		}
		for _, e := range s.SideEffects {
			if e.Kind == backout.SideEffectData {
				p.Lost = append(p.Lost, fmt.Sprintf("%s: %s", m.label(s.Component), e.Words))
			} else {
				p.Reasons = append(p.Reasons, "by itself: "+e.Words)
			}
		}
		if s.Loss == backout.LossSome {
			p.Lost = append(p.Lost, fmt.Sprintf("%s: %s", m.label(s.Component), cmp.Or(s.Lost, "something that its actuator does not name")))
			p.Advice = append(p.Advice, m.saving(s.Component))
		}
	}
	p.Reasons = append(p.Reasons, p.Plan.OrderReasons...)
	for _, gap := range p.Plan.Gaps {
		p.Reasons = append(p.Reasons, "not proven: "+gap)
	}
	p.Advice = append(p.Advice, m.missing(p.Plan)...)
	until, why := m.expires(p.Plan)
	switch {
	case len(p.Lost) > 0:
		p.Verdict = backout.RollbackLossy
	case len(p.Plan.Gaps) > 0:
		p.Verdict = backout.RollbackUnproven
	case !until.IsZero():
		p.Verdict, p.Until = backout.RollbackUntil, until
		p.Reasons = append(p.Reasons, fmt.Sprintf("until %s: %s", until.UTC().Format(time.RFC3339), why))
	default:
		p.Verdict = backout.RollbackNow
	}
	p.Advice = unique(p.Advice)
	return p
}

// course says how the changed component itself goes back.
func (m model) course(i, x int, s backout.Step) string {
	text := fmt.Sprintf("%s goes back to %s in %s", m.sites[i].label(), s.To, count(len(s.Stages), "stage"))
	switch later := len(s.Reverts) - 1 - (x - (m.sites[i].current - len(s.Reverts))); {
	case later > 0:
		return fmt.Sprintf("%s; %s of it since goes back too", text, count(later, "change"))
	case len(s.Reverts) > 1:
		return fmt.Sprintf("%s; %s of it before goes back too, since what was between can't be reached", text, count(len(s.Reverts)-1, "change"))
	}
	return text
}

// expires is when a plan stops being free of loss or allowed, as far as is known;
// zero when no end is known.
func (m model) expires(p backout.Plan) (time.Time, string) {
	end, why := time.Time{}, ""
	sooner := func(t time.Time, reason string) {
		if t.After(m.world.Now) && (end.IsZero() || t.Before(end)) {
			end, why = t, reason
		}
	}
	for _, s := range p.Steps() {
		for _, r := range m.world.Reversals[s.Component].Levels {
			if r.Level == s.ToLevel {
				sooner(r.Until, fmt.Sprintf("then it is not known any more that %s can go back to %s without loss", m.label(s.Component), s.To))
			}
		}
	}
	for _, s := range p.Steps() {
		if i := m.place(s.Component); i >= 0 {
			sooner(s.Until, m.sites[i].limits[int(s.ToLevel)-m.sites[i].base].why)
		}
	}
	return end, why
}

func (m model) label(id backout.ComponentID) string {
	if i := m.place(id); i >= 0 {
		return m.sites[i].label()
	}
	return label(id)
}

func (m model) place(id backout.ComponentID) int {
	return slices.IndexFunc(m.sites, func(s site) bool { return s.component.ID == id })
}

// stuck is the verdict where there is no plan.
func (m model) stuck(p backout.Prepared, i, x int) backout.Prepared {
	s, no := m.sites[i], m.obstacle(p.Plan, i, x)
	p.Reasons = append(p.Reasons, no.Why)
	for _, w := range no.Waits {
		p.Reasons = append(p.Reasons, fmt.Sprintf("%s would have to go back before %s: contract %s asks for it: %s", m.nameOf(w.First), m.nameOf(w.Then), w.Contract, w.Words))
	}
	for _, way := range no.WaysOut {
		if way.Kind != backout.WayOutForward { // that mends, and does not make it reversible
			p.Advice = append(p.Advice, way.Words)
		}
	}
	p.Verdict = backout.RollbackBlocked
	if no.Kind == backout.ImpossiblePair && len(no.Cells) == 0 { // the pair is its own old and new
		p.Advice = append(p.Advice, fmt.Sprintf("ship an intermediate version of %s that can run beside both, or switch it whole", s.label()))
	}
	switch {
	case s.component.Immovable || no.Kind == backout.ImpossibleHeld || no.Kind == backout.ImpossiblePair || no.Kind == backout.ImpossibleCycle:
	case s.component.Actuator == "":
		p.Verdict, p.Advice = backout.RollbackUnknown, []string{fmt.Sprintf("give %s an actuator that answers for it", s.label())}
	case no.Kind == backout.ImpossibleForbidden:
	case no.Kind == backout.ImpossibleImmovable:
		return m.against(p, i, no)
	case m.oneWay(i, x), s.limits[x].kind == backout.ImpossibleOneWay:
		p.Verdict, p.Advice = backout.RollbackOneWay, []string{m.saving(s.component.ID)}
	case no.Kind == backout.ImpossibleUnknown:
		p.Verdict = backout.RollbackUnknown
	}
	return p
}

// obstacle is what the plan says of why a change can't go back.
func (m model) obstacle(p backout.Plan, i, x int) backout.Impossibility {
	s := m.sites[i]
	k := slices.IndexFunc(p.Impossible, func(o backout.Impossibility) bool { return o.Component == s.component.ID })
	if k < 0 {
		return backout.Impossibility{Kind: m.barKind(s, x), Why: cmp.Or(s.barred[x], p.Summary)}
	}
	return p.Impossible[k]
}

// oneWay reports whether no state of a site before change x can be reached at all,
// by its actuator's word.
func (m model) oneWay(i, x int) bool {
	s := m.sites[i]
	return s.reversal.Known && !slices.ContainsFunc(s.reversal.Levels, func(r backout.Reachable) bool {
		return int(r.Level)-s.base <= x && r.Loss != backout.LossOneWay
	})
}

// against is the verdict where a neighbour can't follow a change back. If there is
// no way back for the neighbour, there is none for the change.
func (m model) against(p backout.Prepared, i int, no backout.Impossibility) backout.Prepared {
	if len(no.Cells) == 0 {
		return p
	}
	j := m.place(no.Cells[0].B)
	switch o := m.sites[j]; {
	case o.current > 0 && !o.component.Immovable && (m.oneWay(j, o.current-1) || o.limits[o.current-1].kind == backout.ImpossibleOneWay):
		p.Verdict = backout.RollbackOneWay
		p.Advice = append([]string{m.saving(o.component.ID)}, p.Advice...)
	case o.component.Immovable || len(o.changes) == 0:
		p.Advice = append(p.Advice, fmt.Sprintf("keep in %s what %s %s needs until nothing runs it any more", m.sites[i].label(), o.label(), o.versions[o.current]))
	}
	return p
}

// saving is what to do about a component that can't go back, or not without loss.
func (m model) saving(id backout.ComponentID) string {
	name := m.label(id)
	if id.Kind() == backout.KindSchema {
		return fmt.Sprintf("split the migration of %s: add first, let the code move over, and remove only in a later release, so that each part can be undone", name)
	}
	return fmt.Sprintf("keep what %s had before reachable: its artifact, its value, or a copy of the data", name)
}

// missing says what would prove what a plan rests on without proof.
func (m model) missing(p backout.Plan) []string {
	target := map[backout.ComponentID]int{}
	for _, s := range p.Steps() {
		target[s.Component] = int(s.ToLevel)
	}
	s := solution{target: make([]int, len(m.sites)), schedule: schedule{depth: make([]int, len(m.sites))}}
	for i, site := range m.sites {
		s.target[i] = site.current
		if l, ok := target[site.component.ID]; ok {
			s.target[i] = l - site.base
		}
	}
	out := []string{}
	tied := map[[2]int]bool{}
	for _, t := range m.ties {
		tied[[2]int{t.i, t.j}] = true
	}
	for i := range m.sites {
		x := m.sites[i]
		if s.target[i] != x.current && !x.reach[s.target[i]].Verified {
			out = append(out, fmt.Sprintf("let %s %s run everywhere and healthy before the next change of it: what nobody saw work is no place to go back to", x.label(), x.versions[s.target[i]]))
		}
		for j := i + 1; j < len(m.sites); j++ {
			moves := s.target[i] != x.current || s.target[j] != m.sites[j].current
			if moves && !tied[[2]int{i, j}] && m.related(i, j) && len(m.strangers(s, i, j)) > 0 {
				out = append(out, fmt.Sprintf("write a contract between %s and %s: it says which of their versions may be live together", x.component.ID, m.sites[j].component.ID))
			}
		}
	}
	return out
}

func unique(in []string) []string {
	out := []string{}
	for _, s := range in {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
