package plan

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/plan/check"
)

// shapeOf writes a plan's waves as component:target, for comparison.
func shapeOf(p backout.Plan) []string {
	out := []string{}
	for _, w := range p.Waves {
		var names []string
		for _, s := range w.Steps {
			names = append(names, fmt.Sprintf("%s:%s", s.Component.Name(), s.To))
		}
		out = append(out, strings.Join(names, " "))
	}
	return out
}

func wantShape(t *testing.T, p backout.Plan, action backout.Action, waves ...string) {
	t.Helper()
	if p.Action != action {
		t.Errorf("action %s (%s), want %s", p.Action, p.Summary, action)
	}
	if diff := cmp.Diff(append([]string{}, waves...), shapeOf(p)); diff != "" {
		t.Errorf("waves (-want +got):\n%s%s", diff, p.Summary)
	}
}

func TestMake_culpritAlone(t *testing.T) {
	w := newTown()
	payment := w.part(backout.KindDeployment, "payment", 20*time.Minute, "2.13.2", "2.14.0")
	search := w.part(backout.KindDeployment, "search", 15*time.Minute, "5.0.0", "5.1.0")
	w.suspect(payment, "2.14.0", .85)
	w.suspect(search, "5.1.0", .02)
	p := w.make(t)
	wantShape(t, p, backout.ActionRollBack, "payment:2.13.2")
	st := p.Steps()[0]
	if st.Demanded || st.P != .85 || len(st.Reverts) != 1 {
		t.Errorf("step %+v: want an undemanded one with P 0.85 and one change", st)
	}
	for _, s := range []string{st.Precondition, st.Check, st.WayBack, st.Why} {
		if s == "" {
			t.Errorf("step %+v lacks words", st)
		}
	}
	if len(st.Stages) < 2 || st.Stages[len(st.Stages)-1].Share != 1 {
		t.Errorf("stages %+v: want a canary first and everything last", st.Stages)
	}
	if p.Cost.Minor >= p.CostNothing.Minor || p.CostNothing != eur(120*45) {
		t.Errorf("cost %s against %s for nothing, want less than %s", p.Cost, p.CostNothing, eur(120*45))
	}
	if len(p.Gaps) > 0 || p.Certificate.Optimal || p.Certificate.Safe {
		t.Errorf("gaps %q, certificate %+v: want none, optimal, and safe left to the checker", p.Gaps, p.Certificate)
	}
	if len(p.Left) != 1 || p.Left[0].Component != search {
		t.Errorf("left %+v, want search", p.Left)
	}
	if want := .85 * .95; math.Abs(p.Success-want) > 1e-9 {
		t.Errorf("success %.4f, want %.4f", p.Success, want)
	}
}

// A consumer that came to rely on the new payment goes back first; the flag that
// needs the new code is switched off first; the additive migration stays.
func TestMake_orderOfMixedKinds(t *testing.T) {
	w := newTown()
	schema := w.part(backout.KindSchema, "ledger", 40*time.Minute, "41", "42")
	payment := w.part(backout.KindDeployment, "payment", 30*time.Minute, "2.13.2", "2.14.0")
	checkout := w.part(backout.KindDeployment, "checkout", 20*time.Minute, "7.0.0", "7.1.0")
	flag := w.part(backout.KindFlag, "wallet", 10*time.Minute, "off", "on")
	w.needs("C-schema", payment, "2.14.0", schema, "42")
	w.needs("C-api", checkout, "7.1.0", payment, "2.14.0")
	w.needs("C-flag", flag, "on", checkout, "7.1.0")
	w.suspect(payment, "2.14.0", .8)
	p := w.make(t)
	wantShape(t, p, backout.ActionRollBack, "wallet:off", "checkout:7.0.0", "payment:2.13.2")
	steps := p.Steps()
	if !steps[0].Demanded || !steps[1].Demanded || steps[2].Demanded {
		t.Error("flag and checkout are innocents that contracts demand, payment is not")
	}
	if !strings.Contains(steps[1].Why, "C-api") {
		t.Errorf("why of checkout %q, want its contract", steps[1].Why)
	}
	if len(p.OrderReasons) != 2 || !strings.Contains(strings.Join(p.OrderReasons, "\n"), "checkout goes back before payment: contract C-api") {
		t.Errorf("order reasons %q", p.OrderReasons)
	}
	if i := slices.IndexFunc(p.Left, func(l backout.Left) bool { return l.Component == schema }); i < 0 {
		t.Errorf("left %+v, want the schema in place", p.Left)
	}
	if i := slices.IndexFunc(p.Left, func(l backout.Left) bool { return strings.Contains(l.Why, "payment 2.13.2 works with it") }); i < 0 {
		t.Errorf("left %+v, want the reason that the old code works with the schema", p.Left)
	}
	if steps[1].Start != steps[0].Takes {
		t.Errorf("checkout starts at %s, want %s, when the flag is off", steps[1].Start, steps[0].Takes)
	}
}

