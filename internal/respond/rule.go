package respond

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// rule asks the policy about the plan, on a fresh world, and opens the way for
// it: by itself, after approval, or not at all.
func (r *Responder) rule(ctx context.Context, now time.Time, inc backout.Incident) (time.Time, error) {
	p := *inc.Plan
	if p.Action == backout.ActionNone && len(inc.Tried) > 0 {
		_, err := r.move(ctx, now, inc, backout.StateHalted, "what was tried did not help, and nothing else is to be taken back; a person decides what is next. "+p.Summary+spent(inc))
		return time.Time{}, err
	}
	if p.Action == backout.ActionNone {
		_, err := r.move(ctx, now, inc, backout.StateNoAction, p.Summary)
		return time.Time{}, err
	}
	w, err := r.cfg.Facts.World(ctx, now, false)
	if err != nil {
		return time.Time{}, err
	}
	p.Ruling = r.whole(ctx, w, p, &inc)
	inc.Plan = &p
	switch {
	case w.Policy.Autonomy == backout.AutonomyShadow:
		_, err = r.move(ctx, now, inc, backout.StateShadowed, "shadow mode: "+p.Summary)
		return time.Time{}, err
	case p.Action == backout.ActionRollForward:
		return r.awaitFix(ctx, now, inc)
	case p.Ruling.Automatic && p.Action == backout.ActionRollBack:
		_, err = r.move(ctx, now, inc, backout.StateApproved, "the policy lets it run: "+strings.Join(p.Ruling.Reasons, "; "))
		return now, err
	}
	inc.Deadline = r.deadline(now, w.Policy)
	_, err = r.move(ctx, now, inc, backout.StateWaiting, "a person must decide: "+strings.Join(p.Ruling.Reasons, "; "))
	return now.Add(r.minutes(1)), err
}

// deadline is until when a plan waits for people.
func (r *Responder) deadline(now time.Time, p backout.Policy) time.Time {
	if p.ApprovalTimeout == 0 {
		return now.Add(r.minutes(30))
	}
	return now.Add(p.ApprovalTimeout.Std())
}

// reconsider looks again while a person is asked. A clearly different picture
// makes a new plan; the deadline's default is to do nothing more. That nothing is to
// be taken back is no such picture: who was asked is not told to go home while the
// trouble lasts.
func (r *Responder) reconsider(ctx context.Context, now time.Time, w backout.World, inc backout.Incident, before *backout.Attribution) (time.Time, error) {
	if late := now.After(inc.Deadline) && inc.Plan.Action != backout.ActionRollForward; !inc.Deadline.IsZero() && late {
		_, err := r.move(ctx, now, inc, backout.StateHalted, unanswered(inc))
		return time.Time{}, err
	}
	if kept(w, inc) {
		return now.Add(r.minutes(1)), r.keepTelling(ctx, now, inc, nil)
	}
	next, err := r.plan(ctx, now, w, inc)
	if err != nil {
		return now.Add(r.minutes(1)), err
	}
	next.Ruling = r.whole(ctx, w, *next, &inc)
	if next.Action == backout.ActionNone && !lapsed(now, inc) {
		return now.Add(r.minutes(1)), nil
	}
	changed := next.Digest != inc.Plan.Digest || next.Action != inc.Plan.Action || lapsed(now, inc)
	// Waiting proves nothing: that two versions count as seen together after all, since
	// the onset is now guessed later, does not take back the question.
	surer := next.Ruling.Automatic != inc.Plan.Ruling.Automatic && len(inc.Plan.Gaps) == 0
	if next.Ruling.Automatic && !steady(before, *inc.Attribution, min(decisive, w.Policy.MinConfidence)) {
		return now.Add(r.minutes(1)), r.keepTelling(ctx, now, inc, nil)
	}
	if changed || surer {
		inc.Plan, inc.ETA = next, r.foresee(now, w, inc, *next, nil)
		_, err = r.move(ctx, now, inc, backout.StatePlanned, "the picture changed: "+next.Summary)
		return now, err
	}
	return now.Add(r.minutes(1)), r.keepTelling(ctx, now, inc, nil)
}

// unanswered is how an incident ends that nobody answered for. After an attempt it
// must not say that nothing was changed.
func unanswered(inc backout.Incident) string {
	if how := spent(inc); how != "" {
		return "nobody decided by the deadline; nothing further was changed" + how
	}
	return "nobody decided by the deadline; nothing was changed"
}

// spent says how the last attempt that ran ended, to those who are left with what it
// left; "" when none did.
func spent(inc backout.Incident) string {
	for i, a := range slices.Backward(inc.Attempts) {
		if !a.EndedAt.IsZero() {
			return fmt.Sprintf("; attempt %d had ended so: %s", i+1, a.Why)
		}
	}
	return ""
}

// Approve records one person's yes to the plan with this digest, and opens the
// way when enough different people said so. A digest that is not the waiting
// plan's is a conflict: the plan changed since it was shown.
func (r *Responder) Approve(ctx context.Context, now time.Time, id backout.IncidentID, by backout.Principal, digest, reason string) (backout.Incident, error) {
	return r.answer(ctx, now, id, backout.Approval{By: by, At: now, Digest: digest, Reason: reason, Yes: true})
}

