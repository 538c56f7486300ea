package executetest_test

import (
	"testing"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute/executetest"
)

func TestFake_conforms(t *testing.T) {
	id := backout.NewComponentID(backout.KindDeployment, "payment", "production", "eu")
	f := executetest.NewFake(map[backout.ComponentID]backout.Version{id: "2.4"})
	executetest.Conform(t, executetest.Subject{
		Actuator:  f,
		Component: backout.Component{ID: id, Kind: backout.KindDeployment, Name: "payment", Actuator: "fake"},
		Stack:     []backout.Change{{Component: id, From: "2.3", To: "2.4"}},
		From:      "2.4", To: "2.3",
		Disturb: func(*testing.T) { f.Set(id, map[backout.Version]float64{"2.4": 1}) },
	})
}
