package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/backout-dev/backout"
)

// Reason names a way in which a plan can be wrong.
type Reason string

// The reasons.
const (
	ReasonDigest       Reason = "digest"       // the plan was altered after it was made
	ReasonWorldMoved   Reason = "world_moved"  // what the plan rests on is not so any more
	ReasonShape        Reason = "shape"        // it is not a plan: steps and action disagree, ids repeat
	ReasonTwice        Reason = "twice"        // one component is moved twice
	ReasonTarget       Reason = "target"       // the target is not an earlier level, or can't be reached
	ReasonStages       Reason = "stages"       // stages don't rise, or don't end at everything
	ReasonOrder        Reason = "order"        // a step starts before the wave before it has ended
	ReasonIncompatible Reason = "incompatible" // versions that may not meet are live together
	ReasonUnproven     Reason = "unproven"     // versions meet that nobody knows to be compatible, and the plan does not say so
	ReasonSource       Reason = "source"       // the plan rests on a source that does not say so, or that a better one contradicts
	ReasonHold         Reason = "hold"         // the target is marked bad
	ReasonFreeze       Reason = "freeze"       // it may not be changed now
	ReasonDeadline     Reason = "deadline"     // a step ends after a point of no return or into a freeze
	ReasonSecurity     Reason = "security"     // a vulnerability comes back, and the plan does not say which
	ReasonCapacity     Reason = "capacity"     // too few instances stay in service, or a quota is exceeded
	ReasonSwitch       Reason = "switch"       // steps that are to be turned at once are set apart, or can't be
	ReasonLimits       Reason = "limits"       // more moves at once than the policy allows
	ReasonValues       Reason = "values"       // what the policy reads of the plan is not what world and attribution say
)

// Violation is one thing that is wrong with a plan.
type Violation struct {
	Reason Reason `json:"reason"`
	Step   string `json:"step,omitempty"` // id of the step, where it is about one
	Text   string `json:"text"`
}

// String is the sentence for people.
func (v Violation) String() string {
	if v.Step == "" {
		return fmt.Sprintf("%s: %s", v.Reason, v.Text)
	}
	return fmt.Sprintf("%s: step %s: %s", v.Reason, v.Step, v.Text)
}

// Plan lists everything that is wrong with carrying out a plan in a world, from
// its beginning. An empty answer is the proof of safety.
func Plan(w backout.World, p backout.Plan) []Violation {
	c := newChecker(w, p)
	c.fromStart = true
	if f := w.Fingerprint(p.Touched()); f != p.Fingerprint {
		c.report(ReasonWorldMoved, "", "the world's fingerprint over the touched components is %s, the plan was made for %s", f, p.Fingerprint)
	}
	for _, s := range c.steps {
		if !slices.Contains(c.live[s.Component], s.From) {
			c.report(ReasonWorldMoved, s.ID, "%s does not run %s any more, but %s", s.Component, s.From, words(c.live[s.Component]))
		}
	}
	c.everything()
	c.meetings()
	return c.found
}

// Remaining lists what is wrong with carrying on with a plan that is under way.
// Steps whose target is all that runs count as done. That the world is not the
// one of the beginning is no violation, as long as every component of the plan
// runs its old version, its target or both.
func Remaining(w backout.World, p backout.Plan) []Violation {
	c := newChecker(w, p)
	for _, s := range c.steps {
		for _, v := range c.live[s.Component] {
			if v != s.From && v != s.To && !c.known(s, v) {
				c.report(ReasonWorldMoved, s.ID, "%s runs %s, which is neither %s nor %s", s.Component, v, s.From, s.To)
			}
		}
	}
	c.everything()
	return c.found
}

// Certify checks a plan and writes the answer into its certificate. The planner's
// claims about cost stay as they are.
func Certify(w backout.World, p backout.Plan) (backout.Certificate, []Violation) {
	found := Plan(w, p)
	cert := p.Certificate
	cert.Safe = len(found) == 0
	cert.Checks = []string{
		"the digest is that of what would be carried out",
		"the world is the one that the plan was made for",
		"every target is an earlier level that its actuator can reach, and none is marked bad",
		"stages rise and end at everything, and no component is moved twice",
		"at every instant all versions that are live together may meet, by time and by wave",
		"no worse source was used against a better one",
		"pairs that nobody knows to be compatible are named among the gaps",
		"no freeze is in force or begins before a step has ended, and no point of no return passes meanwhile",
		"what each step loses is said, by its actuator, by data formats, by points of no return and by the users that it breaks",
		"what a switch turns at once are its members, whole and at the same time",
		"every vulnerability that a step opens again is named",
		"at every instant enough instances stay in service, quotas hold, and no more moves at once than the policy allows",
	}
	return cert, found
}

