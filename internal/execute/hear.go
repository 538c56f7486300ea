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
		said, err := x.words(ctx)
		if err != nil {
			if ctx.Err() == nil {
				x.config.Log.Error("can't read the controls of runs", "err", err)
			}
			continue
		}
		for id, c := range said {
			if c != heard[id] {
				x.wake(id)
			}
		}
		heard = said
	}
}

// words reads the latest words to all runs that have not ended: one question, however
// many runs wait.
func (x *Executor) words(ctx context.Context) (map[backout.AttemptID]Control, error) {
	ctx, cancel := context.WithTimeout(ctx, x.config.Timeout)
	defer cancel()
	rows, err := x.db.QueryContext(ctx, `SELECT c.attempt, c.kind, c.who, c.why FROM run_control AS c JOIN run AS r ON r.attempt = c.attempt
		WHERE r.state NOT IN ($1, $2, $3, $4)`, backout.RunCompleted, backout.RunStopped, backout.RunHalted, backout.RunAborted)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[backout.AttemptID]Control{}
	for rows.Next() {
		var id backout.AttemptID
		var c Control
		if err := rows.Scan(&id, &c.Kind, &c.By, &c.Why); err != nil {
			return nil, err
		}
		out[id] = c
	}
	return out, rows.Err()
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
