package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// badness ranks losses; what nobody checked is worse than a loss that is known.
func badness(l backout.Loss) int {
	return map[backout.Loss]int{backout.LossSome: 1, backout.LossUnknown: 2, backout.LossOneWay: 3}[l]
}

// verdict is what one fact of the world makes of a step: a loss and why.
type verdict struct {
	loss backout.Loss
	text string
}

// costs lists what a step loses by everything but its actuator's word.
func (c *checker) costs(s backout.Step, undone []backout.Change, rows *int64) []verdict {
	var out []verdict
	for _, f := range c.w.Graph.Formats {
		if f.Reader == s.Component && f.Reads.Contains(s.From) && !f.Reads.Contains(s.To) && c.wrote(f) {
			out = append(out, verdict{f.Loss, fmt.Sprintf("%s is written in format %s, which %s can't read", f.Lost, f.ID, s.To)})
		}
	}
	for _, p := range c.w.Graph.NoReturns {
		for _, ch := range undone {
			if p.Component == s.Component && p.Versions.Contains(ch.To) {
				out = append(out, c.passed(p, ch, rows)...)
			}
		}
	}
	for _, u := range c.w.Graph.Consumers {
		out = append(out, c.breaks(u, s)...)
	}
	return out
}

// wrote reports whether a version that writes a format has run.
func (c *checker) wrote(f backout.DataFormat) bool {
	ran := func(ch backout.Change) bool {
		at := ch.Exposure.Start()
		return f.Writes.Contains(ch.To) && !at.IsZero() && !at.After(c.w.Now)
	}
	return slices.ContainsFunc(c.w.Stack(f.Writer), ran) || slices.ContainsFunc(c.live[f.Writer], f.Writes.Contains)
}

// passed is what a point of no return makes of undoing a change, if it is passed.
func (c *checker) passed(p backout.PointOfNoReturn, ch backout.Change, rows *int64) []verdict {
	byTime := p.After > 0 && !c.w.Now.Before(ch.Exposure.Start().Add(p.After.Std()))
	byRows := p.Rows > 0 && rows != nil && *rows >= p.Rows
	switch {
	case byTime, byRows, p.After == 0 && p.Rows == 0:
		return []verdict{{p.Loss, fmt.Sprintf("%s has passed its point of no return %s", ch.To, p.ID)}}
	case p.Rows > 0 && rows == nil:
		return []verdict{{backout.LossUnknown, fmt.Sprintf("nobody counted the rows for point of no return %s", p.ID)}}
	}
	return nil
}

// breaks is what a step does to the users of a consumer outside our reach.
func (c *checker) breaks(u backout.Consumer, s backout.Step) []verdict {
	known := c.books[key(u.Component, s.Component)]
	if !known.relies(u.Component) {
		return nil
	}
	works := func(v, provider backout.Version) bool {
		votes := known.votes(u.Component, v, s.Component, provider)
		return len(votes) == 0 || votes[0].yes
	}
	var hurt, all float64
	shares := c.w.Live[u.Component].Shares
	for _, v := range slices.Sorted(maps.Keys(shares)) {
		all += max(0, shares[v])
		if !works(v, s.To) && slices.ContainsFunc(c.live[s.Component], func(now backout.Version) bool { return works(v, now) }) {
			hurt += max(0, shares[v])
		}
	}
	switch {
	case all == 0:
		return []verdict{{backout.LossUnknown, fmt.Sprintf("nobody measured what the %s run", u.Users)}}
	case hurt > u.ForbiddenAbove*all:
		return []verdict{{backout.LossOneWay, fmt.Sprintf("it breaks %.1f %% of the %s, more than %.1f %%", 100*hurt/all, u.Users, 100*u.ForbiddenAbove)}}
	case hurt > u.LossyAbove*all:
		return []verdict{{backout.LossSome, fmt.Sprintf("it breaks %.1f %% of the %s", 100*hurt/all, u.Users)}}
	}
	return nil
}

