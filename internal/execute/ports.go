package execute

import (
	"context"
	"time"

	"github.com/backout-dev/backout"
)

// Guard has the last word on an effect. It is asked immediately before each
// try, with a fresh look at the component, and looks at the world itself: has
// anything moved since the plan was made, is every state on the way still
// compatible, does the policy still allow it, is the kill switch off.
type Guard interface {
	// Allow answers for one effect. An error means that it can't tell; nothing is
	// done then and it is asked again.
	Allow(ctx context.Context, p Proposal) (Permission, error)
}

// Proposal is an effect about to be tried.
type Proposal struct {
	Attempt backout.Attempt
	Step    backout.Step
	Stage   int // index into Step.Stages; -1 when Reverse
	Effect  backout.Effect
	Reality backout.Reality
	// Reverse is set when the effect takes the step back after a halt. Whether
	// that is safe in the state reached is for the guard to say.
	Reverse bool
}

// Permission is a guard's answer, with the reason in words when it is no.
type Permission struct {
	Yes bool
	Why string
	// Wait turns a no into "not now": nothing is done, and it is asked again.
	Wait bool
}

// Stopped says why everything is stopped, read afresh; "" when nothing is. An error
// counts as stopped.
type Stopped func(ctx context.Context) (why string, err error)

// Gate decides after each round whether the run goes on.
type Gate interface {
	// Ask answers for one round. It must judge from all samples since
	// Question.Since, not from what it remembers of earlier questions. An error
	// means that it can't see, as DecisionFreeze does.
	Ask(ctx context.Context, q Question) (Answer, error)
}

// Question is what a gate is asked.
type Question struct {
	Attempt backout.Attempt
	Wave    int // index into Plan.Waves
	Round   int // index of the stages reached
	Moved   []backout.Step
	Since   time.Time // just before the round's first effect
	Until   time.Time // when the bake is over: going on before has no effect
	Now     time.Time
	Last    bool // nothing is left to do after this round
}

// Decision is what a gate says.
type Decision string

// The decisions.
const (
	DecisionGoOn   Decision = "go_on"  // to the next round, as soon as the bake is over
	DecisionWait   Decision = "wait"   // too early to say: ask again
	DecisionStop   Decision = "stop"   // the symptom has gone: the rest is not needed
	DecisionHalt   Decision = "halt"   // it got worse: take this wave back
	DecisionLeave  Decision = "leave"  // it helped, but not enough: end here, what was done stays
	DecisionFreeze Decision = "freeze" // it can't be seen: do nothing and ask again
)

// Answer is a gate's decision with its reason in words.
type Answer struct {
	Decision Decision `json:"decision"`
	Why      string   `json:"why"`
	// Verdict is what the decision rests on; empty when nothing could be judged.
	Verdict backout.VerdictValue `json:"verdict,omitempty"`
	// Unproven are the signals that are not proven back although the decision takes nothing
	// back; see [backout.Entry].
	Unproven []backout.SeriesID `json:"unproven,omitempty"`
}

// ControlKind is what a person can tell a run.
type ControlKind string

// The kinds of control.
const (
	ControlPause  ControlKind = "pause"  // try nothing more until told
	ControlResume ControlKind = "resume" // carry on
	ControlAbort  ControlKind = "abort"  // end now, leaving everything where it is
)

// Control is one person's word to a run.
type Control struct {
	Kind ControlKind
	By   string
	Why  string
}
