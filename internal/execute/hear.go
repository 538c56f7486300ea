package execute

import (
	"context"
	"time"

	"github.com/backout-dev/backout"
)

// hearEvery is how long another replica's word takes at most to be heard.
const hearEvery = 500 * time.Millisecond

// Hear listens for words of people to the runs of this process that came in by
// another one, until ctx ends. Without it such a word is heard at the run's own
// next look, Config.MaxTick at the latest.
func (x *Executor) Hear(ctx context.Context) error {
	heard := map[backout.AttemptID]Control{}
	tick := time.NewTicker(hearEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for _, id := range x.waiting() {
			c, _, err := x.control(ctx, id)
			if err == nil && c != heard[id] {
				heard[id] = c
				x.wake(id)
			}
		}
	}
}

// waiting lists the runs of this process that somebody could speak to.
func (x *Executor) waiting() []backout.AttemptID {
	x.mu.Lock()
	defer x.mu.Unlock()
	out := make([]backout.AttemptID, 0, len(x.changed))
	for id := range x.changed {
		out = append(out, id)
	}
	return out
}

// wake has a run look at its controls now.
func (x *Executor) wake(id backout.AttemptID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if ch, ok := x.changed[id]; ok {
		close(ch)
		delete(x.changed, id)
	}
}
