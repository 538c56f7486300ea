package respond

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

// Announce notes that a forward fix is on its way, or with nil that it is not. The
// next plan weighs waiting for it; what runs already runs on. A fix that is named
// for a change is refused when the change is not one of the incident's suspects.
func (r *Responder) Announce(ctx context.Context, now time.Time, id backout.IncidentID, by backout.Principal, fix *backout.Fix) (backout.Incident, error) {
	inc, err := r.cfg.Store.Incident(ctx, id)
	if err != nil {
		return inc, fmt.Errorf("announce a fix for %s: %w", id, err)
	}
	if err := announceable(now, inc, by, fix); err != nil {
		return inc, err
	}
	if fix == nil {
		why := fmt.Sprintf("%s withdrew the fix that %s announced", by.Name, inc.Fix.By.Name)
		inc.Fix, inc.Wake = nil, now
		return r.save(ctx, now, inc, why, nil)
	}
	f := *fix
	f.By, f.At = by, now
	inc.Fix, inc.Wake = &f, now
	return r.save(ctx, now, inc, fmt.Sprintf("%s announced a fix for %s, %.0f %% sure: %s", by.Name, f.ETA.UTC().Format("15:04:05"), 100*f.Confidence, f.Text), nil)
}

func announceable(now time.Time, inc backout.Incident, by backout.Principal, fix *backout.Fix) error {
	invalid := func(format string, args ...any) error {
		return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf(format, args...)}
	}
	switch {
	case mayDecide(by) != nil:
		return mayDecide(by)
	case inc.State.Terminal():
		return &backout.Error{Code: backout.CodeConflict, Message: fmt.Sprintf("incident %s is %s: nothing is planned any more", inc.ID, inc.State)}
	case fix == nil && inc.Fix == nil:
		return &backout.Error{Code: backout.CodeConflict, Message: fmt.Sprintf("incident %s has no announced fix to withdraw", inc.ID)}
	case fix == nil:
		return nil
	case !fix.ETA.After(now):
		return invalid("eta: %s is not ahead: expected a time from now on", fix.ETA.UTC().Format(time.RFC3339))
	case !(fix.Confidence > 0 && fix.Confidence <= 1):
		return invalid("confidence: %v: expected above 0 and at most 1", fix.Confidence)
	case fix.Change != "" && inc.Attribution != nil && !slices.ContainsFunc(inc.Attribution.Suspects, func(s backout.Suspect) bool { return s.Change == fix.Change }):
		return invalid("change: %s is not a suspect of %s: expected one of those that backout show lists, or none", fix.Change, inc.ID)
	}
	return nil
}

// awaitFix waits for an announced fix instead of a person.
func (r *Responder) awaitFix(ctx context.Context, now time.Time, inc backout.Incident) (time.Time, error) {
	inc.Deadline = inc.Fix.ETA
	_, err := r.move(ctx, now, inc, backout.StateWaiting, inc.Plan.Summary)
	return now.Add(r.minutes(1)), err
}

// lapsed reports whether the plan waits for a fix that counts no more as it did: it
// was due, was withdrawn, or has another time.
func lapsed(now time.Time, inc backout.Incident) bool {
	return inc.Plan.Action == backout.ActionRollForward && (!inc.Fix.Pending(now) || !inc.Fix.ETA.Equal(inc.Deadline))
}
