package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/backout-dev/backout/internal/execute/engine"
	"github.com/backout-dev/backout/internal/fleet"
)

// Lost says that an App ended because its replica could not show in time that it is
// alive. What it was doing others take over; only a new process may act again.
func Lost(err error) bool { return errors.Is(err, fleet.ErrLost) }

// awaitEach is how often a database that is away is asked, and awaitTold how often
// somebody reads that it is waited for.
const (
	awaitEach = time.Second
	awaitTold = time.Minute
)

// Await returns when the database answers, or with an error when ctx ends.
func Await(ctx context.Context, c Config) error {
	var told time.Time
	for {
		ask, cancel := context.WithTimeout(ctx, 2*engine.ConnectTimeout)
		d, err := engine.Open(ask, c.Database)
		cancel()
		if err == nil {
			return d.Close()
		}
		if c.Log != nil && time.Since(told) > awaitTold {
			c.Log.Warn("wait for the database", "err", err)
			told = time.Now()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the database: %w", err)
		case <-time.After(awaitEach):
		}
	}
}

// whyEnded gives the loss of the place in the fleet as the reason where that is what
// ended everything: closing the engine makes other loops fail first.
func (a *App) whyEnded(err error) error {
	if err == nil || a.replica == nil || Lost(err) {
		return err
	}
	if lost := a.replica.Held(); Lost(lost) {
		return fmt.Errorf("%w: %w", lost, err)
	}
	return err
}
