package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// limit is what the constraints of the real world say about bringing a site to a
// level, beyond what its actuator says: what was written since, what has passed
// its point of no return, who breaks, what vulnerability opens.
type limit struct {
	barred  string                    // why it can't be; "" when it can
	kind    backout.ImpossibilityKind // of what bars it
	loss    backout.Loss
	lost    []string
	dear    bool                      // the loss is of data and has no price of its own
	price   int64                     // minor units that it costs for certain
	exposes []string                  // vulnerabilities that come back
	until   time.Time                 // by when the move must have ended; zero = no hurry
	why     string                    // what follows then
	then    backout.ImpossibilityKind // and what it is
	notes   []string                  // what people should know although nothing is lost
}

// join makes a limit out of two: the worse of each.
func (a limit) join(b limit) limit {
	a.barred, a.kind = cmp.Or(a.barred, b.barred), cmp.Or(a.kind, b.kind)
	a.loss = worse(a.loss, b.loss)
	a.lost, a.notes = append(a.lost, b.lost...), append(a.notes, b.notes...)
	a.dear, a.price = a.dear || b.dear, a.price+b.price
	for _, v := range b.exposes {
		if !slices.Contains(a.exposes, v) {
			a.exposes = append(a.exposes, v)
		}
	}
	if !b.until.IsZero() && (a.until.IsZero() || b.until.Before(a.until)) {
		a.until, a.why, a.then = b.until, b.why, b.then
	}
	return a
}

// worse is the worse of two losses; "" is no loss.
func worse(a, b backout.Loss) backout.Loss {
	order := []backout.Loss{"", backout.LossNone, backout.LossSome, backout.LossUnknown, backout.LossOneWay}
	if slices.Index(order, b) > slices.Index(order, a) {
		return b
	}
	return a
}

// conditions are the constraints of the real world, sorted by the component whose
// way back they limit.
type conditions struct {
	world     backout.World
	stacks    map[backout.ComponentID][]backout.Change
	formats   map[backout.ComponentID][]backout.DataFormat
	noReturns map[backout.ComponentID][]backout.PointOfNoReturn
	claims    map[backout.ComponentID][]claim
	late      map[move]limit // moves that were found to end too late
	free      map[string]int // what each pool's quota leaves
	stakes    stakes
}

// move is one component brought to one version.
type move struct {
	component backout.ComponentID
	to        backout.Version
}

func newConditions(req Request, k knowledge, stacks map[backout.ComponentID][]backout.Change) conditions {
	c := conditions{
		world: req.World, stacks: stacks, stakes: stakesOf(req), late: req.late, free: freeOf(req.World.Graph),
		formats: map[backout.ComponentID][]backout.DataFormat{}, noReturns: map[backout.ComponentID][]backout.PointOfNoReturn{},
		claims: claims(req.World, k),
	}
	for _, f := range req.World.Graph.Formats {
		c.formats[f.Reader] = append(c.formats[f.Reader], f)
	}
	for _, p := range req.World.Graph.NoReturns {
		c.noReturns[p.Component] = append(c.noReturns[p.Component], p)
	}
	return c
}

// of gathers what limits bringing a site to a level that its actuator can reach.
func (c conditions) of(s *site, l int, r backout.Reachable) limit {
	out := c.late[move{s.component.ID, s.versions[l]}]
	out.loss, out.dear = r.Loss, r.Loss != backout.LossNone
	if r.Lost != "" {
		out.lost = []string{r.Lost}
	}
	for _, f := range c.formats[s.component.ID] {
		out = out.join(c.format(s, l, f))
	}
	for _, p := range c.noReturns[s.component.ID] {
		out = out.join(c.noReturn(s, l, r, p))
	}
	for _, k := range c.claims[s.component.ID] {
		out = out.join(c.claim(s, l, k))
	}
	return out.join(security(s, l)).join(c.freezing(s.component))
}

// format is what a data format costs that some version wrote and the target can't
// read. Data outlive their writer, so it does not matter where the writer goes.
func (c conditions) format(s *site, l int, f backout.DataFormat) limit {
	to := s.versions[l]
	since, written := c.written(f)
	if !written || f.Reads.Contains(to) || !f.Reads.Contains(s.versions[s.current]) {
		return limit{}
	}
	out := limit{
		loss: f.Loss, dear: true,
		lost: []string{fmt.Sprintf("%s, which %s has written%s and %s %s can't read (data format %s)", f.Lost, label(f.Writer), since, s.label(), to, f.ID)},
	}
	if f.Loss == backout.LossOneWay {
		out.kind, out.barred = backout.ImpossibleOneWay, fmt.Sprintf("there is no way back to %s %s: it can't read %s, which %s has written%s (data format %s)", s.label(), to, f.Lost, label(f.Writer), since, f.ID)
	}
	return out
}

// written reports whether a format was written already, and says since when.
func (c conditions) written(f backout.DataFormat) (since string, yes bool) {
	for _, ch := range c.stacks[f.Writer] {
		if at := ch.Exposure.Start(); f.Writes.Contains(ch.To) && !at.IsZero() && !at.After(c.world.Now) {
			return " since " + hhmm(at), true
		}
	}
	for v, share := range c.world.Live[f.Writer].Shares {
		if share > 0 && f.Writes.Contains(v) {
			return "", true
		}
	}
	return "", false
}