func TestMake_noChangeToBlame(t *testing.T) {
	w := newTown()
	payment := w.part(backout.KindDeployment, "payment", 20*time.Minute, "2.13.2", "2.14.0")
	w.suspect(payment, "2.14.0", .2)
	w.req.Attribution.Origins = []backout.Origin{{Kind: backout.OriginExternal, Service: "bank", P: .7, Text: "the bank answers slowly"}}
	p := w.make(t)
	wantShape(t, p, backout.ActionNone)
	if !strings.Contains(p.Summary, "the bank answers slowly") || p.Cost != p.CostNothing {
		t.Errorf("summary %q, cost %s of %s", p.Summary, p.Cost, p.CostNothing)
	}
}

func TestMake_notWorthIt(t *testing.T) {
	w := newTown()
	payment := w.part(backout.KindDeployment, "payment", 20*time.Minute, "2.13.2", "2.14.0")
	w.suspect(payment, "2.14.0", .6)
	w.req.Forecast.CostNow, w.req.Forecast.CostHorizon = backout.MoneyRange{P50: eur(1)}, backout.MoneyRange{P50: eur(1)}
	p := w.make(t)
	wantShape(t, p, backout.ActionNone)
	if !strings.Contains(p.Summary, "more than it is expected to save") {
		t.Errorf("summary %q", p.Summary)
	}
}

func TestMake_unlikelyAndOutOfReach(t *testing.T) {
	w := newTown()
	payment := w.part(backout.KindDeployment, "payment", 20*time.Minute, "2.13.2", "2.14.0")
	w.req.World.Reversals[payment] = backout.Reversal{Component: payment, Why: "registry unreachable"}
	w.suspect(payment, "2.14.0", .04)
	w.req.Attribution.PNone = .4
	wantShape(t, w.make(t), backout.ActionNone)
}

