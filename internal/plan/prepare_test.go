package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/plan/check"
)

// preparedFor picks one change's answer.
func preparedFor(t *testing.T, w backout.World, forbidden map[backout.ComponentID]string, c backout.ComponentID, to backout.Version) backout.Prepared {
	t.Helper()
	for _, p := range Prepare(w, forbidden) {
		if p.Component == c && p.To == to {
			return p
		}
	}
	t.Fatalf("nothing is prepared for %s %s", c, to)
	return backout.Prepared{}
}

func TestPrepare_verdicts(t *testing.T) {
	for name, c := range map[string]struct {
		arrange        func(w *town, payment backout.ComponentID) map[backout.ComponentID]string
		want           backout.Rollbackability
		reason, advice string
	}{
		"as it is": {func(*town, backout.ComponentID) map[backout.ComponentID]string { return nil }, backout.RollbackNow, "payment goes back to 2.13.2 in 2 stages", ""},
		"a backup ends": {func(w *town, payment backout.ComponentID) map[backout.ComponentID]string {
			w.req.World.Reversals[payment].Levels[0].Until = noon.Add(time.Hour)
			return nil
		}, backout.RollbackUntil, "until 2026-03-02T13:00:00Z: then it is not known any more", ""},
		"a freeze comes": {func(w *town, _ backout.ComponentID) map[backout.ComponentID]string {
			w.req.World.Policy.Freezes = []backout.Freeze{{From: noon.Add(2 * time.Hour), To: noon.Add(9 * time.Hour), Reason: "year end"}}
			return nil
		}, backout.RollbackUntil, "until 2026-03-02T14:00:00Z: then nothing may be changed, not even back: year end", ""},
		"a point of no return comes": {func(w *town, payment backout.ComponentID) map[backout.ComponentID]string {
			w.req.World.Graph.NoReturns = []backout.PointOfNoReturn{{ID: "P", Component: payment, After: backout.Duration(80 * time.Minute), Loss: backout.LossOneWay}}
			return nil
		}, backout.RollbackUntil, "until 2026-03-02T13:00:00Z: then payment 2.14.0 passes its point of no return P", ""},
		"past the point of no return": {func(w *town, payment backout.ComponentID) map[backout.ComponentID]string {
			w.req.World.Graph.NoReturns = []backout.PointOfNoReturn{{ID: "P", Component: payment, Loss: backout.LossOneWay}}
			return nil
		}, backout.RollbackOneWay, "it has passed its point of no return P", "keep what payment had before reachable"},
		"a vulnerability": {func(w *town, _ backout.ComponentID) map[backout.ComponentID]string {
			w.req.World.Changes[0].Security = "CVE-2026-1234"
			return nil
		}, backout.RollbackUnproven, "opens CVE-2026-1234 again", ""},
		"a freeze that lets rollbacks pass": {func(w *town, _ backout.ComponentID) map[backout.ComponentID]string {
			w.req.World.Policy.Freezes = []backout.Freeze{{From: noon.Add(2 * time.Hour), To: noon.Add(9 * time.Hour), AllowRollbacks: true}}
			return nil
		}, backout.RollbackNow, "", ""},
		"a freeze": {func(w *town, _ backout.ComponentID) map[backout.ComponentID]string {
			w.req.World.Policy.Freezes = []backout.Freeze{{From: noon.Add(-time.Hour), To: noon.Add(time.Hour), Reason: "year end"}}
			return nil
		}, backout.RollbackBlocked, "nothing may be changed until 2026-03-02T13:00:00Z: year end", ""},
		"policy": {func(_ *town, payment backout.ComponentID) map[backout.ComponentID]string {
			return map[backout.ComponentID]string{payment: "policy keeps payment"}
		}, backout.RollbackBlocked, "policy keeps payment", "have whoever answers for that rule allow it"},
		"lossy": {func(w *town, payment backout.ComponentID) map[backout.ComponentID]string {
			l := &w.req.World.Reversals[payment].Levels[0]
			l.Loss, l.Lost = backout.LossSome, "the new keys"
			return nil
		}, backout.RollbackLossy, "payment goes back", "keep what payment had before reachable"},
		"what was written since is lost": {func(w *town, payment backout.ComponentID) map[backout.ComponentID]string {
			w.req.World.Graph.Components[0].Rollback = &backout.Rollback{Writes: &backout.Writes{Unit: "orders", Fate: backout.FateLost}}
			return nil
		}, backout.RollbackLossy, "payment goes back", ""},
		"nobody knows what is lost": {func(w *town, payment backout.ComponentID) map[backout.ComponentID]string {
			w.req.World.Reversals[payment].Levels[0].Loss = backout.LossUnknown
			return nil
		}, backout.RollbackUnproven, "nobody checked what going back to payment 2.13.2 loses", ""},
		"never seen healthy": {func(w *town, payment backout.ComponentID) map[backout.ComponentID]string {
			w.req.World.Reversals[payment].Levels[0].Verified = false
			return nil
		}, backout.RollbackUnproven, "nobody saw payment 2.13.2 live and healthy", "let payment 2.13.2 run everywhere"},
		"one way": {func(w *town, payment backout.ComponentID) map[backout.ComponentID]string {
			l := &w.req.World.Reversals[payment].Levels[0]
			l.Loss, l.Lost = backout.LossOneWay, "keys were rotated"
			return nil
		}, backout.RollbackOneWay, "keys were rotated", "keep what payment had before reachable"},
		"the artifact is gone": {func(w *town, payment backout.ComponentID) map[backout.ComponentID]string {
			w.req.World.Reversals[payment] = backout.Reversal{Component: payment, Known: true, Current: "2.14.0"}
			return nil
		}, backout.RollbackOneWay, "payment can't be brought to 2.13.2 any more", ""},
		"nobody answers": {func(w *town, payment backout.ComponentID) map[backout.ComponentID]string {
			w.req.World.Reversals[payment] = backout.Reversal{Component: payment, Why: "registry unreachable"}
			return nil
		}, backout.RollbackUnknown, "registry unreachable", "see to it that whoever moves payment answers"},
		"nothing can move it": {func(w *town, payment backout.ComponentID) map[backout.ComponentID]string {
			w.req.World.Graph.Components[0].Actuator = ""
			return map[backout.ComponentID]string{payment: "no actuator can move it"}
		}, backout.RollbackUnknown, "no actuator can move it", "give payment an actuator"},
		"not in the catalog": {func(w *town, _ backout.ComponentID) map[backout.ComponentID]string {
			w.req.World.Graph.Components = nil
			return nil
		}, backout.RollbackUnknown, "the catalog knows no component deployment:payment@production/eu-1", ""},
		"marked bad": {func(w *town, payment backout.ComponentID) map[backout.ComponentID]string {
			w.req.World.Holds = []backout.Hold{{Component: payment, Owner: "ann", Reason: "leaks", BadTo: "2.13.2", Until: noon.Add(time.Hour)}}
			return nil
		}, backout.RollbackBlocked, "marked bad by ann", "end the hold on payment 2.13.2"},
		"taken back": {func(w *town, payment backout.ComponentID) map[backout.ComponentID]string {
			w.req.World.Live[payment] = backout.Live{Shares: map[backout.Version]float64{"2.13.2": 1}}
			return nil
		}, backout.RollbackDone, "payment runs 2.13.2", ""},
		"a partner relies on it": {func(w *town, payment backout.ComponentID) map[backout.ComponentID]string {
			app := id(backout.KindDeployment, "mobile")
			w.req.World.Graph.Components = append(w.req.World.Graph.Components, backout.Component{ID: app, Kind: backout.KindDeployment, Name: "mobile", Immovable: true})
			w.req.World.Live[app] = backout.Live{Shares: map[backout.Version]float64{"4": 1}}
			w.needs("C-mobile", app, "4", payment, "2.14.0")
			return nil
		}, backout.RollbackBlocked, "payment 2.13.2 does not work with mobile 4", "keep in payment what mobile 4 needs"},
		"one-way schema": {func(w *town, payment backout.ComponentID) map[backout.ComponentID]string {
			schema := w.part(backout.KindSchema, "ledger", 30*time.Minute, "41", "42")
			w.req.World.Reversals[schema].Levels[0].Loss = backout.LossOneWay
			w.req.World.Contracts = append(w.req.World.Contracts, backout.Contract{ID: "C-old", Consumer: payment, Provider: schema, Source: backout.ContractDeclared,
				Rules: []backout.ContractRule{{When: backout.VersionRange{To: "2.13.2"}, Needs: backout.VersionRange{To: "41"}}}})
			return nil
		}, backout.RollbackOneWay, "payment 2.13.2 does not work with schema ledger 42", "split the migration of schema ledger"},
		"atomic switch": {func(w *town, payment backout.ComponentID) map[backout.ComponentID]string {
			peer := w.part(backout.KindDeployment, "peer", 20*time.Minute, "1", "2")
			w.needs("C-there", peer, "2", payment, "2.14.0")
			w.needs("C-back", payment, "2.14.0", peer, "2")
			return nil
		}, backout.RollbackBlocked, "neither can go back first", "ship a version of peer that works with payment 2.13.2 to 2.14.0"},
		"circle": {func(w *town, payment backout.ComponentID) map[backout.ComponentID]string {
			a := w.part(backout.KindDeployment, "a", 20*time.Minute, "1", "2")
			b := w.part(backout.KindDeployment, "b", 20*time.Minute, "1", "2")
			w.needs("C1", a, "2", payment, "2.14.0")
			w.needs("C2", b, "2", a, "2")
			w.needs("C3", payment, "2.14.0", b, "2")
			return nil
		}, backout.RollbackBlocked, "in a circle", "switch a, b and payment at once"},
		"own instances": {func(w *town, payment backout.ComponentID) map[backout.ComponentID]string {
			w.needs("C-self", payment, "2.14.0", payment, "2.14.0")
			return nil
		}, backout.RollbackBlocked, "can't run side by side", "that can run beside both"},
		"strangers": {func(w *town, payment backout.ComponentID) map[backout.ComponentID]string {
			w.part(backout.KindDeployment, "cart", 10*time.Minute, "1", "2") // shipped after payment 2.14.0: never met 2.13.2
			w.req.World.Graph.Dependencies = []backout.Dependency{{From: "cart", To: "payment"}}
			return nil
		}, backout.RollbackUnproven, "never seen live together", "write a contract between deployment:cart@production/eu-1 and deployment:payment@production/eu-1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTown()
			payment := w.part(backout.KindDeployment, "payment", 20*time.Minute, "2.13.2", "2.14.0")
			forbidden := c.arrange(w, payment)
			p := preparedFor(t, w.req.World, forbidden, payment, "2.14.0")
			if p.Verdict != c.want || !strings.Contains(strings.Join(p.Reasons, "\n"), c.reason) || !strings.Contains(strings.Join(p.Advice, "\n"), c.advice) || c.advice == "" && len(p.Advice) > 0 && c.want.Reversible() {
				t.Errorf("verdict %s, reasons %q, advice %q; want %s because %q, advice %q", p.Verdict, p.Reasons, p.Advice, c.want, c.reason, c.advice)
			}
			if movable := len(p.Plan.Steps()) > 0; movable != (c.want.Reversible() || c.want == backout.RollbackLossy || c.want == backout.RollbackUnproven) {
				t.Errorf("verdict %s with %d steps", p.Verdict, len(p.Plan.Steps()))
			}
			if p.Until.IsZero() == (c.want == backout.RollbackUntil) {
				t.Errorf("until %s with verdict %s", p.Until, p.Verdict)
			}
		})
	}
}

