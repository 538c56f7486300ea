package endings

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/store"
	"github.com/backout-dev/backout/test/town"
)

const minute = time.Minute

func deployment(name string) backout.ComponentID {
	return backout.NewComponentID(backout.KindDeployment, name, town.Environment, "eu")
}

func config(name string) backout.ComponentID {
	return backout.NewComponentID(backout.KindConfig, name, town.Environment, "eu")
}

// world is a shop of four services, the path beside it, and a script's hands. Each
// service has a deployment at 1. payment 2 needs ledger 2: who takes ledger back
// takes payment back before.
type world struct {
	*testing.T
	*town.Path
	product *town.Product
	policy  atomic.Pointer[backout.Policy] // read while the path runs; see rule
	config  town.Config
	stuck   chan struct{} // closes when the test is over: what hangs waits for it
}

var calls = [][2]backout.ServiceID{{"shop", "payment"}, {"payment", "ledger"}, {"shop", "cart"}}

func graph() backout.Graph {
	var g backout.Graph
	for _, s := range []backout.ServiceID{"shop", "payment", "ledger", "cart"} {
		g.Services = append(g.Services, backout.Service{ID: s, Kind: backout.ServiceOwn, Tier: 1})
		g.Components = append(g.Components, backout.Component{
			ID: deployment(string(s)), Kind: backout.KindDeployment, Name: string(s), Service: s,
			Environment: town.Environment, Location: "eu", Actuator: town.Actuator, Instances: 3,
		})
	}
	g.Components = append(g.Components, backout.Component{
		ID: config("payment"), Kind: backout.KindConfig, Name: "payment config", Service: "payment", Environment: town.Environment, Location: "eu", Actuator: town.Actuator,
	})
	for _, c := range calls {
		g.Dependencies = append(g.Dependencies, backout.Dependency{From: c[0], To: c[1], Hard: true})
	}
	g.Journeys = []backout.Journey{{ID: "buy", Name: "Buy", Services: []backout.ServiceID{"shop", "payment"}, ValuePerMinute: backout.Money{Minor: 1000000, Currency: "EUR"}}}
	return g
}

func policy() backout.Policy {
	return backout.Policy{
		Version: "1", Autonomy: backout.AutonomyAct, ColdStart: backout.ColdStartActIfReversible, MinConfidence: .6, MaxPNone: .3,
		MaxAttempts: 2, FourEyesTier: -1, ApprovalTimeout: backout.Duration(20 * minute),
	}
}

// inTown runs a script in a bubble of fake time.
func inTown(t *testing.T, script func(w *world)) {
	t.Helper()
	if watched && strings.HasPrefix(t.Name(), "TestFailureMode") {
		t.Skip("played without the race detector, which watches the same code in the endings")
	}
	file := filepath.Join(t.TempDir(), "backout.db")
	synctest.Test(t, func(t *testing.T) {
		live := map[backout.ComponentID]backout.Version{}
		for _, c := range graph().Components {
			live[c.ID] = "1"
		}
		w := &world{T: t, product: town.NewProduct(graph(), live), stuck: make(chan struct{})}
		first := policy()
		w.policy.Store(&first)
		w.config = town.Config{
			Product: w.product, File: file, Policy: func() backout.Policy { return *w.policy.Load() },
			Contracts: []backout.Contract{{
				ID: "booking", Consumer: deployment("payment"), Provider: deployment("ledger"), Source: backout.ContractDeclared, Reason: "payment 2 calls what ledger 2 brought",
				Rules: []backout.ContractRule{{When: backout.VersionRange{From: "2"}, Needs: backout.VersionRange{From: "2"}}},
			}, {
				ID: "wallet", Consumer: deployment("cart"), Provider: deployment("payment"), Source: backout.ContractDeclared, Reason: "cart 2 shows what payment 2 brought",
				Rules: []backout.ContractRule{{When: backout.VersionRange{From: "2"}, Needs: backout.VersionRange{From: "2"}}},
			}, {
				ID: "settings", Consumer: deployment("payment"), Provider: config("payment"), Source: backout.ContractDeclared, Reason: "every payment reads every config",
				Rules: []backout.ContractRule{{}},
			}, {
				ID: "paying", Consumer: deployment("shop"), Provider: deployment("payment"), Source: backout.ContractDeclared, Reason: "the call has not changed for years",
				Rules: []backout.ContractRule{{}},
			}},
		}
		w.open()
		defer func() { // after a failure too: what is opened in a bubble must be closed in it
			close(w.stuck)
			w.close()
		}()
		script(w)
	})
}

