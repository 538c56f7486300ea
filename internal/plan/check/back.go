package check

import (
	"slices"

	"github.com/backout-dev/backout"
)

// Back lists everything that is wrong with taking a step of a running plan back
// after a halt, in a world loaded at that moment: its component goes to the version
// that it came from, whole and in one batch, and everything else stays where it is.
// An empty answer is the proof that the state after it, and every mixed one on the
// way, is compatible and keeps enough instances in service. What is live together
// now already is not held against it.
func Back(w backout.World, p backout.Plan, step string) []Violation {
	c := newChecker(w, p)
	if d := p.ExecutableDigest(); d != p.Digest {
		c.report(ReasonDigest, step, "the plan's digest is %.12s, what it would do has %.12s", p.Digest, d)
	}
	k := slices.IndexFunc(c.steps, func(s backout.Step) bool { return s.ID == step })
	if k < 0 {
		c.report(ReasonShape, step, "the plan has no such step")
		return c.found
	}
	s := c.steps[k]
	for _, v := range c.live[s.Component] {
		if v != s.From && v != s.To && !c.known(s, v) {
			c.report(ReasonWorldMoved, s.ID, "%s runs %s, which is neither %s nor %s", s.Component, v, s.From, s.To)
		}
	}
	c.returns(s)
	return c.found
}

// returns checks what a component meets when it goes back to where a step found it.
func (c *checker) returns(s backout.Step) {
	share := c.w.Live[s.Component].Shares[s.From]
	back := s
	back.From, back.To = s.To, s.From
	back.Stages = []backout.Stage{{Share: 1 - share}}
	if c.w.Reversals[s.Component].Mixed {
		c.self(back)
	}
	moving := map[backout.ComponentID]course{s.Component: {id: s.Component, before: c.live[s.Component], after: []backout.Version{s.From}, moves: true, end: 1}}
	for _, other := range c.neighbours(moving)[s.Component] {
		still := course{id: other, before: c.live[other]}
		c.meet(moving[s.Component], still, moving[s.Component].both(), still.before, c.books[key(s.Component, other)], "while it goes forward again", map[string]bool{})
	}
	if c.parts[s.Component].Instances > 0 {
		c.crowd([]backout.Step{back}, "while it goes forward again", map[string]bool{})
	}
}