// What else must go back, in which order, is part of the answer.
func TestPrepare_saysWhatGoesWithIt(t *testing.T) {
	w := newTown()
	payment := w.part(backout.KindDeployment, "payment", 30*time.Minute, "2.12", "2.13", "2.14")
	checkout := w.part(backout.KindDeployment, "checkout", 20*time.Minute, "7.0", "7.1")
	flag := w.part(backout.KindFlag, "wallet", 10*time.Minute, "off", "on")
	w.needs("C-api", checkout, "7.1", payment, "2.14")
	w.needs("C-flag", flag, "on", checkout, "7.1")
	p := preparedFor(t, w.req.World, nil, payment, "2.13")
	wantShape(t, p.Plan, backout.ActionRollBack, "wallet:off", "checkout:7.0", "payment:2.12")
	if diff := cmp.Diff([]backout.ComponentID{flag, checkout}, p.With); diff != "" || p.Verdict != backout.RollbackNow {
		t.Errorf("%s, with (-want +got):\n%s", p.Verdict, diff)
	}
	all := strings.Join(p.Reasons, "\n")
	for _, want := range []string{"1 change of it since goes back too", "checkout goes back with it to 7.0", "contract C-api", "checkout goes back before payment"} {
		if !strings.Contains(all, want) {
			t.Errorf("the reasons don't say %q:\n%s", want, all)
		}
	}
	if p.Takes != p.Plan.Takes || p.Takes <= 0 || p.Plan.Steps()[2].Why != "prepared for the case that payment 2.13 is the cause" {
		t.Errorf("takes %s, why %q", p.Takes, p.Plan.Steps()[2].Why)
	}
	if newest := preparedFor(t, w.req.World, nil, payment, "2.14"); newest.Plan.Steps()[2].To != "2.13" {
		t.Errorf("for the newest change it goes to %s, want 2.13", newest.Plan.Steps()[2].To)
	}
	if own := preparedFor(t, w.req.World, nil, flag, "on"); len(own.With) > 0 || len(own.Plan.Steps()) != 1 {
		t.Errorf("the flag goes with %v, want alone", own.With)
	}
}