// checker gathers what is wrong. It lives for one call.
type checker struct {
	w     backout.World
	p     backout.Plan
	parts map[backout.ComponentID]backout.Component
	live  map[backout.ComponentID][]backout.Version // what runs now
	steps []backout.Step
	wave  map[string]int                            // by step id
	books map[[2]backout.ComponentID]book           // what is written, by pair
	seen  map[[2]backout.ComponentID][]backout.Pair // healthy, by pair
	calls map[[2]backout.ServiceID]bool             // caller and called
	// fromStart is set when the plan is to be carried out from its beginning, now.
	fromStart bool
	found     []Violation
}

func newChecker(w backout.World, p backout.Plan) *checker {
	c := &checker{w: w, p: p, steps: p.Steps(), parts: map[backout.ComponentID]backout.Component{}, wave: map[string]int{}, live: map[backout.ComponentID][]backout.Version{}}
	c.books, c.seen, c.calls = books(w), map[[2]backout.ComponentID][]backout.Pair{}, map[[2]backout.ServiceID]bool{}
	for _, d := range w.Graph.Dependencies {
		c.calls[[2]backout.ServiceID{d.From, d.To}] = true
	}
	for _, p := range w.Pairs {
		if p.Healthy {
			c.seen[key(p.A, p.B)] = append(c.seen[key(p.A, p.B)], p)
		}
	}
	for _, part := range w.Graph.Components {
		c.parts[part.ID] = part
	}
	for id, l := range w.Live {
		for v, share := range l.Shares {
			if share > 0 {
				c.live[id] = append(c.live[id], v)
			}
		}
		slices.SortFunc(c.live[id], backout.CompareVersions)
	}
	newest := map[backout.ComponentID]backout.Version{}
	for _, ch := range w.Changes {
		newest[ch.Component] = ch.To
	}
	for id, v := range newest {
		if len(c.live[id]) == 0 && v != "" {
			c.live[id] = []backout.Version{v}
		}
	}
	return c
}

func (c *checker) report(r Reason, step, format string, args ...any) {
	c.found = append(c.found, Violation{r, step, fmt.Sprintf(format, args...)})
}

func (c *checker) everything() {
	if d := c.p.ExecutableDigest(); d != c.p.Digest {
		c.report(ReasonDigest, "", "the plan's digest is %.12s, what it would do has %.12s", c.p.Digest, d)
	}
	c.shape()
	for _, s := range c.steps {
		c.stages(s)
		if !c.done(s) {
			c.target(s)
			c.holds(s)
		}
	}
	c.order()
	c.pairs()
	c.together()
	c.turns()
}

// done reports whether a step's target is all that runs of its component.
func (c *checker) done(s backout.Step) bool {
	l := c.live[s.Component]
	return len(l) == 1 && l[0] == s.To && s.From != s.To
}

func (c *checker) shape() {
	if acts := c.p.Action == backout.ActionRollBack; acts != (len(c.steps) > 0) {
		c.report(ReasonShape, "", "action %s with %d steps", c.p.Action, len(c.steps))
	}
	moved := map[backout.ComponentID]string{}
	for k, wave := range c.p.Waves {
		if len(wave.Steps) == 0 {
			c.report(ReasonShape, "", "wave %d is empty", k+1)
		}
		for _, s := range wave.Steps {
			if _, ok := c.wave[s.ID]; ok || s.ID == "" {
				c.report(ReasonShape, s.ID, "the step's id is empty or used twice")
			}
			c.wave[s.ID] = k
			if other, ok := moved[s.Component]; ok {
				c.report(ReasonTwice, s.ID, "%s is moved by step %s already", s.Component, other)
			}
			moved[s.Component] = s.ID
		}
	}
}

// target checks that a step goes to an earlier level that exists and can be
// reached, and that the plan admits what that loses.
func (c *checker) target(s backout.Step) {
	part, ok := c.parts[s.Component]
	switch {
	case !ok:
		c.report(ReasonTarget, s.ID, "%s is not in the graph", s.Component)
		return
	case part.Immovable:
		c.report(ReasonTarget, s.ID, "%s is not ours to move", s.Component)
	case s.ToLevel < 0 || s.ToLevel >= s.FromLevel:
		c.report(ReasonTarget, s.ID, "level %d is not below level %d", s.ToLevel, s.FromLevel)
	}
	stack := c.w.Stack(s.Component)
	var undone []backout.Change
	if int(s.FromLevel) > len(stack) || int(s.FromLevel) < 1 || stack[s.FromLevel-1].To != s.From {
		c.report(ReasonTarget, s.ID, "the changes of %s don't lead to %s at level %d", s.Component, s.From, s.FromLevel)
	} else if s.ToLevel >= 0 && s.ToLevel < s.FromLevel {
		undone = stack[s.ToLevel:s.FromLevel]
		c.reverts(s, undone)
	}
	begun := slices.Contains(c.live[s.Component], s.To)
	c.exposes(s, undone)
	c.deadlines(s, undone, begun)
	r := c.w.Reversals[s.Component]
	k := slices.IndexFunc(r.Levels, func(l backout.Reachable) bool { return l.Level == s.ToLevel && l.Version == s.To })
	if !r.Known || k < 0 {
		c.report(ReasonTarget, s.ID, "no actuator says that %s can be brought to %s", s.Component, s.To)
		return
	}
	if !begun { // what it loses is lost by then, and shares of users move all the time
		c.loss(s, r.Levels[k], undone)
	}
	if r.Mixed {
		c.self(s)
	}
}

