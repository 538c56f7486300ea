package respond

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// Observe takes what the detector said at a moment. Findings that may open an
// incident open one, or join the open one of their environment. degraded names
// what could not be seen; it is shown on the incident and never opens one.
// It returns the incident that the findings belong to, if any.
func (r *Responder) Observe(ctx context.Context, now time.Time, env backout.Environment, findings []backout.Finding, degraded []backout.Degradation) (backout.IncidentID, error) {
	findings = slices.DeleteFunc(slices.Clone(findings), func(f backout.Finding) bool { return !f.Opens })
	left, after, err := r.leftOver(ctx, now, env)
	if err != nil {
		return "", fmt.Errorf("look for what was left over: %w", err)
	}
	if findings = join(left, findings); len(left) == 0 {
		after = nil
	}
	if len(findings) == 0 {
		return "", r.sight(ctx, now, env, degraded)
	}
	inc, known, err := r.goesOn(ctx, now, env, findings)
	if err != nil {
		return "", fmt.Errorf("look for the incident that goes on: %w", err)
	}
	if !known {
		var opened bool
		if inc, opened, err = r.open(ctx, now, env, findings, degraded, after); err != nil {
			return "", fmt.Errorf("open incident: %w", err)
		}
		if opened {
			return inc.ID, nil
		}
	}
	next := inc
	next.Findings = join(inc.Findings, findings)
	next.Baselines = joinBaselines(inc.Baselines, r.cfg.Signals.Baselines(ids(findings)))
	next.Degraded = degraded
	if slices.Equal(next.Findings, inc.Findings) && backout.SameDegraded(inc.Degraded, next.Degraded) {
		return inc.ID, nil
	}
	_, err = r.save(ctx, now, next, "findings joined: "+names(findings), nil)
	if backout.CodeOf(err) == backout.CodeConflict {
		return inc.ID, fmt.Errorf("join findings: %w", err) // said aloud: a finding is told once only
	}
	return inc.ID, err
}

// sight keeps an open incident's word on what can't be seen true while nothing else is
// found: then above all somebody must know it.
func (r *Responder) sight(ctx context.Context, now time.Time, env backout.Environment, degraded []backout.Degradation) error {
	inc, ok, err := r.cfg.Store.Latest(ctx, string(env))
	if err != nil || !ok || inc.State.Terminal() || slices.Equal(inc.Degraded, degraded) {
		return err
	}
	what := "sees everything again"
	if len(degraded) > 0 {
		unseen := []string{}
		for _, d := range degraded {
			unseen = append(unseen, d.What())
		}
		what = "can't see: " + strings.Join(unseen, "; ")
	}
	inc.Degraded = degraded
	if _, err = r.save(ctx, now, inc, what, nil); backout.CodeOf(err) == backout.CodeConflict {
		return nil // the next look says it
	}
	return err
}

// goesOn finds the incident whose trouble goes on: it has ended without recovery
// not long ago (nobody's change was to blame, or a person took over), and all that
// is found now is what it had found or forecast. Only news opens another.
func (r *Responder) goesOn(ctx context.Context, now time.Time, env backout.Environment, findings []backout.Finding) (backout.Incident, bool, error) {
	inc, ok, err := r.cfg.Store.Latest(ctx, string(env))
	if err != nil || !ok {
		return inc, false, err
	}
	switch inc.State {
	case backout.StateNoAction, backout.StateHalted, backout.StateAborted, backout.StateTakenOver, backout.StateShadowed:
	default:
		return inc, false, nil
	}
	if now.Sub(inc.UpdatedAt) > r.minutes(goesOnFor) || !r.stillIll(now, inc) {
		return inc, false, nil
	}
	expected := expectedOf(inc)
	for _, f := range findings {
		if s := f.ID.Subject; !expected[string(s.Service)] && !expected[string(s.Journey)] {
			return inc, false, nil
		}
	}
	return inc, true, nil
}

// stillIll reports whether any signal of an incident has been off its baseline from
// its end until now, without a quiet spell, or an alert still fires. What went quiet
// and comes back is another trouble.
func (r *Responder) stillIll(now time.Time, inc backout.Incident) bool {
	if slices.ContainsFunc(inc.Findings, func(f backout.Finding) bool { return f.Mode == backout.ModeAlert && f.EndedAt.IsZero() }) {
		return true
	}
	ill := illOf(inc)
	for _, res := range r.cfg.Signals.Residuals(inc.UpdatedAt.Add(-r.minutes(goesOnQuiet)), now) {
		if ill[res.ID] && !quiet(res, r.minutes(goesOnQuiet)) {
			return true
		}
	}
	return false
}

