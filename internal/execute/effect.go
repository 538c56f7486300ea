package execute

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute/engine"
)

// Reached reports whether a component is where an effect wants it: at least that
// share at the target version. A component that is further already has reached
// it, since a stage never moves back.
func Reached(r backout.Reality, e backout.Effect) bool {
	return liveOf(r, e).Shares[e.To] >= e.Share-1e-6
}

func liveOf(r backout.Reality, e backout.Effect) backout.Live {
	if e.Audience != "" {
		return r.Audiences[e.Audience]
	}
	return r.Live
}

// result is what became of one proposal; the engine records it.
type result struct {
	Outcome backout.Outcome `json:"outcome"`
	Skipped bool            `json:"skipped,omitempty"` // it was there before anything was tried
	Aborted bool            `json:"aborted,omitempty"`
	Why     string          `json:"why,omitempty"`
	// again is set when it did not come about and may be tried once more.
	again bool
}

// look says whether an effect is needed at all. It waits until it can see.
func (x *Executor) look(ctx context.Context, p Proposal) result {
	pause := x.patience()
	for ctx.Err() == nil {
		aborted, woken := x.cleared(ctx, p.Attempt.ID)
		if aborted {
			return result{Outcome: backout.OutcomeNotDone, Aborted: true, Why: "aborted before it was tried"}
		}
		r, err := x.probe(ctx, p)
		if err == nil {
			x.thaw(ctx, p.Attempt.ID, p.entry(backout.EntryGate))
			if Reached(r, p.Effect) {
				return result{Outcome: backout.OutcomeDone, Skipped: true, Why: describe(r, p.Effect)}
			}
			return result{Outcome: backout.OutcomeNotDone}
		}
		x.blind(ctx, p, fmt.Sprintf("can't see %s: %v", p.Step.Component, err))
		pause.rest(ctx, woken, x.config.MaxTick)
	}
	return result{}
}

// try brings one effect about, or finds out that it is not to be. All of it is
// one step of the engine, so every answer it uses is fresh.
func (x *Executor) try(ctx context.Context, p Proposal) result {
	again := x.triedBefore(ctx, p.Effect.Key)
	var open doubt
	if again {
		// A former process may have sent it. Give it time to show before sending
		// it once more under the same key.
		open = doubt{true, time.Now().Add(x.landing(p))}
		if r, ok := x.await(ctx, p, x.late(p)); ok {
			return result{Outcome: backout.OutcomeDone, Why: describe(r, p.Effect) + ", found after a restart"}
		}
	}
	pause, retry := x.patience(), x.backoff()
	for ctx.Err() == nil {
		aborted, woken := x.cleared(ctx, p.Attempt.ID)
		if aborted {
			return open.of(result{Outcome: backout.OutcomeNotDone, Aborted: true, Why: "aborted before it was tried"})
		}
		looked := time.Now()
		r, err := x.probe(ctx, p)
		if err != nil {
			x.blind(ctx, p, fmt.Sprintf("can't see %s: %v", p.Step.Component, err))
			pause.rest(ctx, woken, x.config.MaxTick)
			continue
		}
		if Reached(r, p.Effect) {
			return result{Outcome: backout.OutcomeDone, Skipped: !again, Why: describe(r, p.Effect)}
		}
		open = open.at(looked)
		p.Reality, p.Effect.IfVersion = r, r.Version
		perm, err := call(ctx, x.config.Timeout, func(ctx context.Context) (Permission, error) { return x.config.Guard.Allow(ctx, p) })
		if err != nil {
			x.blind(ctx, p, fmt.Sprintf("can't tell whether %s may be moved: %v", p.Step.Component, err))
			pause.rest(ctx, woken, x.config.MaxTick)
			continue
		}
		if perm.Wait {
			pause.rest(ctx, woken, x.config.MaxTick) // the next look at the controls says why
			continue
		}
		x.thaw(ctx, p.Attempt.ID, p.entry(backout.EntryGate))
		if !perm.Yes {
			return open.of(result{Outcome: backout.OutcomeNotDone, Why: "refused: " + perm.Why})
		}
		res := x.do(ctx, p)
		if !res.again {
			return res // the target's word, also on what it was sent before
		}
		if !retry.left() {
			return open.of(res)
		}
		if again = true; res.Outcome == backout.OutcomeUnknown {
			open = doubt{yes: true}
		}
		x.config.Log.Warn("an effect is tried once more", "attempt", p.Attempt.ID, "step", p.Step.ID, "component", p.Step.Component, "why", res.Why)
		retry.rest(ctx, woken)
	}
	return result{}
}

