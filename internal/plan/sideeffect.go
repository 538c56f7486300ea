package plan

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// strangerBreaks is the prior chance that a consumer that was built against the
// newer version, and never met the older one, does not work with it.
const strangerBreaks = .1

// sideEffects are what moving a site to a level does by itself. The catalog and the
// metrics say so ([backout.Rollback], [backout.Load]); where the catalog says
// nothing there is nothing here. goes tells which sites go back with it: a
// consumer that does is no harm.
func (m model) sideEffects(i, l int, a action, goes []bool) []backout.SideEffect {
	s := m.sites[i]
	out := m.consumers(i, l, goes)
	if s.component.Rollback == nil {
		return out
	}
	out = append(out, m.starting(s, a)...)
	out = append(out, m.fewer(s, l)...)
	out = append(out, m.coldCache(s)...)
	out = append(out, m.backlog(s, a)...)
	return append(out, m.written(s, l)...)
}

// afterwards computes the side effects of every level that a site can go to.
func (m model) afterwards(i int, a action, goes []bool) map[int][]backout.SideEffect {
	out := map[int][]backout.SideEffect{}
	for l := range m.sites[i].reach {
		if found := m.sideEffects(i, l, a, goes); len(found) > 0 {
			out[l] = found
		}
	}
	return out
}

// sameEffects reports whether two stagings of one move do the same by themselves.
func sameEffects(a, b action) bool { return maps.EqualFunc(a.effects, b.effects, slices.Equal) }

// moving tells which sites a solution moves.
func (m model) moving(s solution) []bool {
	out := make([]bool, len(m.sites))
	for i, site := range m.sites {
		out[i] = s.target[i] != site.current
	}
	return out
}

// aside is what the side effects of going to a level cost, in minor units.
func (a action) aside(l int) int64 {
	var sum int64
	for _, e := range a.effects[l] {
		sum += e.Cost.Minor
	}
	return sum
}

// worth is what a model minute is worth in which a component does nothing at all,
// in minor units: its service's journeys, shared among the places it runs in. It
// is an upper bound while a journey is hurt already.
func (m model) worth(c backout.Component) float64 {
	sum, places := 0.0, 0
	for _, j := range m.world.Graph.Journeys {
		if slices.Contains(j.Services, c.Service) {
			sum += float64(j.ValuePerMinute.Minor)
		}
	}
	if sum == 0 {
		return 0
	}
	for _, o := range m.world.Graph.Components {
		if o.Kind == c.Kind && o.Name == c.Name && o.Environment == c.Environment {
			places++
		}
	}
	return sum / float64(max(places, 1))
}

// harm is a side effect that takes a share of a component's work away for a time.
func (m model) harm(kind backout.SideEffectKind, c backout.Component, share float64, during, lasts time.Duration, words string) backout.SideEffect {
	e := backout.SideEffect{Kind: kind, Component: c.ID, Words: words, Lasts: backout.Duration(lasts)}
	worth := m.worth(c)
	if e.Priced = worth > 0; !e.Priced {
		e.Words += "; not priced, since no journey with a value depends on it"
		return e
	}
	e.Cost = backout.Money{Minor: clamp(worth * share * float64(during) / float64(m.minute)), Currency: m.currency}
	return e
}

// unpriced is a side effect of which something is not known.
func unpriced(kind backout.SideEffectKind, c backout.Component, words, missing string) backout.SideEffect {
	return backout.SideEffect{Kind: kind, Component: c.ID, Words: words + "; not priced, since " + missing}
}

// quantity is what the metrics said, or why they said nothing.
func (m model) quantity(s site, q backout.Quantity) (value float64, missing string) {
	l := m.world.Loads[s.component.ID]
	if v, ok := l.Values[q]; ok && v >= 0 {
		return v, ""
	}
	asked := map[backout.Quantity]string{
		backout.QuantityUtilisation: "how busy it is", backout.QuantityBacklog: "how many messages wait",
		backout.QuantityInflow: "how many messages arrive", backout.QuantityWrites: "how many are written",
	}
	why := asked[q] + " is not known"
	if reason := l.Missing[q]; reason != "" {
		return 0, why + ": " + reason
	}
	return 0, why
}

