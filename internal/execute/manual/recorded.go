package manual

import (
	"context"
	"fmt"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
)

// Memory gives what was said of a component.
type Memory interface {
	// LastDone is the newest task of a component that a person said is done; false when
	// there is none.
	LastDone(ctx context.Context, id backout.ComponentID) (backout.Task, bool, error)
	// LastChange is the newest change of a component; false when none is known.
	LastChange(ctx context.Context, id backout.ComponentID) (backout.Change, bool, error)
}

// Recorded answers what is live where no machine can see it: what the newest task or
// change brought, whichever came later. That it is healthy is taken for granted; the
// run's gates judge by what they measure.
type Recorded struct{ Memory Memory }

var _ execute.Prober = Recorded{}

// Look reads what was said. A component of which nothing was ever said is not found.
func (r Recorded) Look(ctx context.Context, c backout.Component) (execute.Sight, error) {
	task, done, err := r.Memory.LastDone(ctx, c.ID)
	if err != nil {
		return execute.Sight{}, fmt.Errorf("read what people said of %s: %w", c.ID, err)
	}
	change, changed, err := r.Memory.LastChange(ctx, c.ID)
	if err != nil {
		return execute.Sight{}, fmt.Errorf("read the changes of %s: %w", c.ID, err)
	}
	now := time.Now().UTC()
	shares := map[backout.Version]float64{}
	switch {
	case done && (!changed || task.Answer.At.After(change.Exposure.Start())):
		shares[task.To] = task.Share
		if task.Share < 1 {
			shares[task.From] = 1 - task.Share
		}
	case changed:
		share := change.Exposure.Share(now)
		if share > 0 {
			shares[change.To] = share
		}
		if share < 1 && change.From != "" {
			shares[change.From] = 1 - share
		}
	default:
		return execute.Sight{}, &backout.Error{Code: backout.CodeNotFound, Message: fmt.Sprintf("nobody has said which version of %s is live", c.ID)}
	}
	s := execute.Sight{Reality: backout.Reality{Live: backout.Live{Shares: shares, Healthy: true, At: now}, At: now}}
	return s, s.Check()
}
