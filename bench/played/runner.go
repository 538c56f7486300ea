package played

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/respond"
)

// runner carries out attempts in virtual time.
type runner struct {
	facts *facts
	guard *respond.Guard
	gate  *respond.Gate
	now   time.Time
	runs  map[backout.AttemptID]*running
}

// running is one attempt on its way. A round first has its effects at ready, then asks
// its gate until that decides.
type running struct {
	attempt     backout.Attempt
	components  map[backout.ComponentID]backout.Component
	run         backout.Run
	wave, round int
	since       time.Time // the round began
	ready       time.Time // its effects have happened
	until       time.Time // its bake is over; zero before its effects
	moved       map[string]float64
}

func (r *runner) Start(_ context.Context, a backout.Attempt, components map[backout.ComponentID]backout.Component) error {
	if r.runs[a.ID] == nil {
		x := &running{attempt: a, components: components, moved: map[string]float64{}}
		x.run = backout.Run{Attempt: a.ID, State: backout.RunActive}
		x.begin(r.now)
		r.runs[a.ID] = x
		for _, id := range a.Plan.Touched() {
			r.facts.play.Hold(id, r.now) // the deploy lock
		}
		if a.ByItself() {
			r.facts.spent = append(r.facts.spent, backout.Spent{Attempt: a.ID, At: r.now, Steps: len(a.Plan.Steps())})
		}
	}
	return nil
}

func (r *runner) Run(_ context.Context, id backout.AttemptID) (backout.Run, error) {
	x, ok := r.runs[id]
	if !ok {
		return backout.Run{}, &backout.Error{Code: backout.CodeNotFound, Message: "no run of " + string(id)}
	}
	return x.run, nil
}

func (r *runner) Pause(context.Context, backout.AttemptID, string) error  { return nil }
func (r *runner) Resume(context.Context, backout.AttemptID, string) error { return nil }
func (r *runner) Abort(context.Context, backout.AttemptID, string) error  { return nil }

// steps of the present round.
func (x *running) steps() []backout.Step {
	var out []backout.Step
	for _, s := range x.attempt.Plan.Waves[x.wave].Steps {
		if x.round < len(s.Stages) {
			out = append(out, s)
		}
	}
	return out
}

func (x *running) rounds() int {
	n := 0
	for _, s := range x.attempt.Plan.Waves[x.wave].Steps {
		n = max(n, len(s.Stages))
	}
	return n
}

func (x *running) begin(now time.Time) {
	x.since, x.until = now, time.Time{}
	longest := time.Duration(0)
	for _, s := range x.steps() {
		longest = max(longest, takes[s.Kind])
	}
	x.ready = now.Add(longest)
}

// advance lets every run go on as far as it goes by now.
func (r *runner) advance(ctx context.Context, now time.Time) error {
	r.now = now
	for _, x := range r.runs {
		for !x.run.State.Terminal() && !now.Before(x.ready) {
			if x.until.IsZero() {
				if err := r.effects(ctx, x); err != nil {
					return err
				}
				continue
			}
			goesOn, err := r.ask(ctx, x)
			if err != nil {
				return err
			}
			if !goesOn {
				break
			}
		}
	}
	return nil
}

// effects has the round's effects happen, each if the guard allows it.
func (r *runner) effects(ctx context.Context, x *running) error {
	bake := time.Duration(0)
	for _, s := range x.steps() {
		stage := s.Stages[x.round]
		p := execute.Proposal{Attempt: x.attempt, Step: s, Stage: x.round, Effect: backout.Effect{Attempt: x.attempt.ID, Component: x.components[s.Component], From: s.From, To: s.To, Share: stage.Share}}
		yes, err := r.guard.Allow(ctx, p)
		if err != nil {
			return err
		}
		if !yes.Yes {
			x.end(r.now, backout.RunHalted, fmt.Sprintf("%s: %s", s.Component, yes.Why))
			return nil
		}
		r.facts.play.TakeBack(s.Component, stage.Share, x.ready, x.attempt.ID)
		x.moved[s.ID] = stage.Share
		x.note(backout.Entry{At: x.ready, Kind: backout.EntryEffect, Step: s.ID, Component: s.Component, Stage: x.round, Share: stage.Share, Outcome: backout.OutcomeDone})
		bake = max(bake, stage.Bake.Std())
	}
	x.until = x.ready.Add(bake)
	return nil
}

// ask asks the gate once and does what it says; it reports whether the next round may
// begin at once.
func (r *runner) ask(ctx context.Context, x *running) (bool, error) {
	waves := x.attempt.Plan.Waves
	ans, err := r.gate.Ask(ctx, execute.Question{Attempt: x.attempt, Wave: x.wave, Round: x.round, Moved: x.steps(), Since: x.since, Until: x.until, Now: r.now,
		Last: x.wave == len(waves)-1 && x.round == x.rounds()-1})
	if err != nil {
		return false, err
	}
	switch {
	case ans.Decision == execute.DecisionStop:
		x.end(r.now, backout.RunStopped, ans.Why)
	case ans.Decision == execute.DecisionHalt:
		x.note(backout.Entry{At: r.now, Kind: backout.EntryGate, Stage: x.round, Verdict: ans.Verdict, Text: ans.Why})
		r.forward(x)
		x.end(r.now, backout.RunHalted, ans.Why)
	case ans.Decision == execute.DecisionLeave:
		x.note(backout.Entry{At: r.now, Kind: backout.EntryGate, Stage: x.round, Verdict: ans.Verdict, Unproven: ans.Unproven, Text: ans.Why})
		x.end(r.now, backout.RunHalted, ans.Why)
	case ans.Decision != execute.DecisionGoOn || r.now.Before(x.until):
		return false, nil
	default:
		x.note(backout.Entry{At: r.now, Kind: backout.EntryGate, Stage: x.round, Verdict: ans.Verdict, Unproven: ans.Unproven, Text: ans.Why})
		if x.round++; x.round >= x.rounds() {
			x.wave, x.round = x.wave+1, 0
		}
		if x.wave == len(waves) {
			x.end(r.now, backout.RunCompleted, "every step is done and verified")
			return false, nil
		}
		x.begin(r.now)
	}
	return true, nil
}

// forward takes back what the wave did, after a halt.
func (r *runner) forward(x *running) {
	steps := slices.Clone(x.attempt.Plan.Waves[x.wave].Steps)
	slices.Reverse(steps)
	for _, s := range steps {
		if x.moved[s.ID] > 0 {
			r.facts.play.TakeBack(s.Component, 0, r.now, x.attempt.ID)
			x.note(backout.Entry{At: r.now, Kind: backout.EntryReversed, Step: s.ID, Component: s.Component, Share: 1, Outcome: backout.OutcomeDone})
			delete(x.moved, s.ID)
		}
	}
}

func (x *running) note(e backout.Entry) {
	e.Attempt, e.Seq = x.attempt.ID, int64(len(x.run.Entries)+1)
	x.run.Entries = append(x.run.Entries, e)
}

func (x *running) end(now time.Time, state backout.RunState, why string) {
	x.run.State, x.run.Why = state, why
	x.note(backout.Entry{At: now, Kind: backout.EntryEnded, Text: why})
}
