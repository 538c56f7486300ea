package endings

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/permit"
	"github.com/backout-dev/backout/internal/plan/check"
	"github.com/backout-dev/backout/internal/respond"
	"github.com/backout-dev/backout/test/town"
)

// Failures that show in the plan are asked of respond.Ready, which plans, checks and
// permits on the path that an incident takes.

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// prepared is the plan for each component of a shop in which payment 2 was shipped
// half an hour ago, and what else a test says.
func prepared(t *testing.T, say func(w *backout.World)) (map[backout.ComponentID]backout.Prepared, backout.World) {
	t.Helper()
	w := backout.World{
		Now: noon, Minute: backout.Duration(minute), Graph: graph(), Policy: policy(),
		Live: map[backout.ComponentID]backout.Live{}, Reversals: map[backout.ComponentID]backout.Reversal{},
	}
	for _, c := range w.Graph.Components {
		w.Live[c.ID] = backout.Live{Shares: map[backout.Version]float64{"1": 1}, Healthy: true}
	}
	shipped(&w, deployment("payment"))
	say(&w)
	rules, err := permit.Compile(w.Policy)
	if err != nil {
		t.Fatal(err)
	}
	out := map[backout.ComponentID]backout.Prepared{}
	for _, p := range respond.Ready(w, rules) {
		out[p.Component] = p
	}
	return out, w
}

// shipped brings a component to 2, half an hour ago, with a lossless way back.
func shipped(w *backout.World, id backout.ComponentID) {
	c, _ := w.Graph.Component(id)
	w.Live[id] = backout.Live{Shares: map[backout.Version]float64{"2": 1}, Healthy: true}
	w.Changes = append(w.Changes, backout.Change{
		ID: backout.ChangeID(id + "=2"), Kind: id.Kind(), Component: id, Services: []backout.ServiceID{c.Service}, From: "1", To: "2",
		Exposure: backout.Exposure{Stages: []backout.ExposureStage{{At: noon.Add(-30 * minute), Share: 1}}},
	})
	w.Reversals[id] = backout.Reversal{
		Component: id, Known: true, Current: "2", Shares: []float64{1. / 3, 2. / 3, 1}, Mixed: true, CompareAndSwap: true, Takes: backout.Duration(10 * time.Second),
		Levels: []backout.Reachable{{Level: 0, Version: "1", Loss: backout.LossNone, Verified: true}},
	}
}

// with adds a component that was shipped too.
func with(w *backout.World, kind backout.ComponentKind, service string) backout.ComponentID {
	id := backout.NewComponentID(kind, service, town.Environment, "eu")
	if _, known := w.Graph.Component(id); !known {
		w.Graph.Components = append(w.Graph.Components, backout.Component{
			ID: id, Kind: kind, Name: service, Service: backout.ServiceID(service), Environment: town.Environment, Location: "eu", Actuator: town.Actuator,
		})
	}
	shipped(w, id)
	return id
}

// needs lets version 2 of a consumer need version 2 of a provider; all else gets along.
func needs(w *backout.World, consumer, provider backout.ComponentID) {
	w.Contracts = append(w.Contracts, backout.Contract{
		ID: fmt.Sprintf("%s>%s", consumer, provider), Consumer: consumer, Provider: provider, Source: backout.ContractDeclared, Reason: "2 was built on 2",
		Rules: []backout.ContractRule{{When: backout.VersionRange{From: "2"}, Needs: backout.VersionRange{From: "2"}}},
	})
}

// order is the components of a plan, one after the other.
func order(p backout.Plan) string {
	var out []string
	for _, w := range p.Waves {
		for _, s := range w.Steps {
			out = append(out, string(s.Component.Kind())+" "+s.Component.Name())
		}
	}
	return strings.Join(out, ", ")
}

