package app

import (
	"context"
	"io"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/notify"
	"github.com/backout-dev/backout/internal/notify/console"
	"github.com/backout-dev/backout/internal/permit"
	"github.com/backout-dev/backout/internal/respond"
	"github.com/backout-dev/backout/internal/store"
)

// openExecutor wires execute to the actuators, and its guard and gate to respond.
func (a *App) openExecutor(ctx context.Context, moving map[string]execute.Actuator, rules *permit.Permit) (err error) {
	clock := func() time.Time { return time.Now().UTC() }
	x, err := execute.New(ctx, execute.Config{
		Engine: a.engine, Actuators: moving,
		Guard:   &respond.Guard{Facts: a.facts, Permit: rules, Now: clock},
		Gate:    &respond.Gate{Store: incidents{a.store}, Signals: a.watch, Minute: a.cfg.Minute},
		Timeout: 30 * time.Second, Settle: max(10*time.Second, a.cfg.Minute),
		Tick: max(a.cfg.Step/2, 50*time.Millisecond), MaxTick: max(a.cfg.Step, 50*time.Millisecond),
		Tell: a.cfg.Tell, Log: a.cfg.Log,
	})
	a.executor = x
	return err
}

// openNotifier wires the outbox to the console.
func (a *App) openNotifier(out io.Writer) (err error) {
	a.notifier, err = notify.New(queue{a.store}, map[backout.Audience]notify.Notifier{backout.AudienceOnCall: console.New(out)})
	return err
}

// runner meets respond's port with execute.
type runner struct{ *execute.Executor }

func (r runner) Start(ctx context.Context, at backout.Attempt, components map[backout.ComponentID]backout.Component) error {
	req := execute.Request{Attempt: at}
	for _, id := range at.Plan.Touched() {
		req.Components = append(req.Components, components[id])
	}
	return r.Executor.Start(ctx, req)
}

func (r runner) Pause(ctx context.Context, id backout.AttemptID) error {
	return r.Control(ctx, id, execute.Control{Kind: execute.ControlPause})
}

func (r runner) Resume(ctx context.Context, id backout.AttemptID) error {
	return r.Control(ctx, id, execute.Control{Kind: execute.ControlResume})
}

func (r runner) Abort(ctx context.Context, id backout.AttemptID) error {
	return r.Control(ctx, id, execute.Control{Kind: execute.ControlAbort})
}

// queue meets notify's port with the store.
type queue struct{ *store.Store }

// most is how many messages one drain delivers.
const most = 100

func (q queue) Due(ctx context.Context, now time.Time) ([]notify.Due, error) {
	due, err := q.Store.Due(ctx, now, most)
	out := make([]notify.Due, 0, len(due))
	for _, d := range due {
		out = append(out, notify.Due{Message: d.Message, Tries: d.Tries})
	}
	return out, err
}