// brings says how long it takes until a further share of a component serves at its
// new version, and which share of all instances is away meanwhile.
func (s site) brings(share float64, each time.Duration) (takes time.Duration, away float64) {
	r := s.component.Rollback
	if r == nil || r.Startup <= 0 {
		return each, 0
	}
	away = s.away(share)
	batches := 1.0
	if s.reversal.Mixed && away > 0 {
		batches = math.Ceil(share/away - 1e-9)
	}
	return max(each, time.Duration(batches)*r.Startup.Std()), away
}

// away is the share of all instances that is missing while a further share moves:
// all of that share when old and new can't stand side by side.
func (s site) away(share float64) float64 {
	if !s.reversal.Mixed {
		return share
	}
	return min(s.reversal.Headroom, share)
}

// settles is how long a gate must wait before signals can speak: until caches are
// warm and the queue has drained.
func (m model) settles(s site) time.Duration {
	r := s.component.Rollback
	if r == nil {
		return 0
	}
	_, drains := m.drain(s, 0)
	return max(r.CacheWarmup.Std(), min(drains, m.patience()))
}

// patience is the horizon as a time: when a person would have mended it.
func (m model) patience() time.Duration {
	return time.Duration(float64(m.horizon) / ticksPerMinute * float64(m.minute))
}

// shortage is the share of the work that can't be done with a share of the present
// capacity left, beyond what can't be done now.
func shortage(busy, left float64) float64 {
	lost := func(capacity float64) float64 { return max(0, busy-capacity) / busy }
	if busy <= 0 {
		return 0
	}
	return lost(left) - lost(1)
}

// starting prices the instances that are away while the older version starts.
func (m model) starting(s site, a action) []backout.SideEffect {
	busy, missing := m.quantity(s, backout.QuantityUtilisation)
	most, lost, before := 0.0, 0.0, 0.0
	var during time.Duration
	for _, st := range a.stages {
		takes, away := s.brings(st.Share-before, 0)
		before = st.Share
		if away > 0 && takes > 0 {
			most, during = max(most, away), during+takes
			lost += shortage(busy, 1-away) * float64(takes)
		}
	}
	words := fmt.Sprintf("for %s up to %s of %s's instances are starting and do not serve", spell(during), percent(most), s.label())
	switch {
	case most == 0:
		return nil
	case missing != "":
		return []backout.SideEffect{unpriced(backout.SideEffectCapacity, s.component, words, missing)}
	case lost == 0:
		return nil
	}
	words += fmt.Sprintf(", while %s of the capacity is in use", percent(busy))
	return []backout.SideEffect{m.harm(backout.SideEffectCapacity, s.component, lost/float64(during), during, 0, words)}
}

// fewer prices a version that comes back with fewer instances than are needed now,
// until a person has seen it.
func (m model) fewer(s site, l int) []backout.SideEffect {
	n, now := s.reach[l].Instances, s.component.Instances
	if n <= 0 || n >= now {
		return nil
	}
	words := fmt.Sprintf("%s %s comes back with %s, %d run now", s.label(), s.versions[l], count(n, "instance"), now)
	busy, missing := m.quantity(s, backout.QuantityUtilisation)
	if missing != "" {
		return []backout.SideEffect{unpriced(backout.SideEffectCapacity, s.component, words, missing)}
	}
	short := shortage(busy, float64(n)/float64(now))
	if short <= 0 {
		return nil
	}
	during := humanMinutes * m.minute
	words += fmt.Sprintf(" and %d are needed: scale it up first", int(math.Ceil(busy*float64(now)-1e-9)))
	return []backout.SideEffect{m.harm(backout.SideEffectCapacity, s.component, short, during, during, words)}
}

// coldCache prices empty caches: each instance is cold once, whatever the stages.
func (m model) coldCache(s site) []backout.SideEffect {
	r := s.component.Rollback
	if r.CacheWarmup <= 0 {
		return nil
	}
	words := fmt.Sprintf("the caches of %s start cold and are warm after %s", s.label(), spell(r.CacheWarmup.Std()))
	if r.CachePenalty == 0 {
		return []backout.SideEffect{unpriced(backout.SideEffectColdCache, s.component, words, "the catalog names no cachePenalty")}
	}
	words += fmt.Sprintf("; until then %s of their work is as good as lost", percent(r.CachePenalty))
	return []backout.SideEffect{m.harm(backout.SideEffectColdCache, s.component, r.CachePenalty, r.CacheWarmup.Std(), r.CacheWarmup.Std(), words)}
}

