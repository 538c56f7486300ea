package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/plan/check"
)

// Record is what is left to look at when all is over: what was handed in, what the
// targets saw, and what the journal says. The checkers are functions of it.
type Record struct {
	Plans    map[backout.AttemptID]Drawn
	Accepted map[backout.AttemptID]bool
	Log      []Event
	Runs     []backout.Run
}

// Finding is one thing that must not be.
type Finding struct {
	Plan backout.AttemptID
	Text string
}

func (f Finding) String() string { return fmt.Sprintf("%s: %s", f.Plan, f.Text) }

func found(id backout.AttemptID, format string, args ...any) Finding {
	return Finding{id, fmt.Sprintf(format, args...)}
}

// events groups the log by attempt, in order.
func (r Record) events() map[backout.AttemptID][]Event {
	out := map[backout.AttemptID][]Event{}
	for _, e := range r.Log {
		out[e.Effect.Attempt] = append(out[e.Effect.Attempt], e)
	}
	return out
}

func (r Record) run(id backout.AttemptID) (backout.Run, bool) {
	for _, run := range r.Runs {
		if run.Attempt == id {
			return run, true
		}
	}
	return backout.Run{}, false
}

func (r Record) ids() []backout.AttemptID { return slices.Sorted(maps.Keys(r.Plans)) }

// lost finds accepted plans that never reached an end with its entry in the journal,
// and effects that the journal says are done and that the target never reached.
func lost(r Record) []Finding {
	var out []Finding
	events := r.events()
	for _, id := range r.ids() {
		run, ok := r.run(id)
		switch {
		case !r.Accepted[id] && !ok:
			continue
		case !ok:
			out = append(out, found(id, "was accepted, and the journal does not know it"))
			continue
		case !run.State.Terminal():
			out = append(out, found(id, "never ended: %s %s", run.State, run.Why))
		case len(run.Entries) == 0 || run.Entries[len(run.Entries)-1].Kind != backout.EntryEnded:
			out = append(out, found(id, "is %s, and its journal has no end", run.State))
		}
		for _, e := range run.Entries {
			done := e.Kind == backout.EntryEffect || e.Kind == backout.EntryReversed || e.Kind == backout.EntrySkipped
			if done && e.Outcome == backout.OutcomeDone && !reached(r.Plans[id], e, events[id]) {
				out = append(out, found(id, "the journal says that %s is done, and its target never was there", e.Key))
			}
		}
	}
	return out
}

// reached reports whether a component ever was where an entry says, before it was
// written.
func reached(d Drawn, e backout.Entry, log []Event) bool {
	to := good
	if e.Kind == backout.EntryReversed {
		to = bad
	}
	if d.live(e.Component)[to] >= e.Share-1e-6 {
		return true
	}
	return slices.ContainsFunc(log, func(ev Event) bool {
		return ev.What == Applied && ev.Effect.Component.ID == e.Component && ev.Shares[to] >= e.Share-1e-6 && !ev.At.After(e.At)
	})
}

// twice finds what the journal has more than once, numbers that are missing in it,
// and effects that a target began after the journal had them as done.
func twice(r Record) []Finding {
	var out []Finding
	events := r.events()
	for _, run := range r.Runs {
		count := map[string]int{}
		passed, ended := 0, map[string]backout.Entry{}
		for i, e := range run.Entries {
			if e.Seq != int64(i+1) {
				out = append(out, found(run.Attempt, "entry %d has number %d", i+1, e.Seq))
			}
			switch e.Kind {
			case backout.EntryStarted, backout.EntryEnded:
				count[string(e.Kind)]++
			case backout.EntryIntent, backout.EntryEffect, backout.EntrySkipped, backout.EntryReversed:
				count[string(e.Kind)+" "+e.Key]++
			case backout.EntryGate:
				if e.Text == "gate passed: not worse" {
					passed++
				}
			}
			if e.Kind == backout.EntryEffect || e.Kind == backout.EntryReversed {
				ended[e.Key] = e
			}
		}
		for _, what := range slices.Sorted(maps.Keys(count)) {
			if count[what] > 1 {
				out = append(out, found(run.Attempt, "the journal has %d times %s", count[what], what))
			}
		}
		all := 0
		for _, w := range r.Plans[run.Attempt].Attempt.Plan.Waves {
			all += rounds(w)
		}
		if passed > all {
			out = append(out, found(run.Attempt, "%d gates were passed, and there are %d", passed, all))
		}
		for _, ev := range events[run.Attempt] {
			if e, ok := ended[ev.Effect.Key]; ok && ev.What == Started && ev.At.After(e.At) {
				out = append(out, found(run.Attempt, "%s began at its target %s after the journal had it as %s", ev.Effect.Key, ev.At.Sub(e.At), e.Outcome))
			}
		}
	}
	return out
}

