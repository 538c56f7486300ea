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

// proven makes the plan and lets the checker look at it.
func (w *town) proven(t *testing.T) backout.Plan {
	t.Helper()
	p := w.make(t)
	if found := append(check.Plan(w.req.World, p), check.Values(w.req.World, w.req.Attribution, p)...); len(found) > 0 {
		t.Fatalf("the checker refuses: %v\nwaves %q\ngaps %q", found, shapeOf(p), p.Gaps)
	}
	_, d, err := Derive(w.req)
	if err != nil {
		t.Fatal(err)
	}
	var wrong []check.Violation
	if p.Certificate, wrong = check.Cost(p, d); len(wrong) > 0 {
		t.Fatalf("the checker refuses what it costs: %v", wrong)
	}
	return p
}

// guilty is a town with one suspect whose change was twenty minutes ago.
func guilty() (*town, backout.ComponentID) {
	w := newTown()
	payment := w.part(backout.KindDeployment, "payment", 20*time.Minute, "2.13.2", "2.14.0")
	w.suspect(payment, "2.14.0", .8)
	return w, payment
}

// losing sets what a minute of the incident loses.
func (w *town) losing(major int64) *town {
	w.req.Forecast.CostNow, w.req.Forecast.CostHorizon = backout.MoneyRange{P50: eur(major)}, backout.MoneyRange{P50: eur(major)}
	return w
}

func wantText(t *testing.T, where, got string, want ...string) {
	t.Helper()
	for _, s := range want {
		if !strings.Contains(got, s) {
			t.Errorf("%s %q: want %q in it", where, got, s)
		}
	}
}

// "flag on needs code >= x" binds both ways: the flag is off before the code goes
// back, and code that is not there keeps the flag from being put on again.
func TestMake_flagNeedsCode(t *testing.T) {
	t.Run("flag off first", func(t *testing.T) {
		w, payment := guilty()
		flag := w.part(backout.KindFlag, "wallet", 10*time.Minute, "off", "on")
		w.flagNeeds(flag, payment, "2.14.0")
		wantShape(t, w.proven(t), backout.ActionRollBack, "wallet:off", "payment:2.13.2")
	})
	t.Run("code first, then flag on", func(t *testing.T) {
		w := newTown()
		payment := w.part(backout.KindDeployment, "payment", 20*time.Minute, "2.14.0", "2.13.2") // somebody went back by hand
		flag := w.part(backout.KindFlag, "wallet", 10*time.Minute, "on", "off")
		w.flagNeeds(flag, payment, "2.14.0")
		w.suspect(flag, "off", .9)
		wantShape(t, w.proven(t), backout.ActionRollBack, "payment:2.14.0", "wallet:on")
	})
	t.Run("no code, no flag", func(t *testing.T) {
		w := newTown()
		payment := w.part(backout.KindDeployment, "payment", 20*time.Minute, "2.14.0", "2.13.2")
		w.req.World.Reversals[payment] = backout.Reversal{Component: payment, Why: "image 2.14.0 is gone"}
		flag := w.part(backout.KindFlag, "wallet", 10*time.Minute, "on", "off")
		w.flagNeeds(flag, payment, "2.14.0")
		w.suspect(flag, "off", .9)
		p := w.proven(t)
		wantShape(t, p, backout.ActionAsk)
		wantText(t, "summary", p.Summary, "flag wallet on does not work with payment 2.13.2 (contract C-flag)", "image 2.14.0 is gone")
	})
}

func (w *town) flagNeeds(flag, code backout.ComponentID, least backout.Version) {
	w.req.World.Contracts = append(w.req.World.Contracts, backout.Contract{
		ID: "C-flag", Consumer: flag, Provider: code, Source: backout.ContractDeclared,
		Rules: []backout.ContractRule{{When: backout.VersionRange{From: "on", To: "on"}, Needs: backout.VersionRange{From: least}}},
	})
}

