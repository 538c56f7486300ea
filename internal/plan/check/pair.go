package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// course is what runs of one component over the plan: before, during and after
// its step. A component without a step stays at before.
type course struct {
	id            backout.ComponentID
	before, after []backout.Version
	moves         bool
	wave          int
	turn          string // the switch that turns it with others; empty = none
	start, end    backout.Duration
}

// versions that are live at a time.
func (o course) during(at backout.Duration) []backout.Version {
	switch {
	case !o.moves || at < o.start:
		return o.before
	case at < o.end:
		return o.both()
	}
	return o.after
}

// inWave are the versions live at some time in a wave.
func (o course) inWave(k int) []backout.Version {
	switch {
	case !o.moves || k < o.wave:
		return o.before
	case k == o.wave:
		return o.both()
	}
	return o.after
}

func (o course) both() []backout.Version { return append(slices.Clone(o.before), o.after...) }

// pairs looks at every two components of which at least one moves.
func (c *checker) pairs() {
	courses := map[backout.ComponentID]course{} // of what moves
	for _, s := range c.steps {
		if c.done(s) {
			continue
		}
		after := []backout.Version{s.To}
		if forOne(s) {
			after = append(after, c.live[s.Component]...) // everybody else keeps what they have
		}
		courses[s.Component] = course{
			id: s.Component, before: c.live[s.Component], after: after, moves: true,
			wave: c.wave[s.ID], turn: s.Switch, start: s.Start, end: s.Start + s.Takes,
		}
	}
	near := c.neighbours(courses)
	for _, id := range slices.Sorted(maps.Keys(courses)) {
		for _, other := range near[id] {
			o, moves := courses[other]
			if !moves {
				o = course{id: other, before: c.live[other]}
			}
			if moves && other < id {
				continue // was looked at from the other side
			}
			c.pair(courses[id], o, c.books[key(id, other)])
		}
	}
}

// forOne reports whether a step moves one audience and nobody else.
func forOne(s backout.Step) bool {
	return len(s.Stages) > 0 && s.Stages[len(s.Stages)-1].Audience != ""
}

// key names a pair of components whichever comes first.
func key(a, b backout.ComponentID) [2]backout.ComponentID {
	return [2]backout.ComponentID{min(a, b), max(a, b)}
}

// neighbours lists for each component that moves those it can meet: those that a contract or
// a line speaks of, or that it meets in the graph.
func (c *checker) neighbours(moving map[backout.ComponentID]course) map[backout.ComponentID][]backout.ComponentID {
	near := map[backout.ComponentID][]backout.ComponentID{}
	note := func(a, b backout.ComponentID) {
		if _, moves := moving[a]; moves && a != b && !slices.Contains(near[a], b) {
			near[a] = append(near[a], b)
		}
	}
	meet := func(a, b backout.ComponentID) {
		note(a, b)
		note(b, a)
	}
	for pair := range c.books {
		meet(pair[0], pair[1])
	}
	of := map[backout.ServiceID][]backout.Component{}
	for _, part := range c.w.Graph.Components {
		of[part.Service] = append(of[part.Service], part)
	}
	for service, parts := range of {
		for i, a := range parts {
			for _, b := range parts[i+1:] {
				if service != "" && sameService(a, b) {
					meet(a.ID, b.ID)
				}
			}
		}
	}
	for _, d := range c.w.Graph.Dependencies {
		for _, a := range of[d.From] {
			for _, b := range of[d.To] {
				if runs(a.Kind) && runs(b.Kind) && samePlace(a, b) {
					meet(a.ID, b.ID)
				}
			}
		}
	}
	for id := range near {
		slices.Sort(near[id])
	}
	return near
}

func samePlace(a, b backout.Component) bool {
	return a.Environment == b.Environment && a.Location == b.Location
}

func runs(k backout.ComponentKind) bool {
	return k == backout.KindDeployment || k == backout.KindSchema
}

// sameService reports whether two parts of one service can disagree: code with
// its flags, configuration or schema.
func sameService(a, b backout.Component) bool {
	apart := func(k backout.ComponentKind) bool {
		return k == backout.KindTraffic || k == backout.KindInfrastructure
	}
	code := a.Kind == backout.KindDeployment || b.Kind == backout.KindDeployment
	return samePlace(a, b) && code && !apart(a.Kind) && !apart(b.Kind)
}