// effectsTwice finds keys that a target carried out more than once, and components
// of which two effects were under way at once.
func effectsTwice(r Record) []Finding {
	var out []Finding
	times, moving := map[string]int{}, map[backout.ComponentID]string{}
	for _, ev := range r.Log {
		switch ev.What {
		case Started:
			times[ev.Effect.Key]++
			if times[ev.Effect.Key] > 1 {
				out = append(out, found(ev.Effect.Attempt, "%s was carried out %d times, the last time for %s", ev.Effect.Key, times[ev.Effect.Key], ev.Worker))
			}
			if other := moving[ev.Effect.Component.ID]; other != "" && other != ev.Effect.Key {
				out = append(out, found(ev.Effect.Attempt, "%s began while %s was under way", ev.Effect.Key, other))
			}
			moving[ev.Effect.Component.ID] = ev.Effect.Key
		case Applied:
			delete(moving, ev.Effect.Component.ID)
		}
	}
	return out
}

// order finds effects that began before the waves and stages before them had been
// reached and had baked, forward effects after the way back had begun, and effects that began
// before the journal had their intent or after it had the run's end.
func order(r Record) []Finding {
	out := outsideJournal(r)
	for id, log := range r.events() {
		d := r.Plans[id]
		share, at, back := map[backout.ComponentID]float64{}, map[string]time.Time{}, false
		for c := range d.Manners {
			share[c] = d.live(c)[good]
		}
		for _, ev := range log {
			if ev.What == Applied {
				share[ev.Effect.Component.ID], at[ev.Effect.Key] = ev.Shares[good], ev.At
			}
			if ev.What != Started {
				continue
			}
			step, stage := stepOf(ev.Effect)
			if stage < 0 {
				back = true
				continue
			}
			if back {
				out = append(out, found(id, "%s began after the way back had", ev.Effect.Key))
			}
			out = append(out, tooEarly(d, step, stage, share, ev.Effect.Key)...)
			if wait := unbaked(d, step, stage, at, ev.At); wait > 0 {
				out = append(out, found(id, "%s began %s before the round before it had baked", ev.Effect.Key, wait))
			}
		}
	}
	return out
}

// outsideJournal finds effects that began when the journal did not say so.
func outsideJournal(r Record) []Finding {
	var out []Finding
	events := r.events()
	for _, run := range r.Runs {
		intent, ended := map[string]time.Time{}, time.Time{}
		for _, e := range run.Entries {
			switch e.Kind {
			case backout.EntryIntent:
				intent[e.Key] = e.At
			case backout.EntryEnded:
				ended = e.At
			}
		}
		for _, ev := range events[run.Attempt] {
			if ev.What != Started {
				continue
			}
			if at, ok := intent[ev.Effect.Key]; !ok || ev.At.Before(at) {
				out = append(out, found(run.Attempt, "%s began before its intent was in the journal", ev.Effect.Key))
			}
			if !ended.IsZero() && ev.At.After(ended) {
				out = append(out, found(run.Attempt, "%s began %s after the run had ended", ev.Effect.Key, ev.At.Sub(ended)))
			}
		}
	}
	return out
}

// tooEarly finds what an effect of a step's stage had to wait for and did not: all
// of the waves before, and the stages before of its own wave.
func tooEarly(d Drawn, step string, stage int, share map[backout.ComponentID]float64, key string) []Finding {
	var out []Finding
	for _, wave := range d.Attempt.Plan.Waves {
		mine := slices.ContainsFunc(wave.Steps, func(s backout.Step) bool { return s.ID == step })
		for _, s := range wave.Steps {
			need := 1.0
			if mine {
				if stage == 0 {
					continue
				}
				need = s.Stages[min(stage, len(s.Stages))-1].Share
			}
			if share[s.Component] < need-1e-6 {
				out = append(out, found(d.Attempt.ID, "%s began while %s was at %.0f %%", key, s.ID, 100*share[s.Component]))
			}
		}
		if mine {
			return out
		}
	}
	return append(out, found(d.Attempt.ID, "%s is of no step of the plan", key))
}

