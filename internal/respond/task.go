package respond

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/render"
)

// Waiting lists what the running attempt waits for people to do; nothing when none
// runs.
func (r *Responder) Waiting(ctx context.Context, now time.Time, inc backout.Incident) ([]backout.Task, error) {
	if r.cfg.Tasks == nil || !inc.State.Running() || len(inc.Attempts) == 0 {
		return []backout.Task{}, nil
	}
	all, err := r.cfg.Tasks.TasksOf(ctx, inc.Attempts[len(inc.Attempts)-1].ID)
	if err != nil {
		return nil, fmt.Errorf("tasks of %s: %w", inc.ID, err)
	}
	return slices.DeleteFunc(all, func(t backout.Task) bool { return t.Answer != nil || !now.Before(t.Deadline) }), nil
}

// Answer passes on what a person says of a step that waits for one: it is done, or
// it is refused. What the machine sees goes before it. A step that does not wait is
// not found; one that was answered already is a conflict.
func (r *Responder) Answer(ctx context.Context, now time.Time, id backout.IncidentID, by backout.Principal, step string, done bool, reason string) (backout.Task, error) {
	inc, err := r.cfg.Store.Incident(ctx, id)
	if err != nil {
		return backout.Task{}, fmt.Errorf("answer step %s of %s: %w", step, id, err)
	}
	if err := mayOverrule(by, reason); err != nil {
		return backout.Task{}, err
	}
	waiting, err := r.Waiting(ctx, now, inc)
	if err != nil {
		return backout.Task{}, err
	}
	i := slices.IndexFunc(waiting, func(t backout.Task) bool { return t.Step == step })
	if i < 0 {
		return backout.Task{}, &backout.Error{Code: backout.CodeNotFound, Message: fmt.Sprintf("step %q of incident %s waits for nobody: expected %s", step, id, stepsOf(waiting))}
	}
	t, err := r.cfg.Tasks.AnswerTask(ctx, waiting[i].Key, backout.TaskAnswer{Done: done, By: by.Name, At: now, Reason: reason})
	if err != nil {
		return t, err
	}
	word := "is done"
	if !done {
		word = "will not be done"
	}
	_, err = r.save(ctx, now, inc, fmt.Sprintf("%s says that step %s (%s to %s) %s: %s", by.Name, step, t.Component, t.To, word, reason), nil)
	return t, err
}

func stepsOf(waiting []backout.Task) string {
	if len(waiting) == 0 {
		return "none: nothing is waited for"
	}
	var out []string
	for _, t := range waiting {
		out = append(out, t.Step)
	}
	return "one of " + strings.Join(out, ", ")
}

// tellWaiting tells those on call for whom the run waits and what was
// escalated; each such line of the journal once.
func (r *Responder) tellWaiting(now time.Time, inc *backout.Incident, run backout.Run) []backout.Message {
	out := []backout.Message{}
	for _, e := range run.Entries {
		if e.Kind != backout.EntryWaits && e.Kind != backout.EntryEscalated {
			continue
		}
		phase := fmt.Sprintf("%s/%s/%d", e.Kind, e.Attempt, e.Seq)
		if toldIndex(*inc, backout.AudienceOnCall, phase) >= 0 {
			continue
		}
		text := render.Waits(*inc, e)
		inc.Told = append(slices.Clip(inc.Told), backout.Told{Audience: backout.AudienceOnCall, Phase: phase, Text: text, At: now})
		out = append(out, backout.Message{
			Incident: inc.ID, Audience: backout.AudienceOnCall, Key: phase, At: now, State: inc.State, Text: text, Facts: facts(backout.AudienceOnCall, *inc),
		})
	}
	return out
}
