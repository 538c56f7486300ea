package playground

import (
	"context"
	"errors"
	"time"
)

var errExhausted = errors.New("no free slot in time")

// pool is a finite number of slots; whoever finds none waits, for a while.
type pool struct{ slots chan struct{} }

func newPool(size int) *pool { return &pool{make(chan struct{}, max(size, 1))} }

// acquire takes a slot, waiting at most patience. It fails with errExhausted or
// the context's error.
func (p *pool) acquire(ctx context.Context, patience time.Duration) error {
	select {
	case p.slots <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-timer.C:
		return errExhausted
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *pool) release() { <-p.slots }

// ratio is the share of slots in use.
func (p *pool) ratio() float64 { return float64(len(p.slots)) / float64(cap(p.slots)) }