// unbaked is how much of the bake of the round before was left when a step's stage
// began. A round bakes as long as its longest stage, from its last effect on.
func unbaked(d Drawn, step string, stage int, at map[string]time.Time, began time.Time) time.Duration {
	var before []backout.Step
	round := stage - 1
	for k, wave := range d.Attempt.Plan.Waves {
		if !slices.ContainsFunc(wave.Steps, func(s backout.Step) bool { return s.ID == step }) {
			continue
		}
		if before = wave.Steps; stage == 0 && k > 0 {
			before = d.Attempt.Plan.Waves[k-1].Steps
			round = rounds(d.Attempt.Plan.Waves[k-1]) - 1
		}
	}
	var last time.Time
	var bake time.Duration
	for _, s := range before {
		if round < 0 || round >= len(s.Stages) {
			continue
		}
		bake = max(bake, time.Duration(s.Stages[round].Bake.Std().Minutes()*float64(minute)))
		if t := at[fmt.Sprintf("%s/%s/%d", d.Attempt.ID, s.ID, round)]; t.After(last) {
			last = t
		}
	}
	if last.IsZero() {
		return 0 // it was there already, nothing began
	}
	return last.Add(bake).Sub(began)
}

// unsafe finds states that plan/check forbids. The state at the beginning is safe, so
// each effect is put to the checker as a plan of this one step, in the state just
// before it: what it says then is wrong is what the effect brought about.
func unsafe(r Record) []Finding {
	var out []Finding
	for id, log := range r.events() {
		d := r.Plans[id]
		w := d.World
		w.Live = map[backout.ComponentID]backout.Live{}
		for c := range d.Manners {
			w.Live[c] = backout.Live{Shares: d.live(c), Healthy: true}
		}
		for _, ev := range log {
			if ev.What != Applied {
				continue
			}
			e := ev.Effect
			for _, v := range check.Remaining(w, alone(d, e)) {
				if v.Reason == check.ReasonIncompatible || v.Reason == check.ReasonUnproven || v.Reason == check.ReasonWorldMoved {
					out = append(out, found(id, "%s: %s", e.Key, v))
				}
			}
			w.Live[e.Component.ID] = backout.Live{Shares: ev.Shares, Healthy: true, At: ev.At}
		}
	}
	return out
}

// alone is a plan of one step, the one that an effect belongs to.
func alone(d Drawn, e backout.Effect) backout.Plan {
	p := d.Attempt.Plan
	p.Waves = []backout.Wave{{Steps: []backout.Step{{
		ID: e.Key, Component: e.Component.ID, From: e.From, To: e.To, FromLevel: 1, ToLevel: 0,
		Stages: []backout.Stage{{Share: 1}}, Takes: backout.Duration(minute),
	}}}}
	return p
}

// stuck finds accepted plans that had not ended when the time to do so was over.
func stuck(r Record) []Finding {
	var out []Finding
	for _, id := range r.ids() {
		if run, ok := r.run(id); r.Accepted[id] && (!ok || !run.State.Terminal()) {
			out = append(out, found(id, "has not ended: %s %s", run.State, run.Why))
		}
	}
	return out
}

// ends counts how plans ended, with the reason of those that were halted.
func ends(r Record) map[string]int {
	out := map[string]int{}
	for _, run := range r.Runs {
		end := string(run.State)
		if run.State == backout.RunHalted {
			end += ", " + haltWord(run.Why)
		}
		out[end]++
	}
	return out
}

// haltWord is the kind of reason for which a plan was halted.
func haltWord(why string) string {
	for _, known := range []string{"it got worse", "reported as done, but"} {
		if strings.Contains(why, known) {
			return known
		}
	}
	return why
}

// steps counts plan steps whose last stage the journal has as done.
func steps(r Record) int {
	n := 0
	for _, run := range r.Runs {
		last := map[string]int{}
		for _, s := range r.Plans[run.Attempt].Attempt.Plan.Steps() {
			last[s.ID] = len(s.Stages) - 1
		}
		for _, e := range run.Entries {
			if e.Kind == backout.EntryEffect && e.Outcome == backout.OutcomeDone && e.Stage == last[e.Step] {
				n++
			}
		}
	}
	return n
}