// exposes checks that a plan says which vulnerabilities come back.
func (c *checker) exposes(s backout.Step, undone []backout.Change) {
	opened := map[string]bool{}
	for _, ch := range undone {
		if ch.Security != "" {
			opened[ch.Security] = true
		}
	}
	for _, v := range slices.Sorted(maps.Keys(opened)) {
		if !slices.Contains(s.Exposes, v) || !c.admitted(v) {
			c.report(ReasonSecurity, s.ID, "going back opens %s again, and the plan does not say so", v)
		}
	}
	for _, v := range s.Exposes {
		if !opened[v] {
			c.report(ReasonSecurity, s.ID, "the plan says that %s comes back, and no change that it undoes closed it", v)
		}
	}
}

// deadlines checks that a step ends before a point of no return or a freeze. What is
// under way already has to be before them only.
func (c *checker) deadlines(s backout.Step, undone []backout.Change, begun bool) {
	end := c.w.Now
	switch {
	case c.fromStart:
		end = end.Add(s.Start.Std() + s.Takes.Std())
	case !begun:
		end = end.Add(s.Takes.Std())
	}
	for _, p := range c.w.Graph.NoReturns {
		for _, ch := range undone {
			point := ch.Exposure.Start().Add(p.After.Std())
			if p.Component == s.Component && p.Versions.Contains(ch.To) && p.After > 0 && c.w.Now.Before(point) && end.After(point) {
				c.report(ReasonDeadline, s.ID, "it ends at %s, and %s passes its point of no return %s at %s", hour(end), ch.To, p.ID, hour(point))
			}
		}
	}
	for _, f := range c.w.Policy.Freezes {
		if f.AllowRollbacks || !f.Covers(c.parts[s.Component]) || !c.w.Now.Before(f.To) {
			continue
		}
		if !c.w.Now.Before(f.From) {
			c.report(ReasonFreeze, s.ID, "%s may not be changed until %s: %s", s.Component, f.To.UTC().Format(time.RFC3339), f.Reason)
		} else if end.After(f.From) {
			c.report(ReasonDeadline, s.ID, "it ends at %s, and a freeze begins at %s: %s", hour(end), hour(f.From), f.Reason)
		}
	}
}

func hour(t time.Time) string { return t.UTC().Format("15:04:05 UTC") }

// together checks everything that is under way at once against capacity and the
// policy's limits: at every instant at which a step begins, and in every wave as if
// all its steps took as long as the longest.
func (c *checker) together() {
	var open []backout.Step
	for _, s := range c.steps {
		if !c.done(s) {
			open = append(open, s)
		}
	}
	told := map[string]bool{}
	for _, s := range open {
		var busy []backout.Step
		for _, o := range open {
			if o.Start <= s.Start && s.Start < o.Start+o.Takes {
				busy = append(busy, o)
			}
		}
		c.crowd(busy, fmt.Sprintf("%s after the start", s.Start), told)
	}
	for k := range c.p.Waves {
		var busy []backout.Step
		for _, o := range open {
			if c.wave[o.ID] == k {
				busy = append(busy, o)
			}
		}
		c.crowd(busy, fmt.Sprintf("in wave %d", k+1), told)
	}
}

// crowd checks one set of steps that are under way at once. told keeps the same
// trouble from being reported for each instant.
func (c *checker) crowd(busy []backout.Step, when string, told map[string]bool) {
	say := func(r Reason, format string, args ...any) {
		if text := fmt.Sprintf(format, args...); !told[text] {
			told[text] = true
			c.report(r, "", "%s, %s", text, when)
		}
	}
	services, instances, total := map[backout.ServiceID]bool{}, 0, 0
	for _, s := range busy {
		part := c.parts[s.Component]
		services[part.Service] = true
		instances += part.Instances
		if missing, _ := c.takes(s); part.MinAvailable > 0 && part.Instances > 0 && missing > max(0, part.Instances-part.MinAvailable) {
			say(ReasonCapacity, "%s has %d of %d instances out of service, and %d must stay", s.Component, missing, part.Instances, part.MinAvailable)
		}
	}
	for _, part := range c.w.Graph.Components {
		total += part.Instances
	}
	for _, p := range c.w.Graph.Pools {
		c.pool(p, busy, say)
	}
	lim := c.w.Policy.Limits
	if lim.Components > 0 && len(busy) > lim.Components {
		say(ReasonLimits, "%d components move at once, and at most %d may", len(busy), lim.Components)
	}
	if lim.Services > 0 && len(services) > lim.Services {
		say(ReasonLimits, "%d services move at once, and at most %d may", len(services), lim.Services)
	}
	if lim.Instances > 0 && len(busy) > 1 && float64(instances) > lim.Instances*float64(total)+1e-9 {
		say(ReasonLimits, "%d of %d instances belong to components that move at once, and at most a share of %v may", instances, total, lim.Instances)
	}
	if lim.Value > 0 && len(busy) > 1 && c.atStake(services) > lim.Value+1e-9 {
		say(ReasonLimits, "a share of %.2f of the journeys' value is at stake at once, and at most %v may be", c.atStake(services), lim.Value)
	}
}

