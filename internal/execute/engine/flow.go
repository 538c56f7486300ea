package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
)

// Flow is one running flow, as its function sees it. It belongs to that
// function's goroutine.
type Flow struct {
	ID     string
	ctx    dbos.Context
	engine *Engine
}

// Tx is a transaction on the shared database handle. SQL uses $1, $2, ...
type Tx = dbos.Tx

// Step does fn once and records what it returned. name must be the same at each
// run. The context ends when the engine closes; what fn returns then is not
// recorded, and fn runs again after the next start.
func Step[T any](f *Flow, name string, fn func(ctx context.Context) T) T {
	v, err := dbos.RunAsStep(f.ctx, func(ctx context.Context) (T, error) { return fn(ctx), nil }, dbos.WithStepName(name))
	if err != nil {
		Park("step "+name, err)
	}
	return v
}

// Transaction does fn inside the transaction that records its result: either
// both are there afterwards or neither is. fn may only use tx. It runs with the
// database's write lock held, so it must not call anybody. An error of fn parks
// the flow.
func Transaction[T any](f *Flow, name string, fn func(ctx context.Context, tx Tx) (T, error)) T {
	v, err := dbos.RunAsTransaction(f.ctx, f.engine.data, func(ctx context.Context, tx Tx) (T, error) {
		v, err := fn(ctx, tx)
		if err != nil {
			// Returned, the error would be recorded as the step's answer for
			// ever; as a panic it only rolls the transaction back.
			Park("transaction "+name, err)
		}
		return v, nil
	}, dbos.WithStepName(name))
	if err != nil {
		Park("transaction "+name, err)
	}
	return v
}

// Task is one of several steps done together.
type Task[T any] struct {
	Name string
	Do   func(ctx context.Context) T
}

// Together does several steps side by side and gives their results in the order
// of the tasks, whichever ended first.
func Together[T any](f *Flow, tasks []Task[T]) []T {
	ch := make([]<-chan dbos.StepOutcome[T], len(tasks))
	out := make([]T, len(tasks))
	errs := make([]error, len(tasks))
	parked := make([]any, len(tasks)) // what each panicked with, of which DBOS keeps the words only
	for i, t := range tasks {
		ch[i], errs[i] = dbos.Go(f.ctx, func(ctx context.Context) (T, error) {
			defer func() {
				if parked[i] = recover(); parked[i] != nil {
					panic(parked[i])
				}
			}()
			return t.Do(ctx), nil
		}, dbos.WithStepName(t.Name))
	}
	// Whatever fails, nothing may be under way any more when the flow is resumed.
	for i := range ch {
		if errs[i] == nil {
			o := <-ch[i]
			out[i], errs[i] = o.Result, o.Err
		}
	}
	for _, p := range parked {
		if p != nil {
			panic(p)
		}
	}
	if err := errors.Join(errs...); err != nil {
		Park("steps together", err)
	}
	return out
}

// Sleep waits for d, across restarts: after one only the rest is waited for.
func (f *Flow) Sleep(d time.Duration) {
	if _, err := dbos.Sleep(f.ctx, d); err != nil {
		Park(fmt.Sprintf("sleep %s", d), err)
	}
}

// Patch says whether a flow takes the new way at a place where its code changed
// shape: true for flows that had not come there yet.
func (f *Flow) Patch(name string) bool {
	ok, err := dbos.Patch(f.ctx, name)
	if err != nil {
		Park("patch "+name, err)
	}
	return ok
}