func TestMake_asksWhenBlocked(t *testing.T) {
	tests := map[string]struct {
		arrange func(w *town, payment backout.ComponentID)
		want    string
	}{
		"one way": {func(w *town, payment backout.ComponentID) {
			r := w.req.World.Reversals[payment]
			r.Levels[0].Loss, r.Levels[0].Lost = backout.LossOneWay, "keys were rotated"
		}, "keys were rotated"},
		"unknown": {func(w *town, payment backout.ComponentID) {
			w.req.World.Reversals[payment] = backout.Reversal{Component: payment, Why: "registry unreachable"}
		}, "registry unreachable"},
		"policy": {func(w *town, payment backout.ComponentID) {
			w.req.Forbidden = map[backout.ComponentID]string{payment: "policy keeps payment"}
		}, "policy keeps payment"},
		"freeze": {func(w *town, _ backout.ComponentID) {
			w.req.World.Policy.Freezes = []backout.Freeze{{From: noon.Add(-time.Hour), To: noon.Add(time.Hour), Reason: "year end"}}
		}, "year end"},
		"marked bad": {func(w *town, payment backout.ComponentID) {
			w.req.World.Holds = []backout.Hold{{Component: payment, Owner: "ann", Reason: "leaks", BadTo: "2.13.2", Until: noon.Add(time.Hour)}}
		}, "marked bad by ann"},
		"partner": {func(w *town, payment backout.ComponentID) {
			app := id(backout.KindDeployment, "mobile")
			w.req.World.Graph.Components = append(w.req.World.Graph.Components, backout.Component{ID: app, Kind: backout.KindDeployment, Name: "mobile", Immovable: true})
			w.req.World.Live[app] = backout.Live{Shares: map[backout.Version]float64{"3": .5, "4": .5}}
			w.needs("C-mobile", app, "4", payment, "2.14.0")
		}, "mobile can't be moved"},
		"left over by a rollout": {func(w *town, payment backout.ComponentID) {
			app := id(backout.KindDeployment, "mobile")
			w.req.World.Graph.Components = append(w.req.World.Graph.Components, backout.Component{ID: app, Kind: backout.KindDeployment, Name: "mobile", Immovable: true})
			w.req.World.Live[app] = backout.Live{Shares: map[backout.Version]float64{"3": .1, "4": .9}}
			w.req.World.Contracts = append(w.req.World.Contracts, backout.Contract{ID: "C-old", Consumer: app, Provider: payment,
				Rules: []backout.ContractRule{{When: backout.VersionRange{To: "3"}, Needs: backout.VersionRange{From: "2.14.0"}}}})
		}, "payment 2.13.2 does not work with mobile 3 (contract C-old), and mobile can't be moved"},
		"atomic switch": {func(w *town, payment backout.ComponentID) {
			peer := w.part(backout.KindDeployment, "peer", 20*time.Minute, "1", "2")
			w.needs("C-there", peer, "2", payment, "2.14.0")
			w.needs("C-back", payment, "2.14.0", peer, "2")
		}, "neither can go back first. What would help: ship a version of peer that works with payment 2.13.2 to 2.14.0"},
		"circle": {func(w *town, payment backout.ComponentID) {
			a := w.part(backout.KindDeployment, "a", 20*time.Minute, "1", "2")
			b := w.part(backout.KindDeployment, "b", 20*time.Minute, "1", "2")
			w.needs("C1", a, "2", payment, "2.14.0")
			w.needs("C2", b, "2", a, "2")
			w.needs("C3", payment, "2.14.0", b, "2")
		}, "in a circle"},
		"own instances": {func(w *town, payment backout.ComponentID) {
			w.needs("C-self", payment, "2.14.0", payment, "2.14.0")
		}, "can't run side by side"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newTown()
			payment := w.part(backout.KindDeployment, "payment", 20*time.Minute, "2.13.2", "2.14.0")
			w.suspect(payment, "2.14.0", .8)
			tt.arrange(w, payment)
			p := w.make(t)
			wantShape(t, p, backout.ActionAsk)
			if !strings.Contains(p.Summary, tt.want) {
				t.Errorf("summary %q, want %q in it", p.Summary, tt.want)
			}
		})
	}
}

func TestMake_gapsNeedAPerson(t *testing.T) {
	w := newTown()
	payment := w.part(backout.KindDeployment, "payment", 20*time.Minute, "2.13.2", "2.14.0")
	cart := w.part(backout.KindDeployment, "cart", 8*time.Minute, "1", "2")
	w.req.World.Graph.Dependencies = []backout.Dependency{{From: "cart", To: "payment"}}
	w.suspect(payment, "2.14.0", .8)
	p := w.make(t)
	if len(p.Gaps) != 1 || !strings.Contains(p.Gaps[0], "2.13.2 with "+string(cart)+" 2") && !strings.Contains(p.Gaps[0], "2 with "+string(payment)+" 2.13.2") {
		t.Errorf("gaps %q, want the pair that never met", p.Gaps)
	}
	w.req.World.Pairs = []backout.Pair{{A: payment, B: cart, AVersion: "2.13.2", BVersion: "2"}}
	if p := w.make(t); len(p.Gaps) != 1 {
		t.Errorf("gaps %q: a pair that was ill together proves nothing", p.Gaps)
	}
	w.req.World.Pairs[0].Healthy = true
	if p := w.make(t); len(p.Gaps) != 0 {
		t.Errorf("gaps %q although the pair was seen healthy", p.Gaps)
	}
	w.req.World.Reversals[payment].Levels[0].Loss = backout.LossUnknown
	w.req.Forecast.CostNow, w.req.Forecast.CostHorizon = backout.MoneyRange{P50: eur(900)}, backout.MoneyRange{P50: eur(900)}
	if p := w.make(t); len(p.Gaps) != 1 || !strings.Contains(p.Gaps[0], "nobody checked") {
		t.Errorf("gaps %q, want the unknown loss", p.Gaps)
	}
}