// hhmm writes a moment of the day, as plans do everywhere.
func hhmm(t time.Time) string { return t.UTC().Format("15:04 UTC") }

// noReturn is what a point of no return says about undoing the changes above a level.
func (c conditions) noReturn(s *site, l int, r backout.Reachable, p backout.PointOfNoReturn) limit {
	out := limit{}
	for _, ch := range s.changes[l:s.current] {
		if p.Versions.Contains(ch.To) {
			out = out.join(c.past(s, ch, r, p))
		}
	}
	return out
}

// past is what a point of no return says about undoing one change now.
func (c conditions) past(s *site, ch backout.Change, r backout.Reachable, p backout.PointOfNoReturn) limit {
	start := ch.Exposure.Start()
	point := start.Add(p.After.Std())
	switch {
	case p.Rows > 0 && r.Rows == nil:
		return limit{loss: backout.LossUnknown, dear: true, lost: []string{fmt.Sprintf("%s, if more than %d rows were written since %s: nobody counted them (%s)", p.Lost, p.Rows, hhmm(start), p.ID)}}
	case p.Rows > 0 && *r.Rows >= p.Rows:
		return beyond(p, s, ch, fmt.Sprintf("%d rows were written since %s, and %d are the limit", *r.Rows, hhmm(start), p.Rows))
	case p.After > 0 && !c.world.Now.Before(point):
		return beyond(p, s, ch, "since "+hhmm(point))
	case p.After > 0:
		return limit{until: point, then: backout.ImpossibleOneWay, why: fmt.Sprintf("then %s %s passes its point of no return %s%s", s.label(), ch.To, p.ID, reasonOf(p.Reason))}
	case p.Rows > 0:
		return limit{notes: []string{fmt.Sprintf("%d of at most %d rows were written since %s: beyond that %s is lost (%s)", *r.Rows, p.Rows, hhmm(start), p.Lost, p.ID)}}
	}
	return beyond(p, s, ch, "since "+hhmm(start))
}

// beyond words a point of no return that is passed.
func beyond(p backout.PointOfNoReturn, s *site, ch backout.Change, when string) limit {
	if p.Loss == backout.LossOneWay {
		return limit{loss: p.Loss, kind: backout.ImpossibleOneWay, barred: fmt.Sprintf("there is no way back from %s %s: it has passed its point of no return %s, %s%s", s.label(), ch.To, p.ID, when, reasonOf(p.Reason))}
	}
	return limit{loss: p.Loss, dear: true, lost: []string{fmt.Sprintf("%s: %s has passed its point of no return %s, %s", p.Lost, ch.To, p.ID, when)}}
}

