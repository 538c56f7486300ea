package notify

import (
	"context"
	"time"

	"github.com/backout-dev/backout"
)

// Watchdog takes heartbeats: somebody outside who pages when they stay away. every is
// the time between two of them. said is the receiver's own clock when it answered;
// zero = it did not tell. An error means that nobody acknowledged the heartbeat.
type Watchdog interface {
	Beat(ctx context.Context, h backout.Health, every time.Duration) (said time.Time, err error)
}

// Missed is how many heartbeats may be missed before a watchdog must page.
const Missed = 3