func TestMake_pointOfNoReturn(t *testing.T) {
	ledger := func(rows *int64, p backout.PointOfNoReturn) *town {
		w := newTown()
		id := w.part(backout.KindSchema, "ledger", 20*time.Minute, "0041", "0042")
		w.req.World.Reversals[id].Levels[0].Rows = rows
		w.losing(1200).suspect(id, "0042", .9)
		p.ID, p.Component, p.Versions, p.Lost = "contract-0042", id, backout.VersionRange{From: "0042", To: "0042"}, "the new orders"
		w.req.World.Graph.NoReturns = []backout.PointOfNoReturn{p}
		return w
	}
	rows := func(n int64) *int64 { return &n }
	minutes := func(n int) backout.Duration { return backout.Duration(time.Duration(n) * time.Minute) }
	for name, tt := range map[string]struct {
		town   *town
		action backout.Action
		says   string // in the summary, or in the gaps of a plan that acts
	}{
		"passed by time":   {ledger(nil, backout.PointOfNoReturn{After: minutes(15), Loss: backout.LossOneWay, Reason: "old columns are dropped"}), backout.ActionAsk, "no way back from schema ledger 0042: it has passed its point of no return contract-0042, since 11:55 UTC: old columns are dropped"},
		"at once":          {ledger(nil, backout.PointOfNoReturn{Loss: backout.LossOneWay}), backout.ActionAsk, "since 11:40 UTC"},
		"passed by rows":   {ledger(rows(1000), backout.PointOfNoReturn{Rows: 1000, Loss: backout.LossOneWay}), backout.ActionAsk, "1000 rows were written since 11:40 UTC, and 1000 are the limit"},
		"within the rows":  {ledger(rows(999), backout.PointOfNoReturn{Rows: 1000, Loss: backout.LossOneWay}), backout.ActionRollBack, ""},
		"nobody counted":   {ledger(nil, backout.PointOfNoReturn{Rows: 1000, Loss: backout.LossOneWay}), backout.ActionRollBack, "nobody counted them"},
		"lossy beyond":     {ledger(nil, backout.PointOfNoReturn{After: minutes(15), Loss: backout.LossSome}), backout.ActionRollBack, "loses the new orders"},
		"lossless until":   {ledger(nil, backout.PointOfNoReturn{After: minutes(60), Loss: backout.LossOneWay}), backout.ActionRollBack, ""},
		"passes meanwhile": {ledger(nil, backout.PointOfNoReturn{After: minutes(22), Loss: backout.LossOneWay}), backout.ActionAsk, "can't be back at 0041 before 12:02 UTC"},
		"another migration": {ledger(nil, backout.PointOfNoReturn{Loss: backout.LossOneWay}).but(func(w *town) {
			w.req.World.Graph.NoReturns[0].Versions.To = "0041"
			w.req.World.Graph.NoReturns[0].Versions.From = "0041"
		}), backout.ActionRollBack, ""},
		"another environment": {ledger(nil, backout.PointOfNoReturn{Loss: backout.LossOneWay}).but(func(w *town) {
			w.req.World.Graph.NoReturns[0].Component = "schema:ledger@staging/eu-1"
		}), backout.ActionRollBack, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := tt.town.proven(t)
			if p.Action != tt.action {
				t.Fatalf("action %s (%s), want %s", p.Action, p.Summary, tt.action)
			}
			wantText(t, "summary and gaps", p.Summary+strings.Join(p.Gaps, "\n"), tt.says)
			if name == "lossless until" && (!p.Steps()[0].Until.Equal(noon.Add(40*time.Minute)) || p.Steps()[0].Loss != backout.LossNone) {
				t.Errorf("step until %s with loss %s, want 12:40 and lossless", p.Steps()[0].Until, p.Steps()[0].Loss)
			}
			if name == "lossless until" {
				wantText(t, "why", p.Steps()[0].Why, "must have ended before 12:40 UTC, then schema ledger 0042 passes its point of no return contract-0042")
			}
		})
	}
}

func (w *town) but(change func(*town)) *town {
	change(w)
	return w
}

