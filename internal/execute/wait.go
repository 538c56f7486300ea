package execute

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/backout-dev/backout"
)

// patience is a pause that widens: a run may wait for hours, and what it waits
// for is rarely quick twice.
type patience struct{ next, limit time.Duration }

func (x *Executor) patience() patience { return patience{x.config.Tick, x.config.MaxTick} }

// rest waits for the pause, at most for longest, or until woken, whichever
// comes first.
func (p *patience) rest(ctx context.Context, woken <-chan struct{}, longest time.Duration) {
	t := time.NewTimer(min(p.next, longest))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-woken:
	case <-t.C:
	}
	p.next = min(p.next*5/4, p.limit)
}

// backoff is the pause before an effect is tried once more. It doubles and is drawn
// around its middle, so that many runs that met one trouble don't return together.
type backoff struct {
	next, limit time.Duration
	tries       int
}

func (x *Executor) backoff() *backoff {
	return &backoff{next: x.config.Tick, limit: x.config.MaxTick, tries: x.config.Retries}
}

// left counts a further try, if one is left.
func (b *backoff) left() bool {
	b.tries--
	return b.tries >= 0
}

func (b *backoff) rest(ctx context.Context, woken <-chan struct{}) {
	p := patience{time.Duration((.5 + rand.Float64()) * float64(b.next)), b.limit}
	p.rest(ctx, woken, 2*b.limit)
	b.next = min(2*b.next, b.limit)
}

// cleared waits while a person has paused the run or stopped everything, and says
// whether one has aborted it. woken closes at the next control. When ctx has ended the
// answer means nothing.
func (x *Executor) cleared(ctx context.Context, id backout.AttemptID) (aborted bool, woken <-chan struct{}) {
	p, waited := x.patience(), false
	for {
		c, woken, err := x.control(ctx, id)
		stopped := x.stopped(ctx)
		switch {
		case ctx.Err() != nil:
			return false, woken
		case err != nil:
			x.config.Log.Error("can't read the controls of a run", "attempt", id, "err", err)
		case c.Kind == ControlAbort:
			return true, woken
		case c.Kind == ControlPause:
			x.noted(ctx, id, backout.RunPaused, fmt.Sprintf("paused by %s%s", c.By, because(c.Why)), backout.Entry{})
		case stopped != "":
			waited = true
			x.noted(ctx, id, backout.RunPaused, stopped, backout.Entry{Kind: backout.EntryControl, Text: "waits: " + stopped})
		case waited:
			x.noted(ctx, id, backout.RunActive, "", backout.Entry{Kind: backout.EntryControl, Text: "carries on: the kill switch is off"})
			return false, woken
		default:
			x.unpaused(ctx, id)
			return false, woken
		}
		p.rest(ctx, woken, x.config.MaxTick)
	}
}

// stopped says why everything is stopped; "" when nothing is.
func (x *Executor) stopped(ctx context.Context) string {
	if x.config.Stopped == nil {
		return ""
	}
	why, err := call(ctx, x.config.Timeout, x.config.Stopped)
	if err != nil && ctx.Err() == nil {
		return fmt.Sprintf("it can't be read whether the kill switch is on: %v", err)
	}
	return why
}

// unpaused shows a run as active again after a pause; a frozen one stays so
// until it can see.
func (x *Executor) unpaused(ctx context.Context, id backout.AttemptID) {
	var state backout.RunState
	if x.db.QueryRowContext(ctx, "SELECT state FROM run WHERE attempt = $1", id).Scan(&state) == nil && state == backout.RunPaused {
		x.noted(ctx, id, backout.RunActive, "", backout.Entry{})
	}
}

// freeze shows that the run can't see, and why.
func (x *Executor) freeze(ctx context.Context, id backout.AttemptID, e backout.Entry) {
	e.Text = "frozen: " + e.Text
	x.noted(ctx, id, backout.RunFrozen, e.Text, e)
}

// thaw shows that a frozen run sees again.
func (x *Executor) thaw(ctx context.Context, id backout.AttemptID, e backout.Entry) {
	e.Text = "sees again and carries on"
	x.noted(ctx, id, backout.RunActive, "", e)
}

// noted is note for those who have nothing to return an error to. What it writes
// is for people to see; the run itself does not depend on it.
func (x *Executor) noted(ctx context.Context, id backout.AttemptID, state backout.RunState, why string, e backout.Entry) {
	if err := x.note(ctx, id, state, why, e); err != nil && ctx.Err() == nil {
		x.config.Log.Error("can't note a run's state", "attempt", id, "state", state, "err", err)
	}
}

// untilAbort is ctx, cancelled as soon as a person aborts the run.
func (x *Executor) untilAbort(ctx context.Context, id backout.AttemptID) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(ctx)
	go func() {
		for out.Err() == nil {
			c, woken, err := x.control(out, id)
			if err == nil && c.Kind == ControlAbort {
				cancel()
				return
			}
			p := patience{x.config.MaxTick, x.config.MaxTick} // another replica's word has no channel here
			p.rest(out, woken, x.config.MaxTick)
		}
	}()
	return out, cancel
}

// call does one call to the outside with a deadline, and comes back even when
// the other side ignores its context or panics. What it was doing then is
// unknown; the goroutine it leaves behind ends when the other side does.
func call[T any](ctx context.Context, timeout time.Duration, fn func(ctx context.Context) (T, error)) (T, error) {
	type answer struct {
		v   T
		err error
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ch := make(chan answer, 1)
	go func() {
		var a answer
		defer func() {
			if r := recover(); r != nil {
				a.err = fmt.Errorf("panic: %v", r)
			}
			ch <- a
		}()
		a.v, a.err = fn(ctx)
	}()
	select {
	case a := <-ch:
		return a.v, a.err
	case <-ctx.Done():
	}
	// It was told; a well-behaved one still reports what it knows.
	t := time.NewTimer(min(timeout, time.Second))
	defer t.Stop()
	select {
	case a := <-ch:
		return a.v, a.err
	case <-t.C:
		var zero T
		return zero, fmt.Errorf("no answer: %w", ctx.Err())
	}
}
