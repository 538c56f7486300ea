package respond

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/learn"
)

// TakeOver notes that a person carries on by hand. Nothing further happens by itself:
// a plan that waits is dropped, a run is aborted into a state that the checker
// allowed, and the incident is taken over once it has ended. Holds stay. An incident
// that has ended without recovery can be taken over as well.
func (r *Responder) TakeOver(ctx context.Context, now time.Time, id backout.IncidentID, by backout.Principal, reason string) (backout.Incident, error) {
	inc, err := r.cfg.Store.Incident(ctx, id)
	if err != nil {
		return inc, fmt.Errorf("take over %s: %w", id, err)
	}
	if err := mayOverrule(by, reason); err != nil {
		return inc, err
	}
	switch {
	case inc.TakeOver != nil:
		return inc, conflict("%s has taken over %s already", inc.TakeOver.By.Name, id)
	case inc.State.Terminal() && !unresolved(inc.State):
		return inc, conflict("incident %s is %s: there is nothing to take over", id, inc.State)
	}
	inc.TakeOver = &backout.TakeOver{By: by, At: now, Reason: reason}
	if !inc.State.Running() {
		return r.move(ctx, now, inc, backout.StateTakenOver, takenOver(inc))
	}
	// A run that was never started, or has just ended, is concluded by the next step.
	err = r.cfg.Runner.Abort(ctx, inc.Attempts[len(inc.Attempts)-1].ID, by.Name)
	if code := backout.CodeOf(err); err != nil && code != backout.CodeNotFound && code != backout.CodeConflict {
		return inc, fmt.Errorf("take over %s: %w", id, err)
	}
	inc.Paused = false
	return r.save(ctx, now, inc, takenOver(inc)+"; the attempt is aborted", nil)
}

// unresolved reports whether an incident has ended and its trouble may not have.
func unresolved(s backout.State) bool {
	switch s {
	case backout.StateHalted, backout.StateAborted, backout.StateNoAction, backout.StateShadowed:
		return true
	}
	return false
}

func takenOver(inc backout.Incident) string {
	return fmt.Sprintf("%s carries on by hand: %s", inc.TakeOver.By.Name, strings.TrimSuffix(inc.TakeOver.Reason, "."))
}

// concludeTakeOver ends the incident of a run that was aborted for a person.
func (r *Responder) concludeTakeOver(ctx context.Context, now time.Time, inc backout.Incident, run backout.Run) (time.Time, error) {
	why := takenOver(inc)
	if run.Why != "" {
		why += ". The run: " + run.Why
	}
	_, err := r.move(ctx, now, inc, backout.StateTakenOver, why)
	return time.Time{}, err
}

// Closing is a person's last word about an incident.
type Closing struct {
	As     backout.State // false_alarm or reviewed
	By     backout.Principal
	Reason string
	// Cause is what the person found out, of a reviewed incident: a change's id, "none"
	// (no change did it), or "" (nobody knows, or the verified recovery has said it).
	Cause string
}

// Close gives an incident its label. A false alarm teaches nothing about changes; what
// is reviewed teaches its cause, once.
func (r *Responder) Close(ctx context.Context, now time.Time, id backout.IncidentID, c Closing) (backout.Incident, error) {
	inc, err := r.cfg.Store.Incident(ctx, id)
	if err != nil {
		return inc, fmt.Errorf("close %s: %w", id, err)
	}
	if err := closable(inc, c); err != nil {
		return inc, err
	}
	w, err := r.cfg.Facts.World(ctx, now, false)
	if err != nil {
		return inc, fmt.Errorf("close %s: %w", id, err)
	}
	review, teaches, err := labelled(now, w, inc, c)
	if err != nil {
		return inc, err
	}
	was := inc.State
	inc, err = r.move(ctx, now, inc, c.As, fmt.Sprintf("%s closed it: %s", c.By.Name, c.Reason))
	if err == nil && was != backout.StateRecovered {
		ended := inc
		ended.State = was // what came of it stays; the label is new
		r.remember(ctx, ended, &review)
	}
	if err != nil || was == backout.StateRecovered {
		return inc, err // its verified recovery has been learnt from
	}
	if err := r.cfg.Learner.SaveReview(ctx, review); err != nil {
		return inc, fmt.Errorf("save review of %s: %w", id, err)
	}
	if !teaches {
		return inc, nil
	}
	priors, err := r.cfg.Learner.Priors(ctx)
	if err != nil {
		return inc, fmt.Errorf("read priors: %w", err)
	}
	return inc, r.cfg.Learner.SavePriors(ctx, learn.Update(priors, learn.Lesson{Review: review, Shipped: w.Changes, Minute: r.cfg.Minute}))
}

