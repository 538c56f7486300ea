package app

import (
	"context"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app/wire"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/metrics/measure"
	"github.com/backout-dev/backout/internal/permit"
	"github.com/backout-dev/backout/internal/respond"
	"github.com/backout-dev/backout/internal/store"
)

// openExecutor wires execute to the actuators, and its guard and gate to respond.
func (a *App) openExecutor(ctx context.Context, moving map[string]execute.Actuator, rules *permit.Permit) (err error) {
	clock := func() time.Time { return time.Now().UTC() }
	x, err := execute.New(ctx, execute.Config{
		Engine: a.engine, Actuators: moving,
		Guard: &respond.Guard{Facts: a.facts, Permit: rules, Now: clock},
		Gate: &respond.Gate{
			Store: wire.Incidents{Store: a.store}, Signals: a.watch, Counted: a.watch, Facts: a.facts, Minute: a.cfg.Minute, Criteria: a.catalog.Criteria,
			Analyses: &respond.Analyses{Known: a.catalog.Analyses, Measurer: measure.Measurer{Clusters: a.reach}},
		},
		Fence:   a.fence(),
		Stopped: a.stopped,
		Timeout: 30 * time.Second, Settle: max(10*time.Second, a.cfg.Minute),
		Tick: max(a.cfg.Step/2, 50*time.Millisecond), MaxTick: max(a.cfg.Step, 50*time.Millisecond),
		Tell: a.journalled, Log: a.cfg.Log,
	})
	a.executor = x
	if err == nil {
		a.facts.ours = doings{a.store, x}
	}
	return err
}

// journalled hears each entry of a run's journal.
func (a *App) journalled(e backout.Entry) {
	a.meters.count(e)
	if a.cfg.Tell != nil {
		a.cfg.Tell(e)
	}
}

// doings is what we did ourselves: the store knows of attempts, execute of effects.
type doings struct {
	*store.Store
	*execute.Executor
}
