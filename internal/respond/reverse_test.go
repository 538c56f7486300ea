package respond

import (
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
)

// A step is taken back after a halt only where the checker proves the state that
// comes of it.
func TestGuard_takesBackWhatIsProven(t *testing.T) {
	tw := newTown(t, true, nil)
	inc := tw.until(tw.detect(), backout.StateExecuting)
	ledger := backout.ComponentID("deployment:ledger@production/eu")
	tw.world.Graph.Components = append(tw.world.Graph.Components, backout.Component{ID: ledger, Kind: backout.KindDeployment, Name: "ledger", Service: "ledger", Environment: "production", Location: "eu"})
	tw.world.Contracts = []backout.Contract{{ID: "C", Consumer: payment, Provider: ledger, Source: backout.ContractDeclared, Rules: []backout.ContractRule{
		{When: backout.VersionRange{From: "2"}, Needs: backout.VersionRange{From: "7"}}, {When: backout.VersionRange{To: "1"}},
	}}}
	for version, want := range map[backout.Version]string{"7": "", "6": "contract C"} {
		tw.world.Live = map[backout.ComponentID]backout.Live{
			payment: {Shares: map[backout.Version]float64{"1": 1}}, ledger: {Shares: map[backout.Version]float64{version: 1}},
		}
		g := Guard{Facts: tw, Permit: tw.r.cfg.Permit, Now: func() time.Time { return tw.now }}
		p, err := g.Allow(t.Context(), execute.Proposal{Attempt: inc.Attempts[0], Step: inc.Plan.Steps()[0], Stage: -1, Reverse: true})
		if err != nil || p.Yes != (want == "") || !strings.Contains(p.Why, want) {
			t.Errorf("ledger %s: %+v, %v; want a refusal that names %q, or none", version, p, err, want)
		}
	}
}
