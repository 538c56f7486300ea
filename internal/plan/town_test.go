package plan

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func id(kind backout.ComponentKind, name string) backout.ComponentID {
	return backout.NewComponentID(kind, name, "production", "eu-1")
}

func eur(major int64) backout.Money { return backout.Money{Minor: major * 100, Currency: "EUR"} }

// town builds small worlds for the tests.
type town struct{ req Request }

func newTown() *town {
	h := backout.Duration(45 * time.Minute)
	rate := backout.MoneyRange{P50: eur(120)}
	return &town{Request{
		Incident: "INC-1",
		World: backout.World{
			Now: noon, Minute: backout.Duration(time.Minute),
			Live: map[backout.ComponentID]backout.Live{}, Reversals: map[backout.ComponentID]backout.Reversal{},
		},
		Attribution: backout.Attribution{Onset: noon.Add(-5 * time.Minute)},
		Forecast:    backout.Forecast{Horizon: h, CostNow: rate, CostHorizon: rate},
	}}
}

// part adds a component that went through versions, one change each. ago is
// how long before noon the last change was, with earlier ones an hour apart.
func (w *town) part(kind backout.ComponentKind, name string, ago time.Duration, versions ...backout.Version) backout.ComponentID {
	c := id(kind, name)
	world, last := &w.req.World, len(versions)-1
	world.Graph.Components = append(world.Graph.Components, backout.Component{
		ID: c, Kind: kind, Name: name, Service: backout.ServiceID(name), Environment: "production", Location: "eu-1", Actuator: "test", Instances: 3,
	})
	world.Graph.Services = append(world.Graph.Services, backout.Service{ID: backout.ServiceID(name)})
	world.Live[c] = backout.Live{Shares: map[backout.Version]float64{versions[last]: 1}, Healthy: true}
	r := backout.Reversal{Component: c, Known: true, Current: versions[last], Mixed: true, Shares: []float64{1. / 3, 2. / 3, 1}}
	for l := range last {
		at := noon.Add(-ago - time.Duration(last-1-l)*time.Hour)
		world.Changes = append(world.Changes, backout.Change{
			ID: backout.ChangeID(fmt.Sprintf("%s=%s", c, versions[l+1])), Kind: kind, Component: c, From: versions[l], To: versions[l+1],
			Exposure: backout.Exposure{Stages: []backout.ExposureStage{{At: at, Share: 1}}},
		})
		r.Levels = append(r.Levels, backout.Reachable{Level: backout.Level(l), Version: versions[l], Loss: backout.LossNone, Verified: true})
	}
	world.Reversals[c] = r
	return c
}

// needs adds a contract: consumer from version when on needs provider from version least on.
func (w *town) needs(name string, consumer backout.ComponentID, when backout.Version, provider backout.ComponentID, least backout.Version) {
	w.req.World.Contracts = append(w.req.World.Contracts, backout.Contract{
		ID: name, Consumer: consumer, Provider: provider, Source: backout.ContractDeclared, Reason: "because " + name,
		Rules: []backout.ContractRule{{When: backout.VersionRange{From: when}, Needs: backout.VersionRange{From: least}}},
	})
}

func (w *town) suspect(c backout.ComponentID, to backout.Version, p float64) {
	w.req.Attribution.Suspects = append(w.req.Attribution.Suspects, backout.Suspect{
		Change: backout.ChangeID(fmt.Sprintf("%s=%s", c, to)), Component: c, To: to, P: p,
		For: []backout.Evidence{{Kind: backout.EvidenceArms, LogBF: 3, Text: "fails where it runs, beside the version before"}},
	})
}

func (w *town) make(t testing.TB) backout.Plan {
	t.Helper()
	p, _ := w.derive(t)
	return p
}

func (w *town) derive(t testing.TB) (backout.Plan, backout.Derivation) {
	t.Helper()
	total := 0.0
	for _, s := range w.req.Attribution.Suspects {
		total += s.P
	}
	if w.req.Attribution.PNone == 0 {
		w.req.Attribution.PNone = 1 - total
	}
	p, d, err := Derive(w.req)
	if err != nil {
		t.Fatal(err)
	}
	return p, d
}

// randomTown draws n deployments, flags and schemas with contracts among them.
func randomTown(seed uint64, n int) *town {
	r := rand.New(rand.NewPCG(seed, 42))
	w := newTown()
	kinds := []backout.ComponentKind{backout.KindDeployment, backout.KindDeployment, backout.KindFlag, backout.KindSchema}
	var ids []backout.ComponentID
	var tops []int
	for k := range n {
		top := 2 + r.IntN(2)
		versions := []backout.Version{"1", "2", "3"}[:top]
		ids = append(ids, w.part(kinds[r.IntN(len(kinds))], fmt.Sprintf("c%03d", k), time.Duration(5+r.IntN(50))*time.Minute, versions...))
		tops = append(tops, top)
	}
	for k := range n * 3 / 2 {
		i, j := r.IntN(n), r.IntN(n)
		if i == j {
			continue
		}
		when, least := 1+r.IntN(tops[i]), 1+r.IntN(tops[j])
		w.needs(fmt.Sprintf("K%d", k), ids[i], backout.Version(fmt.Sprint(when)), ids[j], backout.Version(fmt.Sprint(least)))
		if r.IntN(3) > 0 {
			w.req.World.Graph.Dependencies = append(w.req.World.Graph.Dependencies, backout.Dependency{From: backout.ServiceID(ids[i].Name()), To: backout.ServiceID(ids[j].Name())})
		}
	}
	rest := .9
	for range 3 {
		k, p := r.IntN(n), rest*r.Float64()
		rest -= p
		w.suspect(ids[k], backout.Version(fmt.Sprint(tops[k])), p)
	}
	return w
}