// drain is how many messages wait once the component has been partly away for a
// time, and how long they take to drain; the horizon when they never do.
func (m model) drain(s site, grown float64) (waiting float64, takes time.Duration) {
	q := s.component.Rollback.Queue
	if q == nil {
		return 0, 0
	}
	backlog, no := m.quantity(s, backout.QuantityBacklog)
	inflow, neither := m.quantity(s, backout.QuantityInflow)
	waiting = backlog + grown
	switch {
	case no != "" || neither != "" || waiting < 1:
		return 0, 0
	case inflow >= q.DrainRate:
		return waiting, m.patience()
	}
	return waiting, min(m.patience(), time.Duration(waiting/(q.DrainRate-inflow)*float64(time.Second)).Round(time.Millisecond))
}

// grows is how many messages queue up while instances start.
func (m model) grows(s site, a action) float64 {
	inflow, missing := m.quantity(s, backout.QuantityInflow)
	if missing != "" {
		return 0
	}
	grown, before := 0.0, 0.0
	for _, st := range a.stages {
		takes, away := s.brings(st.Share-before, 0)
		before = st.Share
		if away > 0 {
			grown += max(0, inflow-(1-away)*s.component.Rollback.Queue.DrainRate) * takes.Seconds()
		}
	}
	return grown
}

// backlog names the messages that wait, and prices the delay that the move adds.
func (m model) backlog(s site, a action) []backout.SideEffect {
	q := s.component.Rollback.Queue
	if q == nil {
		return nil
	}
	for _, asked := range []backout.Quantity{backout.QuantityBacklog, backout.QuantityInflow} {
		if _, missing := m.quantity(s, asked); missing != "" {
			return []backout.SideEffect{unpriced(backout.SideEffectBacklog, s.component, fmt.Sprintf("messages queue up while %s moves", s.label()), missing)}
		}
	}
	grown := m.grows(s, a)
	waiting, lasts := m.drain(s, grown)
	if waiting < 1 {
		return nil
	}
	inflow, _ := m.quantity(s, backout.QuantityInflow)
	words := fmt.Sprintf("about %s messages wait for %s, %s of them because of this step; they have drained after %s", about(waiting), s.label(), about(grown), spell(lasts))
	if inflow >= q.DrainRate {
		words = fmt.Sprintf("about %s messages wait for %s and the queue does not drain: %s a second arrive and it takes %s", about(waiting), s.label(), about(inflow), about(q.DrainRate))
	}
	_, before := m.drain(s, 0)
	if q.DelayPenalty == 0 && grown > 0 {
		return []backout.SideEffect{unpriced(backout.SideEffectBacklog, s.component, words, "the catalog names no delayPenalty")}
	}
	return []backout.SideEffect{m.harm(backout.SideEffectBacklog, s.component, q.DelayPenalty, lasts-before, lasts, words)}
}

// written names and prices what the newer version wrote since it was exposed.
func (m model) written(s site, l int) []backout.SideEffect {
	w, x := s.component.Rollback.Writes, s.newer(l)
	if w == nil || x < 0 {
		return nil
	}
	became := map[backout.Fate]string{
		backout.FateUnreadable: fmt.Sprintf("can't be read by %s", s.versions[l]),
		backout.FateLost:       "are lost",
		backout.FateMigrated:   fmt.Sprintf("must be migrated to the form of %s", s.versions[l]),
	}[w.Fate]
	words := fmt.Sprintf("%s that %s %s wrote %s", w.Unit, s.label(), s.versions[x+1], became)
	rate, missing := m.quantity(s, backout.QuantityWrites)
	start := s.changes[x].Exposure.Start()
	if start.IsZero() && missing == "" {
		missing = "nobody knows since when it runs"
	}
	if missing != "" {
		return []backout.SideEffect{unpriced(backout.SideEffectData, s.component, words, missing)}
	}
	amount := rate * exposed(s.changes[x].Exposure, m.world.Now).Seconds()
	if amount < .5 {
		return nil
	}
	words = fmt.Sprintf("about %s %s, written since %s UTC", about(amount), words, start.UTC().Format("15:04"))
	if w.Each.Minor == 0 {
		return []backout.SideEffect{unpriced(backout.SideEffectData, s.component, words, "the catalog does not say what one is worth")}
	}
	return []backout.SideEffect{{Kind: backout.SideEffectData, Component: s.component.ID, Words: words, Priced: true,
		Cost: backout.Money{Minor: clamp(float64(w.Each.Minor) * amount), Currency: m.currency}}}
}

