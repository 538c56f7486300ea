package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/plan/check"
)

// pair is a town in which payment and its peer each need the other's new version.
func pair() (*town, backout.ComponentID, backout.ComponentID) {
	w, payment := guilty()
	peer := w.part(backout.KindDeployment, "peer", 20*time.Minute, "1", "2")
	w.needs("C-there", peer, "2", payment, "2.14.0")
	w.needs("C-back", payment, "2.14.0", peer, "2")
	return w, payment, peer
}

func (w *town) turning(members ...backout.ComponentID) *town {
	w.req.World.Graph.Switches = append(w.req.World.Graph.Switches, backout.Switch{ID: "blue-green", Members: members, Router: id(backout.KindTraffic, "edge")})
	return w
}

func TestMake_switch(t *testing.T) {
	t.Run("a pair is turned at once", func(t *testing.T) {
		w, payment, peer := pair()
		p := w.turning(payment, peer).proven(t)
		wantShape(t, p, backout.ActionRollBack, "payment:2.13.2 peer:1")
		for _, s := range p.Steps() {
			if s.Switch != "blue-green" || len(s.Stages) != 1 || s.Start != 0 {
				t.Errorf("step %+v: want it whole, at the start, on the switch", s)
			}
		}
		wantText(t, "order reasons", strings.Join(p.OrderReasons, "\n"), "traffic edge turns payment to 2.13.2 and peer to 1 at once (switch blue-green)")
	})
	t.Run("what waits for it waits for both", func(t *testing.T) {
		w, payment, peer := pair()
		shop := w.part(backout.KindDeployment, "shop", 20*time.Minute, "1", "2")
		w.needs("C-shop", shop, "2", peer, "2")
		w.turning(payment, peer)
		wantShape(t, w.proven(t), backout.ActionRollBack, "shop:1", "payment:2.13.2 peer:1")
	})
	t.Run("a ring of three", func(t *testing.T) {
		w, payment := guilty()
		a := w.part(backout.KindDeployment, "a", 20*time.Minute, "1", "2")
		b := w.part(backout.KindDeployment, "b", 20*time.Minute, "1", "2")
		w.needs("C1", a, "2", payment, "2.14.0")
		w.needs("C2", b, "2", a, "2")
		w.needs("C3", payment, "2.14.0", b, "2")
		wantShape(t, w.proven(t), backout.ActionAsk)
		w.turning(payment, a, b)
		wantShape(t, w.proven(t), backout.ActionRollBack, "a:1 b:1 payment:2.13.2")
	})
	t.Run("a third outside the switch is no ring of it", func(t *testing.T) {
		w, payment := guilty()
		a := w.part(backout.KindDeployment, "a", 20*time.Minute, "1", "2")
		b := w.part(backout.KindDeployment, "b", 20*time.Minute, "1", "2")
		w.needs("C1", a, "2", payment, "2.14.0")
		w.needs("C2", b, "2", a, "2")
		w.needs("C3", payment, "2.14.0", b, "2")
		p := w.turning(payment, a).proven(t)
		wantShape(t, p, backout.ActionAsk)
		wantText(t, "summary", p.Summary, "in a circle")
	})
	t.Run("members with a safe order are not turned", func(t *testing.T) {
		w, payment := guilty()
		checkout := w.part(backout.KindDeployment, "checkout", 20*time.Minute, "1", "2")
		w.needs("C-api", checkout, "2", payment, "2.14.0")
		p := w.turning(payment, checkout).proven(t)
		wantShape(t, p, backout.ActionRollBack, "checkout:1", "payment:2.13.2")
		if p.Steps()[0].Switch != "" || len(p.Steps()[0].Stages) < 2 {
			t.Errorf("step %+v: want stages and no switch", p.Steps()[0])
		}
	})
	t.Run("the policy's limits hold for it", func(t *testing.T) {
		w, payment, peer := pair()
		w.turning(payment, peer).req.World.Policy.Limits.Components = 1
		wantShape(t, w.proven(t), backout.ActionAsk)
	})
	t.Run("a third that neither allows", func(t *testing.T) {
		w, payment, peer := pair()
		shop := w.part(backout.KindDeployment, "shop", 20*time.Minute, "1", "2")
		w.needs("C-shop", shop, "1", peer, "2") // every shop needs the new peer
		wantShape(t, w.turning(payment, peer).proven(t), backout.ActionAsk)
	})
}

