package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

func TestMake_alternatives(t *testing.T) {
	w := newTown()
	payment := w.part(backout.KindDeployment, "payment", 30*time.Minute, "2.13.2", "2.14.0")
	checkout := w.part(backout.KindDeployment, "checkout", 20*time.Minute, "7.0.0", "7.1.0")
	w.part(backout.KindDeployment, "search", 20*time.Minute, "1", "2", "3")
	w.needs("C-api", checkout, "7.1.0", payment, "2.14.0")
	w.suspect(payment, "2.14.0", .8)
	p := w.make(t)
	names := map[string]backout.Alternative{}
	for _, a := range p.Alternatives {
		names[strings.SplitN(a.Name, ":", 2)[0]] = a
		if a.Why == "" || len(a.Terms) == 0 {
			t.Errorf("alternative %+v lacks words", a)
		}
	}
	if !names["this plan"].Chosen || names["everything in the window"].Steps != 3 || !strings.HasPrefix(names["top suspect only"].Why, "not safe: contract C-api") {
		t.Errorf("alternatives %+v", p.Alternatives)
	}
	for _, n := range []string{"do nothing", "ask a person first", "everything in the window"} {
		if a, ok := names[n]; !ok || a.Cost.Minor <= p.Cost.Minor {
			t.Errorf("%s costs %s, want more than the plan's %s", n, a.Cost, p.Cost)
		}
	}
}

// An innocent that the cause's rollback waits for is not taken back at leisure.

// ofKind finds the alternative of a kind.
func ofKind(t *testing.T, p backout.Plan, kind backout.AlternativeKind) backout.Alternative {
	t.Helper()
	for _, a := range p.Alternatives {
		if a.Kind == kind {
			return a
		}
	}
	t.Fatalf("no alternative %s among %+v", kind, p.Alternatives)
	return backout.Alternative{}
}

// Every way's terms sum to its price, whatever the town.
func TestMake_termsSumToThePrice(t *testing.T) {
	for seed := range uint64(200) {
		w := randomTown(seed, 12)
		if seed%3 == 0 {
			w.req.Fix = &backout.Fix{ETA: w.req.World.Now.Add(20 * time.Minute), Confidence: .7}
		}
		for _, a := range w.make(t).Alternatives {
			sum := int64(0)
			for _, term := range a.Terms {
				sum += term.Cost.Minor
			}
			if d := a.Cost.Minor - sum; d < -int64(len(a.Terms)) || d > int64(len(a.Terms)) {
				t.Errorf("seed %d, %s: terms sum to %d, the price is %d: %+v", seed, a.Name, sum, a.Cost.Minor, a.Terms)
			}
			if a.Chosen == (a.Why == "") && a.Why == "" {
				t.Errorf("seed %d, %s: no reason", seed, a.Name)
			}
		}
	}
}

// The winner's reason names the next best way and what makes it dearer.
func TestMake_whyTheWinnerWon(t *testing.T) {
	w := newTown()
	payment := w.part(backout.KindDeployment, "payment", 30*time.Minute, "2.13.2", "2.14.0")
	w.suspect(payment, "2.14.0", .9)
	p := w.make(t)
	for _, a := range p.Alternatives {
		switch {
		case a.Chosen && !strings.Contains(a.Why, "the next best (ask a person first) has") && !strings.Contains(a.Why, termEffect):
			t.Errorf("why it won: %q", a.Why)
		case a.Kind == backout.WayNone && (!strings.Contains(a.Why, "more "+termStays) || !strings.Contains(a.Why, "less "+termEffect)):
			t.Errorf("why nothing lost: %q, want what differs, largest first", a.Why)
		}
	}
}

