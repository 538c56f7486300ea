package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
	"github.com/dbos-inc/dbos-transact-golang/dbos/internals"
)

// Executors names the others that own flows which have not ended, dead or alive.
func (e *Engine) Executors(ctx context.Context) ([]string, error) {
	all, err := dbos.ListWorkflows(e.root, dbos.WithFilterStatus(dbos.WorkflowStatusPending), dbos.WithFilterLoadInput(false), dbos.WithFilterLoadOutput(false))
	if err != nil {
		return nil, fmt.Errorf("list owners of flows: %w", explain(err))
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := []string{}
	for _, w := range all {
		if w.ExecutorID != e.executor {
			out = append(out, w.ExecutorID)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Adopt puts the flows of an executor that has died up for the living to resume,
// says how many there were, and starts what it had meant to start. The caller
// makes sure that it is dead: its flows would else be run by two, of whom one can
// record nothing but still act.
//
// The call it rests on is DBOS' own way to recover, documented for the vendor's
// module; the ways around it, should it go, are List and Resume.
func (e *Engine) Adopt(ctx context.Context, executor string) (int, error) {
	rt, err := internals.RuntimeOf(e.root)
	if err != nil {
		return 0, fmt.Errorf("adopt flows of %s: %w", executor, err)
	}
	flows, err := rt.RecoverPendingWorkflows([]string{executor})
	if err != nil {
		return 0, fmt.Errorf("adopt flows of %s: %w", executor, explain(err))
	}
	if err := ctx.Err(); err != nil {
		return len(flows), err
	}
	return len(flows), e.launched()
}
