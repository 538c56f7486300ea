package playground

import (
	"os"
	"slices"
	"testing"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/catalog"
)

func TestCatalog_isReadByTheProgram(t *testing.T) {
	for _, blind := range []bool{false, true} {
		dir := t.TempDir()
		c := Config{Dir: dir, Seed: 3, Blind: blind}
		c, err := c.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		if err := writeCatalog(dir, build(c.Seed, blind), script{}, c); err != nil {
			t.Fatal(err)
		}
		got, err := catalog.Load(os.DirFS(dir))
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Graph.Services) < 50 || len(got.Graph.Components) < 60 || len(got.Graph.Journeys) != len(table().journeys) || len(got.Signals) != len(signals(false)) {
			t.Errorf("%d services, %d components, %d journeys, %d signals", len(got.Graph.Services), len(got.Graph.Components), len(got.Graph.Journeys), len(got.Signals))
		}
		top := build(c.Seed, blind)
		holds := slices.ContainsFunc(got.Graph.Dependencies, func(d backout.Dependency) bool {
			return d.Holds && d.Hard && string(d.From) == top.outward["checkout"] && string(d.To) == top.outward["inventory"]
		})
		if !holds {
			t.Error("nothing says that checkout holds what inventory hands out")
		}
		demandsInCatalog(t, top, got)
	}
}

// The catalog forbids exactly what the shop can't do: express checkout on an older
// payment, and the next orders on the first schema.
func demandsInCatalog(t *testing.T, top *topology, got catalog.Catalog) {
	t.Helper()
	payment, orders := top.named("payment"), top.named("orders")
	flag := backout.NewComponentID(backout.KindFlag, top.outward["flag:express-checkout"], environment, location)
	forbidden := map[string]bool{}
	for _, c := range got.Contracts {
		if c.Consumer == flag && c.Provider == payment.deployment() {
			forbidden["express"] = !c.Allows("on", backout.Version(payment.current)) && c.Allows("on", backout.Version(payment.next)) && c.Allows("off", backout.Version(payment.current))
		}
		if c.Consumer == orders.deployment() && c.Provider == top.schemaID() {
			forbidden["schema"] = !c.Allows(backout.Version(orders.next), schemaFirst) && c.Allows(backout.Version(orders.current), schemaFirst) && c.Allows(backout.Version(orders.current), schemaAdditive)
		}
		if c.Provider.Kind() == backout.KindDeployment && c.Consumer.Kind() == backout.KindDeployment && len(c.Rules) != 1 {
			t.Errorf("contract %+v", c)
		}
	}
	if !forbidden["express"] || !forbidden["schema"] {
		t.Errorf("contracts hold back %v, expected express and schema", forbidden)
	}
}
