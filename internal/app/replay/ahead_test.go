package replay

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	folder "github.com/backout-dev/backout/internal/replay"
)

// Whatever was evaluated ahead, each window is the one that a query of its moment
// gives, signal by signal and reason by reason.
func TestReader_givesWhatAQueryOfTheMomentGives(t *testing.T) {
	dir := incident().write(t, t.TempDir())
	more := `
    - {name: ahead, kind: traffic, direction: up, query: 'sum by (service) (requests_total offset -3m)'}
    - {name: never, kind: traffic, direction: up, query: nothing_of_the_kind}
    - {name: wrong, kind: traffic, direction: up, query: 'sum by ('}
    - {name: late, kind: traffic, direction: up, query: 'sum by (service) (requests_total) and on () (vector(time()) > LATE)'}
    - {name: gaps, kind: traffic, direction: up, query: 'sum by (service) (requests_total) and on () (vector(time() % 420) > 200)'}
    - {name: two, kind: traffic, direction: up, query: 'sum by (service) (requests_total) or (sum by (service, result) (requests_total) and on () (vector(time()) > LATE))'}
`
	if err := os.WriteFile(filepath.Join(dir, "signals.yaml"), []byte(signalsYAML+strings.ReplaceAll(more[1:], "LATE", fmt.Sprint(minute(120).Unix()))), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := folder.Open(dir, parseLine)
	if err != nil {
		t.Fatal(err)
	}
	samples, err := load(t.Context(), f, Config{Temp: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = samples.Close() }()
	if err := samples.settle(t.Context(), f, minute(60)); err != nil {
		t.Fatal(err)
	}
	r := newReader(samples.Recorded, minute(150), f.Catalog.Signals, samples.scrape, time.Minute)
	reasons := map[string]bool{}
	for m := 60.0; m <= 150; m++ {
		from, to := minute(max(0, m-4)), minute(m)
		got, err := r.Sample(t.Context(), f.Catalog.Signals, from, to, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		samples.Until(to)
		want, err := samples.Sample(t.Context(), f.Catalog.Signals, from, to, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("minute %v: asked then (-) and read ahead (+):\n%s", m, diff)
		}
		for name, why := range got.Missing {
			reasons[string(name)+": "+why] = true
		}
	}
	if len(reasons) != 5 { // every odd signal but the one that looks ahead
		t.Errorf("the case is too easy: %v", reasons)
	}
}
