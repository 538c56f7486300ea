package engine

import (
	"context"
	"fmt"
	"time"
)

// Clock is the time that all go by who share a database: the server's, so that the
// clocks of replicas may differ, and a bake that one of them began ends when it
// should on another. On a file it is the machine's.
func (e *Engine) Clock(ctx context.Context) (time.Time, error) {
	if !e.database.Shared() {
		return e.clock().UTC(), nil
	}
	var now time.Time
	if err := e.database.DB.QueryRowContext(ctx, "SELECT clock_timestamp()").Scan(&now); err != nil {
		return now, fmt.Errorf("ask the database for the time: %w", explain(err))
	}
	return now.UTC(), nil
}

// Now is the time, by [Engine.Clock], when the flow came to this point first.
func (f *Flow) Now() time.Time {
	return Step(f, "now", func(ctx context.Context) time.Time {
		now, err := f.engine.Clock(ctx)
		if err != nil {
			panic(err) // parks the flow, as any step does that can't be recorded
		}
		return now
	})
}
