package execute

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute/engine"
)

// Config is what an executor needs. Engine, Guard and Gate are required.
type Config struct {
	Engine *engine.Engine // not launched yet
	// Actuators by the name that components call theirs by (Component.Actuator).
	Actuators map[string]Actuator
	Guard     Guard
	Gate      Gate
	// Stopped is the kill switch, looked at before every effect and every question to a
	// gate. A run that meets it is paused until it is off. nil = there is none.
	Stopped Stopped
	Fence   Fence // nil = this process has its database for itself
	// Timeout bounds one call of an actuator, guard or gate; 0 = 2 minutes.
	Timeout time.Duration
	// Settle is how long an effect may take to show after Do returned; 0 = 1 minute.
	Settle time.Duration
	// Retries is how often an effect that certainly did not come about is tried again,
	// where that is safe; 0 = 3, negative = never.
	Retries int
	// Tick is the first pause between two questions to a gate or two looks at a
	// component; 0 = 500 ms. It widens up to MaxTick; 0 = 15 s.
	Tick    time.Duration
	MaxTick time.Duration
	// Tell hears each journal entry once it is saved, one at a time for each run.
	// It must not block. What a killed process did not tell any more is in the
	// journal. nil = nobody listens.
	Tell func(backout.Entry)
	Log  *slog.Logger // nil = silent
}

// Executor carries out attempts. It is safe for concurrent use.
type Executor struct {
	config Config
	engine *engine.Engine
	db     *sql.DB

	mu      sync.Mutex
	changed map[backout.AttemptID]chan struct{} // guarded by mu; closed when a control arrives
	did     pastRuns
}

// flowName is what attempts are registered as in the engine.
const flowName = "attempt"

// New makes an executor, creates its tables and registers with the engine.
// Launching the engine afterwards resumes the runs that had not ended.
func New(ctx context.Context, c Config) (*Executor, error) {
	if c.Engine == nil || c.Guard == nil || c.Gate == nil {
		return nil, errors.New("new executor: engine, guard and gate are required")
	}
	c.Timeout = cmp.Or(c.Timeout, 2*time.Minute)
	c.Settle = cmp.Or(c.Settle, time.Minute)
	c.Retries = cmp.Or(c.Retries, 3)
	c.Tick = cmp.Or(c.Tick, 500*time.Millisecond)
	c.MaxTick = max(c.Tick, cmp.Or(c.MaxTick, 15*time.Second))
	if c.Fence == nil {
		c.Fence = alone{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	x := &Executor{config: c, engine: c.Engine, db: c.Engine.DB(), changed: map[backout.AttemptID]chan struct{}{}}
	if err := c.Engine.Database().Alone(ctx, "executor", x.prepare); err != nil {
		return nil, fmt.Errorf("new executor: create tables: %w", err)
	}
	c.Engine.Register(flowName, x.flow)
	c.Engine.AfterLaunch(x.startPending)
	return x, nil
}

// Request is an approved attempt with what carrying it out needs to know.
type Request struct {
	Attempt backout.Attempt `json:"attempt"`
	// Components that the plan's steps move, at least.
	Components []backout.Component `json:"components"`
	// Minute is how long a model minute lasts; bakes are in model time. 0 = a minute.
	Minute backout.Duration `json:"minute"`
}

// Start begins an attempt. Starting the same attempt with the same digest again
// does nothing, however far it has come; that is also how a caller makes sure,
// after a restart of its own, that it did start. An attempt whose plan does not
// match its digest, or that can't be carried out at all, is invalid; one started
// before with another digest is a conflict.
func (x *Executor) Start(ctx context.Context, r Request) error {
	att := r.Attempt
	if r.Minute <= 0 {
		r.Minute = backout.Duration(time.Minute)
	}
	if err := x.accept(r); err != nil {
		return err
	}
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("start attempt %s: encode it: %w", att.ID, err)
	}
	if _, err := x.db.ExecContext(ctx, "INSERT INTO run (attempt, digest, request, state, why) VALUES ($1, $2, $3, $4, '') ON CONFLICT DO NOTHING",
		att.ID, att.Digest, string(body), backout.RunPending); err != nil {
		return fmt.Errorf("start attempt %s: %w", att.ID, err)
	}
	var digest string
	if err := x.db.QueryRowContext(ctx, "SELECT digest FROM run WHERE attempt = $1", att.ID).Scan(&digest); err != nil {
		return fmt.Errorf("start attempt %s: %w", att.ID, err)
	}
	if digest != att.Digest {
		return &backout.Error{Code: backout.CodeConflict, Message: fmt.Sprintf("attempt %s was started with another plan (digest %.12s, not %.12s)", att.ID, digest, att.Digest)}
	}
	if err := x.engine.Start(flowName, string(att.ID), nil); err != nil {
		return fmt.Errorf("start attempt %s: %w", att.ID, err)
	}
	return nil
}

// startPending starts the runs that a former process had accepted when it died.
func (x *Executor) startPending() error {
	rows, err := x.db.Query("SELECT attempt FROM run WHERE state = $1 ORDER BY attempt", backout.RunPending)
	if err != nil {
		return fmt.Errorf("read pending runs: %w", err)
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return fmt.Errorf("read pending runs: %w", err)
		}
		ids = append(ids, id)
	}
	for _, id := range ids {
		if err := x.engine.Start(flowName, id, nil); err != nil {
			return err
		}
	}
	return rows.Err()
}

