package playground

import (
	"os"
	"testing"

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
		if err := writeCatalog(dir, build(c.Seed, blind), c); err != nil {
			t.Fatal(err)
		}
		got, err := catalog.Load(os.DirFS(dir))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d services %d deps %d comps %d contracts %d signals", len(got.Graph.Services), len(got.Graph.Dependencies), len(got.Graph.Components), len(got.Contracts), len(got.Signals))
	}
}
