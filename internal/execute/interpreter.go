package execute

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute/engine"
)

// interpreter carries out one attempt. It lives in the flow's goroutine and is
// made anew, with the same answers replayed, after every restart; so all it
// knows comes from the request and from recorded steps.
type interpreter struct {
	Request
	x *Executor
	f *engine.Flow
	// share is how much of each step is at its target by our doing.
	share map[string]float64
	// warned is what the last gate let pass with a warning; "" when it didn't.
	warned string
}

func (it *interpreter) run() {
	plan := it.Attempt.Plan
	if it.f.Patch(lockPatch) && engine.Step(it.f, "lock", func(ctx context.Context) bool { return it.x.lock(ctx, it.Attempt) }) {
		it.end(backout.RunAborted, "aborted before anything was tried")
		return
	}
	it.journal("begin", backout.RunActive, "", backout.Entry{
		Kind: backout.EntryStarted,
		Text: fmt.Sprintf("carries out %d steps in %d waves", len(plan.Steps()), len(plan.Waves)),
	})
	for w, wave := range plan.Waves {
		for r := range rounds(wave) {
			if ended := it.round(w, r); ended {
				return
			}
		}
	}
	if it.warned != "" {
		it.end(backout.RunCompleted, "every step is done; "+it.warned)
		return
	}
	it.end(backout.RunCompleted, "every step is done and verified")
}

// stages of a step; a step without any is one that moves whole.
func stages(s backout.Step) []backout.Stage {
	if len(s.Stages) == 0 {
		return []backout.Stage{{Share: 1}}
	}
	return s.Stages
}

func rounds(w backout.Wave) int {
	n := 0
	for _, s := range w.Steps {
		n = max(n, len(stages(s)))
	}
	return n
}

// round brings every step of a wave that has one to its stage r, and asks the
// gate. It says whether the run has ended.
func (it *interpreter) round(w, r int) (ended bool) {
	since := it.f.Now()
	var todo []Proposal
	for _, s := range it.Attempt.Plan.Waves[w].Steps {
		if r < len(stages(s)) {
			todo = append(todo, it.forward(s, r))
		}
	}
	if bad := it.effects(fmt.Sprintf("wave %d round %d", w, r), todo, backout.EntryEffect); len(bad) > 0 {
		it.fail(bad)
		return true
	}
	ans := it.gate(w, r, since, todo)
	switch {
	case ans.Aborted:
		it.end(backout.RunAborted, ans.Why)
	case ans.Decision == DecisionStop:
		it.end(backout.RunStopped, ans.Why)
	case ans.Decision == DecisionHalt:
		it.end(backout.RunHalted, ans.Why+it.takeBack(w))
	case ans.Decision == DecisionLeave:
		it.end(backout.RunHalted, ans.Why)
	default:
		if len(ans.Unproven) > 0 {
			it.warned = ans.Why
		}
		return false
	}
	return true
}

// forward proposes stage r of a step.
func (it *interpreter) forward(s backout.Step, r int) Proposal {
	c, _ := it.component(s.Component)
	g := stages(s)[r]
	return Proposal{Attempt: it.Attempt, Step: s, Stage: r, Effect: backout.Effect{
		Key:     fmt.Sprintf("%s/%s/%d", it.Attempt.ID, s.ID, r),
		Attempt: it.Attempt.ID, Component: c, From: s.From, To: s.To, Share: g.Share, Audience: g.Audience,
	}}
}

// back proposes to undo a step altogether.
func (it *interpreter) back(s backout.Step) Proposal {
	c, _ := it.component(s.Component)
	return Proposal{Attempt: it.Attempt, Step: s, Stage: -1, Reverse: true, Effect: backout.Effect{
		Key:     fmt.Sprintf("%s/%s/back", it.Attempt.ID, s.ID),
		Attempt: it.Attempt.ID, Component: c, From: s.To, To: s.From, Share: 1, Audience: stages(s)[len(stages(s))-1].Audience,
	}}
}

// failure is a proposal that did not come about.
type failure struct {
	Proposal
	result
}

