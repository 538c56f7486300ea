package replay

import (
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the example recording anew")

// testdata/release is a recording that people can look at; it is made by this
// package's shop and kept equal to it.
func TestExample_isWhatTheShopWrites(t *testing.T) {
	s := incident()
	s.scrape = time.Minute
	if *update {
		s.write(t, filepath.Join("testdata", "release"))
	}
	dir := s.write(t, t.TempDir())
	for _, name := range []string{"catalog/services.yaml", "catalog/policy.yaml", "signals.yaml", "changes.jsonl", "metrics.om", "replay.yaml"} {
		if name == "metrics.om" && runtime.GOARCH != "amd64" {
			continue // others round products differently in the last digit
		}
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("testdata", "release", name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s differs; go test ./internal/app/replay -run Example -update writes it:\n%.2000s", name, diff)
		}
	}
}
