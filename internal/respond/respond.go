// Package respond is the path: it alone knows the order of the verbs. It owns
// the incident's row and with it every decision.
//
//	findings -> attribute -> forecast -> plan -> check -> permit -> (approve) -> execute -> verify -> learn
//
// [Responder.Observe] turns the detector's findings into an open incident.
// [Responder.Step] looks at one incident and makes at most one transition: it
// loads the world, calls the verb that is due, saves the result with
// compare-and-swap and writes what people must be told in the same transaction.
// If the save fails nothing has happened; the next call looks again. Step says
// when it wants to be called next, so deadlines, cooldowns and waiting are
// stored, never slept.
//
// Nothing durable starts before approval. An approved plan becomes an attempt,
// which execute carries out by itself; respond follows its journal, judges its
// gates (see [Responder.Gate]) and guards its effects (see [Responder.Guard]).
// The guard runs inside the effect, on a world loaded at that moment, since a
// recorded answer would be a stale one. As long as the attempt runs, others are kept
// from deploying there ([Deploys]).
//
// What people must know of backout itself belongs to no incident: [Responder.Itself]
// tells it.
//
// The states and who moves them are in docs/STATES.md.
package respond

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/permit"
)

// Store keeps incidents. Transition saves with compare-and-swap on Incident.Row
// and commits the audit entry and the messages with it; a row that moved
// meanwhile is an error of code conflict.
type Store interface {
	Incident(ctx context.Context, id backout.IncidentID) (backout.Incident, error)
	// Latest is the newest incident under a key, open or not; false when there is none.
	Latest(ctx context.Context, key string) (backout.Incident, bool, error)
	// Open saves a new incident, or gives the open one of the same key and false.
	Open(ctx context.Context, inc backout.Incident, entry backout.AuditEntry, messages []backout.Message) (backout.Incident, bool, error)
	Transition(ctx context.Context, inc backout.Incident, entry backout.AuditEntry, messages []backout.Message) (backout.Incident, error)
}

// Learner keeps what was learnt and what is held.
type Learner interface {
	SaveReview(ctx context.Context, r backout.Review) error
	Priors(ctx context.Context) (backout.Priors, error)
	SavePriors(ctx context.Context, p backout.Priors) error
	SaveHold(ctx context.Context, h backout.Hold) error
}

// Facts loads the world as it is at a moment. surveyed asks for actuators'
// answers as well, which costs calls to the outside.
type Facts interface {
	World(ctx context.Context, now time.Time, surveyed bool) (backout.World, error)
}

// Signals gives what was measured.
type Signals interface {
	// Residuals of every series between two times.
	Residuals(from, to time.Time) []backout.Residuals
	// Baselines of the series named, as they are now.
	Baselines(ids []backout.SeriesID) []backout.Baseline
}

// Runner carries out approved attempts.
type Runner interface {
	// Start is idempotent: the same attempt is started once.
	Start(ctx context.Context, a backout.Attempt, components map[backout.ComponentID]backout.Component) error
	Run(ctx context.Context, id backout.AttemptID) (backout.Run, error)
	// Pause, Resume and Abort steer a run in the name of a person, whom its journal keeps.
	Pause(ctx context.Context, id backout.AttemptID, by string) error
	Resume(ctx context.Context, id backout.AttemptID, by string) error
	Abort(ctx context.Context, id backout.AttemptID, by string) error
}

// Tasks are what people are asked to do by hand.
type Tasks interface {
	TasksOf(ctx context.Context, id backout.AttemptID) ([]backout.Task, error)
	// AnswerTask keeps the first answer; one that came too late is an error of code
	// conflict.
	AnswerTask(ctx context.Context, key string, a backout.TaskAnswer) (backout.Task, error)
}

// Config is what a responder needs. Every field is required but Tasks (nil = nothing
// is done by hand), Memory, Deploys, Seed and Log.
type Config struct {
	Store   Store
	Learner Learner
	Facts   Facts
	Signals Signals
	Runner  Runner
	Permit  *permit.Permit
	Tasks   Tasks
	Memory  Memory        // nil = no incident is compared with others
	Deploys Deploys       // nil = nobody asks before deploying
	Step    time.Duration // sampling step
	Minute  time.Duration // length of a model minute
	Seed    uint64        // of the forecasts' draws
	Log     *slog.Logger
}

// Responder walks incidents along the path.
type Responder struct {
	cfg        Config
	remembered remembered
}

// New checks the configuration.
func New(c Config) (*Responder, error) {
	switch {
	case c.Store == nil || c.Learner == nil || c.Facts == nil || c.Signals == nil || c.Runner == nil || c.Permit == nil:
		return nil, fmt.Errorf("make responder: a port is missing")
	case c.Step <= 0 || c.Minute <= 0:
		return nil, fmt.Errorf("make responder: step %s and minute %s must be positive", c.Step, c.Minute)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Responder{cfg: c}, nil
}

// minutes scales model minutes to time.
func (r *Responder) minutes(n float64) time.Duration {
	return time.Duration(n * float64(r.cfg.Minute))
}

// Step makes at most one transition of one incident and says when it wants to be
// called again; the zero time means never, since the incident has ended.
func (r *Responder) Step(ctx context.Context, now time.Time, id backout.IncidentID) (wake time.Time, err error) {
	inc, err := r.cfg.Store.Incident(ctx, id)
	if err != nil {
		return now.Add(r.cfg.Step), fmt.Errorf("step incident %s: %w", id, err)
	}
	defer func() {
		if p := recover(); p != nil {
			wake, err = r.defect(ctx, now, inc, p)
		}
	}()
	next, err := r.transition(ctx, now, inc)
	if err != nil {
		return now.Add(r.cfg.Step), fmt.Errorf("step incident %s in state %s: %w", id, inc.State, err)
	}
	return next, nil
}

// defect answers for an incident that can't be decided because backout itself is broken:
// people must hear of it, and the other incidents, those who approve by hand and the kill
// switch must not fall with it. A run that is under way goes on without us.
func (r *Responder) defect(ctx context.Context, now time.Time, inc backout.Incident, what any) (time.Time, error) {
	r.cfg.Log.Error("a defect of backout", "incident", inc.ID, "state", inc.State, "panic", what, "stack", string(debug.Stack()))
	err := fmt.Errorf("step incident %s in state %s: a defect of backout: %v", inc.ID, inc.State, what)
	if inc.State == backout.StateExecuting || inc.State == backout.StateFrozen {
		return now.Add(r.cfg.Step), err
	}
	_, moved := r.move(ctx, now, inc, backout.StateHalted, fmt.Sprintf("stopped safely: backout failed to decide, by a defect of its own (%v; the log has the place); a person decides what is next", what))
	return now.Add(r.cfg.Step), errors.Join(err, moved)
}

func (r *Responder) transition(ctx context.Context, now time.Time, inc backout.Incident) (time.Time, error) {
	switch inc.State {
	case backout.StateDetected, backout.StateAttributed, backout.StateWaiting:
		return r.decide(ctx, now, inc)
	case backout.StatePlanned:
		return r.rule(ctx, now, inc)
	case backout.StateApproved:
		return r.start(ctx, now, inc)
	case backout.StateExecuting, backout.StateFrozen:
		return r.follow(ctx, now, inc)
	}
	return time.Time{}, nil
}
