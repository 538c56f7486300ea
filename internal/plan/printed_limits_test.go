package plan

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/render"
)

// realWorld: a release that closed a hole, wrote a new format and serves apps that
// nobody can take back is the cause, and what goes back with it has to queue for room.
func realWorld() *town {
	w := newTown()
	payment := w.part(backout.KindDeployment, "payment", 30*time.Minute, "2.13.2", "2.14.0")
	checkout := w.part(backout.KindDeployment, "checkout", 20*time.Minute, "7.0.0", "7.1.0")
	mail := w.part(backout.KindDeployment, "mail", 15*time.Minute, "3.0.0", "3.1.0")
	w.needs("payment-api", checkout, "7.1.0", payment, "2.14.0")
	w.needs("receipts-api", mail, "3.1.0", payment, "2.14.0")
	app := id(backout.KindDeployment, "android")
	world := &w.req.World
	world.Graph.Components = append(world.Graph.Components, backout.Component{ID: app, Kind: backout.KindDeployment, Name: "android", Immovable: true})
	world.Live[app] = backout.Live{Shares: map[backout.Version]float64{"5.1": .93, "5.2": .04, "5.3": .03}}
	w.needs("android-api", app, "5.2", payment, "2.14.0")
	world.Contracts[0].Reason = "checkout 7.1 calls /v2/pay, which payment 2.14 brought"
	world.Contracts[1].Reason = "mail 3.1 asks for receipts by number"
	world.Contracts[2].Reason = "from 5.2 on the app pays by /v2/pay"
	world.Graph.Consumers = []backout.Consumer{{ID: "android", Component: app, Users: "Android users", LossyAbove: .02, ForbiddenAbove: .1, Share: .4}}
	world.Graph.Journeys = []backout.Journey{{ID: "buy", Services: []backout.ServiceID{"checkout", "payment"}, ValuePerMinute: eur(900)}}
	world.Graph.Formats = []backout.DataFormat{{
		ID: "receipts-2", Writer: payment, Writes: backout.VersionRange{From: "2.14.0"}, Reader: payment, Reads: backout.VersionRange{From: "2.14.0"},
		Loss: backout.LossSome, Lost: "receipts in two currencies",
	}}
	for k := range 3 {
		world.Graph.Components[k].Instances, world.Graph.Components[k].MinAvailable = 3, 2
	}
	world.Graph.Pools = []backout.Pool{{ID: "cell-1", Environment: "production", MaxUnavailable: 1}}
	world.Changes[0].Security = "CVE-2026-1234"
	world.Policy.Autonomy, world.Policy.SecurityApprovers = backout.AutonomyAct, []string{"ann", "bob"}
	world.Policy.Freezes = []backout.Freeze{{From: noon.Add(2 * time.Hour), To: noon.Add(5 * time.Hour), Reason: "the evening sale"}}
	w.suspect(payment, "2.14.0", .9)
	rate := backout.MoneyRange{P50: eur(900)}
	w.req.Forecast.CostNow, w.req.Forecast.CostHorizon = rate, rate
	return w
}

// A plan under the limits of the real world as a stranger sees it. It is written anew
// as those of [TestPrintedPlans] are.
func TestPrintedPlans_realWorld(t *testing.T) {
	got, golden := render.Plan(certified(t, realWorld()), render.Style{Width: 80}), filepath.Join("testdata", "printed", "real-world.txt")
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
}
