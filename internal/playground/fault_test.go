package playground

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute/goose"
)

func TestFault_hitsWhereItHolds(t *testing.T) {
	top, began := build(1, false), time.Now()
	pay, ledger, cart := top.service("payment"), top.service("ledger"), top.service("cart")
	k := newKnobs()
	k.state.Store(&knobState{On: map[string]map[string]bool{"f": {"web": true}}, Set: map[string]bool{"c": true}, Schema: 3, Begun: map[int]time.Time{0: began}})
	copied := func(s *service, version string, at backout.Location, started time.Time) *instance {
		return &instance{copyOf: copyOf{service: s, version: version, location: at}, around: &surroundings{topology: top, knobs: k}, started: started}
	}
	old, fresh := copied(pay, "2", "eu-1", began.Add(-time.Minute)), copied(pay, "2", "eu-1", began.Add(time.Second))
	for name, c := range map[string]struct {
		fault fault
		in    *instance
		op    string
		hit   bool
	}{
		"the release":                 {fault{Service: "payment", Version: "2"}, old, "charge", true},
		"another release":             {fault{Service: "payment", Version: "3"}, old, "charge", false},
		"not begun":                   {fault{Service: "payment", Number: 1}, old, "charge", false},
		"another service":             {fault{Service: "fraud"}, old, "charge", false},
		"the location":                {fault{Service: "payment", Location: "eu-1"}, old, "charge", true},
		"another location":            {fault{Service: "payment", Location: "us-1"}, old, "charge", false},
		"the client":                  {fault{Service: "payment", Client: "web"}, old, "charge", true},
		"another client":              {fault{Service: "payment", Client: "mobile"}, old, "charge", false},
		"the flag is on":              {fault{Service: "payment", Flag: "f"}, old, "charge", true},
		"the flag is off":             {fault{Service: "payment", Flag: "g"}, old, "charge", false},
		"configured":                  {fault{Service: "payment", Setting: "c"}, old, "charge", true},
		"not configured":              {fault{Service: "payment", Setting: "d"}, old, "charge", false},
		"migrated":                    {fault{Service: "payment", Schema: 3}, old, "charge", true},
		"not migrated":                {fault{Service: "payment", Schema: 4}, old, "charge", false},
		"the way back, old copy":      {fault{Service: "payment", Version: "3", WayBack: true}, old, "charge", false},
		"the way back, fresh copy":    {fault{Service: "payment", Version: "3", WayBack: true}, fresh, "charge", true},
		"the way back, the release":   {fault{Service: "payment", Version: "2", WayBack: true}, fresh, "charge", false},
		"a write to the datastore":    {fault{Service: "shop-db"}, copied(ledger, "1", "eu-1", began), "append", true},
		"the datastore, and no call":  {fault{Service: "shop-db"}, copied(cart, "1", "eu-1", began), "get", false},
		"the datastore, and no write": {fault{Service: "shop-db"}, copied(top.service("orders"), "1", "eu-1", began), "list", false},
	} {
		c.fault.Acts = behaviour{Slow: 10}
		tr := c.fault
		hit := tr.concerns(top, c.in.service, c.in.version, c.in.location)
		if hit {
			_, hit = tr.felt(c.in, c.in.service.op(c.op), "web", began.Add(time.Minute))
		}
		if hit != c.hit {
			t.Errorf("%s: hit %t, expected %t", name, hit, c.hit)
		}
	}
	ends := fault{Service: "payment", Delay: time.Second, Lasts: time.Second, Acts: behaviour{Slow: 10, Latency: time.Second, Errors: .5}}
	for after, factor := range map[time.Duration]float64{500 * time.Millisecond: 1, 1500 * time.Millisecond: 10, 2500 * time.Millisecond: 1} {
		if f, _ := ends.felt(old, pay.op("charge"), "web", began.Add(after)); f.factor != factor || (f.errors == .5) != (factor > 1) || (f.longer == time.Second) != (factor > 1) {
			t.Errorf("after %s: %+v, expected %g times as long", after, f, factor)
		}
	}
}

// playing runs a scenario of its own, quickly, with load, until all is shipped.
func playing(t *testing.T, body string) (*Client, []backout.Observation, truth) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mine.txtar")
	text := "-- scenario.yaml --\nformat: 1\nsentence: a test\nday: {migration: false}\nexpect: {outcome: recovered}\n" + body
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return directed(t, Config{Rate: 60, Seed: 3, Scenario: file}, true)
}