// What is prepared in a neighbourhood is a plan of the whole world: its fingerprint
// is the world's, and the checker finds it safe there. And the neighbourhood decides
// as the whole world would.
func TestPrepare_neighbourhoodIsEnough(t *testing.T) {
	plans, verdicts := 0, map[backout.Rollbackability]int{}
	for seed := range uint64(60) {
		w := randomTown(seed, 9)
		r := rand.New(rand.NewPCG(seed, 7))
		for _, rev := range w.req.World.Reversals {
			for l := range rev.Levels {
				rev.Levels[l].Loss = []backout.Loss{backout.LossNone, backout.LossNone, backout.LossNone, backout.LossSome, backout.LossOneWay, backout.LossUnknown}[r.IntN(6)]
			}
		}
		for _, p := range Prepare(w.req.World, nil) {
			whole := prepare(w.req.World, changeOf(w.req.World, p.Change), nil)
			if whole.Verdict != p.Verdict || whole.Plan.Digest != p.Plan.Digest {
				t.Fatalf("seed %d, %s: %s with %.8s near by, %s with %.8s in the whole world\n%q\n%q", seed, p.Change, p.Verdict, p.Plan.Digest, whole.Verdict, whole.Plan.Digest, p.Reasons, whole.Reasons)
			}
			if p.Verdict.Reversible() && (len(p.Plan.Steps()) == 0 || len(p.Plan.Gaps)+len(p.Lost) > 0 || lossy(p.Plan)) {
				t.Fatalf("seed %d, %s: %s with %d steps, gaps %q, lost %q", seed, p.Change, p.Verdict, len(p.Plan.Steps()), p.Plan.Gaps, p.Lost)
			}
			verdicts[p.Verdict]++
			if len(p.Plan.Steps()) == 0 {
				if len(p.Reasons) == 0 {
					t.Fatalf("seed %d, %s: %s without a reason", seed, p.Change, p.Verdict)
				}
				continue
			}
			plans++
			if found := check.Plan(w.req.World, p.Plan); len(found) > 0 {
				t.Fatalf("seed %d, %s: %v", seed, p.Change, found)
			}
		}
	}
	if plans < 200 || len(verdicts) < 5 {
		t.Errorf("only %d plans were tried, with verdicts %v", plans, verdicts)
	}
}