// effects looks, writes intents, tries, and writes outcomes, side by side for
// all proposals. What did not come about is returned.
func (it *interpreter) effects(name string, todo []Proposal, kind backout.EntryKind) []failure {
	seen := it.together(name+" look", todo, it.x.look)
	var entries []backout.Entry
	var needed []Proposal
	var bad []failure
	for i, p := range todo {
		switch e := p.entry(backout.EntryIntent); {
		case seen[i].Aborted:
			bad = append(bad, failure{p, seen[i]})
		case seen[i].Skipped:
			e.Kind, e.Outcome, e.Text = backout.EntrySkipped, backout.OutcomeDone, seen[i].Why+" already"
			entries = append(entries, e)
		default:
			e.Text = fmt.Sprintf("bringing %.0f %% of %s from %s to %s", 100*p.Effect.Share, p.Step.Component, p.Effect.From, p.Effect.To)
			entries, needed = append(entries, e), append(needed, p)
		}
	}
	if len(bad) > 0 {
		return bad // nothing of this round is tried once somebody has aborted
	}
	it.journal(name+" intents", "", "", entries...)
	if len(needed) == 0 {
		return nil
	}
	got := it.together(name+" effects", needed, it.x.try)
	entries = nil
	for i, p := range needed {
		e := p.entry(kind)
		e.Outcome, e.Text = got[i].Outcome, got[i].Why
		entries = append(entries, e)
		if got[i].Outcome != backout.OutcomeDone {
			bad = append(bad, failure{p, got[i]})
		} else if !got[i].Skipped {
			it.share[p.Step.ID] = p.Effect.Share
		}
	}
	it.journal(name+" outcomes", "", "", entries...)
	return bad
}

func (it *interpreter) together(name string, todo []Proposal, fn func(context.Context, Proposal) result) []result {
	tasks := make([]engine.Task[result], len(todo))
	for i, p := range todo {
		tasks[i] = engine.Task[result]{Name: name + " " + p.Step.ID, Do: func(ctx context.Context) result { return fn(ctx, p) }}
	}
	return engine.Together(it.f, tasks)
}

// fail ends the run because effects did not come about. Nothing is taken back:
// every mixed state of a checked wave is compatible, and a component that does
// not obey is no ground to move others once more.
func (it *interpreter) fail(bad []failure) {
	state := backout.RunHalted
	var why []string
	for _, b := range bad {
		if b.Aborted {
			state = backout.RunAborted
		}
		why = append(why, fmt.Sprintf("%s: %s (%s)", b.Step.Component, b.Why, b.Outcome))
	}
	it.end(state, strings.Join(why, "; "))
}

// takeBack undoes what this wave did, last step first, as far as the guard
// allows, and says what came of it.
func (it *interpreter) takeBack(w int) string {
	steps := slices.Clone(it.Attempt.Plan.Waves[w].Steps)
	slices.Reverse(steps)
	said := ""
	for _, s := range steps {
		if it.share[s.ID] == 0 {
			continue
		}
		p := it.back(s)
		if bad := it.effects("back "+s.ID, []Proposal{p}, backout.EntryReversed); len(bad) > 0 {
			said += fmt.Sprintf("; %s stays: %s (%s)", s.Component, bad[0].Why, bad[0].Outcome)
			if bad[0].Aborted {
				return said
			}
			continue
		}
		delete(it.share, s.ID)
		said += fmt.Sprintf("; %s is back at %s", s.Component, s.From)
	}
	return said
}

// end closes the journal with the state that is left behind.
func (it *interpreter) end(state backout.RunState, why string) {
	var left []string
	for _, s := range it.Attempt.Plan.Steps() {
		if share := it.share[s.ID]; share > 0 {
			left = append(left, fmt.Sprintf("%s %.0f %% at %s", s.Component, 100*share, s.To))
		}
	}
	text := "nothing moved by this attempt is left moved"
	if len(left) > 0 {
		text = "moved: " + strings.Join(left, ", ")
	}
	it.journal("end", state, why, backout.Entry{Kind: backout.EntryEnded, Text: fmt.Sprintf("%s: %s. %s", state, why, text)})
}

