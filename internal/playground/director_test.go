package playground

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

// directed runs a scenario through and gives what was reported and the truth.
func directed(t *testing.T, c Config, withLoad bool) (*Client, []backout.Observation, truth) {
	t.Helper()
	c.Dir, c.Step = t.TempDir(), 40*time.Millisecond
	client, s := openShop(t, c, withLoad), newSink(t)
	ctx := within(t, 20*time.Second)
	if err := client.Begin(ctx, s.server.URL, "secret"); err != nil {
		t.Fatal(err)
	}
	sc := drawn(t, c.Scenario, c.Blind, c.Seed)
	want := 0
	for _, sh := range sc.shipments {
		want += len(sh.shares)
	}
	for len(s.all()) < want {
		select {
		case <-s.news:
		case <-ctx.Done():
			t.Fatalf("%d of %d stages were reported", len(s.all()), want)
		}
	}
	var tr truth
	raw, err := os.ReadFile(filepath.Join(c.Dir, "truth.json"))
	if err == nil {
		err = json.Unmarshal(raw, &tr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return client, s.all(), tr
}

func TestDirector_shipsAndTells(t *testing.T) {
	c, obs, tr := directed(t, Config{Rate: 20, Seed: 11, Scenario: ScenarioPaymentDegraded, Spawn: spawnSelf}, false)
	changes, responses := backout.Fold(obs)
	sc := drawn(t, ScenarioPaymentDegraded, false, 11)
	if len(changes) != len(sc.shipments) || len(responses) != 0 {
		t.Errorf("%d changes and %d responses from %d shipments", len(changes), len(responses), len(sc.shipments))
	}
	for _, ch := range changes {
		stages := ch.Exposure.Stages
		if ch.From == "" || stages[len(stages)-1].Share < .99 || ch.Kind == backout.KindDeployment && (len(stages) < 2 || ch.Digest == "") {
			t.Errorf("change %+v", ch)
		}
		if string(ch.Component)+"="+string(ch.To) == tr.Culprits[0] && !ch.Exposure.Start().Equal(tr.InjectedAt) {
			t.Errorf("injected at %s, the culprit's first stage was at %s", tr.InjectedAt, ch.Exposure.Start())
		}
	}
	if tr.Seed != 11 || tr.Expect.Outcomes[0] != "recovered" || len(tr.Demanded) != 1 || len(tr.Components) != len(sc.shipments) {
		t.Errorf("truth %+v", tr)
	}
	st, err := c.Component(within(t, time.Second), sc.culprits[0])
	if err != nil || string(sc.culprits[0])+"="+string(st.Live.Version()) != tr.Culprits[0] {
		t.Errorf("the culprit is at %+v, %v", st, err)
	}
	flags, err := os.ReadFile(flagPath(c.dir))
	if err != nil || !strings.Contains(string(flags), `"defaultVariant": "on"`) {
		t.Errorf("flags %s, %v", flags, err)
	}
	if found, _ := filepath.Glob(filepath.Join(c.dir, "migrations", "*.sql")); len(found) != 2 {
		t.Errorf("migrations %v", found)
	}
}

// Whoever moved a component meanwhile is not overrun by later stages.
func TestDirector_yieldsToOthers(t *testing.T) {
	c := Config{Dir: t.TempDir(), Rate: 20, Seed: 11, Step: 200 * time.Millisecond}
	client, s := openShop(t, c, false), newSink(t)
	ctx := within(t, 20*time.Second)
	if err := client.Begin(ctx, s.server.URL, "secret"); err != nil {
		t.Fatal(err)
	}
	sc := drawn(t, ScenarioPaymentDegraded, false, 11)
	last := lastToCome(sc)
	for seen := (backout.Observation{}); seen.Component != last || seen.Share < .99; {
		select {
		case <-s.news:
		case <-ctx.Done():
			t.Fatal("the last change was never shipped")
		}
		all := s.all()
		seen = all[len(all)-1]
		if seen.Component == sc.culprits[0] {
			if _, err := client.Move(ctx, sc.culprits[0], ComponentMove{To: seen.From, Attempt: "INC-1/1"}, "", ""); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, o := range s.all() {
		if o.Component == sc.culprits[0] && o.Share > .5 || o.Component == sc.demanded[0] {
			t.Errorf("shipped although it was taken back: %+v", o)
		}
	}
}

// lastToCome is the shipment that ends last of those that still come when the
// culprit was taken back.
func lastToCome(sc script) backout.ComponentID {
	var last backout.ComponentID
	latest := 0.0
	for _, sh := range sc.shipments {
		end := sh.end()
		if end > latest && sh.component != sc.culprits[0] && !slices.Contains(sc.demanded, sh.component) {
			last, latest = sh.component, end
		}
	}
	return last
}

// The card network is nobody's release: its callers see it fail, whatever was
// shipped.
func TestDirector_outageIsSeenByCallers(t *testing.T) {
	c, _, tr := directed(t, Config{Rate: 60, Seed: 5, Scenario: ScenarioExternalOutage}, true)
	if tr.Expect.Outcomes[0] != "no_action" || len(tr.Culprits) != 0 || tr.InjectedAt.IsZero() {
		t.Errorf("truth %+v", tr)
	}
	deltas(t, c, 15*time.Second, "callers of the card network failing", func(old, now scraped) bool {
		return now.callErrors["payment>card-network"] > old.callErrors["payment>card-network"] &&
			now.callErrors["refunds>card-network"]+now.callErrors["subscriptions>card-network"] > 0
	})
}

// In a blind run nothing that the outside sees tells what a thing is for.
func TestDirector_blindLeaksNoName(t *testing.T) {
	c, obs, _ := directed(t, Config{Rate: 30, Seed: 12, Scenario: ScenarioPaymentDegraded, Blind: true, Spawn: spawnSelf}, true)
	var all strings.Builder
	raw, err := json.Marshal(obs)
	if err != nil {
		t.Fatal(err)
	}
	all.Write(raw)
	all.WriteString(scrape(t, c).text)
	plan, err := c.loadPlan(within(t, time.Second))
	if err != nil {
		t.Fatal(err)
	}
	raw, _ = json.Marshal(plan)
	all.Write(raw)
	err = filepath.WalkDir(c.dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(p) == ".db" || filepath.Ext(p) == ".db-wal" || filepath.Ext(p) == ".db-shm" {
			return err
		}
		text, err := os.ReadFile(p)
		// The folder's own path, the scenario's name and the fixed names of metrics
		// are not the shop's.
		all.WriteString(d.Name() + "\n" + strings.ReplaceAll(strings.ReplaceAll(string(text), c.dir, ""), ScenarioPaymentDegraded, ""))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ToLower(all.String())
	words := map[string]bool{}
	for _, w := range strings.FieldsFunc(text, func(r rune) bool {
		return r != '_' && r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}) {
		words[w] = true
	}
	for _, name := range tableNames() {
		name = strings.ToLower(name)
		if words[name] || strings.Contains(name, " ") && strings.Contains(text, name) || strings.Contains(name, "-") && strings.Contains(text, name) {
			t.Errorf("%q shows", name)
		}
	}
}