func lossy(p backout.Plan) bool {
	return slices.ContainsFunc(p.Steps(), func(s backout.Step) bool { return s.Loss != backout.LossNone })
}

func changeOf(w backout.World, id backout.ChangeID) backout.Change {
	for _, c := range w.Changes {
		if c.ID == id {
			return c
		}
	}
	return backout.Change{}
}

func TestCheck_aRelease(t *testing.T) {
	w := newTown()
	payment := w.part(backout.KindDeployment, "payment", 20*time.Minute, "2.13.2", "2.14.0")
	schema := w.part(backout.KindSchema, "ledger", 40*time.Minute, "41", "42")
	w.needs("C-schema", payment, "2.15.0", schema, "43")
	releases := []backout.Release{{Component: payment, To: "2.15.0"}}
	ahead, err := Released(w.req.World, releases)
	if err != nil {
		t.Fatal(err)
	}
	r := ahead.Reversals[payment]
	r.Levels = append(r.Levels, backout.Reachable{Level: 1, Version: "2.14.0", Loss: backout.LossNone, Verified: true})
	ahead.Reversals[payment] = r
	got := Check(ahead, releases, nil)
	if !got.Reversible || got.Releases[0].Verdict != backout.RollbackNow || got.Releases[0].Plan.Steps()[0].To != "2.14.0" {
		t.Errorf("%+v: want it reversible, to what runs now", got)
	}
	if len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "shipping it breaks contract C-schema: payment 2.15.0 with schema ledger 42") {
		t.Errorf("warnings %q: want the contract that shipping breaks", got.Warnings)
	}
	if len(w.req.World.Changes) != 2 || w.req.World.Live[payment].Version() != "2.14.0" {
		t.Error("imagining a release changed the world")
	}
	r.Levels = r.Levels[:1]
	ahead.Reversals[payment] = r
	got = Check(ahead, releases, nil)
	if s := got.Releases[0].Plan.Steps(); !got.Reversible || s[0].To != "2.13.2" || !strings.Contains(got.Releases[0].Reasons[0], "1 change of it before goes back too") {
		t.Errorf("%+v: 2.14.0 can't be reached, so it goes back to 2.13.2", got)
	}
	ahead.Reversals[payment] = backout.Reversal{Component: payment, Known: true}
	if got = Check(ahead, releases, nil); got.Reversible || got.Releases[0].Verdict != backout.RollbackOneWay {
		t.Errorf("%+v: want no way back", got)
	}
}