// total adds up the samples of a metric whose labels match, in a scrape's text.
func total(text, metric string, labels ...string) float64 {
	sum := 0.0
	for _, line := range regexp.MustCompile(`(?m)^`+metric+`\{(.*)\} (\S+)$`).FindAllStringSubmatch(text, -1) {
		if !slices.ContainsFunc(labels, func(l string) bool { return !regexp.MustCompile(`(^|,)` + regexp.QuoteMeta(l)).MatchString(line[1]) }) {
			v, _ := strconv.ParseFloat(line[2], 64)
			sum += v
		}
	}
	return sum
}

func TestDirector_flagHurtsOneClient(t *testing.T) {
	c, obs, tr := playing(t, `ship: [{id: f, flag: net-prices, audiences: [kestrel, nordwind, mobile], every: 1, at: 1, role: culprit}]
faults: [{service: pricing, shipment: f, client: nordwind, errors: 1}]
`)
	changes, _ := backout.Fold(obs)
	at := slices.IndexFunc(changes, func(ch backout.Change) bool { return ch.Component.Name() == "net-prices" })
	var who []string
	for _, st := range changes[at].Exposure.Stages {
		who = append(who, st.Audience)
	}
	if !slices.Equal(who, []string{"kestrel", "nordwind", "mobile"}) || len(tr.Culprits) != 1 || tr.InjectedAt.IsZero() {
		t.Errorf("stages for %v, truth %+v", who, tr)
	}
	failed := func(s scraped, client string) float64 {
		return total(s.text, "shop_journeys_total", `client="`+client+`"`, `result="error"`)
	}
	deltas(t, c, time.Minute, "nordwind failing and no other", func(old, now scraped) bool {
		return failed(now, "nordwind") > failed(old, "nordwind")+1 && failed(now, "kestrel")+failed(now, "mobile") <= failed(old, "kestrel")+failed(old, "mobile")
	})
	if err := setFlag(c.dir, "net-prices", "on", []string{"kestrel", "mobile"}); err != nil {
		t.Fatal(err)
	}
	deltas(t, c, time.Minute, "nordwind well again", func(old, now scraped) bool {
		ok := func(s scraped) float64 {
			return total(s.text, "shop_journeys_total", `client="nordwind"`, `result="ok"`)
		}
		return ok(now) > ok(old) && failed(now, "nordwind") == failed(old, "nordwind")
	})
}

func TestDirector_migrationHurtsWritesAndHasNoWayBack(t *testing.T) {
	c, _, _ := playing(t, `ship: [{id: m, schema: "3", at: 1, role: culprit}]
faults: [{service: shop-db, shipment: m, errors: 1}]
`)
	deltas(t, c, time.Minute, "writes failing", func(old, now scraped) bool {
		return ratio(old, now, "ledger") > .5 && ratio(old, now, "search") < .1
	})
	schema := backout.Component{ID: build(3, false).schemaID(), Kind: backout.KindSchema, Locator: "sqlite:" + filepath.Join(c.dir, "shop.db") + "?migrations=" + filepath.Join(c.dir, "migrations")}
	rev, err := goose.New(goose.Config{}).Survey(within(t, 5*time.Second), schema, []backout.Change{{Component: schema.ID, From: "1", To: "3"}})
	if err != nil || !rev.Known || rev.Current != "3" || len(rev.Levels) != 1 || rev.Levels[0].Loss != backout.LossOneWay {
		t.Errorf("reversal %+v, %v", rev, err)
	}
}

func TestDirector_harmInOneLocation(t *testing.T) {
	c, obs, tr := playing(t, `locations: [eu-1, us-1]
ship:
- {id: bad, deployment: search, location: us-1, at: 1, role: culprit}
- {deployment: search, location: eu-1, after: bad, at: 0.2, role: decoy}
faults: [{service: search, shipment: bad, errors: 1}]
`)
	if want := "deployment:search@production/us-1="; len(tr.Culprits) != 1 || tr.Culprits[0][:len(want)] != want || len(tr.Decoys) != 1 {
		t.Errorf("truth %+v", tr)
	}
	failed := func(s scraped, at string) float64 {
		return total(s.text, "shop_journeys_total", `journey="find"`, `location="`+at+`"`, `result="error"`)
	}
	deltas(t, c, time.Minute, "us-1 failing and eu-1 not", func(old, now scraped) bool {
		return failed(now, "us-1") > failed(old, "us-1")+1 && failed(now, "eu-1") <= failed(old, "eu-1")+1
	})
	ctx, search := within(t, 10*time.Second), build(3, false).service("search")
	if _, err := c.Move(ctx, search.deploymentAt("us-1"), ComponentMove{To: backout.Version(search.current)}, "", ""); err != nil {
		t.Fatal(err)
	}
	st, err := c.Component(ctx, search.deploymentAt("eu-1"))
	if err != nil || st.Live.Version() != backout.Version(search.next) || st.Instances != 2 {
		t.Errorf("the other location is at %+v, %v", st, err)
	}
	deltas(t, c, time.Minute, "us-1 well again", func(old, now scraped) bool { return failed(now, "us-1") <= failed(old, "us-1") })
	instances := 0
	for _, tg := range targetsOf(t, c) {
		if tg.Labels["service"] != "shoppers" {
			instances++
		}
	}
	if instances < 110 || instances > 150 {
		t.Errorf("%d instances in two locations, expected about as many as in one", instances)
	}
	for _, o := range obs {
		if k := o.Component.Kind(); k != backout.KindDeployment && !regexp.MustCompile(`/global$`).MatchString(string(o.Component)) {
			t.Errorf("%s is in one location, expected it to be global", o.Component)
		}
	}
}