// exposed is how long a change has run, counted as if it had always been exposed as
// much as it is now: the rate of writes is that of now.
func exposed(e backout.Exposure, now time.Time) time.Duration {
	full, sum := e.Share(now), 0.0
	for k, st := range e.Stages {
		end := now
		if k+1 < len(e.Stages) && e.Stages[k+1].At.Before(now) {
			end = e.Stages[k+1].At
		}
		sum += st.Share * float64(max(0, end.Sub(st.At)))
	}
	if full <= 0 {
		return 0
	}
	return time.Duration(sum / full)
}

// newer is the first change above a level whose version writes the newer form,
// when the level's own does not; -1 when going there harms no data.
func (s site) newer(l int) int {
	since := backout.Version("")
	if w := s.component.Rollback.Writes; w != nil {
		since = w.Since
	}
	if since != "" && backout.CompareVersions(s.versions[l], since) >= 0 {
		return -1
	}
	for x := l; x < s.current; x++ {
		if since == "" || backout.CompareVersions(s.changes[x].To, since) >= 0 {
			return x
		}
	}
	return -1
}

// consumers are those who were deployed after the version that goes away, stay, and
// are not known to work with the one that comes back.
func (m model) consumers(i, l int, goes []bool) []backout.SideEffect {
	s := m.sites[i]
	since := s.changes[l].Exposure.Start()
	var out []backout.SideEffect
	for _, j := range m.callers[s.component.Service] {
		c := m.sites[j]
		if j == i || goes != nil && goes[j] || c.current == 0 || !c.changes[c.current-1].Exposure.Start().After(since) || m.spoken[[2]int{min(i, j), max(i, j)}] || !m.related(i, j) {
			continue
		}
		v := c.versions[c.current]
		if since.IsZero() || m.met(i, s.versions[l], j, v) {
			continue
		}
		words := fmt.Sprintf("%s %s came after %s %s and never met %s", c.label(), v, s.label(), s.versions[l+1], s.versions[l])
		out = append(out, m.harm(backout.SideEffectConsumers, c.component, strangerBreaks, failMinutes*m.minute, 0, words))
	}
	return out
}

// callersOf lists for each service the sites of the code that calls or reads it.
func callersOf(sites []site, g backout.Graph) map[backout.ServiceID][]int {
	of := map[backout.ServiceID][]int{}
	for i, s := range sites {
		if s.component.Kind == backout.KindDeployment {
			of[s.component.Service] = append(of[s.component.Service], i)
		}
	}
	out := map[backout.ServiceID][]int{}
	for _, d := range g.Dependencies {
		out[d.To] = append(out[d.To], of[d.From]...)
	}
	for service := range out {
		slices.Sort(out[service])
		out[service] = slices.Compact(out[service])
	}
	return out
}

// losses are the gaps that side effects leave: data that older code can't use, or
// that nobody could count, is for a person to decide about.
func losses(waves []backout.Wave) []string {
	var out []string
	for _, w := range waves {
		for _, st := range w.Steps {
			for _, e := range st.SideEffects {
				if e.Kind == backout.SideEffectData {
					out = append(out, fmt.Sprintf("going back to %s %s: %s", label(st.Component), st.To, e.Words))
				}
			}
		}
	}
	return out
}

// about writes a number to two significant figures, with thousands set apart.
func about(n float64) string {
	if n >= 10 {
		scale := math.Pow(10, math.Floor(math.Log10(n))-1)
		n = math.Round(n/scale) * scale
	}
	if n < 10 && n != math.Trunc(n) {
		return fmt.Sprintf("%.1f", n)
	}
	text := fmt.Sprintf("%.0f", n)
	for k := len(text) - 3; k > 0; k -= 3 {
		text = text[:k] + "," + text[k:]
	}
	return text
}

// spell writes a span as people say it: 40 s, 4 min, 1 h 30 min.
func spell(d time.Duration) string {
	var parts []string
	part := func(n int, unit string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, unit))
		}
	}
	d = d.Round(time.Second)
	part(int(d.Hours()), "h")
	part(int(d.Minutes())%60, "min")
	if d < 10*time.Minute {
		part(int(d.Seconds())%60, "s")
	}
	return cmp.Or(strings.Join(parts, " "), "less than a second")
}
