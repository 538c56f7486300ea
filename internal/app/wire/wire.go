// Package wire meets ports of respond and notify with store and execute: verbs don't
// know each other, so what one asks for and another has needs a few lines between
// them. It decides nothing. Package app uses it, and so does whoever runs the real path
// in other surroundings.
package wire

import (
	"context"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/notify"
	"github.com/backout-dev/backout/internal/store"
)

// Incidents meets respond's port for incidents with the store.
type Incidents struct {
	*store.Store
	Channels map[backout.Audience][]string // by which each audience is told
	Ended    func()                        // hears that an incident came to its end; nil = nobody listens
	Place    func() store.Lease            // of this replica in the fleet; nil = there is none
}

// Open saves a new incident, or gives the open one of the same key and false.
func (s Incidents) Open(ctx context.Context, inc backout.Incident, entry backout.AuditEntry, messages []backout.Message) (backout.Incident, bool, error) {
	return s.Store.Open(ctx, s.transition(inc, entry, messages))
}

// Latest is the newest incident under a key, open or not; false when there is none.
func (s Incidents) Latest(ctx context.Context, key string) (backout.Incident, bool, error) {
	newest, err := s.Incidents(ctx, store.Query{Key: key, Limit: 1})
	if err != nil || len(newest) == 0 {
		return backout.Incident{}, false, err
	}
	return newest[0], true, nil
}

// Transition saves an incident with its audit entry and messages.
func (s Incidents) Transition(ctx context.Context, inc backout.Incident, entry backout.AuditEntry, messages []backout.Message) (backout.Incident, error) {
	saved, err := s.Store.Transition(ctx, s.transition(inc, entry, messages))
	if err == nil && s.Ended != nil && saved.State.Terminal() {
		s.Ended()
	}
	return saved, err
}

func (s Incidents) transition(inc backout.Incident, entry backout.AuditEntry, messages []backout.Message) store.Transition {
	t := store.Transition{Incident: inc, At: entry.At, By: entry.By, What: entry.What, Messages: messages, Channels: s.Channels}
	if s.Place != nil {
		t.Lease = s.Place()
	}
	return t
}

// Learner meets respond's port for what is kept beyond an incident.
type Learner struct{ *store.Store }

// SaveHold keeps a hold.
func (l Learner) SaveHold(ctx context.Context, h backout.Hold) error { return l.Hold(ctx, h) }

// Memory meets respond's port for past incidents.
type Memory struct{ *store.Store }

// SavePrecedents keeps past incidents.
func (m Memory) SavePrecedents(ctx context.Context, all []backout.Precedent) error {
	_, err := m.Store.SavePrecedents(ctx, all)
	return err
}

// Runner meets respond's port for attempts with the executor.
type Runner struct{ *execute.Executor }

// Start begins an attempt.
func (r Runner) Start(ctx context.Context, at backout.Attempt, components map[backout.ComponentID]backout.Component) error {
	req := execute.Request{Attempt: at}
	for _, id := range at.Plan.Touched() {
		req.Components = append(req.Components, components[id])
	}
	return r.Executor.Start(ctx, req)
}

// Pause keeps a run where it is.
func (r Runner) Pause(ctx context.Context, id backout.AttemptID, by string) error {
	return r.Control(ctx, id, execute.Control{Kind: execute.ControlPause, By: by})
}

// Resume lets a paused run go on.
func (r Runner) Resume(ctx context.Context, id backout.AttemptID, by string) error {
	return r.Control(ctx, id, execute.Control{Kind: execute.ControlResume, By: by})
}

// Abort ends a run where it is.
func (r Runner) Abort(ctx context.Context, id backout.AttemptID, by string) error {
	return r.Control(ctx, id, execute.Control{Kind: execute.ControlAbort, By: by})
}

// Outbox meets notify's port with the store.
type Outbox struct{ *store.Store }

// most is how many messages one look at the outbox takes.
const most = 1000

// Due lists the messages that are due.
func (o Outbox) Due(ctx context.Context, now time.Time) ([]notify.Due, error) {
	due, err := o.Store.Due(ctx, now, most)
	out := make([]notify.Due, 0, len(due))
	for _, d := range due {
		out = append(out, notify.Due{Message: d.Message, Channel: d.Channel, Tries: d.Tries})
	}
	return out, err
}

// Delivered notes that a message was acknowledged.
func (o Outbox) Delivered(ctx context.Context, d notify.Due, at time.Time, note string) error {
	return o.Store.Delivered(ctx, d.Message, d.Channel, at, note)
}

// Failed notes that it was not, and when it is tried again.
func (o Outbox) Failed(ctx context.Context, d notify.Due, next time.Time, why string) error {
	return o.Store.Failed(ctx, d.Message, d.Channel, next, why)
}

// GiveUp notes that it is not tried any more.
func (o Outbox) GiveUp(ctx context.Context, d notify.Due, at time.Time, why string) error {
	return o.Store.GiveUp(ctx, d.Message, d.Channel, at, why)
}