func TestMake_handWrittenContractsWin(t *testing.T) {
	w := newTown()
	payment := w.part(backout.KindDeployment, "payment", 30*time.Minute, "2.13.2", "2.14.0")
	checkout := w.part(backout.KindDeployment, "checkout", 20*time.Minute, "7.0.0", "7.1.0")
	w.suspect(payment, "2.14.0", .8)
	w.needs("C-guess", checkout, "7.1.0", payment, "2.14.0")
	w.req.World.Contracts[0].Source = backout.ContractSpec
	wantShape(t, w.make(t), backout.ActionRollBack, "checkout:7.0.0", "payment:2.13.2")
	w.needs("C-hand", checkout, "7.1.0", payment, "2.13.0")
	wantShape(t, w.make(t), backout.ActionRollBack, "payment:2.13.2")
}

func TestMake_audienceOfAFlag(t *testing.T) {
	w := newTown()
	flag := w.part(backout.KindFlag, "reports", 10*time.Minute, "off", "on")
	w.req.World.Changes[0].Exposure.Stages[0].Audience = "acme"
	w.suspect(flag, "on", .9)
	p := w.make(t)
	wantShape(t, p, backout.ActionRollBack, "reports:off")
	if st := p.Steps()[0].Stages; len(st) != 1 || st[0].Audience != "acme" {
		t.Errorf("stages %+v, want everything of acme and nobody else", st)
	}
}

// A rehearsal that runs sixty times as fast decides what the real day would.
func TestMake_modelMinute(t *testing.T) {
	for _, rate := range []int64{2, 20, 120} { // from not worth it to worth it
		build := func(fast time.Duration) backout.Plan {
			w := newTown()
			payment := w.part(backout.KindDeployment, "payment", 30*time.Minute/fast, "2.13.2", "2.14.0")
			w.part(backout.KindConfig, "limits", 20*time.Minute/fast, "r1", "r2")
			w.suspect(payment, "2.14.0", .8)
			w.suspect(id(backout.KindConfig, "limits"), "r2", .1)
			cost := backout.MoneyRange{P50: backout.Money{Minor: rate * 6000 / int64(fast), Currency: "EUR"}}
			w.req.Forecast = backout.Forecast{Horizon: backout.Duration(45 * time.Minute / fast), CostNow: cost, CostHorizon: cost}
			w.req.World.Minute = backout.Duration(time.Minute / fast)
			for c, r := range w.req.World.Reversals {
				r.Takes = backout.Duration(30 * time.Second / fast)
				w.req.World.Reversals[c] = r
			}
			return w.make(t)
		}
		real, fast := build(1), build(60)
		if real.Action != fast.Action || len(real.Steps()) != len(fast.Steps()) {
			t.Errorf("%d a minute: %s with %d steps on the real day, %s with %d in the rehearsal", rate, real.Action, len(real.Steps()), fast.Action, len(fast.Steps()))
		}
		if ratio := float64(real.Cost.Minor) / float64(60*fast.Cost.Minor); ratio < .99 || ratio > 1.01 { // whole ticks and cents
			t.Errorf("%d a minute: costs %s on the real day, %s in the rehearsal: want sixty times as much", rate, real.Cost, fast.Cost)
		}
	}
}

// The likeliest cause is out of reach: whatever it costs, a person must know.
func TestMake_likelyButOutOfReachAsksWhateverItCosts(t *testing.T) {
	w := newTown()
	schema := w.part(backout.KindSchema, "shop", 10*time.Minute, "1", "3")
	r := w.req.World.Reversals[schema]
	r.Levels[0].Loss, r.Levels[0].Lost = backout.LossOneWay, "no way down"
	w.req.World.Reversals[schema] = r
	w.req.Forecast.CostNow, w.req.Forecast.CostHorizon = backout.MoneyRange{}, backout.MoneyRange{}
	w.suspect(schema, "3", .9)
	if p := w.make(t); p.Action != backout.ActionAsk {
		t.Errorf("%s: %s", p.Action, p.Summary)
	}
	w.req.Attribution.Suspects[0].P, w.req.Attribution.PNone = .2, .3
	if p := w.make(t); p.Action != backout.ActionNone {
		t.Errorf("%s: %s; nobody is woken for what is unlikely, cheap and out of reach", p.Action, p.Summary)
	}
}