func wants(t *testing.T, p backout.Prepared, verdict backout.Rollbackability, says string) {
	t.Helper()
	all := strings.Join(slices.Concat(p.Reasons, p.Lost, p.Advice, []string{p.Plan.Summary}), "\n")
	if p.Verdict != verdict || !strings.Contains(all, says) {
		t.Errorf("verdict %s, want %s with %q:\n%s", p.Verdict, verdict, says, all)
	}
}

// Our own deed, reported by whoever watches the target, is no change of somebody's:
// after it nothing is put back forward.
func TestFailureMode04_noRollbackOfARollback(t *testing.T) {
	_, w := prepared(t, func(*backout.World) {})
	p := backout.Plan{Action: backout.ActionRollBack, Waves: []backout.Wave{{Steps: []backout.Step{{Component: deployment("payment"), Service: "payment", From: "2", To: "1", Reverts: []backout.ChangeID{"c"}}}}}}
	rules, err := permit.Compile(w.Policy)
	if err != nil {
		t.Fatal(err)
	}
	if r := rules.Whole(w, p, backout.Attribution{}, backout.Incident{}); strings.Contains(strings.Join(r.Reasons, " "), "rollback of a rollback") {
		t.Fatalf("refused without a response: %v", r.Reasons)
	}
	w.Responses = []backout.Response{{Attempt: "INC-0/1", Component: deployment("payment"), To: "2", At: noon.Add(-5 * minute)}}
	if r := rules.Whole(w, p, backout.Attribution{}, backout.Incident{}); r.Automatic || !strings.Contains(strings.Join(r.Reasons, " "), "no rollback of a rollback") {
		t.Errorf("%+v: want it left to a person", r)
	}
}

// No stage takes more instances out than must stay in service.
func TestFailureMode12_capacityOnTheWayBack(t *testing.T) {
	all, _ := prepared(t, func(w *backout.World) {
		for i := range w.Graph.Components {
			w.Graph.Components[i].MinAvailable = 2
		}
	})
	stages := all[deployment("payment")].Plan.Steps()[0].Stages
	for i, s := range stages {
		before := 0.0
		if i > 0 {
			before = stages[i-1].Share
		}
		if s.Share-before > 1./3+1e-6 {
			t.Errorf("stage %d moves %.2f of three instances of which two must stay", i, s.Share-before)
		}
	}
}

// A quota that leaves no room for the way back is seen before anything moves.
func TestFailureMode13_quotaBlocksTheWayBack(t *testing.T) {
	all, _ := prepared(t, func(w *backout.World) {
		for i := range w.Graph.Components {
			w.Graph.Components[i].MinAvailable, w.Graph.Components[i].MaxSurge = 3, 1
		}
		w.Graph.Pools = []backout.Pool{{ID: "nodes", Components: []backout.ComponentID{deployment("payment")}, Quota: 3}}
	})
	wants(t, all[deployment("payment")], backout.RollbackBlocked, "surge for 0")
}

func TestFailureMode17_migrationWithoutAWayBack(t *testing.T) {
	var schema backout.ComponentID
	all, _ := prepared(t, func(w *backout.World) {
		schema = with(w, backout.KindSchema, "ledger")
		w.Reversals[schema].Levels[0].Loss, w.Reversals[schema].Levels[0].Lost = backout.LossOneWay, "the dropped column"
	})
	if p := all[schema]; p.Verdict != backout.RollbackOneWay || len(p.Plan.Waves) > 0 {
		t.Errorf("verdict %s with %d waves, want one_way and no step", p.Verdict, len(p.Plan.Waves))
	}
}

