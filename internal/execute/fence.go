package execute

import (
	"context"
	"database/sql"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute/engine"
)

// Fence keeps a process from acting once others may have taken over from it.
type Fence interface {
	// Held fails when others may have, by this machine's clock alone. It is asked
	// right before each effect.
	Held() error
	// Check fails when they have; if not, they don't before tx ends.
	Check(ctx context.Context, tx *sql.Tx) error
	// TTL is how long a process that gives no sign is thought alive.
	TTL() time.Duration
}

// alone is the fence of a process that has its database for itself.
type alone struct{}

func (alone) Held() error                          { return nil }
func (alone) Check(context.Context, *sql.Tx) error { return nil }
func (alone) TTL() time.Duration                   { return 0 }

// Swapper is met by actuators whose target itself compares Effect.IfVersion in the
// same instant in which it moves. What a former process sent late is then refused
// by the target. With others, unless they are [OnceByKey], who takes over waits
// until nothing sent before can land any more.
type Swapper interface {
	// Swaps says whether that holds for a component.
	Swaps(c backout.Component) bool
}

// late is how long to look for what a former process may have sent before it is
// sent once more.
func (x *Executor) late(p Proposal) time.Duration {
	if x.harmlessTwice(p) {
		return x.config.Settle
	}
	return x.landing(p)
}

// landing is how long what a former process may have sent can still come about. A
// replica stops itself within its TTL, and no call it has under way lasts longer than
// its time and a second. That it would do no harm twice does not make it shorter.
func (x *Executor) landing(p Proposal) time.Duration {
	ttl := x.config.Fence.TTL()
	if ttl == 0 {
		return x.config.Settle
	}
	return max(x.config.Settle, ttl+x.patienceFor(p)+time.Second)
}

// harmlessTwice says that it does no harm when two processes send an effect.
func (x *Executor) harmlessTwice(p Proposal) bool {
	a, c := x.actuator(p), p.Effect.Component
	if s, ok := a.(Swapper); ok && s.Swaps(c) {
		return true
	}
	o, ok := a.(OnceByKey)
	return ok && o.OnceByKey(c)
}

// mark notes that Do is about to be called, and that this process may still call
// it. What can't be noted is not done.
func (x *Executor) mark(ctx context.Context, key string) {
	if err := x.fenced(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO run_try (key) VALUES ($1) ON CONFLICT DO NOTHING", key)
		return err
	}); err != nil {
		engine.Park("note try of "+key, err)
	}
	// Writing took time, in which the process may have been frozen for long.
	if err := x.config.Fence.Held(); err != nil {
		engine.Park("try "+key, err)
	}
}

// fenced does fn in a transaction that only commits while nobody has taken over.
func (x *Executor) fenced(ctx context.Context, fn func(tx *sql.Tx) error) error {
	tx, err := x.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	if err := x.config.Fence.Check(ctx, tx); err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit()
}
