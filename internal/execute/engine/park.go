package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
)

// How long a parked flow waits before it is tried again: first a moment, since a
// connection that was cut is soon back; later rarely, since every try spends one
// of the flow's recoveries.
const (
	parkFirst = 500 * time.Millisecond
	parkMost  = time.Minute
	// parkForgotten is how long a flow must have gone on before its former troubles
	// are no reason to wait longer.
	parkForgotten = 10 * time.Minute
)

// park is what is known of a flow that could not go on. err says why and what it
// waits for, and is nil while it is being tried again.
type park struct {
	err   error
	tries int
	since time.Time // monotonic
}

// pause is how long to wait before the next try, without jitter.
func (p park) pause() time.Duration {
	return min(parkFirst<<min(p.tries-1, 16), parkMost)
}

// Parked says why a flow of this process does nothing now; nil when it goes on, or
// is somebody else's.
func (e *Engine) Parked(id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.parked[id].err
}

// unparkLocked notes that a flow is tried again.
func (e *Engine) unparkLocked(id string) {
	if p, ok := e.parked[id]; ok {
		p.err = nil
		e.parked[id] = p
	}
}

func (e *Engine) park(id string, err error) park {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.parked[id]
	if time.Since(p.since) > parkForgotten {
		p.tries = 0
	}
	p = park{err: err, tries: p.tries + 1, since: time.Now()}
	e.parked[id] = p
	return p
}

// errParked ends a flow's goroutine without ending the flow.
var errParked = errors.New("flow is parked")

// unrecorded is what a flow panics with when the engine could not record or read
// what it did: trouble that may pass. Any other panic is a defect, which only
// another program mends.
type unrecorded struct{ error }

func (u unrecorded) Unwrap() error { return u.error }

// Park leaves a flow's function, or a step of it, because the database did not
// answer: nothing is recorded, and it is tried again after a while. doing says what
// could not be done.
func Park(doing string, err error) {
	panic(unrecorded{fmt.Errorf("%s: %w", doing, explain(err))})
}

// wait parks a flow for the reason it panicked with. Returning that would end the
// flow for good, so it returns only what DBOS takes for no end: that the engine
// closed, after which the next start resumes the flow, or that the flow is another
// execution's now. The latter it brings about itself where trying again may help.
func (f *Flow) wait(reason any) error {
	err, ok := reason.(error)
	if !ok {
		err = fmt.Errorf("%v", reason)
	}
	if errors.Is(err, dbos.ErrConflictingWorkflowID) {
		return f.leave(err)
	}
	if u := (unrecorded{}); !errors.As(err, &u) {
		f.engine.park(f.ID, fmt.Errorf("waits for the next start of backout: %w", err))
		f.report(err)
		<-f.ctx.Done()
	}
	for f.ctx.Err() == nil {
		pause := f.engine.park(f.ID, fmt.Errorf("waits and is tried again by itself: %w", err)).pause()
		f.report(err)
		select {
		case <-f.ctx.Done():
		case <-time.After(pause + rand.N(pause/2)): // a fleet must not come back as one
			switch ours, down := f.engine.putUp(f.ctx, f.ID); {
			case down == nil && ours:
				return fmt.Errorf("flow %s was put up again: %w", f.ID, dbos.ErrConflictingWorkflowID)
			case down == nil:
				return f.leave(fmt.Errorf("flow %s: %w", f.ID, dbos.ErrConflictingWorkflowID))
			}
		}
	}
	f.engine.park(f.ID, fmt.Errorf("waits for the next start of backout: %w", err))
	return errors.Join(errParked, context.Cause(f.ctx))
}

// leave lets go of a flow that somebody else has taken over.
func (f *Flow) leave(err error) error {
	f.engine.mu.Lock()
	delete(f.engine.parked, f.ID)
	f.engine.mu.Unlock()
	f.engine.log.Warn("flow was taken over, and nothing more is recorded here", "flow", f.ID)
	return err
}

func (f *Flow) report(err error) {
	if !errors.Is(err, context.Canceled) && f.ctx.Err() == nil {
		f.engine.log.Error("flow is parked", "flow", f.ID, "error", f.engine.Parked(f.ID))
	}
}

// putUp gives a flow of this executor back for anybody alive to resume, as DBOS
// does with all flows of a dead one, but for this one only. It is one statement:
// where somebody else has adopted the flow meanwhile it changes nothing and says so,
// which DBOS' own call to resume a flow does not promise.
func (e *Engine) putUp(ctx context.Context, id string) (ours bool, err error) {
	schema := ""
	if e.database.Shared() {
		schema = "dbos."
	}
	r, err := e.database.DB.ExecContext(ctx, `UPDATE `+schema+`workflow_status
		SET status = 'ENQUEUED', started_at_epoch_ms = NULL, owner_xid = NULL,
			queue_name = COALESCE(NULLIF(queue_name, ''), '_dbos_internal_queue')
		WHERE workflow_uuid = $1 AND status = 'PENDING' AND executor_id = $2`, id, e.executor)
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n == 1, err
}