// closable says why an incident can't be closed like this; nil when it can.
func closable(inc backout.Incident, c Closing) error {
	if err := mayOverrule(c.By, c.Reason); err != nil {
		return err
	}
	switch {
	case c.As != backout.StateFalseAlarm && c.As != backout.StateReviewed:
		return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("as: %q: expected false-alarm or reviewed", c.As)}
	case inc.State.Running():
		return conflict("incident %s is %s: abort it or take it over first", inc.ID, inc.State)
	case inc.State == backout.StateReviewed || inc.State == backout.StateFalseAlarm:
		return conflict("incident %s is closed already, as %s", inc.ID, inc.State)
	case c.As == backout.StateReviewed && !inc.State.Terminal():
		return conflict("incident %s is %s: expected one that has ended; abort it, take it over, or close it as a false alarm", inc.ID, inc.State)
	case c.As == backout.StateFalseAlarm && inc.State == backout.StateRecovered:
		return conflict("incident %s has recovered, verified, by what was taken back: close it as reviewed", inc.ID)
	case c.Cause != "" && (c.As == backout.StateFalseAlarm || inc.State == backout.StateRecovered):
		return &backout.Error{Code: backout.CodeInvalid, Message: "cause: expected none: a false alarm has none, and a verified recovery has said it"}
	}
	return nil
}

// labelled is the review of a closed incident, and whether it teaches anything.
func labelled(now time.Time, w backout.World, inc backout.Incident, c Closing) (backout.Review, bool, error) {
	rev := backout.Review{
		Incident: inc.ID, At: now, Culprits: []backout.ChangeID{}, Label: backout.LabelUnknown, By: c.By.Name,
		Actions: []backout.ReviewAction{}, Delays: []backout.ReviewDelay{}, Spread: []backout.ReviewSpread{},
	}
	rev.Simulated = slices.ContainsFunc(w.Changes, func(x backout.Change) bool { return x.Simulated })
	switch c.Cause {
	case "":
		if c.As == backout.StateFalseAlarm {
			rev.Label = backout.LabelFalseAlarm
		}
		return rev, false, nil
	case string(backout.LabelNone):
		rev.Label, rev.Spread = backout.LabelNone, spreads(w, inc, nil)
		return rev, true, nil
	}
	i := slices.IndexFunc(w.Changes, func(x backout.Change) bool { return x.ID == backout.ChangeID(c.Cause) })
	if i < 0 {
		return rev, false, &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("cause: %q: expected none, or the id of a change that `backout change list` shows", c.Cause)}
	}
	x := w.Changes[i]
	rev.Label, rev.Culprits = backout.LabelChange, append(rev.Culprits, x.ID)
	rev.Spread = spreads(w, inc, rev.Culprits)
	rev.Delays = append(rev.Delays, backout.ReviewDelay{Kind: x.Kind, Delay: backout.Duration(inc.Onset.Sub(x.Exposure.Start()))})
	return rev, true, nil
}

// mayOverrule refuses who has no say, and who gives no reason.
func mayOverrule(by backout.Principal, reason string) error {
	if err := mayDecide(by); err != nil {
		return err
	}
	return Reasoned(reason)
}

// Reasoned refuses what a person wants without saying why.
func Reasoned(reason string) error {
	if len(strings.TrimSpace(reason)) < 3 {
		return &backout.Error{Code: backout.CodeInvalid, Message: "reason: expected at least 3 characters; it is kept in the audit log"}
	}
	return nil
}

func conflict(format string, args ...any) error {
	return &backout.Error{Code: backout.CodeConflict, Message: fmt.Sprintf(format, args...)}
}