// A version that wrote what the one before can't read is not taken back without
// saying so; with a reader it is.
func TestMake_dataFormat(t *testing.T) {
	format := func(loss backout.Loss) (*town, backout.ComponentID) {
		w, payment := guilty()
		w.losing(1200).req.World.Graph.Formats = []backout.DataFormat{{
			ID: "v2-receipts", Writer: payment, Reader: payment, Loss: loss, Lost: "receipts",
			Writes: backout.VersionRange{From: "2.14.0"}, Reads: backout.VersionRange{From: "2.14.0"},
		}}
		return w, payment
	}
	t.Run("lossy", func(t *testing.T) {
		w, _ := format(backout.LossSome)
		p := w.proven(t)
		wantShape(t, p, backout.ActionRollBack, "payment:2.13.2")
		st := p.Steps()[0]
		if st.Loss != backout.LossSome {
			t.Errorf("loss %s, want lossy", st.Loss)
		}
		wantText(t, "lost", st.Lost, "receipts, which payment has written since 11:40 UTC and payment 2.13.2 can't read (data format v2-receipts)")
		wantText(t, "gaps", strings.Join(p.Gaps, "\n"), "loses receipts")
	})
	t.Run("one way", func(t *testing.T) {
		w, _ := format(backout.LossOneWay)
		p := w.proven(t)
		wantShape(t, p, backout.ActionAsk)
		wantText(t, "summary", p.Summary, "can't read receipts")
	})
	t.Run("a reader exists", func(t *testing.T) {
		w, _ := format(backout.LossOneWay)
		w.req.World.Graph.Formats[0].Reads.From = "2.13.1"
		if p := w.proven(t); p.Action != backout.ActionRollBack || p.Steps()[0].Loss != backout.LossNone {
			t.Errorf("%s %s: want a lossless way back", p.Action, p.Summary)
		}
	})
	t.Run("not written yet", func(t *testing.T) {
		w, _ := format(backout.LossOneWay)
		w.req.World.Graph.Formats[0].Writes.From = "2.15.0"
		wantShape(t, w.proven(t), backout.ActionRollBack, "payment:2.13.2")
	})
	t.Run("data outlive the writer", func(t *testing.T) {
		w, payment := format(backout.LossOneWay)
		reports := w.part(backout.KindDeployment, "reports", 30*time.Minute, "1", "2")
		w.req.World.Graph.Formats[0].Reader, w.req.World.Graph.Formats[0].Reads = reports, backout.VersionRange{From: "2"}
		w.needs("C-api", reports, "2", payment, "2.14.0") // reports 2 must go back with payment, and can't read then
		p := w.proven(t)
		wantShape(t, p, backout.ActionAsk)
		wantText(t, "summary", p.Summary, "no way back to reports 1")
	})
}

func TestMake_securityFix(t *testing.T) {
	w, _ := guilty()
	w.losing(1200).req.World.Changes[0].Security = "CVE-2026-1234"
	p := w.proven(t)
	wantShape(t, p, backout.ActionRollBack, "payment:2.13.2")
	st := p.Steps()[0]
	if !slices.Equal(st.Exposes, []string{"CVE-2026-1234"}) {
		t.Errorf("exposes %q, want the vulnerability", st.Exposes)
	}
	wantText(t, "why", st.Why, "opens CVE-2026-1234 again")
	wantText(t, "gaps", strings.Join(p.Gaps, "\n"), "opens CVE-2026-1234 again")
	with := p.Cost
	w.req.World.Changes[0].Security = ""
	if without := w.proven(t).Cost; with.Minor-without.Minor != exposePrice {
		t.Errorf("the vulnerability costs %s on %s, want %d more", with, without, exposePrice)
	}
	w.losing(100).req.World.Changes[0].Security = "CVE-2026-1234"
	wantShape(t, w.proven(t), backout.ActionNone) // not worth a hole
}

func TestMake_consumersOutOfReach(t *testing.T) {
	app := id(backout.KindDeployment, "android")
	town := func(shares map[backout.Version]float64) *town {
		w, payment := guilty()
		g := &w.req.World.Graph
		g.Components = append(g.Components, backout.Component{ID: app, Kind: backout.KindDeployment, Name: "android", Immovable: true})
		g.Journeys = []backout.Journey{{ID: "buy", ValuePerMinute: eur(100)}, {ID: "sell", ValuePerMinute: eur(900)}}
		g.Consumers = []backout.Consumer{{ID: "android", Component: app, Users: "Android users", LossyAbove: .02, ForbiddenAbove: .1, Share: .5, Journeys: []backout.JourneyID{"buy"}}}
		if shares != nil {
			w.req.World.Live[app] = backout.Live{Shares: shares}
		}
		w.needs("C-app", app, "5.2", payment, "2.14.0")
		return w
	}
	t.Run("a few are lossy and have a price", func(t *testing.T) {
		p := town(map[backout.Version]float64{"5.1": .93, "5.2": .04, "5.3": .03}).proven(t)
		wantShape(t, p, backout.ActionRollBack, "payment:2.13.2")
		wantText(t, "lost", p.Steps()[0].Lost, "breaks 7 % of the Android users (versions >= 5.2)")
		all := town(map[backout.Version]float64{"5.1": 1}).proven(t)
		if all.Steps()[0].Loss != backout.LossNone || p.Steps()[0].Loss != backout.LossSome {
			t.Errorf("losses %s and %s, want none and some", all.Steps()[0].Loss, p.Steps()[0].Loss)
		}
		if diff := p.Cost.Minor - all.Cost.Minor; diff != 100*100*50/100*7/100*45 { // value, their share, broken, minutes
			t.Errorf("breaking them costs %d, want 15750", diff)
		}
	})
	t.Run("hardly any are a note", func(t *testing.T) {
		p := town(map[backout.Version]float64{"5.1": .99, "5.2": .01}).proven(t)
		if p.Steps()[0].Loss != backout.LossNone {
			t.Errorf("loss %s, want none", p.Steps()[0].Loss)
		}
		wantText(t, "why", p.Steps()[0].Why, "breaks 1 % of the Android users (version 5.2), which is within the 2 %")
	})
	t.Run("too many are a reason not to", func(t *testing.T) {
		p := town(map[backout.Version]float64{"5.1": .5, "5.2": .5}).proven(t)
		wantShape(t, p, backout.ActionAsk)
		wantText(t, "summary", p.Summary, "breaks 50 % of the Android users (version 5.2), and at most 10 % may be broken")
	})
	t.Run("nobody measured", func(t *testing.T) {
		p := town(nil).losing(1200).proven(t)
		if p.Action == backout.ActionRollBack && p.Steps()[0].Loss != backout.LossUnknown {
			t.Errorf("loss %s, want unknown", p.Steps()[0].Loss)
		}
		wantText(t, "gaps", strings.Join(p.Gaps, "\n"), "nobody measured which versions of android they run")
	})
	t.Run("broken before is not held against it", func(t *testing.T) {
		w := town(map[backout.Version]float64{"5.1": .5, "5.2": .5})
		w.req.World.Contracts[0].Rules[0].Needs.From = "3"
		wantShape(t, w.proven(t), backout.ActionRollBack, "payment:2.13.2")
	})
}