// journal writes entries and the run's state in the engine's own transaction,
// and tells of them when they are new.
func (it *interpreter) journal(name string, state backout.RunState, why string, entries ...backout.Entry) {
	fresh := false
	saved := engine.Transaction(it.f, name, func(ctx context.Context, tx engine.Tx) ([]backout.Entry, error) {
		fresh = true
		return writeEntries(ctx, tx, it.Attempt.ID, state, why, slices.Clone(entries))
	})
	if fresh {
		it.x.tell(saved...)
	}
}

// verdict is what came of a gate; the engine records it.
type verdict struct {
	Answer
	Aborted bool `json:"aborted,omitempty"`
}

// gate asks until there is a decision, all in one step of the engine: nothing it
// hears before is worth a record, since the gate judges from the whole window.
func (it *interpreter) gate(w, r int, since time.Time, moved []Proposal) verdict {
	waves := it.Attempt.Plan.Waves
	q := Question{
		Attempt: it.Attempt, Wave: w, Round: r, Since: since, Until: it.f.Now().Add(it.bake(moved)),
		Last: w == len(waves)-1 && r == rounds(waves[w])-1,
	}
	for _, p := range moved {
		q.Moved = append(q.Moved, p.Step)
	}
	v := engine.Step(it.f, fmt.Sprintf("wave %d round %d gate", w, r), func(ctx context.Context) verdict { return it.x.ask(ctx, q) })
	it.journal(fmt.Sprintf("wave %d round %d answer", w, r), "", "", backout.Entry{
		Kind: backout.EntryGate, Stage: r, Verdict: v.Verdict, Unproven: v.Unproven, Text: gateWords[v.Decision] + because(v.Why),
	})
	return v
}

// gateWords say what a gate decided, for people.
var gateWords = map[Decision]string{
	DecisionGoOn: "gate passed", DecisionStop: "gate stops the run early", DecisionHalt: "gate halts the run",
	DecisionLeave: "gate ends the run and leaves what was done", "aborted": "gate left",
}

// bake is the longest bake of a round, in real time.
func (it *interpreter) bake(moved []Proposal) time.Duration {
	var longest time.Duration
	for _, p := range moved {
		longest = max(longest, stages(p.Step)[p.Stage].Bake.Std())
	}
	return time.Duration(float64(longest) * float64(it.Minute.Std()) / float64(time.Minute))
}

// ask puts a question to the gate until it decides or a person aborts.
func (x *Executor) ask(ctx context.Context, q Question) verdict {
	id := q.Attempt.ID
	pause := x.patience()
	for ctx.Err() == nil {
		aborted, woken := x.cleared(ctx, id)
		if aborted {
			return verdict{Answer{Decision: "aborted", Why: "aborted at a gate"}, true}
		}
		var ans Answer
		var err error
		if q.Now, err = call(ctx, x.config.Timeout, x.engine.Clock); err == nil {
			ans, err = call(ctx, x.config.Timeout, func(ctx context.Context) (Answer, error) { return x.config.Gate.Ask(ctx, q) })
		}
		if err != nil {
			ans = Answer{Decision: DecisionFreeze, Why: err.Error()}
		}
		longest := x.config.MaxTick
		switch ans.Decision {
		case DecisionStop, DecisionHalt, DecisionLeave:
			return verdict{Answer: ans}
		case DecisionGoOn:
			x.thaw(ctx, id, backout.Entry{Kind: backout.EntryGate, Stage: q.Round})
			if longest = q.Until.Sub(q.Now); longest <= 0 {
				return verdict{Answer: ans}
			}
		case DecisionWait:
			x.thaw(ctx, id, backout.Entry{Kind: backout.EntryGate, Stage: q.Round})
			if left := q.Until.Sub(q.Now); left > 0 { // asked again as soon as the bake is over
				longest = min(longest, left)
			}
		default:
			if ctx.Err() == nil {
				x.freeze(ctx, id, backout.Entry{Kind: backout.EntryGate, Stage: q.Round, Text: ans.Why})
			}
		}
		pause.rest(ctx, woken, longest)
	}
	return verdict{}
}