func TestDirector_troubleEnds(t *testing.T) {
	c, _, _ := playing(t, `ship: [{id: r, deployment: search, at: 1, stages: [1], role: culprit}]
faults: [{service: search, shipment: r, lasts: 240, errors: 1}]
`)
	deltas(t, c, time.Minute, "search failing", func(old, now scraped) bool { return ratio(old, now, "search") > .5 })
	deltas(t, c, time.Minute, "search well by itself", func(old, now scraped) bool {
		return now.requests["search"] > old.requests["search"] && ratio(old, now, "search") < .05
	})
}

func TestDirector_wayBackIsBrokenToo(t *testing.T) {
	c, _, tr := playing(t, `ship: [{id: r, deployment: search, at: 1, stages: [1], role: culprit}]
faults:
- {service: search, shipment: r, wayBack: true, errors: 1}
- {service: media, at: 200, errors: 1}
`)
	deltas(t, c, time.Minute, "search well at its release", func(old, now scraped) bool {
		return now.requests["search"] > old.requests["search"] && ratio(old, now, "search") < .05
	})
	id, _, _ := splitCulprit(tr.Culprits[0])
	if _, err := c.Move(within(t, 10*time.Second), id, ComponentMove{To: backout.Version(build(3, false).service("search").current)}, "", ""); err != nil {
		t.Fatal(err)
	}
	deltas(t, c, time.Minute, "search failing on the way back", func(old, now scraped) bool { return ratio(old, now, "search") > .5 })
}

func splitCulprit(s string) (backout.ComponentID, backout.Version, bool) {
	i := slices.Index([]byte(s), '=')
	return backout.ComponentID(s[:i]), backout.Version(s[i+1:]), i > 0
}

// What the catalog forbids is what the shop can't do.
func TestDirector_contractIsReal(t *testing.T) {
	c, _, _ := playing(t, `ship:
- {id: a, deployment: pricing, at: 1, stages: [1], role: culprit}
- {id: b, deployment: catalog, after: a, at: 1, stages: [1], needs: a, role: demanded}
faults: [{service: media, at: 200, errors: 1}]
contracts: [{consumer: b, provider: a, reason: a test}]
`)
	raw, err := os.ReadFile(filepath.Join(c.dir, "catalog", "contracts.yaml"))
	if err != nil || !regexp.MustCompile(`name: catalog-needs-pricing`).Match(raw) {
		t.Errorf("contracts lack the scenario's: %v", err)
	}
	ctx, top := within(t, 30*time.Second), build(3, false)
	deltas(t, c, time.Minute, "both well", func(old, now scraped) bool {
		return now.calls["catalog>pricing"] > old.calls["catalog>pricing"]+2 && now.callErrors["catalog>pricing"] == old.callErrors["catalog>pricing"]
	})
	if r, err := c.Report(ctx); err != nil || r.Unsafe != 0 {
		t.Fatalf("report %+v, %v", r, err)
	}
	if _, err := c.Move(ctx, top.service("pricing").deployment(), ComponentMove{To: backout.Version(top.service("pricing").current)}, "", ""); err != nil {
		t.Fatal(err)
	}
	for r, err := c.Report(ctx); err != nil || r.Unsafe == 0; r, err = c.Report(ctx) {
		if pause(ctx, 100*time.Millisecond) != nil {
			t.Fatal(fmt.Errorf("no unsafe request was counted: %+v, %w", r, err))
		}
	}
}