// Reject records one person's no; one is enough.
func (r *Responder) Reject(ctx context.Context, now time.Time, id backout.IncidentID, by backout.Principal, digest, reason string) (backout.Incident, error) {
	return r.answer(ctx, now, id, backout.Approval{By: by, At: now, Digest: digest, Reason: reason})
}

func (r *Responder) answer(ctx context.Context, now time.Time, id backout.IncidentID, a backout.Approval) (backout.Incident, error) {
	inc, err := r.cfg.Store.Incident(ctx, id)
	if err != nil {
		return inc, fmt.Errorf("answer plan of %s: %w", id, err)
	}
	if err := answerable(inc, a); err != nil {
		return inc, err
	}
	return r.record(ctx, now, inc, a)
}

// record saves an answer and what follows from it.
func (r *Responder) record(ctx context.Context, now time.Time, inc backout.Incident, a backout.Approval) (backout.Incident, error) {
	inc.Attempts = withAttempt(inc)
	at := &inc.Attempts[len(inc.Attempts)-1]
	for _, old := range at.Approvals {
		if old.By.Name == a.By.Name {
			return inc, &backout.Error{Code: backout.CodeConflict, Message: fmt.Sprintf("%s has answered already", a.By.Name)}
		}
	}
	at.Approvals = append(at.Approvals, a)
	switch {
	case !a.Yes:
		return r.move(ctx, now, inc, backout.StateAborted, fmt.Sprintf("%s rejected the plan: %s", a.By.Name, a.Reason))
	case lacking(inc.Plan.Ruling, at.Approvals) != "" && at.FromFile:
		return r.move(ctx, now, inc, backout.StateWaiting, fmt.Sprintf("%s applied plan %.8s: %s; %s", a.By.Name, a.Digest, a.Reason, lacking(inc.Plan.Ruling, at.Approvals)))
	case lacking(inc.Plan.Ruling, at.Approvals) != "":
		return r.save(ctx, now, inc, fmt.Sprintf("%s approved %.8s: %s; %s", a.By.Name, a.Digest, a.Reason, lacking(inc.Plan.Ruling, at.Approvals)), nil)
	}
	return r.move(ctx, now, inc, backout.StateApproved, fmt.Sprintf("%s approved %.8s: %s", a.By.Name, a.Digest, a.Reason))
}

// lacking says whose agreement a plan still needs; "" when it has all.
func lacking(r backout.Ruling, given []backout.Approval) string {
	var out []string
	if n := max(1, r.Approvers) - len(given); n > 0 {
		out = append(out, fmt.Sprintf("%d more needed", n))
	}
	named := func(a backout.Approval) bool {
		role := string(backout.RoleAdmin) // who is merely called so is none
		return a.By.Name != role && slices.Contains(r.Among, a.By.Name) || a.By.Role == backout.RoleAdmin && slices.Contains(r.Among, role)
	}
	if len(r.Among) > 0 && !slices.ContainsFunc(given, named) {
		out = append(out, "one of "+strings.Join(r.Among, ", ")+" must agree")
	}
	return strings.Join(out, "; ")
}

func answerable(inc backout.Incident, a backout.Approval) error {
	switch {
	case mayDecide(a.By) != nil:
		return mayDecide(a.By)
	case inc.State != backout.StateWaiting || inc.Plan == nil:
		return &backout.Error{Code: backout.CodeConflict, Message: fmt.Sprintf("incident %s is %s: no plan waits for an answer", inc.ID, inc.State)}
	case Reasoned(a.Reason) != nil:
		return Reasoned(a.Reason)
	case a.Digest != inc.Plan.Digest:
		return &backout.Error{Code: backout.CodeConflict, Message: fmt.Sprintf("digest %.8s is not the waiting plan's (%.8s): look at the plan again", a.Digest, inc.Plan.Digest)}
	case a.Yes && inc.Plan.Action != backout.ActionRollBack && len(inc.Plan.Waves) == 0:
		return &backout.Error{Code: backout.CodeConflict, Message: "the plan has no steps to approve"}
	case a.Yes && inc.Plan.Ruling.Forbidden:
		return &backout.Error{Code: backout.CodeForbidden, Message: "the policy forbids this plan: " + strings.Join(inc.Plan.Ruling.Reasons, "; ")}
	}
	return nil
}

// withAttempt is the incident's attempts, the last one not started and of the
// present plan. Answers bind to a digest: those to a plan that is no longer the
// waiting one are dropped, they stay in the audit log.
func withAttempt(inc backout.Incident) []backout.Attempt {
	out := slices.Clone(inc.Attempts)
	if n := len(out); n > 0 && out[n-1].StartedAt.IsZero() {
		if out[n-1].Digest == inc.Plan.Digest {
			return out
		}
		out = out[:n-1]
	}
	return append(out, backout.Attempt{
		ID: backout.AttemptID(fmt.Sprintf("%s/%d", inc.ID, len(out)+1)), Digest: inc.Plan.Digest, Plan: *inc.Plan, Approvals: []backout.Approval{}, Result: backout.RunPending,
	})
}