func TestMake_audienceThatIsHurt(t *testing.T) {
	w := newTown()
	flag := w.part(backout.KindFlag, "reports", 10*time.Minute, "off", "on")
	at := w.req.World.Changes[0].Exposure.Stages[0].At
	w.req.World.Changes[0].Exposure.Stages = []backout.ExposureStage{{At: at, Share: .1, Audience: "acme"}, {At: at.Add(time.Minute), Share: .2, Audience: "bolt"}}
	w.suspect(flag, "on", .9)
	w.req.Attribution.Suspects[0].Audience = "bolt"
	p := w.make(t)
	wantShape(t, p, backout.ActionRollBack, "reports:off")
	if st := p.Steps()[0].Stages; len(st) != 1 || st[0].Audience != "bolt" {
		t.Errorf("stages %+v, want off for bolt alone", st)
	}
	w.req.Attribution.Suspects[0].Audience = ""
	if st := w.make(t).Steps()[0].Stages; st[len(st)-1].Audience != "" || st[len(st)-1].Share != 1 {
		t.Errorf("stages %+v, want off for everybody who met it", st)
	}
}

// Off for one audience leaves the flag on for all others, and a contract that the
// flag is under then still counts.
func TestMake_audienceOfATiedFlagIsEverybody(t *testing.T) {
	w := newTown()
	payment := w.part(backout.KindDeployment, "payment", 30*time.Minute, "2.13.2", "2.14.0")
	flag := w.part(backout.KindFlag, "express", 10*time.Minute, "off", "on")
	w.req.World.Changes[1].Exposure.Stages[0].Audience = "acme"
	w.needs("C-flag", flag, "on", payment, "2.14.0")
	w.suspect(payment, "2.14.0", .9)
	p := w.make(t)
	wantShape(t, p, backout.ActionRollBack, "express:off", "payment:2.13.2")
	for _, s := range p.Steps() {
		for _, st := range s.Stages {
			if st.Audience != "" {
				t.Errorf("step %s moves %s only", s.ID, st.Audience)
			}
		}
	}
}

func TestMake_hurriesWhatOthersWaitFor(t *testing.T) {
	w := newTown()
	payment := w.part(backout.KindDeployment, "payment", 30*time.Minute, "2.13.2", "2.14.0")
	checkout := w.part(backout.KindDeployment, "checkout", 20*time.Minute, "7.0.0", "7.1.0")
	r := w.req.World.Reversals[checkout]
	r.Shares = []float64{.05, .25, .5, 1}
	w.req.World.Reversals[checkout] = r
	w.req.World.Graph.Components[1].Instances = 20
	w.needs("C-api", checkout, "7.1.0", payment, "2.14.0")
	w.suspect(payment, "2.14.0", .8)
	p := w.make(t)
	wantShape(t, p, backout.ActionRollBack, "checkout:7.0.0", "payment:2.13.2")
	if st := p.Steps()[0].Stages; len(st) != 2 || st[0].Share != .5 {
		t.Errorf("stages of checkout %+v, want half and then all", st)
	}
}

// Both locations of a bad release go back, one after the other: the first is the
// canary of the second.
func TestMake_locationByLocation(t *testing.T) {
	w := newTown()
	eu := w.part(backout.KindDeployment, "payment", 30*time.Minute, "1", "2")
	w.part(backout.KindDeployment, "web", 30*time.Minute, "1", "2")
	us := backout.NewComponentID(backout.KindDeployment, "payment", "production", "us-1")
	world := &w.req.World
	part := world.Graph.Components[0]
	part.ID, part.Location = us, "us-1"
	world.Graph.Components = append(world.Graph.Components, part)
	world.Live[us] = world.Live[eu]
	r := world.Reversals[eu]
	r.Component = us
	world.Reversals[us] = r
	change := world.Changes[0]
	change.ID, change.Component = backout.ChangeID(string(us)+"=2"), us
	world.Changes = append(world.Changes, change)
	w.suspect(eu, "2", .45)
	w.suspect(us, "2", .5)
	p := w.make(t)
	wantShape(t, p, backout.ActionRollBack, "payment:1", "payment:1")
	if len(p.Waves) != 2 || p.Waves[0].Steps[0].Component != us || p.Waves[1].Steps[0].Start < p.Waves[0].Steps[0].Takes {
		t.Errorf("waves %+v: want us-1, the likelier one, alone and wholly before eu-1", p.Waves)
	}
	if bad := check.Plan(w.req.World, p); len(bad) > 0 {
		t.Errorf("not safe: %v", bad)
	}
	if why := p.Steps()[0].Why; !strings.Contains(why, "payment in us-1") {
		t.Errorf("%q does not say where", why)
	}
}

