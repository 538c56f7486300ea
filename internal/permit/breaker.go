package permit

import (
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

// breakers are the loop breakers: what stops a program that acts by itself from doing
// it again and again, each with what keeps it, until when, and what to do. None of
// them forbids anything to a person.
func (q question) breakers() []string {
	return slices.Concat(q.attempts(), q.age(), q.settling(), q.cooldowns(), q.undoing(), q.budget())
}

// attempts counts the automatic attempts of this incident, together and on each change:
// one change is taken back without a person once.
func (q question) attempts() []string {
	var out []string
	automatic, again := 0, []string{}
	for _, a := range q.incident.Attempts {
		if !a.ByItself() {
			continue
		}
		automatic++
		for _, c := range reverts(q.plan) {
			if slices.Contains(reverts(a.Plan), c) {
				again = append(again, fmt.Sprintf("%s was tried already (%s): once without a person is enough", c, a.ID))
			}
		}
	}
	if most := max(1, q.policy.MaxAttempts); automatic >= most {
		out = append(out, fmt.Sprintf("%d automatic attempts were made in this incident, at most %d are allowed", automatic, most))
	}
	return append(out, again...)
}

func reverts(p backout.Plan) []backout.ChangeID {
	var out []backout.ChangeID
	for _, s := range p.Steps() {
		out = append(out, s.Reverts...)
	}
	return out
}

// age keeps away from failures that have been there for long: people are at it.
func (q question) age() []string {
	onset := q.incident.Onset
	if onset.IsZero() {
		onset = q.incident.OpenedAt
	}
	most := q.span(q.policy.MaxFailureAge)
	if age := q.world.Now.Sub(onset); most > 0 && !onset.IsZero() && age > most {
		return []string{fmt.Sprintf("the failure is %s old, since %s, and is answered without a person up to %s only: somebody may be at it", age.Round(time.Second), clock(onset), most)}
	}
	return nil
}

// span is a policy's model time in real time.
func (q question) span(d backout.Duration) time.Duration { return scaled(q.world, d) }

func scaled(w backout.World, d backout.Duration) time.Duration {
	if w.Minute <= 0 {
		return d.Std()
	}
	return time.Duration(float64(d) * float64(w.Minute) / float64(time.Minute))
}

// settling leaves alone what others are still rolling out, and what we moved a moment
// ago: what is measured now tells of two things at once.
func (q question) settling() []string {
	var out []string
	settle := q.span(q.policy.Settle)
	for _, s := range q.plan.Steps() {
		by, last := "", time.Time{}
		for _, c := range q.world.Stack(s.Component) {
			if st := c.Exposure.Stages; len(st) > 0 && st[len(st)-1].At.After(last) {
				by, last = fmt.Sprintf("the rollout of %s", c.To), st[len(st)-1].At
			}
		}
		for _, r := range q.world.Responses {
			if r.Component == s.Component && r.At.After(last) {
				by, last = string(r.Attempt), r.At
			}
		}
		if until := last.Add(settle); by != "" && q.world.Now.Before(until) {
			out = append(out, fmt.Sprintf("%s settles until %s after %s at %s: then it is looked at again", s.Component, clock(until), by, clock(last)))
		}
	}
	return out
}

// cooldowns leaves alone what we moved not long ago, in whichever incident.
func (q question) cooldowns() []string {
	var out []string
	for _, s := range q.plan.Steps() {
		for _, c := range cooling(q.policy, q.world) {
			if c.Component == s.Component {
				out = append(out, fmt.Sprintf("%s was moved by %s and cools down until %s: until then a person decides", c.Component, c.Attempt, clock(c.Until)))
			}
		}
	}
	return out
}

// cooling lists the components that cool down, each with our latest move.
func cooling(p backout.Policy, w backout.World) []backout.Cooldown {
	out := []backout.Cooldown{}
	for _, r := range w.Responses {
		c := backout.Cooldown{Component: r.Component, Attempt: r.Attempt, Until: r.At.Add(p.Cooldown.Std())}
		if !w.Now.Before(c.Until) {
			continue
		}
		switch i := slices.IndexFunc(out, func(o backout.Cooldown) bool { return o.Component == c.Component }); {
		case i < 0:
			out = append(out, c)
		case out[i].Until.Before(c.Until):
			out[i] = c
		}
	}
	return out
}

// undoing finds steps that would undo a rollback, ours or somebody else's: whoever
// took that back had a reason.
func (q question) undoing() []string {
	var out []string
	for _, s := range q.plan.Steps() {
		if r, ours := q.placed(s); ours {
			out = append(out, fmt.Sprintf("%s stands at %s because we took it there (%s): no rollback of a rollback without a person", s.Component, s.From, r.Attempt))
			continue
		}
		if r, ours := q.discarded(s); ours {
			out = append(out, fmt.Sprintf("%s was at %s already and we took it away from there again (%s): not a second time without a person", s.Component, s.To, r.Attempt))
			continue
		}
		stack := q.world.Stack(s.Component)
		for i, back := range returns(stack) {
			if c := stack[i]; back && slices.Contains(s.Reverts, c.ID) {
				out = append(out, fmt.Sprintf("%s took %s back to %s itself (%s): no rollback of a rollback without a person", by(c), s.Component, c.To, c.ID))
			}
		}
	}
	return out
}

// placed finds our own response that put a step's component where it stands, unless
// somebody shipped that version again since.
func (q question) placed(s backout.Step) (backout.Response, bool) {
	for _, r := range q.world.Responses {
		shipped := slices.ContainsFunc(q.world.Changes, func(c backout.Change) bool {
			return c.Component == s.Component && c.To == s.From && c.Exposure.Start().After(r.At)
		})
		if r.Component == s.Component && r.To == s.From && !shipped {
			return r, true
		}
	}
	return backout.Response{}, false
}

// discarded finds our own response that took a step's component away from where the step
// would bring it, after another of ours had brought it there: it got worse, or somebody
// aborted. What others shipped since to that place, or in between, makes it theirs.
func (q question) discarded(s backout.Step) (backout.Response, bool) {
	var last, gone backout.Response
	for _, r := range slices.SortedStableFunc(slices.Values(q.world.Responses), func(a, b backout.Response) int { return a.At.Compare(b.At) }) {
		switch {
		case r.Component != s.Component:
			continue
		case r.To == s.To:
			gone = backout.Response{}
		case last.To == s.To && !q.shipped(s.Component, "", last.At, r.At):
			gone = r
		}
		last = r
	}
	return gone, gone.Component != "" && !q.shipped(s.Component, s.To, gone.At, q.world.Now)
}

// shipped reports whether somebody shipped a version of a component, or any when to is
// empty, after one moment and up to another.
func (q question) shipped(c backout.ComponentID, to backout.Version, after, until time.Time) bool {
	return slices.ContainsFunc(q.world.Changes, func(x backout.Change) bool {
		start := x.Exposure.Start()
		return x.Component == c && (to == "" || x.To == to) && start.After(after) && !start.After(until)
	})
}

// returns says of each change of a component whether it takes back the one before it.
// What takes back a return ships the version again and is none.
func returns(stack []backout.Change) []bool {
	out := make([]bool, len(stack))
	for i := 1; i < len(stack); i++ {
		was, is := stack[i-1], stack[i]
		out[i] = !out[i-1] && was.From != "" && was.From == is.To && (is.From == "" || is.From == was.To)
	}
	return out
}

func by(c backout.Change) string {
	if c.Actor != "" {
		return c.Actor
	}
	return "somebody"
}

// budget bounds what was done without a person over the whole environment.
func (q question) budget() []string {
	var out []string
	for _, a := range allowances(q.policy, q.world) {
		want := 1
		if a.steps {
			want = len(q.plan.Steps())
		}
		if want > a.Left() {
			when := ""
			if !a.Next.IsZero() {
				when = ", more from " + clock(a.Next)
			}
			out = append(out, fmt.Sprintf("the budget is spent: %d of %d %s without a person, and this plan needs %d%s", a.Used, a.Most, a.What, want, when))
		}
	}
	return out
}

type allowance struct {
	backout.Allowance
	steps bool
}

// allowances counts what was spent against each bound that there is.
func allowances(p backout.Policy, w backout.World) []allowance {
	var out []allowance
	for _, b := range []struct {
		what  string
		most  int
		span  time.Duration
		steps bool
	}{
		{"plans an hour", p.Budget.PlansPerHour, time.Hour, false}, {"plans a day", p.Budget.PlansPerDay, 24 * time.Hour, false},
		{"steps an hour", p.Budget.StepsPerHour, time.Hour, true}, {"steps a day", p.Budget.StepsPerDay, 24 * time.Hour, true},
	} {
		if b.most <= 0 {
			continue
		}
		a := allowance{backout.Allowance{What: b.what, Most: b.most}, b.steps}
		span := scaled(w, backout.Duration(b.span))
		for _, s := range w.Spent {
			until := s.At.Add(span)
			if !w.Now.Before(until) {
				continue
			}
			if a.Next.IsZero() || until.Before(a.Next) {
				a.Next = until
			}
			a.Used++
			if b.steps {
				a.Used += s.Steps - 1
			}
		}
		out = append(out, a)
	}
	return out
}

// Breakers says how the loop breakers stand, for people to see.
func (p *Permit) Breakers(w backout.World) backout.Breakers {
	out := backout.Breakers{Stop: w.Stop, Cooldowns: cooling(p.policy, w), Allowance: []backout.Allowance{}}
	if p.policy.KillSwitch && !out.Stop.On {
		out.Stop = backout.Stop{On: true, By: "the catalog's Policy", Reason: "killSwitch: set it to false there"}
	}
	for _, a := range allowances(p.policy, w) {
		out.Allowance = append(out.Allowance, a.Allowance)
	}
	return out
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05 UTC") }