func (c *checker) reverts(s backout.Step, undone []backout.Change) {
	var ids []backout.ChangeID
	for _, ch := range undone {
		ids = append(ids, ch.ID)
	}
	if !slices.Equal(ids, s.Reverts) {
		c.report(ReasonTarget, s.ID, "going from level %d to %d undoes %v, the plan says %v", s.FromLevel, s.ToLevel, ids, s.Reverts)
	}
	if first := undone[0].From; first != "" && s.ToLevel == 0 && first != s.To {
		c.report(ReasonTarget, s.ID, "before its changes %s was at %s, not at %s", s.Component, first, s.To)
	}
	if stack := c.w.Stack(s.Component); s.ToLevel > 0 && stack[s.ToLevel-1].To != s.To {
		c.report(ReasonTarget, s.ID, "%s at level %d is %s, not %s", s.Component, s.ToLevel, stack[s.ToLevel-1].To, s.To)
	}
}

func (c *checker) loss(s backout.Step, r backout.Reachable, undone []backout.Change) {
	said := append([]verdict{{r.Loss, r.Lost}}, c.costs(s, undone, r.Rows)...)
	worst := slices.MaxFunc(said, func(a, b verdict) int { return badness(a.loss) - badness(b.loss) }).loss
	if worst == backout.LossOneWay {
		c.report(ReasonTarget, s.ID, "there is no way back to %s %s: %s", s.Component, s.To, texts(said))
	}
	if worst != s.Loss {
		c.report(ReasonTarget, s.ID, "the plan says that going back is %q, it is %q: %s", s.Loss, worst, texts(said))
	}
	if (worst != backout.LossNone || !r.Verified) && !c.admitted(s.Component.Name(), string(s.To)) {
		c.report(ReasonUnproven, s.ID, "%s %s is lossy or was never seen healthy, and the plan's gaps don't say so", s.Component, s.To)
	}
}

// admitted reports whether one of the plan's gaps mentions all of the words.
func (c *checker) admitted(words ...string) bool {
	return slices.ContainsFunc(c.p.Gaps, func(gap string) bool {
		return !slices.ContainsFunc(words, func(w string) bool { return !mentions(gap, w) })
	})
}

// mentions reports whether a word stands in a text whole: 2.1 is not in 2.13.
func mentions(text, word string) bool {
	for from := 0; ; {
		k := strings.Index(text[from:], word)
		if k < 0 {
			return false
		}
		from += k + len(word)
		if from == len(text) || strings.ContainsRune(" :,;", rune(text[from])) {
			return true
		}
	}
}

func (c *checker) stages(s backout.Step) {
	before := 0.0
	for _, g := range s.Stages {
		if !(g.Share > before && g.Share <= 1) || g.Bake < 0 {
			c.report(ReasonStages, s.ID, "share %v with bake %s after share %v", g.Share, g.Bake, before)
		}
		before = g.Share
	}
	if before != 1 {
		c.report(ReasonStages, s.ID, "the last stage reaches %v, not everything", before)
	}
	if s.Takes <= 0 || s.Start < 0 {
		c.report(ReasonStages, s.ID, "it starts at %s and takes %s", s.Start, s.Takes)
	}
}

func (c *checker) holds(s backout.Step) {
	digest := ""
	if stack := c.w.Stack(s.Component); s.ToLevel > 0 && int(s.ToLevel) <= len(stack) {
		digest = stack[s.ToLevel-1].Digest
	}
	for _, h := range c.w.Holds {
		bad := h.BadTo != "" && h.BadTo == s.To || h.BadDigest != "" && h.BadDigest == digest
		if h.Component == s.Component && bad && h.Until.After(c.w.Now) {
			c.report(ReasonHold, s.ID, "%s marked %s %s bad: %s", h.Owner, s.Component, s.To, h.Reason)
		}
	}
}

// order checks that times agree with waves.
func (c *checker) order() {
	var ended backout.Duration
	for k, wave := range c.p.Waves {
		end := ended
		for _, s := range wave.Steps {
			if s.Start < ended {
				c.report(ReasonOrder, s.ID, "it starts at %s, but wave %d ends at %s only", s.Start, k, ended)
			}
			end = max(end, s.Start+s.Takes)
		}
		ended = end
	}
}