// quiet reports whether the signal was near its baseline for a spell of this
// length, or was hardly measured at all. Gaps neither end a spell nor prolong it.
func quiet(res backout.Residuals, spell time.Duration) bool {
	var calm time.Duration
	measured := 0
	for _, x := range res.Levels {
		switch {
		case math.IsNaN(x):
			continue
		case x < goesOnLevel:
			calm += res.Step
		default:
			calm = 0
		}
		measured++
		if calm >= spell {
			return true
		}
	}
	return time.Duration(measured)*res.Step < spell
}

const (
	goesOnQuiet = 3   // model minutes near the baseline that end a trouble
	goesOnLevel = 2.0 // standard deviations that are still near
)

// goesOnFor is how many model minutes after its end trouble may still be the
// same.
const goesOnFor = 30

func (r *Responder) open(ctx context.Context, now time.Time, env backout.Environment, findings []backout.Finding, degraded []backout.Degradation, after *backout.Settled) (backout.Incident, bool, error) {
	onset := findings[0].Onset
	for _, f := range findings {
		if f.Onset.Before(onset) {
			onset = f.Onset
		}
	}
	inc := backout.Incident{
		Format: 1, ID: backout.IncidentID("INC-" + now.UTC().Format("20060102-150405.000")), Key: string(env), Environment: env,
		State: backout.StateDetected, Why: names(findings), OpenedAt: now, UpdatedAt: now, Onset: onset, Wake: now,
		Findings: findings, Baselines: append([]backout.Baseline{}, r.cfg.Signals.Baselines(ids(findings))...), Attempts: []backout.Attempt{}, Tried: []backout.Tried{}, Degraded: degraded, Told: []backout.Told{}, After: after,
	}
	messages := r.tell(now, &inc, nil)
	return r.cfg.Store.Open(ctx, inc, backout.AuditEntry{Incident: inc.ID, At: now, By: "backout", What: "detected: " + inc.Why}, messages)
}

// save writes one transition.
func (r *Responder) save(ctx context.Context, now time.Time, inc backout.Incident, what string, messages []backout.Message) (backout.Incident, error) {
	inc.UpdatedAt = now
	return r.cfg.Store.Transition(ctx, inc, backout.AuditEntry{Incident: inc.ID, At: now, By: "backout", What: what}, messages)
}

// move saves a change of state and tells people about it.
func (r *Responder) move(ctx context.Context, now time.Time, inc backout.Incident, to backout.State, why string) (backout.Incident, error) {
	inc.State, inc.Why, inc.UpdatedAt = to, why, now
	messages := r.tell(now, &inc, nil)
	inc, err := r.save(ctx, now, inc, string(to)+": "+why, messages)
	if err == nil && to.Terminal() {
		r.remember(ctx, inc, nil)
	}
	return inc, err
}

// join adds findings about series that were not known yet; the first finding of
// a series keeps its onset. An alert that had ended and fires again goes on.
func join(old, more []backout.Finding) []backout.Finding {
	out := slices.Clone(old)
	for _, f := range more {
		if i := slices.IndexFunc(out, func(o backout.Finding) bool { return o.ID == f.ID }); i < 0 {
			out = append(out, f)
		} else {
			out[i].EndedAt = time.Time{}
		}
	}
	return out
}

// joinBaselines keeps the baseline that was frozen first: a later one may have
// learnt from the trouble.
func joinBaselines(old, more []backout.Baseline) []backout.Baseline {
	out := slices.Clone(old)
	for _, b := range more {
		if !slices.ContainsFunc(out, func(o backout.Baseline) bool { return o.Series == b.Series }) {
			out = append(out, b)
		}
	}
	return out
}

func ids(findings []backout.Finding) []backout.SeriesID {
	out := make([]backout.SeriesID, len(findings))
	for i, f := range findings {
		out[i] = f.ID
	}
	return out
}

func names(findings []backout.Finding) string {
	s := ""
	for i, f := range findings {
		if i == 3 {
			return s + fmt.Sprintf(" and %d more", len(findings)-3)
		}
		if i > 0 {
			s += ", "
		}
		s += name(f)
	}
	return s
}

func name(f backout.Finding) string {
	switch {
	case f.Mode == backout.ModeAlert:
		return strings.Join(strings.Fields(fmt.Sprintf("%s %s %s", strings.Replace(string(f.ID.Signal), ":", " ", 1), f.ID.Subject.Service, f.ID.Subject.Journey)), " ")
	case f.ID.Subject.Journey != "":
		return fmt.Sprintf("journey %s %s", f.ID.Subject.Journey, f.Kind)
	case f.ID.Subject.Service != "":
		return fmt.Sprintf("%s %s", f.ID.Subject.Service, f.Kind)
	}
	return string(f.ID.Signal)
}
