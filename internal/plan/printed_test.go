package plan

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/permit"
	"github.com/backout-dev/backout/internal/plan/check"
	"github.com/backout-dev/backout/internal/render"
)

var update = flag.Bool("update", false, "write the printed plans anew")

// rollbackInWaves: the cause goes back last, two innocents have to go before it, and
// each step does something by itself.
func rollbackInWaves() *town {
	w := newTown()
	schema := w.part(backout.KindSchema, "ledger", 40*time.Minute, "41", "42")
	payment := w.part(backout.KindDeployment, "payment", 30*time.Minute, "2.13.2", "2.14.0")
	checkout := w.part(backout.KindDeployment, "checkout", 20*time.Minute, "7.0.0", "7.1.0")
	flag := w.part(backout.KindFlag, "wallet", 10*time.Minute, "off", "on")
	mail := w.part(backout.KindDeployment, "mail", 15*time.Minute, "3.0.0", "3.1.0")
	w.needs("ledger-columns", payment, "2.14.0", schema, "42")
	w.needs("payment-api", checkout, "7.1.0", payment, "2.14.0")
	w.needs("wallet-button", flag, "on", checkout, "7.1.0")
	for k, reason := range []string{"payment 2.14 reads the column that 42 adds", "checkout 7.1 calls /v2/pay, which payment 2.14 brought", "the wallet button is drawn by checkout 7.1"} {
		w.req.World.Contracts[k].Reason = reason
	}
	w.suspect(payment, "2.14.0", .85)
	w.suspect(mail, "3.1.0", .04)
	w.req.World.Graph.Journeys = []backout.Journey{{ID: "buy", Services: []backout.ServiceID{"checkout", "payment"}, ValuePerMinute: eur(120)}}
	w.req.World.Graph.Components[1].Rollback = &backout.Rollback{
		Startup: backout.Duration(40 * time.Second), Utilisation: "u", CacheWarmup: backout.Duration(2 * time.Minute), CachePenalty: .1,
		Queue: &backout.Queue{Backlog: "b", Inflow: "i", DrainRate: 50, DelayPenalty: .05},
	}
	w.headroom(payment, 1./3)
	w.req.World.Loads = map[backout.ComponentID]backout.Load{payment: {Values: map[backout.Quantity]float64{
		backout.QuantityUtilisation: .75, backout.QuantityBacklog: 1200, backout.QuantityInflow: 40,
	}}}
	return w
}

// flagForOneAudience: one customer is hurt, and only that customer's flag is switched.
func flagForOneAudience() *town {
	w := newTown()
	flag := w.part(backout.KindFlag, "reports", 10*time.Minute, "off", "on")
	w.req.World.Changes[0].Exposure.Stages = []backout.ExposureStage{{At: noon.Add(-10 * time.Minute), Share: .1, Audience: "acme"}, {At: noon.Add(-9 * time.Minute), Share: .2, Audience: "bolt"}}
	w.suspect(flag, "on", .93)
	w.req.Attribution.Suspects[0].Audience = "bolt"
	w.req.World.Policy.Autonomy, w.req.World.Policy.ColdStart = backout.AutonomyAct, backout.ColdStartActIfReversible
	return w
}

// lossyMigration: the way back exists and loses data, so a person decides.
func lossyMigration() *town {
	w := newTown()
	schema := w.part(backout.KindSchema, "orders", 25*time.Minute, "41", "42")
	r := w.req.World.Reversals[schema]
	r.Levels[0].Loss, r.Levels[0].Lost = backout.LossSome, "the column gift_note, with what customers wrote into it since 11:35"
	w.suspect(schema, "42", .9)
	w.req.World.Graph.Components[0].Rollback = &backout.Rollback{Writes: &backout.Writes{Query: "w", Unit: "gift notes", Fate: backout.FateLost, Each: backout.Money{Minor: 50, Currency: "EUR"}}}
	w.req.World.Loads = map[backout.ComponentID]backout.Load{schema: {Values: map[backout.Quantity]float64{backout.QuantityWrites: .4}}}
	rate := backout.MoneyRange{P50: eur(900)}
	w.req.Forecast.CostNow, w.req.Forecast.CostHorizon = rate, rate
	return w
}

// impossiblePair: each of two releases needs the other's newer version.
func impossiblePair() *town {
	w := newTown()
	payment := w.part(backout.KindDeployment, "payment", 20*time.Minute, "2.13.2", "2.14.0")
	fraud := w.part(backout.KindDeployment, "fraud", 22*time.Minute, "5.2.0", "5.3.0")
	w.needs("fraud-score", payment, "2.14.0", fraud, "5.3.0")
	w.needs("payment-events", fraud, "5.3.0", payment, "2.14.0")
	w.req.World.Contracts[0].Reason = "payment 2.14 asks for the score that fraud 5.3 brought"
	w.req.World.Contracts[1].Reason = "fraud 5.3 reads events that payment 2.14 sends"
	w.suspect(payment, "2.14.0", .82)
	w.suspect(fraud, "5.3.0", .06)
	return w
}

// noChangeGuilty: the bank is slow, and no change of ours did it.
func noChangeGuilty() *town {
	w := newTown()
	payment := w.part(backout.KindDeployment, "payment", 20*time.Minute, "2.13.2", "2.14.0")
	w.suspect(payment, "2.14.0", .12)
	w.req.Attribution.PNone = .88
	w.req.Attribution.Origins = []backout.Origin{{Kind: backout.OriginExternal, Service: "bank", P: .8, Text: "the bank answers slowly to every caller"}}
	return w
}

// The five plans as a stranger sees them. Read them after each change of words; write
// them anew with go test ./internal/plan -run Printed -update.
func TestPrintedPlans(t *testing.T) {
	for name, build := range map[string]func() *town{
		"rollback-in-waves": rollbackInWaves, "flag-for-one-audience": flagForOneAudience, "lossy-migration": lossyMigration,
		"impossible-pair": impossiblePair, "no-change-guilty": noChangeGuilty,
	} {
		t.Run(name, func(t *testing.T) {
			w := build()
			p := certified(t, w)
			for _, width := range []int{80, 100} {
				for line := range strings.Lines(render.Plan(p, render.Style{Width: width})) {
					if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
						t.Errorf("%d columns in %q", n, line)
					}
				}
			}
			got, golden := render.Plan(p, render.Style{Width: 80}), filepath.Join("testdata", "printed", name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// certified is the plan with the checker's proof and the policy's ruling.
func certified(t *testing.T, w *town) backout.Plan {
	t.Helper()
	policy := &w.req.World.Policy
	policy.MinConfidence, policy.MaxPNone, policy.MaxAttempts = .8, .2, 1
	for k := range w.req.World.Graph.Services {
		w.req.World.Graph.Services[k].Tier = 1
	}
	p := w.make(t)
	var bad []check.Violation
	if p.Certificate, bad = check.Certify(w.req.World, p); len(bad) > 0 {
		t.Fatalf("not safe: %v", bad)
	}
	rules, err := permit.Compile(w.req.World.Policy)
	if err != nil {
		t.Fatal(err)
	}
	p.Ruling = rules.Whole(w.req.World, p, w.req.Attribution, backout.Incident{ID: "INC-1", Environment: "production", OpenedAt: noon})
	return p
}