func TestReleased_refusals(t *testing.T) {
	w := newTown()
	payment := w.part(backout.KindDeployment, "payment", 20*time.Minute, "2.13.2", "2.14.0")
	cart := w.part(backout.KindDeployment, "cart", 20*time.Minute, "1", "2")
	delete(w.req.World.Live, cart)
	for want, r := range map[string][]backout.Release{
		"knows no component":     {{Component: "deployment:x@production/eu-1", To: "2"}},
		"expected the version":   {{Component: payment}},
		"by --from":              {{Component: cart, To: "3"}},
		"runs 2.14.0 already":    {{Component: payment, To: "2.14.0"}},
		"payment@production/eu-": {{Component: payment, To: "3"}, {Component: payment, To: "4"}},
	} {
		if _, err := Released(w.req.World, r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", r, err, want)
		}
	}
	if ahead, err := Released(w.req.World, []backout.Release{{Component: cart, From: "2", To: "3"}}); err != nil || ahead.Live[cart].Version() != "3" {
		t.Errorf("%v: with --from it is known", err)
	}
}

// A thousand recent changes in a hundred groups that contracts tie together, among
// ten thousand services.
func BenchmarkPrepare(b *testing.B) {
	w := newTown()
	for group := range 100 {
		var ids []backout.ComponentID
		for k := range 10 {
			name := fmt.Sprintf("g%d-%d", group, k)
			ids = append(ids, w.part(backout.KindDeployment, name, time.Duration(5+k)*time.Minute, "1", "2"))
			if k > 0 {
				w.needs("K-"+name, ids[k], "2", ids[k-1], backout.Version(fmt.Sprint(1+k%2)))
				w.req.World.Graph.Dependencies = append(w.req.World.Graph.Dependencies, backout.Dependency{From: backout.ServiceID(name), To: backout.ServiceID(ids[k-1].Name())})
			}
		}
	}
	for k := range 9000 {
		name := fmt.Sprintf("s%d", k)
		w.req.World.Graph.Services = append(w.req.World.Graph.Services, backout.Service{ID: backout.ServiceID(name)})
		w.req.World.Graph.Components = append(w.req.World.Graph.Components, backout.Component{ID: id(backout.KindDeployment, name), Kind: backout.KindDeployment, Service: backout.ServiceID(name)})
	}
	for b.Loop() {
		if n := len(Prepare(w.req.World, nil)); n != 1000 {
			b.Fatal(n)
		}
	}
}