// pair checks two components at every instant at which what runs of them changes,
// and in every wave.
func (c *checker) pair(a, b course, known book) {
	told := map[string]bool{}
	if atOnce(a, b) {
		c.meet(a, b, a.after, b.after, known, "after the switch", told)
		return
	}
	for _, at := range []backout.Duration{0, a.start, a.end, b.start, b.end} {
		c.meet(a, b, a.during(at), b.during(at), known, fmt.Sprintf("%s after the start", at), told)
	}
	for k := range c.p.Waves {
		c.meet(a, b, a.inWave(k), b.inWave(k), known, fmt.Sprintf("in wave %d", k+1), told)
	}
}

// meet checks two sets of versions against each other. told keeps the same pair
// from being reported for each instant.
func (c *checker) meet(a, b course, as, bs []backout.Version, known book, when string, told map[string]bool) {
	if len(known.contracts) > 0 && (len(as) == 0 || len(bs) == 0) {
		if !told["unknown"] && !c.admitted(string(a.id), string(b.id)) {
			c.report(ReasonUnproven, "", "what runs of %s or %s is not known, so contract %s can't be checked", a.id, b.id, known.contracts[0].ID)
		}
		told["unknown"] = true
		return
	}
	strict, counted := c.uncounted(known)
	for _, va := range as {
		for _, vb := range bs {
			name := fmt.Sprintf("%s %s with %s %s", a.id, va, b.id, vb)
			if told[name] || slices.Contains(a.before, va) && slices.Contains(b.before, vb) {
				continue
			}
			told[name] = true
			if why := strict.refusal(a.id, va, b.id, vb); why != "" {
				c.report(ReasonIncompatible, "", "%s, %s: %s", name, when, why)
			} else if !counted && !c.proven(a.id, va, b.id, vb) && !c.admitted(string(a.id)+" "+string(va), string(b.id)+" "+string(vb)) {
				c.report(ReasonUnproven, "", "%s, %s: no contract, never seen together or not for long enough, and the plan's gaps don't say so", name, when)
			}
		}
	}
}

// self checks that a step's old and new version can run side by side.
func (c *checker) self(s backout.Step) {
	for _, v := range c.live[s.Component] {
		if why := c.books[key(s.Component, s.Component)].refusal(s.Component, v, s.Component, s.To); why != "" {
			c.report(ReasonIncompatible, s.ID, "%s %s and %s side by side: %s", s.Component, v, s.To, why)
		}
	}
}

// known reports whether a version belongs to the step's component at a level
// between target and start.
func (c *checker) known(s backout.Step, v backout.Version) bool {
	for l := s.ToLevel; l <= s.FromLevel; l++ {
		if at, ok := c.w.VersionAt(s.Component, l); ok && at == v {
			return true
		}
	}
	return false
}

// life is a span of time in which a version ran.
type life struct{ from, to time.Time }

func (c *checker) lives(id backout.ComponentID, v backout.Version) []life {
	stack := c.w.Stack(id)
	var out []life
	if len(stack) == 0 && slices.Contains(c.live[id], v) || len(stack) > 0 && c.first(id, stack) == v {
		out = append(out, life{to: c.end(stack, 0)})
	}
	for l, ch := range stack {
		if ch.To == v {
			out = append(out, life{from: ch.Exposure.Start(), to: c.end(stack, l+1)})
		}
	}
	return out
}

// first is the version before the first change of a stack.
func (c *checker) first(id backout.ComponentID, stack []backout.Change) backout.Version {
	v := stack[0].From
	for _, r := range c.w.Reversals[id].Levels {
		if r.Level == 0 {
			v = cmp.Or(v, r.Version)
		}
	}
	return v
}

// end is when the state at a level had gone: the last stage of the next change.
func (c *checker) end(stack []backout.Change, level int) time.Time {
	if level < len(stack) {
		if st := stack[level].Exposure.Stages; len(st) > 0 {
			return st[len(st)-1].At
		}
	}
	return c.w.Now
}

func words(vs []backout.Version) string {
	if len(vs) == 0 {
		return "nothing that anybody knows of"
	}
	out := make([]string, len(vs))
	for i, v := range vs {
		out[i] = string(v)
	}
	return strings.Join(out, " and ")
}
