package execute

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

// Patient is met by actuators whose Do may take longer than Config.Timeout, such as
// a program with a time of its own or a step that a person does.
type Patient interface {
	// Patience bounds one Do for a component.
	Patience(c backout.Component) time.Duration
}

// patienceFor bounds one Do of a proposal.
func (x *Executor) patienceFor(p Proposal) time.Duration {
	if a, ok := x.actuator(p).(Patient); ok {
		return max(x.config.Timeout, a.Patience(p.Effect.Component))
	}
	return x.config.Timeout
}

type sayKey struct{}

// Say lets an actuator put a line about the effect under way into the run's
// journal: what a program printed, who is waited for. The same line of the same
// effect is written once, so a Do that begins again after a restart may say it
// again. Outside of a run nobody listens.
func Say(ctx context.Context, kind backout.EntryKind, text string) {
	if say, ok := ctx.Value(sayKey{}).(func(backout.EntryKind, string)); ok {
		say(kind, text)
	}
}

// saying is ctx with the run's ear in it.
func (x *Executor) saying(ctx context.Context, p Proposal) context.Context {
	return context.WithValue(ctx, sayKey{}, func(kind backout.EntryKind, text string) {
		e := p.entry(kind)
		e.Text = text
		if err := x.said(context.WithoutCancel(ctx), p.Attempt.ID, e); err != nil {
			x.config.Log.Error("can't note what an actuator said", "attempt", p.Attempt.ID, "text", text, "err", err)
		}
	})
}

func (x *Executor) said(ctx context.Context, id backout.AttemptID, e backout.Entry) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	before, err := x.entries(ctx, id, 0)
	if err != nil || slices.ContainsFunc(before, func(o backout.Entry) bool { return o.Kind == e.Kind && o.Key == e.Key && o.Text == e.Text }) {
		return err
	}
	err = x.fenced(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, lockRun, id); err != nil {
			return err
		}
		e, err = insert(ctx, tx, id, e)
		return err
	})
	if err == nil {
		x.tell(e)
	}
	return err
}