func TestMake_narrowerWays(t *testing.T) {
	w := newTown()
	payment := w.part(backout.KindDeployment, "payment", 30*time.Minute, "2.13.2", "2.14.0")
	wallet := w.part(backout.KindFlag, "wallet", 20*time.Minute, "off", "on")
	shift := w.part(backout.KindTraffic, "edge", 10*time.Minute, "blue", "green")
	w.req.Forecast.CostNow, w.req.Forecast.CostHorizon = backout.MoneyRange{P50: eur(9000)}, backout.MoneyRange{P50: eur(9000)}
	w.suspect(payment, "2.14.0", .4)
	w.suspect(wallet, "on", .3)
	w.suspect(shift, "green", .25)
	p := w.make(t)
	wantShape(t, p, backout.ActionRollBack, "payment:2.13.2 wallet:off edge:blue")
	for kind, want := range map[backout.AlternativeKind]string{
		backout.WayPartial:      "payment to 2.13.2",
		backout.WayFlagOff:      "flags and configuration only: flag wallet to off",
		backout.WayTrafficShift: "traffic only: traffic edge to blue",
	} {
		a := ofKind(t, p, kind)
		if !strings.Contains(a.Name, want) || a.Steps != 1 || a.Cost.Minor <= p.Cost.Minor || a.Unsafe {
			t.Errorf("%s: %q with %d steps for %s (the plan: %s), want %q, one step, dearer", kind, a.Name, a.Steps, a.Cost, p.Cost, want)
		}
	}
}

// What is partly out and can't go back can still be kept from going further.
func TestMake_freeze(t *testing.T) {
	w := newTown()
	payment := w.part(backout.KindDeployment, "payment", 10*time.Minute, "2.13.2", "2.14.0")
	w.suspect(payment, "2.14.0", .9)
	w.req.Forecast.CostNow, w.req.Forecast.CostHorizon = backout.MoneyRange{P50: eur(40)}, backout.MoneyRange{P50: eur(200)}
	for _, a := range w.make(t).Alternatives {
		if a.Kind == backout.WayFreeze {
			t.Fatalf("what is everywhere can't be frozen: %+v", a)
		}
	}
	w.req.World.Changes[0].Exposure.Stages[0].Share = .25
	p := w.make(t)
	frozen, nothing := ofKind(t, p, backout.WayFreeze), ofKind(t, p, backout.WayNone)
	if want := nothing.Cost.Minor - 90*80*45; frozen.Cost.Minor != want || !strings.Contains(frozen.Name, "payment 2.14.0") {
		t.Errorf("%s for %s, want %d: what does not grow any more", frozen.Name, frozen.Cost, want)
	}
}

func TestMake_announcedFix(t *testing.T) {
	w := newTown()
	payment := w.part(backout.KindDeployment, "payment", 30*time.Minute, "2.13.2", "2.14.0")
	w.suspect(payment, "2.14.0", .9)
	fix := func(in time.Duration, sure float64, of backout.ChangeID) backout.Plan {
		w.req.Fix = &backout.Fix{By: backout.Principal{Name: "ana"}, ETA: w.req.World.Now.Add(in), Confidence: sure, Change: of}
		return w.make(t)
	}
	if p := fix(30*time.Minute, .5, ""); p.Action != backout.ActionRollBack || ofKind(t, p, backout.WayRollForward).Cost.Minor <= p.Cost.Minor {
		t.Errorf("a late, doubtful fix: %s, want to go back, and waiting for it dearer", p.Summary)
	}
	p := fix(time.Minute, .99, "")
	if p.Action != backout.ActionRollForward || len(p.Waves) != 0 || !strings.Contains(p.Summary, "ana") || p.CostNothing.Minor >= eur(120*45).Minor/2 {
		t.Errorf("a fix at hand: %s %s for %s, want to wait for it", p.Action, p.Summary, p.CostNothing)
	}
	if a := ofKind(t, p, backout.WayRollForward); !a.Chosen {
		t.Errorf("waiting is not the chosen way: %+v", p.Alternatives)
	}
	if p := fix(-time.Minute, .99, ""); p.Action != backout.ActionRollBack || p.CostNothing != eur(120*45) {
		t.Errorf("a lapsed fix still counts: %s", p.Summary)
	}
	if p := fix(time.Minute, .99, "another"); p.Action != backout.ActionRollBack {
		t.Errorf("a fix for another change counts for this one: %s", p.Summary)
	}
	w.req.Attribution.Suspects[0].P, w.req.Attribution.PNone = .2, .8
	if p := fix(20*time.Minute, .8, ""); p.Action != backout.ActionRollForward {
		t.Errorf("no change did it, but a fix is coming: %s", p.Summary)
	}
	w.req.Fix.Confidence = 1.2
	if _, err := Make(w.req); backout.CodeOf(err) != backout.CodeInvalid {
		t.Errorf("confidence 1.2: %v", err)
	}
}
