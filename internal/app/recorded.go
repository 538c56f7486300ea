package app

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app/wire"
	"github.com/backout-dev/backout/internal/catalog"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/metrics"
	"github.com/backout-dev/backout/internal/permit"
	"github.com/backout-dev/backout/internal/respond"
	"github.com/backout-dev/backout/internal/store"
	"github.com/backout-dev/backout/internal/watch"
	"github.com/backout-dev/backout/internal/web"
)

// RecordedWorld is what was known at a moment of a recording, and an actuator
// that can say what could be undone.
type RecordedWorld interface {
	known
	execute.Actuator
}

// RecordedConfig is what a [Recorded] needs.
type RecordedConfig struct {
	Catalog     catalog.Catalog
	Ruled       backout.Policy // whose rulings are told
	World       RecordedWorld
	Sampler     metrics.Sampler
	Environment backout.Environment
	Step        time.Duration
	Minute      time.Duration
	Seed        uint64
	Log         *slog.Logger
}

// Recorded is the path of a running backout over recorded facts: the same watch,
// facts, responder, checker and policy, with time in the caller's hands and an
// autonomy of shadow. It has no executor, no messages leave it, and its database
// is in memory. One goroutine uses it.
type Recorded struct {
	cfg       RecordedConfig
	db        *sql.DB
	store     *store.Store
	watch     *watch.Watch
	responder *respond.Responder
	facts     *facts
	permit    *permit.Permit // of cfg.Ruled
	wakes     map[backout.IncidentID]time.Time
	report    watch.Report
}

// NewRecorded wires the path. Components that no actuator could move are planned
// as if one could: a recording has none.
func NewRecorded(ctx context.Context, c RecordedConfig) (_ *Recorded, err error) {
	r := &Recorded{wakes: map[backout.IncidentID]time.Time{}}
	if r.permit, err = permit.Compile(c.Ruled); err != nil {
		return nil, err
	}
	c.Catalog.Policy.Autonomy = backout.AutonomyShadow
	r.facts = recordedFacts(&c)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	r.cfg = c
	rules, err := permit.Compile(c.Catalog.Policy)
	if err != nil {
		return nil, err
	}
	r.watch, err = watch.New(watch.Config{
		Sampler: c.Sampler, Signals: c.Catalog.Signals, Step: c.Step, Timeout: time.Hour, Log: c.Log,
		Report: func(context.Context, watch.Report) {}, // Tick hands its report to the caller
	})
	if err != nil {
		return nil, err
	}
	if r.db, err = sql.Open("sqlite", ":memory:"); err != nil {
		return nil, fmt.Errorf("open database in memory: %w", err)
	}
	r.db.SetMaxOpenConns(1) // each connection would have a memory of its own
	if r.store, err = store.New(ctx, r.db); err != nil {
		_ = r.db.Close()
		return nil, err
	}
	r.facts.troubles = r.store.Troubles
	r.responder, err = respond.New(respond.Config{
		Store: wire.Incidents{Store: r.store}, Learner: wire.Learner{Store: r.store}, Memory: wire.Memory{Store: r.store}, Facts: r.facts, Signals: r.watch, Runner: nobody{}, Permit: rules,
		Step: c.Step, Minute: c.Minute, Seed: c.Seed, Log: c.Log,
	})
	if err != nil {
		_ = r.db.Close()
		return nil, err
	}
	return r, nil
}

const recordedActuator = "recorded"

// recordedFacts reads a recording. In its catalog, and that of the configuration,
// every component is one that the recording answers for.
func recordedFacts(c *RecordedConfig) *facts {
	c.Catalog.Graph.Components = append([]backout.Component{}, c.Catalog.Graph.Components...)
	for i := range c.Catalog.Graph.Components {
		c.Catalog.Graph.Components[i].Actuator = recordedActuator
	}
	return &facts{catalog: c.Catalog, store: c.World, actuators: map[string]execute.Actuator{recordedActuator: c.World}, minute: c.Minute, step: c.Step, sampler: c.Sampler}
}

// CheckRecorded answers a pipeline from facts that were written down: see
// [App.Check]. Of the configuration it reads Catalog, World, Minute and Step.
func CheckRecorded(ctx context.Context, c RecordedConfig, now time.Time, q web.Question) (backout.ReleaseCheck, error) {
	rules, err := permit.Compile(c.Catalog.Policy)
	if err != nil {
		return backout.ReleaseCheck{}, err
	}
	return recordedFacts(&c).check(ctx, now, q, rules)
}

// PrepareRecorded gives what would lie ready for each change of facts that were
// written down. Of the configuration it reads what [CheckRecorded] does.
func PrepareRecorded(ctx context.Context, c RecordedConfig, now time.Time) ([]backout.Prepared, error) {
	rules, err := permit.Compile(c.Catalog.Policy)
	if err != nil {
		return nil, err
	}
	w, err := recordedFacts(&c).World(ctx, now, true)
	if err != nil {
		return nil, err
	}
	return respond.Ready(w, rules), nil
}

// Close forgets everything.
func (r *Recorded) Close() error { return r.db.Close() }

// Tick does what a running backout does at a moment: it measures, opens or joins
// incidents and walks those that are open. The world must be at the same moment.
// It gives the incident that the findings belong to, if any. An error of one
// incident's step is logged and tried again with the next tick, as there.
func (r *Recorded) Tick(ctx context.Context, now time.Time) (watch.Report, backout.IncidentID, error) {
	r.Look(ctx, now)
	if err := ctx.Err(); err != nil {
		return r.report, "", err
	}
	id, err := r.responder.Observe(ctx, r.report.Now, r.cfg.Environment, r.report.Findings, unseen(r.report))
	if err != nil {
		return r.report, id, fmt.Errorf("observe findings at %s: %w", now.Format(time.RFC3339), err)
	}
	open, err := r.store.Incidents(ctx, store.Query{Open: true})
	if err != nil {
		return r.report, id, err
	}
	for _, inc := range open {
		r.walk(ctx, now, inc.ID)
	}
	return r.report, id, nil
}

// Look measures at a moment and opens nothing.
func (r *Recorded) Look(ctx context.Context, now time.Time) watch.Report {
	r.report = r.watch.Tick(ctx, now)
	return r.report
}

// transitions is how many an incident makes at one moment at most: detected,
// attributed, planned, ruled.
const transitions = 8

func (r *Recorded) walk(ctx context.Context, now time.Time, id backout.IncidentID) {
	for range transitions {
		if now.Before(r.wakes[id]) {
			return
		}
		wake, err := r.responder.Step(ctx, now, id)
		if err != nil {
			r.cfg.Log.Warn("step incident", "incident", id, "err", err)
		}
		if r.wakes[id] = wake; wake.IsZero() {
			return
		}
	}
}
