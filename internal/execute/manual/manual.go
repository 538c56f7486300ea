package manual

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
)

// Tasks keeps tasks.
type Tasks interface {
	// OpenTask keeps a task, or gives the one that its key has already.
	OpenTask(ctx context.Context, t backout.Task) (backout.Task, error)
	// AnswerTask keeps the first answer. The task that it gives has the answer that
	// counts; one that came too late is an error of code conflict.
	AnswerTask(ctx context.Context, key string, a backout.TaskAnswer) (backout.Task, error)
	// Task reads one task.
	Task(ctx context.Context, key string) (backout.Task, error)
}

// Config is how people are asked. Tasks is required.
type Config struct {
	Tasks     Tasks
	Playbooks []backout.Playbook
	Owner     string         // of components whose playbook names none
	Machine   execute.Prober // sees whether it is done; nil = people say so
	Deadline  time.Duration  // 0 = 30 minutes
	// EscalateTo hears when nobody has answered after EscalateAfter (0 = at the
	// deadline only); empty = the owner does.
	EscalateTo    string
	EscalateAfter time.Duration
	// Tick is how often it looks for an answer; 0 = 1 s. The machine is asked less
	// and less often, up to every MachineTick; 0 = 15 s.
	Tick, MachineTick time.Duration
}

// Mover asks people to move components.
type Mover struct{ config Config }

var (
	_ execute.Mover   = (*Mover)(nil)
	_ execute.Patient = (*Mover)(nil)
)

// New makes a mover.
func New(c Config) (*Mover, error) {
	if c.Tasks == nil {
		return nil, errors.New("make manual actuator: tasks are required")
	}
	c.Deadline, c.Tick, c.MachineTick = cmp.Or(c.Deadline, 30*time.Minute), cmp.Or(c.Tick, time.Second), cmp.Or(c.MachineTick, 15*time.Second)
	return &Mover{c}, nil
}

// Patience is the deadline and a moment to say that it has passed.
func (m *Mover) Patience(backout.Component) time.Duration {
	return m.config.Deadline + 10*time.Second + 2*m.config.Tick
}

// Do asks and waits.
func (m *Mover) Do(ctx context.Context, e backout.Effect) (backout.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return backout.OutcomeNotDone, err
	}
	asked, err := m.task(e, time.Now().UTC())
	if err != nil {
		return backout.OutcomeNotDone, err
	}
	t, err := m.config.Tasks.OpenTask(ctx, asked)
	if err != nil {
		return backout.OutcomeNotDone, fmt.Errorf("ask %s: %w", asked.Playbook.Owner, err)
	}
	execute.Say(ctx, backout.EntryWaits, fmt.Sprintf("waits for %s until %s: %s", t.Playbook.Owner, clock(t.Deadline), Title(t)))
	return m.await(ctx, e, t)
}

