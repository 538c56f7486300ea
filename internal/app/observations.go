package app

import (
	"context"
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

// Observations is what sources reported in a time, for those who record it.
func (r reading) Observations(ctx context.Context, since, until time.Time) ([]backout.Observation, error) {
	all, err := r.a.store.Observations(ctx, since)
	return slices.DeleteFunc(all, func(o backout.Observation) bool { return !o.At.Before(until) }), err
}