// An older binary that can't run on the newer schema goes back only with it, or not
// at all.
func TestFailureMode18_oldBinaryRefusesTheNewerSchema(t *testing.T) {
	refuses := func(w *backout.World, schema backout.ComponentID) {
		w.Contracts = append(w.Contracts, backout.Contract{ID: "schema", Consumer: deployment("payment"), Provider: schema, Source: backout.ContractDeclared, Reason: "1 checks the schema's version",
			Rules: []backout.ContractRule{{When: backout.VersionRange{To: "1"}, Needs: backout.VersionRange{To: "1"}}}})
	}
	all, _ := prepared(t, func(w *backout.World) { refuses(w, with(w, backout.KindSchema, "ledger")) })
	if got := order(all[deployment("payment")].Plan); got != "schema ledger, deployment payment" {
		t.Errorf("order %q: the schema must be back before the old binary starts", got)
	}
	all, _ = prepared(t, func(w *backout.World) {
		schema := with(w, backout.KindSchema, "ledger")
		refuses(w, schema)
		w.Reversals[schema].Levels[0].Loss = backout.LossOneWay
	})
	if p := all[deployment("payment")]; p.Verdict.Reversible() || len(p.Plan.Waves) > 0 {
		t.Errorf("verdict %s with steps %q, though the schema can't go back", p.Verdict, order(p.Plan))
	}
}

// The schema goes back when nothing needs the newer one any more.
func TestFailureMode19_downMigrationTooEarly(t *testing.T) {
	var schema backout.ComponentID
	all, _ := prepared(t, func(w *backout.World) {
		schema = with(w, backout.KindSchema, "ledger")
		needs(w, deployment("payment"), schema)
	})
	if got := order(all[schema].Plan); got != "deployment payment, schema ledger" {
		t.Errorf("order %q", got)
	}
}

// Flag, then code, then schema; and a schema that nobody suspects stays.
func TestFailureMode20_orderOfFlagCodeAndSchema(t *testing.T) {
	var flag, schema backout.ComponentID
	all, w := prepared(t, func(w *backout.World) {
		schema, flag = with(w, backout.KindSchema, "ledger"), with(w, backout.KindFlag, "shop")
		needs(w, deployment("payment"), schema)
		needs(w, flag, deployment("payment"))
	})
	if got := order(all[schema].Plan); got != "flag shop, deployment payment, schema ledger" {
		t.Errorf("order %q", got)
	}
	if got := order(all[deployment("payment")].Plan); got != "flag shop, deployment payment" {
		t.Errorf("order %q: the additive schema should stay", got)
	}
	p := all[schema].Plan
	slices.Reverse(p.Waves)
	if len(check.Plan(w, p)) == 0 {
		t.Error("the checker lets the wrong order pass")
	}
}

// Data that the older version can't read makes going back lossy, in words.
func TestFailureMode21_dataTheOldVersionCantRead(t *testing.T) {
	all, _ := prepared(t, func(w *backout.World) {
		p := deployment("payment")
		w.Graph.Formats = []backout.DataFormat{{ID: "receipts", Writer: p, Writes: backout.VersionRange{From: "2"}, Reader: p, Reads: backout.VersionRange{From: "2"}, Loss: backout.LossSome, Lost: "receipts written since"}}
	})
	wants(t, all[deployment("payment")], backout.RollbackLossy, "receipts written since")
}

// Who has moved on to the newer version goes back with it, and before it.
func TestFailureMode22_dependantThatMovedOn(t *testing.T) {
	all, _ := prepared(t, func(w *backout.World) { needs(w, with(w, backout.KindDeployment, "shop"), deployment("payment")) })
	if got := order(all[deployment("payment")].Plan); got != "deployment shop, deployment payment" {
		t.Errorf("order %q", got)
	}
}

// Two that need each other can't go one after the other: that is said, not tried.
func TestFailureMode23_cycle(t *testing.T) {
	var shop backout.ComponentID
	all, _ := prepared(t, func(w *backout.World) {
		shop = with(w, backout.KindDeployment, "shop")
		needs(w, shop, deployment("payment"))
		needs(w, deployment("payment"), shop)
	})
	if p := all[deployment("payment")]; p.Verdict.Reversible() || len(p.Plan.Waves) > 0 {
		t.Errorf("verdict %s, order %q: no order is safe", p.Verdict, order(p.Plan))
	}
}