// rule changes the policy in force.
func (w *world) rule(change func(p *backout.Policy)) {
	p := *w.policy.Load()
	change(&p)
	w.policy.Store(&p)
}

func (w *world) open() {
	w.Helper()
	var err error
	if w.Path, err = town.Open(w.Context(), w.config); err != nil {
		w.Fatal(err)
	}
}

func (w *world) close() {
	w.Helper()
	if err := w.Close(); err != nil {
		w.Error(err)
	}
	for _, e := range w.product.Together() {
		w.Errorf("two deeds at once on one component: %s", e)
	}
}

// ship moves a service's deployment as a pipeline does, and reports it.
func (w *world) ship(service string, to backout.Version) { w.by("ci", deployment(service), to) }

func (w *world) by(who string, id backout.ComponentID, to backout.Version) {
	w.Helper()
	from := backout.Live{Shares: w.product.Live(id)}.Version()
	w.product.Set(id, to, who)
	if err := w.Report(w.Context(), time.Now().UTC(), id, from, to, who); err != nil {
		w.Fatal(err)
	}
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		w.Tick(w.Context())
		time.Sleep(5 * time.Second)
	}
}

// until lets time pass until something is so, at most for six hours.
func (w *world) until(what string, so func() bool) {
	w.Helper()
	for end := time.Now().Add(6 * time.Hour); time.Now().Before(end); {
		w.Tick(w.Context())
		if so() {
			return
		}
		if s := w.incident().State; s.Terminal() && !strings.Contains(what, "incident") {
			break // nothing comes after it
		}
		time.Sleep(5 * time.Second)
	}
	w.Fatalf("it ended, or six hours passed, and not: %s\n%s", what, w.story())
}

// incident is the newest one; its state is empty when there is none.
func (w *world) incident() backout.Incident {
	all, err := w.Store.Incidents(w.Context(), store.Query{Limit: 1})
	if err != nil {
		w.Fatal(err)
	}
	if len(all) == 0 {
		return backout.Incident{}
	}
	return all[0]
}

func (w *world) reaches(states ...backout.State) {
	w.Helper()
	w.until(fmt.Sprint(states), func() bool {
		for _, s := range states {
			if w.incident().State == s {
				return true
			}
		}
		return false
	})
}

func (w *world) ended() {
	w.Helper()
	w.until("an end", func() bool { s := w.incident().State; return s != "" && s.Terminal() })
}

// run is the newest attempt's journal.
func (w *world) run() backout.Run {
	at := w.incident().Attempts
	if len(at) == 0 {
		return backout.Run{}
	}
	r, err := w.Executor.Run(w.Context(), at[len(at)-1].ID)
	if err != nil && backout.CodeOf(err) != backout.CodeNotFound {
		w.Fatal(err)
	}
	return r
}

// story is everything that happened, for a test that fails.
func (w *world) story() string {
	var b strings.Builder
	inc := w.incident()
	log, _ := w.Store.Audit(w.Context(), inc.ID)
	for _, e := range log {
		fmt.Fprintf(&b, "%s %s\n", e.At.Format(time.TimeOnly), e.What)
	}
	for _, a := range inc.Attempts {
		r, _ := w.Executor.Run(w.Context(), a.ID)
		for _, e := range r.Entries {
			fmt.Fprintf(&b, "  %s %s %-8s %s %s\n", a.ID, e.At.Format(time.TimeOnly), e.Kind, e.Outcome, e.Text)
		}
	}
	for _, m := range w.product.Moves() {
		fmt.Fprintf(&b, "    %s %s %v by %s\n", m.At.Format(time.TimeOnly), m.Component, m.Shares, m.By)
	}
	fmt.Fprintf(&b, "errors: %q\n", w.Errors())
	return b.String()
}

// last is the end of a list.
func last[T any](all []T) (out T) {
	if len(all) > 0 {
		out = all[len(all)-1]
	}
	return out
}