// doubt says whether an earlier try of an effect may still come about. While it may,
// nobody can say that the effect was not done, though this try was left.
type doubt struct {
	yes   bool
	until time.Time // one look after this resolves it; zero = nothing does
}

// at is what is left of it after a look at that time did not show the effect.
func (d doubt) at(looked time.Time) doubt {
	if !d.until.IsZero() && looked.After(d.until) {
		return doubt{}
	}
	return d
}

// of is a result that does not say more than is known.
func (d doubt) of(r result) result {
	if d.yes && r.Outcome == backout.OutcomeNotDone {
		r.Outcome, r.Why = backout.OutcomeUnknown, "what was sent before may still come about; now: "+r.Why
	}
	return r
}

// do sends the effect and finds out by looking what became of it.
func (x *Executor) do(ctx context.Context, p Proposal) result {
	x.mark(ctx, p.Effect.Key)
	act, stop := x.untilAbort(ctx, p.Attempt.ID)
	defer stop()
	said, err := call(x.saying(act, p), x.patienceFor(p), func(ctx context.Context) (backout.Outcome, error) {
		return x.actuator(p).Do(ctx, p.Effect)
	})
	if said != backout.OutcomeNotDone && (said != backout.OutcomeDone || err != nil) {
		said = backout.OutcomeUnknown
	}
	settle := x.config.Settle
	if said == backout.OutcomeNotDone || act.Err() != nil {
		settle = 0 // one look
	}
	r, reached := x.await(ctx, p, settle)
	aborted := act.Err() != nil
	if r.At.IsZero() && !aborted {
		r, reached, aborted = x.sighted(ctx, p, settle)
	}
	res := result{Outcome: said, Aborted: (aborted || act.Err() != nil) && ctx.Err() == nil}
	switch {
	case reached && err == nil:
		res.Outcome, res.Why = backout.OutcomeDone, describe(r, p.Effect)
	case reached:
		res.Outcome, res.Why = backout.OutcomeDone, fmt.Sprintf("%s, although it was reported: %v", describe(r, p.Effect), err)
	case r.At.IsZero():
		res.Outcome, res.Why = backout.OutcomeUnknown, "it can't be seen what became of it"
	case Reached(r, p.Effect):
		res.Outcome, res.Why = backout.OutcomeUnknown, describe(r, p.Effect)+", but not healthy"
	case said == backout.OutcomeDone:
		res.Outcome, res.Why = backout.OutcomeNotDone, "reported as done, but "+describe(r, p.Effect)
	case backout.CodeOf(err) == backout.CodeConflict:
		res.Why = fmt.Sprintf("somebody else moved it meanwhile: %v", err)
	default:
		res.Why = fmt.Sprintf("%s: %v", describe(r, p.Effect), err)
	}
	if res.Outcome == backout.OutcomeDone {
		res.Aborted = false
	}
	res.again = x.repeatable(p, res.Outcome, err) && !r.At.IsZero() && !Reached(r, p.Effect) && !res.Aborted
	return res
}

// repeatable says whether an effect that was seen not to have come about may be
// sent once more: when it certainly was not taken and the target was merely out of
// reach, or when the target takes one key once only.
func (x *Executor) repeatable(p Proposal, o backout.Outcome, err error) bool {
	switch o {
	case backout.OutcomeNotDone:
		return backout.CodeOf(err) == backout.CodeUnavailable
	case backout.OutcomeUnknown:
		once, ok := x.actuator(p).(OnceByKey)
		return ok && once.OnceByKey(p.Effect.Component)
	}
	return false
}