// What a switch turns at once does not pass when it is set apart.
func TestMake_switchTampered(t *testing.T) {
	for name, change := range map[string]func(p *backout.Plan, w *backout.World){
		"one after the other": func(p *backout.Plan, _ *backout.World) {
			p.Waves = []backout.Wave{{Steps: p.Waves[0].Steps[:1]}, {Steps: p.Waves[0].Steps[1:]}}
		},
		"without the switch": func(p *backout.Plan, _ *backout.World) {
			p.Waves[0].Steps[0].Switch, p.Waves[0].Steps[1].Switch = "", ""
		},
		"one without": func(p *backout.Plan, _ *backout.World) { p.Waves[0].Steps[0].Switch = "" },
		"in stages": func(p *backout.Plan, _ *backout.World) {
			p.Waves[0].Steps[0].Stages = []backout.Stage{{Share: .5}, {Share: 1}}
		},
		"a switch nobody knows":  func(_ *backout.Plan, w *backout.World) { w.Graph.Switches = nil },
		"not a member":           func(_ *backout.Plan, w *backout.World) { w.Graph.Switches[0].Members = w.Graph.Switches[0].Members[:1] },
		"later than its company": func(p *backout.Plan, _ *backout.World) { p.Waves[0].Steps[1].Start++ },
	} {
		w, payment, peer := pair()
		p := w.turning(payment, peer).proven(t)
		p.Waves = []backout.Wave{{Steps: slices.Clone(p.Waves[0].Steps)}}
		change(&p, &w.req.World)
		p.Fingerprint = w.req.World.Fingerprint(p.Touched())
		p.Digest = p.ExecutableDigest()
		if found := check.Plan(w.req.World, p); len(found) == 0 {
			t.Errorf("%s: not noticed", name)
		}
	}
}

// With switches drawn at random over towns full of knots every plan passes the
// checker, and a switch never makes the way back dearer than it was without.
func TestMake_switchesPassTheChecker(t *testing.T) {
	turned := 0
	for seed := range uint64(300) {
		w := randomTown(seed, 5+int(seed%5))
		parts := w.req.World.Graph.Components
		for k := 0; k+1 < len(parts); k += 2 {
			a, b := parts[k], parts[k+1]
			newest := func(c backout.Component) backout.Version { return w.req.World.Live[c.ID].Version() }
			w.needs(fmt.Sprintf("T%d", k), a.ID, newest(a), b.ID, newest(b))
			w.needs(fmt.Sprintf("B%d", k), b.ID, newest(b), a.ID, newest(a))
		}
		before := w.make(t)
		for k := 0; k+1 < len(parts); k += 2 {
			w.req.World.Graph.Switches = append(w.req.World.Graph.Switches, backout.Switch{ID: fmt.Sprint("S", k), Members: []backout.ComponentID{parts[k].ID, parts[k+1].ID}})
		}
		p := w.make(t)
		if found := append(check.Plan(w.req.World, p), check.Values(w.req.World, w.req.Attribution, p)...); len(found) > 0 {
			t.Fatalf("seed %d: %v\nwaves %q", seed, found, shapeOf(p))
		}
		if p.Cost.Minor > before.Cost.Minor && p.Action == before.Action {
			t.Fatalf("seed %d: cost %s with switches, %s without", seed, p.Cost, before.Cost)
		}
		if p.Action == backout.ActionRollBack && before.Action != backout.ActionRollBack && p.Steps()[0].Switch != "" {
			turned++
		}
	}
	if turned < 20 {
		t.Errorf("%d plans became possible by a switch: too few to mean anything", turned)
	}
}