// takes is the most instances that a step takes out of service at once, and the most
// that it adds, over its stages. A surge replaces instances before they go, as far as
// the quotas of the component's pools have room for it.
func (c *checker) takes(s backout.Step) (missing, added int) {
	part := c.parts[s.Component]
	surge := part.MaxSurge
	for _, p := range c.w.Graph.Pools {
		if p.Quota > 0 && p.Has(part) {
			surge = min(surge, max(0, p.Quota-c.running(p)))
		}
	}
	done := 0
	for _, g := range s.Stages {
		upTo := int(g.Share*float64(part.Instances) + .5)
		batch := max(0, upTo-done)
		missing, added = max(missing, batch-min(batch, surge)), max(added, min(batch, surge))
		done = upTo
	}
	return missing, added
}

// running counts a pool's instances while nothing moves.
func (c *checker) running(p backout.Pool) int {
	n := 0
	for _, part := range c.w.Graph.Components {
		if p.Has(part) {
			n += part.Instances
		}
	}
	return n
}

func (c *checker) pool(p backout.Pool, busy []backout.Step, say func(Reason, string, ...any)) {
	missing, added := 0, 0
	for _, s := range busy {
		if p.Has(c.parts[s.Component]) {
			m, a := c.takes(s)
			missing, added = missing+m, added+a
		}
	}
	if p.MaxUnavailable > 0 && missing > p.MaxUnavailable {
		say(ReasonCapacity, "%d instances of pool %s are out of service at once, and at most %d may be", missing, p.ID, p.MaxUnavailable)
	}
	if p.Quota > 0 && added > 0 && c.running(p)+added > p.Quota {
		say(ReasonCapacity, "%d instances of pool %s exist at once, and its quota is %d", c.running(p)+added, p.ID, p.Quota)
	}
}

// atStake is the share of the journeys' value that some services carry.
func (c *checker) atStake(services map[backout.ServiceID]bool) float64 {
	var at, all int64
	for _, j := range c.w.Graph.Journeys {
		all += j.ValuePerMinute.Minor
		if slices.ContainsFunc(j.Services, func(s backout.ServiceID) bool { return services[s] }) {
			at += j.ValuePerMinute.Minor
		}
	}
	return float64(at) / float64(max(all, 1))
}

// relies reports whether a component is the consumer in anything that is written.
func (b book) relies(id backout.ComponentID) bool {
	return slices.ContainsFunc(b.contracts, func(k backout.Contract) bool { return k.Consumer == id }) ||
		slices.ContainsFunc(b.lines, func(l backout.Line) bool { return l.Consumer == id })
}

// uncounted drops what is written for consumers whose broken users are counted
// instead, see [checker.breaks], and says whether there was any.
func (c *checker) uncounted(b book) (book, bool) {
	counted := func(id backout.ComponentID) bool {
		return slices.ContainsFunc(c.w.Graph.Consumers, func(u backout.Consumer) bool { return u.Component == id })
	}
	left := book{
		contracts: slices.DeleteFunc(slices.Clone(b.contracts), func(k backout.Contract) bool { return counted(k.Consumer) }),
		lines:     slices.DeleteFunc(slices.Clone(b.lines), func(l backout.Line) bool { return counted(l.Consumer) }),
	}
	return left, len(left.contracts) < len(b.contracts) || len(left.lines) < len(b.lines)
}

func texts(vs []verdict) string {
	var out []string
	for _, v := range vs {
		out = append(out, v.text)
	}
	return strings.Join(out, "; ")
}