// await looks until the effect shows and the component is healthy, at most for a
// time, and at least once. The reality is zero when it never could see.
func (x *Executor) await(ctx context.Context, p Proposal, settle time.Duration) (backout.Reality, bool) {
	var last backout.Reality
	deadline := time.Now().Add(settle)
	pause := patience{min(x.config.Tick, 100*time.Millisecond), x.config.MaxTick}
	for {
		r, err := x.probe(ctx, p)
		if err == nil {
			last = r
			if last.At.IsZero() {
				last.At = time.Now().UTC()
			}
			if Reached(r, p.Effect) && liveOf(r, p.Effect).Healthy {
				return last, true
			}
		}
		c, woken, cerr := x.control(ctx, p.Attempt.ID)
		left := time.Until(deadline)
		if left <= 0 || ctx.Err() != nil || (cerr == nil && c.Kind == ControlAbort) {
			return last, false
		}
		pause.rest(ctx, woken, left)
	}
}

// sighted freezes the run until the target can be seen again, however long that takes,
// and then looks as await does: what became of an effect is not guessed, and a target
// that is away for a moment is no reason to give up. The reality is zero when a person
// aborted before.
func (x *Executor) sighted(ctx context.Context, p Proposal, settle time.Duration) (r backout.Reality, reached, aborted bool) {
	pause := x.patience()
	for ctx.Err() == nil {
		aborted, woken := x.cleared(ctx, p.Attempt.ID)
		if aborted {
			return backout.Reality{}, false, true
		}
		_, err := x.probe(ctx, p)
		if err == nil {
			x.thaw(ctx, p.Attempt.ID, p.entry(backout.EntryGate))
			r, reached = x.await(ctx, p, settle)
			return r, reached, false
		}
		x.blind(ctx, p, fmt.Sprintf("can't see what became of %s: %v", p.Step.Component, err))
		pause.rest(ctx, woken, x.config.MaxTick)
	}
	return backout.Reality{}, false, false
}

func (x *Executor) actuator(p Proposal) Actuator {
	return x.config.Actuators[p.Effect.Component.Actuator]
}

func (x *Executor) probe(ctx context.Context, p Proposal) (backout.Reality, error) {
	return call(ctx, x.config.Timeout, func(ctx context.Context) (backout.Reality, error) {
		a := x.actuator(p)
		if a == nil {
			return backout.Reality{}, fmt.Errorf("actuator %q is not configured any more", p.Effect.Component.Actuator)
		}
		return a.Probe(ctx, p.Effect.Component)
	})
}

// blind freezes the run for a reason that concerns one effect.
func (x *Executor) blind(ctx context.Context, p Proposal, why string) {
	if ctx.Err() != nil {
		return
	}
	e := p.entry(backout.EntryGate)
	e.Text = why
	x.freeze(ctx, p.Attempt.ID, e)
}

// triedBefore says whether Do may have been called for a key.
func (x *Executor) triedBefore(ctx context.Context, key string) bool {
	var n int
	if err := x.db.QueryRowContext(ctx, "SELECT count(*) FROM run_try WHERE key = $1", key).Scan(&n); err != nil {
		engine.Park("read tries of "+key, err)
	}
	return n > 0
}

// entry begins a journal entry about a proposal.
func (p Proposal) entry(kind backout.EntryKind) backout.Entry {
	return backout.Entry{
		Kind: kind, Step: p.Step.ID, Component: p.Step.Component,
		Stage: max(p.Stage, 0), Share: p.Effect.Share, Key: p.Effect.Key,
	}
}

// describe says where a component is, as far as an effect is concerned.
func describe(r backout.Reality, e backout.Effect) string {
	live := liveOf(r, e)
	var parts []string
	for _, v := range slices.SortedFunc(maps.Keys(live.Shares), backout.CompareVersions) {
		if s := live.Shares[v]; s > 0 {
			parts = append(parts, fmt.Sprintf("%.0f %% at %s", 100*s, v))
		}
	}
	if len(parts) == 0 {
		return e.Component.Name + " shows no version"
	}
	return e.Component.Name + " is " + strings.Join(parts, ", ")
}