func TestMake_freezes(t *testing.T) {
	window := func(from, to time.Duration) []backout.Freeze {
		return []backout.Freeze{{From: noon.Add(from), To: noon.Add(to), Reason: "year end"}}
	}
	for name, tt := range map[string]struct {
		freezes []backout.Freeze
		scope   func(*backout.Freeze)
		action  backout.Action
		says    string
	}{
		"in force":         {window(-time.Hour, time.Hour), func(*backout.Freeze) {}, backout.ActionAsk, "nothing may be changed until 2026-03-02T13:00:00Z: year end"},
		"exempt":           {window(-time.Hour, time.Hour), func(f *backout.Freeze) { f.AllowRollbacks = true }, backout.ActionRollBack, ""},
		"another service":  {window(-time.Hour, time.Hour), func(f *backout.Freeze) { f.Services = []backout.ServiceID{"search"} }, backout.ActionRollBack, ""},
		"this service":     {window(-time.Hour, time.Hour), func(f *backout.Freeze) { f.Services = []backout.ServiceID{"payment"} }, backout.ActionAsk, "payment may not be changed until 2026-03-02T13:00:00Z: year end"},
		"another place":    {window(-time.Hour, time.Hour), func(f *backout.Freeze) { f.Location = "us-1" }, backout.ActionRollBack, ""},
		"begins meanwhile": {window(2*time.Minute, time.Hour), func(*backout.Freeze) {}, backout.ActionAsk, "payment can't be back at 2.13.2 before 12:02 UTC, and then nothing may be changed, not even back: year end"},
		"begins later":     {window(time.Hour, 2*time.Hour), func(*backout.Freeze) {}, backout.ActionRollBack, ""},
		"is over":          {window(-2*time.Hour, -time.Hour), func(*backout.Freeze) {}, backout.ActionRollBack, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w, _ := guilty()
			tt.scope(&tt.freezes[0])
			w.req.World.Policy.Freezes = tt.freezes
			p := w.proven(t)
			if p.Action != tt.action {
				t.Fatalf("action %s (%s), want %s", p.Action, p.Summary, tt.action)
			}
			wantText(t, "summary", p.Summary, tt.says)
		})
	}
}

// A chain whose last move would be late is not begun; nor is a part of it.
func TestMake_lateBecauseOfOthers(t *testing.T) {
	w, payment := guilty()
	checkout := w.part(backout.KindDeployment, "checkout", 15*time.Minute, "7.0.0", "7.1.0")
	w.needs("C-api", checkout, "7.1.0", payment, "2.14.0")
	alone := w.make(t).Steps()
	if len(alone) != 2 {
		t.Fatalf("steps %v, want checkout and payment", alone)
	}
	ends := noon.Add(alone[1].Start.Std() + alone[1].Takes.Std())
	w.req.World.Policy.Freezes = []backout.Freeze{{From: ends.Add(-time.Second), To: ends.Add(time.Hour), Reason: "sales", Services: []backout.ServiceID{"payment"}}}
	p := w.proven(t)
	wantShape(t, p, backout.ActionAsk)
	wantText(t, "summary", p.Summary, "then nothing may be changed, not even back: sales")
	w.req.World.Policy.Freezes[0].From = ends
	wantShape(t, w.proven(t), backout.ActionRollBack, "checkout:7.0.0", "payment:2.13.2")
}

