package executetest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/execute/executetest"
)

func TestFake_conforms(t *testing.T) {
	id := backout.NewComponentID(backout.KindDeployment, "payment", "production", "eu")
	f := executetest.NewFake(map[backout.ComponentID]backout.Version{id: "2.4"})
	failing := &executetest.Failing{Actuator: f}
	executetest.Conform(t, executetest.Subject{
		Actuator: failing,
		Arrange: func(_ *testing.T, fault executetest.Fault) {
			failing.OnDo = func(ctx context.Context, _ backout.Effect, do func(context.Context) (backout.Outcome, error)) (backout.Outcome, error) {
				failing.OnDo = nil
				switch fault {
				case executetest.FaultErrs:
					_, _ = do(ctx)
					return backout.OutcomeUnknown, errors.New("the line broke")
				case executetest.FaultHangs:
					<-ctx.Done()
					return backout.OutcomeUnknown, ctx.Err()
				}
				return backout.OutcomeDone, nil
			}
		},
		Moves:     func() int { return len(f.Done()) },
		Reopen:    func(*testing.T) execute.Actuator { return f },
		Component: backout.Component{ID: id, Kind: backout.KindDeployment, Name: "payment", Actuator: "fake"},
		Stack:     []backout.Change{{Component: id, From: "2.3", To: "2.4"}},
		From:      "2.4", To: "2.3",
		Disturb: func(*testing.T) { f.Set(id, map[backout.Version]float64{"2.4": 1}) },
	})
}