// accept refuses what can't be carried out, before anything is done.
func (x *Executor) accept(r Request) error {
	att := r.Attempt
	invalid := func(format string, args ...any) error {
		return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("start attempt %s: ", att.ID) + fmt.Sprintf(format, args...)}
	}
	if att.ID == "" || att.Plan.Action != backout.ActionRollBack {
		return invalid("expected an id and a plan with action %s, got action %q", backout.ActionRollBack, att.Plan.Action)
	}
	if got := att.Plan.ExecutableDigest(); got != att.Digest {
		return invalid("the plan's digest is %.12s and the approved one is %.12s", got, att.Digest)
	}
	ids := map[string]bool{}
	for _, s := range att.Plan.Steps() {
		c, ok := r.component(s.Component)
		switch {
		case s.ID == "" || ids[s.ID]:
			return invalid("step id %q is empty or used twice", s.ID)
		case !ok:
			return invalid("step %s moves %s, which is not among the components", s.ID, s.Component)
		case c.Immovable:
			return invalid("step %s moves %s, which is not ours to move", s.ID, s.Component)
		case x.config.Actuators[c.Actuator] == nil:
			return invalid("step %s moves %s by actuator %q, which is not configured", s.ID, s.Component, c.Actuator)
		}
		ids[s.ID] = true
	}
	return nil
}

func (r Request) component(id backout.ComponentID) (backout.Component, bool) {
	for _, c := range r.Components {
		if c.ID == id {
			return c, true
		}
	}
	return backout.Component{}, false
}

// Wait blocks until a run has ended, or ctx ends, and gives the run.
func (x *Executor) Wait(ctx context.Context, id backout.AttemptID) (backout.Run, error) {
	if _, err := x.engine.Wait(ctx, string(id)); err != nil {
		return backout.Run{Attempt: id}, fmt.Errorf("wait for attempt %s: %w", id, err)
	}
	return x.Run(ctx, id)
}

// Control steers a run. The latest word counts, but an abort is final. A run
// that has ended or was never started is a conflict or not found.
func (x *Executor) Control(ctx context.Context, id backout.AttemptID, c Control) error {
	switch c.Kind {
	case ControlPause, ControlResume, ControlAbort:
	default:
		return &backout.Error{Code: backout.CodeInvalid, Message: fmt.Sprintf("control of attempt %s: %q is none of pause, resume, abort", id, c.Kind)}
	}
	r, err := x.Run(ctx, id)
	if err != nil {
		return err
	}
	if r.State.Terminal() {
		return hasEnded(id, r.State)
	}
	e, err := x.saveControl(ctx, id, c)
	if err != nil {
		return fmt.Errorf("%s attempt %s: %w", c.Kind, id, err)
	}
	x.tell(e)
	x.wake(id)
	return nil
}

// hasEnded refuses a word to a run that hears none any more.
func hasEnded(id backout.AttemptID, s backout.RunState) error {
	return &backout.Error{Code: backout.CodeConflict, Message: fmt.Sprintf("attempt %s has ended as %s", id, s)}
}

func (x *Executor) saveControl(ctx context.Context, id backout.AttemptID, c Control) (backout.Entry, error) {
	tx, err := x.db.BeginTx(ctx, nil)
	if err != nil {
		return backout.Entry{}, err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, lockRun, id); err != nil {
		return backout.Entry{}, err
	}
	var now backout.RunState // the run may have ended since it was looked at
	if err := tx.QueryRowContext(ctx, "SELECT state FROM run WHERE attempt = $1", id).Scan(&now); err != nil || now.Terminal() {
		return backout.Entry{}, cmp.Or(err, hasEnded(id, now))
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO run_control (attempt, kind, who, why) VALUES ($1, $2, $3, $4)
		ON CONFLICT (attempt) DO UPDATE SET kind = excluded.kind, who = excluded.who, why = excluded.why WHERE run_control.kind <> 'abort'`,
		id, c.Kind, c.By, c.Why); err != nil {
		return backout.Entry{}, err
	}
	e, err := insert(ctx, tx, id, backout.Entry{Kind: backout.EntryControl, Text: fmt.Sprintf("%s by %s%s", c.Kind, c.By, because(c.Why))})
	if err != nil {
		return e, err
	}
	return e, tx.Commit()
}

// control reads the latest word to a run, with a channel that closes when there
// is a newer one. The channel is made first, so that none slips between.
func (x *Executor) control(ctx context.Context, id backout.AttemptID) (Control, <-chan struct{}, error) {
	x.mu.Lock()
	ch, ok := x.changed[id]
	if !ok {
		ch = make(chan struct{})
		x.changed[id] = ch
	}
	x.mu.Unlock()
	var c Control
	err := x.db.QueryRowContext(ctx, "SELECT kind, who, why FROM run_control WHERE attempt = $1", id).Scan(&c.Kind, &c.By, &c.Why)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return c, ch, err
}

func (x *Executor) tell(entries ...backout.Entry) {
	for _, e := range entries {
		x.config.Log.Info(e.Text, "attempt", e.Attempt, "kind", e.Kind, "step", e.Step, "component", e.Component, "outcome", e.Outcome)
		if x.config.Tell != nil {
			x.config.Tell(e)
		}
	}
}

// flow is what the engine runs. The request is read outside of the engine's
// records, because it never changes.
func (x *Executor) flow(f *engine.Flow, _ json.RawMessage) json.RawMessage {
	var body string
	err := x.db.QueryRow("SELECT request FROM run WHERE attempt = $1", f.ID).Scan(&body)
	if err != nil {
		engine.Park("read attempt "+f.ID, err)
	}
	var r Request
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		panic(fmt.Errorf("read attempt %s: %w", f.ID, err)) // a program that can read it resumes
	}
	(&interpreter{x: x, f: f, Request: r, share: map[string]float64{}}).run()
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.changed, r.Attempt.ID)
	return nil
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}
