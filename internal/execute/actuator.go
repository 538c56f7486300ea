package execute

import (
	"context"

	"github.com/backout-dev/backout"
)

// Actuator moves one kind of component. Its methods are called with a deadline
// in ctx and must give up when it passes.
type Actuator interface {
	// Survey says what could be undone, without side effects. stack is the
	// component's recent changes, oldest first. What can't be found out is an
	// answer too: a Reversal with Known false and the reason in Why.
	Survey(ctx context.Context, c backout.Component, stack []backout.Change) (backout.Reversal, error)
	// Probe reads what is live now.
	Probe(ctx context.Context, c backout.Component) (backout.Reality, error)
	// Do tries one effect. It answers done or not done only when it is certain;
	// with any doubt (a lost answer, a timeout) the outcome is unknown, and the
	// error says why. A stale IfVersion is not done with a conflict error.
	Do(ctx context.Context, e backout.Effect) (backout.Outcome, error)
}

// Foreseer is met by actuators that can look at a version before it is there, such
// as a migration that is not applied yet. Foresee answers what Survey would if all
// of stack were in place. Of others Survey is asked.
type Foreseer interface {
	Foresee(ctx context.Context, c backout.Component, stack []backout.Change) (backout.Reversal, error)
}

// OnceByKey is met by actuators whose targets take an effect's key once only, however
// often it is sent, as with an Idempotency-Key. An effect of theirs whose answer was
// lost may be sent again; of others' only what certainly was not taken.
type OnceByKey interface {
	OnceByKey(c backout.Component) bool
}