// Title is a task in one line.
func Title(t backout.Task) string {
	part := ""
	if t.Share < 1 {
		part = fmt.Sprintf("%.0f %% of ", 100*t.Share)
	}
	what := fmt.Sprintf("bring %s%s from %s to %s by hand", part, t.Component, t.From, t.To)
	if t.Playbook.Title != "" {
		what += " (" + t.Playbook.Title + ")"
	}
	return what
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05") + " UTC" }

// await waits for the first of what ends a task.
func (m *Mover) await(ctx context.Context, e backout.Effect, t backout.Task) (backout.Outcome, error) {
	machine := &glance{prober: m.config.Machine, next: m.config.Tick, limit: m.config.MachineTick}
	for {
		if fresh, err := m.config.Tasks.Task(ctx, t.Key); err == nil {
			t = fresh
		}
		now := time.Now()
		switch {
		case ctx.Err() != nil:
			return backout.OutcomeUnknown, fmt.Errorf("stopped waiting for %s, who may have begun: %w", t.Playbook.Owner, ctx.Err())
		case t.Answer != nil && !t.Answer.Done && machine.sees(ctx, time.Time{}, e):
			return backout.OutcomeDone, nil // whatever was said, it is there
		case t.Answer != nil:
			return answered(t)
		case machine.sees(ctx, now, e):
			return backout.OutcomeDone, nil
		case !now.Before(t.Deadline):
			return m.late(ctx, t)
		case !t.EscalateAt.IsZero() && !now.Before(t.EscalateAt):
			execute.Say(ctx, backout.EntryEscalated, fmt.Sprintf("%s has not answered since %s: %s hears of it; needed until %s: %s",
				t.Playbook.Owner, clock(t.OpenedAt), t.EscalateTo, clock(t.Deadline), Title(t)))
			t.EscalateAt = time.Time{} // said; what was said once is not written again after a restart
		}
		pause := time.NewTimer(min(m.config.Tick, max(time.Until(t.Deadline), time.Millisecond)))
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
}

func answered(t backout.Task) (backout.Outcome, error) {
	if t.Answer.Done {
		return backout.OutcomeDone, nil
	}
	return backout.OutcomeNotDone, &backout.Error{Code: backout.CodeForbidden, Message: fmt.Sprintf("%s said no: %s", t.Answer.By, t.Answer.Reason)}
}

// late closes a task whose time is over, unless an answer came in the last moment.
func (m *Mover) late(ctx context.Context, t backout.Task) (backout.Outcome, error) {
	why := fmt.Sprintf("nobody did it by %s", clock(t.Deadline))
	closed, err := m.config.Tasks.AnswerTask(ctx, t.Key, backout.TaskAnswer{By: "backout", At: time.Now().UTC(), Reason: why})
	switch {
	case backout.CodeOf(err) == backout.CodeConflict:
		return answered(closed)
	case err != nil:
		return backout.OutcomeUnknown, fmt.Errorf("%s, and that can't be kept: %w", why, err)
	}
	to := cmp.Or(t.EscalateTo, t.Playbook.Owner)
	execute.Say(ctx, backout.EntryEscalated, fmt.Sprintf("%s did not do it by %s: %s hears of it, and the run halts: %s", t.Playbook.Owner, clock(t.Deadline), to, Title(t)))
	return backout.OutcomeNotDone, fmt.Errorf("%s; it was asked of %s", why, t.Playbook.Owner)
}

// task is what is asked of people for an effect.
func (m *Mover) task(e backout.Effect, now time.Time) (backout.Task, error) {
	var book *backout.Playbook
	for i := range m.config.Playbooks {
		if m.config.Playbooks[i].Component == e.Component.ID {
			book = &m.config.Playbooks[i]
		}
	}
	if book == nil {
		return backout.Task{}, &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("nobody wrote down how %s is moved: expected a Playbook", e.Component.ID)}
	}
	t := backout.Task{
		Key: e.Key, Attempt: e.Attempt, Step: stepOf(e), Component: e.Component.ID, From: e.From, To: e.To, Share: e.Share, Playbook: filled(*book, e),
		OpenedAt: now, Deadline: now.Add(m.config.Deadline), EscalateTo: m.config.EscalateTo,
	}
	t.Playbook.Owner = cmp.Or(book.Owner, m.config.Owner, "whoever is on call")
	if m.config.EscalateAfter > 0 && m.config.EscalateTo != "" {
		t.EscalateAt = now.Add(m.config.EscalateAfter)
	}
	return t, nil
}

// stepOf takes the step out of a key of the form attempt/step/stage.
func stepOf(e backout.Effect) string {
	rest := strings.TrimPrefix(e.Key, string(e.Attempt)+"/")
	return rest[:max(strings.LastIndexByte(rest, '/'), 0)]
}

// filled is a playbook for one effect. It is text for people, so braces that name no
// field stay as they are.
func filled(p backout.Playbook, e backout.Effect) backout.Playbook {
	fill := func(s string) string {
		values := e.Fields()
		for _, f := range backout.Template(s).Fields() {
			if _, known := values[f]; !known {
				values[f] = "{" + f + "}"
			}
		}
		out, err := backout.Template(s).Expand(values, func(v string) (string, error) { return v, nil })
		if err != nil {
			return s
		}
		return out
	}
	p.Title, p.Text = fill(p.Title), fill(p.Text)
	steps := make([]string, len(p.Steps))
	for i, s := range p.Steps {
		steps[i] = fill(s)
	}
	p.Steps = steps
	return p
}

// glance asks a machine now and then; at the zero time at once.
type glance struct {
	prober      execute.Prober
	at          time.Time
	next, limit time.Duration
}

func (g *glance) sees(ctx context.Context, now time.Time, e backout.Effect) bool {
	if g.prober == nil || !now.IsZero() && now.Before(g.at) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	s, err := g.prober.Look(ctx, e.Component)
	g.at, g.next = time.Now().Add(g.next), min(g.next*5/4, g.limit)
	live := s.Live
	if e.Audience != "" {
		live = s.Audiences[e.Audience]
	}
	return err == nil && execute.Reached(s.Reality, e) && live.Healthy
}