func TestMake_whatAPersonWants(t *testing.T) {
	build := func() (*town, backout.ComponentID) {
		w := newTown()
		payment := w.part(backout.KindDeployment, "payment", 30*time.Minute, "1", "2", "3")
		checkout := w.part(backout.KindDeployment, "checkout", 20*time.Minute, "7", "8")
		w.needs("C-api", checkout, "8", payment, "2")
		return w, payment
	}
	w, payment := build()
	w.req.Wanted = map[backout.ComponentID]backout.Version{payment: "1"}
	p := w.make(t)
	wantShape(t, p, backout.ActionRollBack, "checkout:7", "payment:1")
	if st := p.Steps(); !st[0].Demanded || st[1].Demanded || !strings.Contains(st[1].Why, "somebody asked") {
		t.Errorf("steps %+v", st)
	}
	if found := check.Plan(w.req.World, p); len(found) > 0 {
		t.Errorf("violations %v", found)
	}
	w.req.Wanted[payment] = "2"
	wantShape(t, w.make(t), backout.ActionRollBack, "payment:2")
	for version, want := range map[backout.Version]string{"0": "no earlier version", "3": "no earlier version", "1": "C-hold"} {
		w, payment := build()
		app := id(backout.KindDeployment, "app")
		w.req.World.Live[app] = backout.Live{Shares: map[backout.Version]float64{"5": 1}}
		w.needs("C-hold", app, "5", payment, "2")
		w.req.Wanted = map[backout.ComponentID]backout.Version{payment: version}
		p := w.make(t)
		wantShape(t, p, backout.ActionAsk)
		if !strings.Contains(p.Summary, want) {
			t.Errorf("summary %q, want %q in it", p.Summary, want)
		}
	}
}

func TestMake_resumesAfterOwnRollback(t *testing.T) {
	w := newTown()
	payment := w.part(backout.KindDeployment, "payment", 30*time.Minute, "2.13.2", "2.14.0")
	w.req.World.Live[payment] = backout.Live{Shares: map[backout.Version]float64{"2.13.2": 1}}
	w.suspect(payment, "2.14.0", .8)
	p := w.make(t)
	wantShape(t, p, backout.ActionNone)
	if len(p.Left) != 1 || p.Left[0].Why != "it was taken back already" {
		t.Errorf("left %+v", p.Left)
	}
}

func TestMake_rolloutInProgress(t *testing.T) {
	w := newTown()
	payment := w.part(backout.KindDeployment, "payment", 10*time.Minute, "2.13.2", "2.14.0")
	w.req.World.Live[payment] = backout.Live{Shares: map[backout.Version]float64{"2.13.2": .9, "2.14.0": .1}}
	w.suspect(payment, "2.14.0", .8)
	wantShape(t, w.make(t), backout.ActionRollBack, "payment:2.13.2")
}

func TestMake_refusesNonsense(t *testing.T) {
	w := newTown()
	payment := w.part(backout.KindDeployment, "payment", 10*time.Minute, "1", "2")
	w.suspect(payment, "2", .8)
	for _, none := range []float64{.9, -.1, math.NaN()} {
		w.req.Attribution.PNone = none
		if _, err := Make(w.req); backout.CodeOf(err) != backout.CodeInvalid {
			t.Errorf("no change %v: error %v, want invalid", none, err)
		}
	}
	w.req.Attribution.PNone, w.req.Attribution.Suspects[0].P = .1, math.NaN()
	if _, err := Make(w.req); backout.CodeOf(err) != backout.CodeInvalid || !strings.Contains(err.Error(), string(w.req.Attribution.Suspects[0].Change)) {
		t.Errorf("a suspect without a number: error %v, want invalid, and its name", err)
	}
}
