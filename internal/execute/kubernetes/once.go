package kubernetes

import (
	"context"
	"sync"
)

// Moment gives a context for one look at many components, in which each question is put
// to a cluster once: who is probed and surveyed is read once for both, and what workloads
// of a namespace share (its autoscalers, what we may do there) once for all. Without it a
// look at fifty workloads takes five hundred questions. It is for looking only, and no
// longer than the look takes: what was heard is never asked again.
func Moment(ctx context.Context) context.Context {
	return context.WithValue(ctx, moment{}, &answers{all: map[any]*answer{}})
}

type moment struct{}

type answers struct {
	mu  sync.Mutex
	all map[any]*answer // guarded by mu
}

type answer struct {
	mu    sync.Mutex // one asks, the others wait for the answer
	known bool       // guarded by mu
	value any        // guarded by mu
}

// once asks, or gives what was answered before in the same moment. An error is no answer:
// the next one asks again.
func once[T any](ctx context.Context, question any, ask func() (T, error)) (T, error) {
	m, ok := ctx.Value(moment{}).(*answers)
	if !ok {
		return ask()
	}
	m.mu.Lock()
	a := m.all[question]
	if a == nil {
		a = &answer{}
		m.all[question] = a
	}
	m.mu.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	if v, ok := a.value.(T); a.known && ok {
		return v, nil
	}
	v, err := ask()
	if err == nil {
		a.value, a.known = v, true
	}
	return v, err
}