// Every fact that limits the way back changes the fingerprint, so that a plan made
// without it is stale.
func TestFingerprint_coversLimits(t *testing.T) {
	_, payment := guilty()
	for name, add := range map[string]func(w *backout.World){
		"format":    func(w *backout.World) { w.Graph.Formats = []backout.DataFormat{{ID: "f", Reader: payment}} },
		"no return": func(w *backout.World) { w.Graph.NoReturns = []backout.PointOfNoReturn{{ID: "p", Component: payment}} },
		"budget":    func(w *backout.World) { w.Graph.Components[0].MinAvailable = 2 },
		"surge":     func(w *backout.World) { w.Graph.Components[0].MaxSurge = 2 },
		"pool":      func(w *backout.World) { w.Graph.Pools = []backout.Pool{{ID: "p", Environment: "production", Quota: 9}} },
		"security":  func(w *backout.World) { w.Changes[0].Security = "CVE-2026-1234" },
		"consumer":  func(w *backout.World) { w.Graph.Consumers = []backout.Consumer{{ID: "c", Component: payment}} },
		"switch": func(w *backout.World) {
			w.Graph.Switches = []backout.Switch{{ID: "s", Members: []backout.ComponentID{payment}}}
		},
	} {
		w, _ := guilty()
		before := w.req.World.Fingerprint([]backout.ComponentID{payment})
		add(&w.req.World)
		if w.req.World.Fingerprint([]backout.ComponentID{payment}) == before {
			t.Errorf("%s: the fingerprint is the same", name)
		}
	}
}

// waveSizes counts steps by wave.
func waveSizes(p backout.Plan) string {
	var out []int
	for _, w := range p.Waves {
		out = append(out, len(w.Steps))
	}
	return fmt.Sprint(out)
}

// What a limit bars is explained as what it is, with the way out that goes with it.
func TestMake_limitsAreExplained(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(w *town, payment backout.ComponentID)
		kind   backout.ImpossibilityKind
	}{
		"freeze": {func(w *town, _ backout.ComponentID) {
			w.req.World.Policy.Freezes = []backout.Freeze{{From: noon, To: noon.Add(time.Hour), Reason: "sales"}}
		}, backout.ImpossibleForbidden},
		"freeze soon": {func(w *town, _ backout.ComponentID) {
			w.req.World.Policy.Freezes = []backout.Freeze{{From: noon.Add(time.Minute), To: noon.Add(time.Hour), Reason: "sales"}}
		}, backout.ImpossibleForbidden},
		"budget": {func(w *town, _ backout.ComponentID) { w.req.World.Graph.Components[0].MinAvailable = 3 }, backout.ImpossibleForbidden},
		"point passed": {func(w *town, payment backout.ComponentID) {
			w.req.World.Graph.NoReturns = []backout.PointOfNoReturn{{ID: "P", Component: payment, Loss: backout.LossOneWay}}
		}, backout.ImpossibleOneWay},
		"point soon": {func(w *town, payment backout.ComponentID) {
			w.req.World.Graph.NoReturns = []backout.PointOfNoReturn{{ID: "P", Component: payment, After: backout.Duration(21 * time.Minute), Loss: backout.LossOneWay}}
		}, backout.ImpossibleOneWay},
		"format": {func(w *town, payment backout.ComponentID) {
			w.req.World.Graph.Formats = []backout.DataFormat{{ID: "F", Writer: payment, Reader: payment, Reads: backout.VersionRange{From: "2.14.0"}, Loss: backout.LossOneWay}}
		}, backout.ImpossibleOneWay},
		"users": {func(w *town, payment backout.ComponentID) {
			app := id(backout.KindDeployment, "android")
			w.req.World.Live[app] = backout.Live{Shares: map[backout.Version]float64{"5.2": 1}}
			w.req.World.Graph.Consumers = []backout.Consumer{{ID: "android", Component: app, Users: "Android users", ForbiddenAbove: .1}}
			w.needs("C-app", app, "5.2", payment, "2.14.0")
		}, backout.ImpossibleImmovable},
	} {
		t.Run(name, func(t *testing.T) {
			w, payment := guilty()
			tt.change(w, payment)
			p := w.proven(t)
			if p.Action != backout.ActionAsk || len(p.Impossible) != 1 || p.Impossible[0].Kind != tt.kind {
				t.Errorf("%s, %+v: want to ask, with %s", p.Summary, p.Impossible, tt.kind)
			}
		})
	}
}