func reasonOf(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// security is what undoing a fix of a vulnerability opens.
func security(s *site, l int) limit {
	out := limit{}
	for _, ch := range s.changes[l:s.current] {
		if ch.Security != "" {
			out = out.join(limit{exposes: []string{ch.Security}})
		}
	}
	return out
}

// freezing says when a freeze begins that would catch the move half done. A freeze
// that is in force bars the component altogether, see [frozen].
func (c conditions) freezing(part backout.Component) limit {
	out := limit{}
	for _, f := range c.world.Policy.Freezes {
		if !f.AllowRollbacks && f.Covers(part) && c.world.Now.Before(f.From) {
			out = out.join(limit{until: f.From, then: backout.ImpossibleForbidden, why: "then nothing may be changed, not even back" + reasonOf(f.Reason)})
		}
	}
	return out
}

// frozen says why a component may not be taken back now; "" when it may.
func frozen(w backout.World, part backout.Component) string {
	for _, f := range w.Policy.Freezes {
		if !w.Now.Before(f.From) && w.Now.Before(f.To) && !f.AllowRollbacks && f.Covers(part) {
			what := "nothing may be changed"
			if !f.Covers(backout.Component{}) {
				what = label(part.ID) + " may not be changed"
			}
			return fmt.Sprintf("%s until %s%s", what, f.To.UTC().Format(time.RFC3339), reasonOf(f.Reason))
		}
	}
	return ""
}

// inTime solves, and solves again without the moves that would end too late, until
// every move of the solution ends in time. Which moves are late depends on the
// others, so what is left may not be the cheapest of all: what is proven of its cost is
// about the problem without the moves that were late.
func inTime(req Request) (model, []action, *instance, solution, *conflict) {
	for {
		m := newModel(req)
		actions, in, s, none := m.settle()
		m.actions, m.in = actions, in
		late := m.overdue(s, actions)
		if none != nil || len(late) == 0 {
			return m, actions, in, s, none
		}
		maps.Copy(late, req.late)
		req.late = late
	}
}

// overdue lists the moves of the first wave that has any that would end after they
// must have, each with the sentence that says so.
func (m model) overdue(s solution, actions []action) map[move]limit {
	waves := m.moves(s)
	starts := begins(waves, actions)
	for w, wave := range waves {
		out := map[move]limit{}
		for _, i := range wave {
			site := m.sites[i]
			lim := site.limits[s.target[i]]
			if end := m.world.Now.Add(starts[w] + actions[i].takes); !lim.until.IsZero() && end.After(lim.until) {
				to := site.versions[s.target[i]]
				words := fmt.Sprintf("%s can't be back at %s before %s, and %s", site.label(), to, hhmm(lim.until), lim.why)
				out[move{site.component.ID, to}] = limit{barred: words, kind: lim.then}
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}

// soon reports whether a deadline is near enough to be worth a word.
func (m model) soon(until time.Time) bool {
	return !until.IsZero() && until.Sub(m.world.Now) < 2*time.Duration(m.horizon)*m.minute/ticksPerMinute
}

// claim is a consumer outside our reach that relies on a component, by what is known
// of the two.
type claim struct {
	consumer backout.Consumer
	known    knowledge
	road     directed
}

// claims sorts what consumers outside our reach rely on by who provides it.
func claims(w backout.World, k knowledge) map[backout.ComponentID][]claim {
	out := map[backout.ComponentID][]claim{}
	for _, u := range w.Graph.Consumers {
		met := map[backout.ComponentID]bool{}
		add := func(consumer, provider backout.ComponentID) {
			if consumer == u.Component && !met[provider] {
				met[provider] = true
				out[provider] = append(out[provider], claim{u, k, directed{consumer, provider}})
			}
		}
		for _, c := range w.Contracts {
			add(c.Consumer, c.Provider)
		}
		for _, l := range w.Lines {
			add(l.Consumer, l.Provider)
		}
	}
	return out
}

// claim is what going back to a level does to the users of a consumer: nothing, a
// loss with a price, or more than is allowed.
func (c conditions) claim(s *site, l int, k claim) limit {
	shares := c.world.Live[k.consumer.Component].Shares
	if len(shares) == 0 {
		return limit{loss: backout.LossUnknown, dear: true, lost: []string{fmt.Sprintf("what %s do with it: nobody measured which versions of %s they run", k.consumer.Users, label(k.consumer.Component))}}
	}
	broken, versions := k.broken(shares, s.live, s.versions[l])
	if broken == 0 {
		return limit{}
	}
	text := fmt.Sprintf("breaks %s of the %s (%s)", percent(broken), k.consumer.Users, versions)
	out := limit{price: c.worth(k.consumer, broken)}
	switch {
	case broken > k.consumer.ForbiddenAbove:
		out.kind, out.barred = backout.ImpossibleImmovable, fmt.Sprintf("going back to %s %s %s, and at most %s may be broken", s.label(), s.versions[l], text, percent(k.consumer.ForbiddenAbove))
	case broken > k.consumer.LossyAbove:
		out.loss, out.lost = backout.LossSome, []string{"the service of some users: it " + text}
	default:
		out.notes = []string{fmt.Sprintf("it %s, which is within the %s that may be", text, percent(k.consumer.LossyAbove))}
	}
	return out
}

// broken is the share of a consumer's users whose version works with something that
// runs now and not with the target, and those versions in words.
func (k claim) broken(shares map[backout.Version]float64, now []backout.Version, to backout.Version) (float64, string) {
	sum, total := 0.0, 0.0
	var all, lost []backout.Version
	for v, share := range shares {
		if share <= 0 {
			continue
		}
		all, total = append(all, v), total+share
		if !k.allows(v, to) && slices.ContainsFunc(now, func(p backout.Version) bool { return k.allows(v, p) }) {
			lost = append(lost, v)
		}
	}
	slices.SortFunc(all, backout.CompareVersions)
	slices.SortFunc(lost, backout.CompareVersions)
	for _, v := range lost { // in fixed order: floating sums must not depend on a map
		sum += shares[v]
	}
	if len(lost) == 0 {
		return 0, ""
	}
	return sum / total, span(all, lost)
}

// span words a set of versions out of all: the newest from one on, or a list.
func span(all, some []backout.Version) string {
	if len(some) > 1 && len(some) < len(all) && slices.Equal(all[len(all)-len(some):], some) {
		return fmt.Sprintf("versions >= %s", some[0])
	}
	var names []string
	for _, v := range some[:min(3, len(some))] {
		names = append(names, string(v))
	}
	if more := len(some) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return "version " + strings.Join(names, ", ")
}

func (k claim) allows(consumer, provider backout.Version) bool {
	said := k.known.says(k.road, consumer, provider)
	return !said.known || said.allows
}

// worth is what a share of a consumer's users would have brought until somebody
// mends it: their part of the journeys they travel, over the horizon.
func (c conditions) worth(u backout.Consumer, broken float64) int64 {
	sum := 0.0
	for _, j := range c.world.Graph.Journeys {
		if len(u.Journeys) == 0 || slices.Contains(u.Journeys, j.ID) {
			sum += float64(j.ValuePerMinute.Minor)
		}
	}
	return clamp(sum * u.Share * broken * float64(c.stakes.horizon) / ticksPerMinute)
}
