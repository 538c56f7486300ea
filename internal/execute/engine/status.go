package engine

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
)

// State is where a flow is.
type State string

// The states of a flow.
const (
	StateAbsent  State = "absent"  // never started
	StateRunning State = "running" // started, waiting to resume, or parked
	StateEnded   State = "ended"   // its function returned
	StateFailed  State = "failed"  // given up after too many recoveries, or cancelled from outside
)

// Status reads where a flow is.
func (e *Engine) Status(ctx context.Context, id string) (State, error) {
	all, err := dbos.ListWorkflows(e.root, dbos.WithFilterWorkflowIDs(id), dbos.WithFilterLoadInput(false), dbos.WithFilterLoadOutput(false))
	if err != nil {
		return "", fmt.Errorf("status of flow %s: %w", id, explain(err))
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if len(all) == 0 {
		return StateAbsent, nil
	}
	switch all[0].Status {
	case dbos.WorkflowStatusSuccess:
		return StateEnded, nil
	case dbos.WorkflowStatusPending, dbos.WorkflowStatusEnqueued, dbos.WorkflowStatusDelayed:
		return StateRunning, nil
	}
	return StateFailed, nil
}

// Wait blocks until a flow is no longer running, or ctx ends.
func (e *Engine) Wait(ctx context.Context, id string) (State, error) {
	e.mu.Lock()
	ended := e.endedLocked(id)
	e.mu.Unlock()
	// The channel closes just before DBOS records the end; after it, look often.
	pause := time.Second
	for {
		s, err := e.Status(ctx, id)
		if err != nil || s != StateRunning {
			return s, err
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return s, ctx.Err()
		case <-ended:
			ended, pause = nil, 2*time.Millisecond
		case <-t.C:
		}
		t.Stop()
	}
}

// quiet passes on DBOS' warnings and errors; its progress notes are not news to
// those who run backout.
type quiet struct{ slog.Handler }

func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && q.Handler.Enabled(ctx, l)
}

func (q quiet) WithAttrs(a []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(a)} }

func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }
