package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/plan/check"
)

// stuck makes a plan in which one suspect can't go back, and gives the reason.
func (w *town) stuck(t *testing.T, component backout.ComponentID) backout.Impossibility {
	t.Helper()
	p := w.make(t)
	k := slices.IndexFunc(p.Impossible, func(o backout.Impossibility) bool { return o.Component == component })
	if k < 0 {
		t.Fatalf("%s: %s\nimpossible: %+v", p.Action, p.Summary, p.Impossible)
	}
	return p.Impossible[k]
}

func ways(o backout.Impossibility) string {
	var out []string
	for _, w := range o.WaysOut {
		out = append(out, fmt.Sprintf("%s %s: %s", w.Kind, w.Component.Name(), w.Words))
	}
	return strings.Join(out, "\n")
}

func TestImpossible_pairWithItsFourCells(t *testing.T) {
	w := newTown()
	payment := w.part(backout.KindDeployment, "payment", 20*time.Minute, "2.13.2", "2.14.0")
	peer := w.part(backout.KindDeployment, "peer", 20*time.Minute, "1", "2")
	w.needs("C-there", peer, "2", payment, "2.14.0")
	w.needs("C-back", payment, "2.14.0", peer, "2")
	w.suspect(payment, "2.14.0", .8)
	got := w.stuck(t, payment)
	cell := func(pay, p backout.Version) backout.Cell {
		return backout.Cell{A: payment, B: peer, AVersion: pay, BVersion: p}
	}
	now, alone, other, both := cell("2.14.0", "2"), cell("2.13.2", "2"), cell("2.14.0", "1"), cell("2.13.2", "1")
	now.Now, now.Allowed, both.Allowed = true, true, true
	alone.Contract, alone.Source, alone.Words = "C-there", backout.ContractDeclared, "peer 2 with payment 2.13.2: because C-there"
	other.Contract, other.Source, other.Words = "C-back", backout.ContractDeclared, "payment 2.14.0 with peer 1: because C-back"
	if diff := cmp.Diff([]backout.Cell{now, alone, other, both}, got.Cells); diff != "" {
		t.Errorf("cells (-want +got):\n%s", diff)
	}
	if got.Kind != backout.ImpossiblePair || got.P != .8 || got.To != "2.14.0" || len(got.Waits) != 0 || !strings.Contains(got.Why, "neither can go back first") {
		t.Errorf("%+v", got)
	}
	for _, want := range []string{
		"intermediate peer: ship a version of peer that works with payment 2.13.2 to 2.14.0",
		"switch payment and peer at once, by a router in front of them (the catalog has none)",
		"contract payment: if you know that payment 2.13.2 works with peer 2, correct contract C-there",
		"forward payment: fix it forward: ship a corrected payment that works with peer 2",
	} {
		if !strings.Contains(ways(got), want) {
			t.Errorf("ways out:\n%s\nwant %q", ways(got), want)
		}
	}
	w.req.World.Graph.Components = append(w.req.World.Graph.Components, backout.Component{ID: id(backout.KindTraffic, "front"), Kind: backout.KindTraffic, Name: "front", Service: "peer", Environment: "production", Location: "eu-1", Actuator: "test"})
	if got := ways(w.stuck(t, payment)); !strings.Contains(got, "by traffic front, if old and new run side by side behind it") {
		t.Errorf("ways out:\n%s", got)
	}
}

// Of two circles the shorter one is shown, each arrow with its contract.
func TestImpossible_shortestCycle(t *testing.T) {
	w := newTown()
	part := func(name string) backout.ComponentID {
		return w.part(backout.KindDeployment, name, 20*time.Minute, "1", "2")
	}
	a, b, c, d, e := part("m"), part("n"), part("a"), part("b"), part("z") // the first by name is on the longer one alone
	for k, arrow := range [][2]backout.ComponentID{{b, a}, {c, b}, {d, c}, {a, d}, {e, b}, {a, e}} {
		w.needs(fmt.Sprintf("K%d", k), arrow[0], "2", arrow[1], "2")
	}
	w.suspect(a, "2", .8)
	got := w.stuck(t, a)
	var arrows []string
	for _, x := range got.Waits {
		arrows = append(arrows, fmt.Sprintf("%s<%s:%s", x.First.Name(), x.Then.Name(), x.Contract))
	}
	if diff := cmp.Diff([]string{"n<m:K0", "z<n:K4", "m<z:K5"}, arrows); diff != "" || got.Kind != backout.ImpossibleCycle {
		t.Errorf("%s (-want +got):\n%s", got.Kind, diff)
	}
	if !strings.Contains(got.Why, "m, n, z, m each have to wait for the next to go back, in a circle") {
		t.Errorf("%s", got.Why)
	}
}

// What a program concluded is doubted before what somebody wrote, and what runs now is
// never shown as forbidden: it may be the very trouble.
func TestImpossible_doubtsTheWeakestSourceFirst(t *testing.T) {
	w := newTown()
	a := w.part(backout.KindDeployment, "a", 20*time.Minute, "1", "2")
	b := w.part(backout.KindDeployment, "b", 20*time.Minute, "1", "2")
	w.needs("C-written", b, "2", a, "2")
	w.needs("C-guessed", a, "2", b, "2")
	w.req.World.Contracts[1].Source = backout.ContractSpec
	w.suspect(a, "2", .8)
	got := w.stuck(t, a)
	if text := ways(got); strings.Index(text, "C-guessed") < 0 || strings.Index(text, "C-guessed") > strings.Index(text, "C-written") {
		t.Errorf("ways out:\n%s", text)
	}
	w.needs("C-now", a, "2", b, "3")
	w.req.World.Contracts[1].Source = backout.ContractDeclared
	if now := w.stuck(t, a).Cells[0]; !now.Now || !now.Allowed {
		t.Errorf("%+v", now)
	}
}

// What stands in the way may be several contracts away.
func TestImpossible_chainToWhatCannotMove(t *testing.T) {
	w := newTown()
	payment := w.part(backout.KindDeployment, "payment", 20*time.Minute, "1", "2")
	checkout := w.part(backout.KindDeployment, "checkout", 20*time.Minute, "7", "8")
	app := id(backout.KindDeployment, "app")
	w.req.World.Live[app] = backout.Live{Shares: map[backout.Version]float64{"5": 1}}
	w.needs("C-api", checkout, "8", payment, "2")
	w.needs("C-app", app, "5", checkout, "8")
	w.suspect(payment, "2", .8)
	got := w.stuck(t, payment)
	if got.Kind != backout.ImpossibleImmovable || len(got.Waits) != 1 || got.Waits[0].First != checkout || got.Waits[0].Then != payment || got.Waits[0].Contract != "C-api" {
		t.Errorf("%+v", got)
	}
	if want := "checkout would have to go back before payment (contract C-api), but checkout 7 does not work with app 5 (contract C-app), and app can't be moved"; got.Why != want {
		t.Errorf("why %q, want %q", got.Why, want)
	}
	if len(got.Cells) != 2 || got.Cells[1].Allowed || !strings.Contains(ways(got), "ship a version of checkout that works with payment 1 to 2 and with app 5") || strings.Contains(ways(got), "ship a version of app") {
		t.Errorf("cells %+v\nways out:\n%s", got.Cells, ways(got))
	}
}

func TestImpossible_whatIsNoMatterOfContracts(t *testing.T) {
	tests := map[string]struct {
		arrange func(w *town, payment backout.ComponentID)
		kind    backout.ImpossibilityKind
		ways    string
	}{
		"one way": {func(w *town, payment backout.ComponentID) {
			w.req.World.Reversals[payment].Levels[0].Loss = backout.LossOneWay
		}, backout.ImpossibleOneWay, "forward payment: fix it forward: ship a corrected payment"},
		"nobody answers": {func(w *town, payment backout.ComponentID) {
			w.req.World.Reversals[payment] = backout.Reversal{Component: payment, Why: "registry unreachable"}
		}, backout.ImpossibleUnknown, "ask payment: see to it that whoever moves payment answers"},
		"policy": {func(w *town, payment backout.ComponentID) {
			w.req.Forbidden = map[backout.ComponentID]string{payment: "policy keeps payment"}
		}, backout.ImpossibleForbidden, "lift payment: have whoever answers for that rule allow it: policy keeps payment"},
		"hold": {func(w *town, payment backout.ComponentID) {
			w.req.World.Holds = []backout.Hold{{Component: payment, Owner: "ann", Reason: "leaks", BadTo: "1", Until: noon.Add(time.Hour)}}
		}, backout.ImpossibleHeld, "lift payment: end the hold on payment 1"},
		"own instances": {func(w *town, payment backout.ComponentID) {
			w.needs("C-self", payment, "2", payment, "2")
		}, backout.ImpossiblePair, "forward"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newTown()
			payment := w.part(backout.KindDeployment, "payment", 20*time.Minute, "1", "2")
			w.suspect(payment, "2", .8)
			tt.arrange(w, payment)
			got := w.stuck(t, payment)
			if got.Kind != tt.kind || !strings.Contains(ways(got), tt.ways) {
				t.Errorf("%s\n%s", got.Kind, ways(got))
			}
			w.req.Attribution.Suspects[0].P, w.req.Attribution.PNone = 0, .2
			w.req.Wanted = map[backout.ComponentID]backout.Version{payment: "1"}
			if p := w.make(t); p.Action != backout.ActionAsk || len(p.Impossible) != 1 || p.Impossible[0].Kind != tt.kind {
				t.Errorf("asked for by a person: %s, %+v", p.Action, p.Impossible)
			}
		})
	}
}

// apply does in the world what a way out says.
func (w *town) apply(way backout.WayOut, o backout.Impossibility) {
	world := &w.req.World
	switch way.Kind {
	case backout.WayOutIntermediate:
		w.shipped(way)
	case backout.WayOutContract:
		for k, c := range world.Contracts { // only those that the words name
			if regexp.MustCompile(`\b` + c.ID + `\b`).MatchString(way.Words) {
				n := way.WorksWith[0]
				world.Contracts[k] = permitting(c, way.Component, way.Version, n.Component, n.Versions.From)
			}
		}
	case backout.WayOutSwitch:
		w.merged(o)
	}
}

// permitting is a contract that allows a pair too: its rules are written out for
// every other version.
func permitting(c backout.Contract, a backout.ComponentID, va backout.Version, b backout.ComponentID, vb backout.Version) backout.Contract {
	consumer, provider := va, vb
	if c.Consumer == b {
		consumer, provider = vb, va
	}
	only := func(v backout.Version) backout.VersionRange { return backout.VersionRange{From: v, To: v} }
	rules := []backout.ContractRule{}
	for _, v := range []backout.Version{"1", "2", "3", "4"} {
		lowest := backout.Version("")
		for _, r := range c.Rules { // the town's contracts need a provider from some version on
			if r.When.Contains(v) && (lowest == "" || backout.CompareVersions(r.Needs.From, lowest) > 0) {
				lowest = r.Needs.From
			}
		}
		if v == consumer && provider < lowest {
			lowest = provider
		}
		rules = append(rules, backout.ContractRule{When: only(v), Needs: backout.VersionRange{From: lowest}})
	}
	c.Rules = rules
	return c
}

// shipped deploys version 4 of a component, which works with the versions of others
// that the way out names.
func (w *town) shipped(way backout.WayOut) {
	world, x := &w.req.World, way.Component
	old := world.Live[x].Version()
	r := world.Reversals[x]
	r.Levels = append(slices.Clone(r.Levels), backout.Reachable{Level: backout.Level(len(world.Stack(x))), Version: old, Loss: backout.LossNone, Verified: true})
	r.Current = "4"
	world.Reversals[x] = r
	world.Changes = append(world.Changes, backout.Change{ID: backout.ChangeID(string(x) + "=4"), Kind: x.Kind(), Component: x, From: old, To: "4",
		Exposure: backout.Exposure{Stages: []backout.ExposureStage{{At: noon.Add(-time.Minute), Share: 1}}}})
	world.Live[x] = backout.Live{Shares: map[backout.Version]float64{"4": 1}, Healthy: true}
	for k, c := range world.Contracts {
		for _, n := range way.WorksWith {
			if c.Consumer == x && c.Provider == n.Component {
				c.Rules = slices.Clone(c.Rules)
				for i := range c.Rules {
					c.Rules[i].When.To = "3"
				}
				c.Rules = append(c.Rules, backout.ContractRule{When: backout.VersionRange{From: "4"}, Needs: n.Versions})
				world.Contracts[k] = c
			}
		}
	}
}

// merged puts one component, behind one router, in the place of those in the way.
func (w *town) merged(o backout.Impossibility) {
	world, members := &w.req.World, []backout.ComponentID{}
	for _, c := range o.Cells {
		members = append(members, c.A, c.B)
	}
	for _, x := range o.Waits {
		if len(o.Cells) == 0 {
			members = append(members, x.First, x.Then)
		}
	}
	one := func(c backout.ComponentID) bool { return slices.Contains(members, c) }
	world.Changes = slices.DeleteFunc(world.Changes, func(c backout.Change) bool { return one(c.Component) })
	world.Graph.Components = slices.DeleteFunc(world.Graph.Components, func(c backout.Component) bool { return one(c.ID) })
	world.Contracts = slices.DeleteFunc(world.Contracts, func(c backout.Contract) bool { return one(c.Consumer) && one(c.Provider) })
	w.part(backout.KindTraffic, "front", 20*time.Minute, "blue", "green")
	w.suspect(id(backout.KindTraffic, "front"), "green", o.P)
	w.req.Attribution.Suspects = w.req.Attribution.Suspects[1:]
}

// A way out is no mere word: done, the change can go back, by a plan that the
// independent checker accepts.
func TestImpossible_waysOutWork(t *testing.T) {
	tried := map[backout.WayOutKind]int{}
	kinds := map[backout.ImpossibilityKind]int{}
	for seed := range uint64(1000) {
		build := func() *town {
			w := randomTown(seed, 3+int(seed%5))
			for k := range w.req.World.Contracts { // tight, so that much is impossible
				if c := &w.req.World.Contracts[k]; c.Rules[0].When.From > c.Rules[0].Needs.From {
					c.Rules[0].Needs.From = c.Rules[0].When.From
				}
			}
			top := w.req.Attribution.Suspects[0]
			top.P, w.req.Attribution.PNone = .9, .1
			w.req.Attribution.Suspects = []backout.Suspect{top}
			return w
		}
		p := build().make(t)
		for _, o := range p.Impossible {
			kinds[o.Kind]++
			checkShape(t, seed, o)
			for _, way := range o.WaysOut {
				if way.Kind == backout.WayOutForward || way.Kind == backout.WayOutSwitch {
					continue // forward is no way back; the switch is tried below
				}
				tried[way.Kind]++
				w := build()
				w.apply(way, o)
				wantBack(t, seed, w, o, way)
			}
		}
	}
	if tried[backout.WayOutIntermediate] < 50 || tried[backout.WayOutContract] < 50 || kinds[backout.ImpossibleCycle] < 8 || kinds[backout.ImpossiblePair] < 20 {
		t.Errorf("tried %v on %v: too few to mean anything", tried, kinds)
	}
}

// checkShape holds an explanation to what it promises: every arrow has its contract,
// and the last pair is one that may not be.
func checkShape(t *testing.T, seed uint64, o backout.Impossibility) {
	t.Helper()
	for k, x := range o.Waits {
		if x.Contract == "" {
			t.Errorf("seed %d: %s: wait %d (%s before %s) has no contract", seed, o.Why, k, x.First, x.Then)
		}
		if o.Kind == backout.ImpossibleCycle && x.First != o.Waits[(k+1)%len(o.Waits)].Then {
			t.Errorf("seed %d: %+v is no cycle", seed, o.Waits)
		}
	}
	if o.Kind == backout.ImpossiblePair && (len(o.Cells) != 4 || !slices.ContainsFunc(o.Cells, func(c backout.Cell) bool { return !c.Allowed })) {
		t.Errorf("seed %d: cells %+v", seed, o.Cells)
	}
	if o.Kind == backout.ImpossibleUnknown {
		t.Errorf("seed %d: no reason found: %s", seed, o.Why)
	}
}

// wantBack demands a safe plan that takes the change back.
func wantBack(t *testing.T, seed uint64, w *town, o backout.Impossibility, way backout.WayOut) {
	t.Helper()
	stack := w.req.World.Stack(o.Component)
	k := slices.IndexFunc(stack, func(c backout.Change) bool { return c.ID == o.Change })
	for l := k; l >= 0; l-- {
		v, _ := w.req.World.VersionAt(o.Component, backout.Level(l))
		w.req.Wanted = map[backout.ComponentID]backout.Version{o.Component: v}
		p := w.make(t)
		if p.Action == backout.ActionRollBack {
			if bad := append(check.Plan(w.req.World, p), check.Values(w.req.World, w.req.Attribution, p)...); len(bad) > 0 {
				t.Errorf("seed %d: %v", seed, bad)
			}
			return
		}
	}
	t.Errorf("seed %d: %s\nstill impossible after %q: %+v", seed, o.Why, way.Words, w.make(t).Impossible)
}

func TestImpossible_switchWorks(t *testing.T) {
	for _, ring := range []int{2, 3} {
		w := newTown()
		var ids []backout.ComponentID
		for k := range ring {
			ids = append(ids, w.part(backout.KindDeployment, string(rune('a'+k)), 20*time.Minute, "1", "2"))
		}
		for k := range ring {
			w.needs(fmt.Sprintf("K%d", k), ids[(k+1)%ring], "2", ids[k], "2")
		}
		w.suspect(ids[0], "2", .8)
		o := w.stuck(t, ids[0])
		k := slices.IndexFunc(o.WaysOut, func(x backout.WayOut) bool { return x.Kind == backout.WayOutSwitch })
		if k < 0 {
			t.Fatalf("no switch among\n%s", ways(o))
		}
		w.apply(o.WaysOut[k], o)
		wantShape(t, w.make(t), backout.ActionRollBack, "front:blue")
	}
}
