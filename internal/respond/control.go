package respond

import (
	"context"
	"fmt"
	"time"

	"github.com/backout-dev/backout"
)

// Pause keeps the running attempt where it is: nothing further is changed until
// Resume. What is half moved stays half moved, which the checker allowed.
func (r *Responder) Pause(ctx context.Context, now time.Time, id backout.IncidentID, by backout.Principal) (backout.Incident, error) {
	return r.control(ctx, now, id, by, "paused", true, r.cfg.Runner.Pause)
}

// Resume lets a paused attempt go on.
func (r *Responder) Resume(ctx context.Context, now time.Time, id backout.IncidentID, by backout.Principal) (backout.Incident, error) {
	return r.control(ctx, now, id, by, "resumed", false, r.cfg.Runner.Resume)
}

// Abort ends the running attempt in a state that the checker allowed. An incident
// that only waits is closed.
func (r *Responder) Abort(ctx context.Context, now time.Time, id backout.IncidentID, by backout.Principal) (backout.Incident, error) {
	inc, err := r.cfg.Store.Incident(ctx, id)
	if err != nil {
		return inc, fmt.Errorf("abort %s: %w", id, err)
	}
	if inc.State.Terminal() || inc.State.Running() {
		return r.control(ctx, now, id, by, "aborted", false, r.cfg.Runner.Abort)
	}
	if err := mayDecide(by); err != nil {
		return inc, err
	}
	return r.move(ctx, now, inc, backout.StateAborted, by.Name+" ended it; nothing further happens by itself")
}

func (r *Responder) control(ctx context.Context, now time.Time, id backout.IncidentID, by backout.Principal, deed string, paused bool, do func(context.Context, backout.AttemptID, string) error) (backout.Incident, error) {
	inc, err := r.cfg.Store.Incident(ctx, id)
	if err != nil {
		return inc, fmt.Errorf("%s %s: %w", deed, id, err)
	}
	if err := mayDecide(by); err != nil {
		return inc, err
	}
	if !inc.State.Running() {
		return inc, &backout.Error{Code: backout.CodeConflict, Message: fmt.Sprintf("incident %s is %s: nothing is running", id, inc.State)}
	}
	if err := do(ctx, inc.Attempts[len(inc.Attempts)-1].ID, by.Name); err != nil {
		return inc, fmt.Errorf("%s %s: %w", deed, id, err)
	}
	inc.Paused = paused
	return r.save(ctx, now, inc, by.Name+" "+deed+" the attempt", nil)
}

func mayDecide(by backout.Principal) error {
	if by.Role != backout.RoleApprover && by.Role != backout.RoleAdmin {
		return &backout.Error{Code: backout.CodeForbidden, Message: fmt.Sprintf("%s is a %s: this needs an approver", by.Name, by.Role)}
	}
	return nil
}
