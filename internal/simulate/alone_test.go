package simulate

import (
	"math/rand/v2"
	"testing"

	backout "github.com/backout-dev/backout"
)

// A service that breaks by itself was left alone before; where none was, none breaks.
func TestStrikeCalm_breaksWhatWasLeftAlone(t *testing.T) {
	w := &world{r: rand.New(rand.NewPCG(1, 2)), nodes: []*node{{kind: backout.ServiceOwn}, {kind: backout.ServiceOwn}}}
	w.drafts = []draft{{node: 0, stages: []stage{{minute: 100, share: .5}, {minute: 130, share: 1}}}}
	for _, c := range []struct {
		minute float64
		both   bool
	}{{90, true}, {101, false}, {150, false}, {219, false}, {221, true}} {
		seen := map[int]int{}
		for range 40 {
			origin, ok := w.strikeCalm(ClassSpontaneous, &course{begin: c.minute, end: c.minute + 10})
			if !ok {
				t.Fatalf("minute %.0f: nobody breaks", c.minute)
			}
			seen[origin]++
		}
		if (seen[0] > 0) != c.both || seen[1] == 0 {
			t.Errorf("minute %.0f: %v break, the changed one expected: %t", c.minute, seen, c.both)
		}
	}
	w.drafts[0].node, w.nodes = 0, w.nodes[:1]
	if _, ok := w.strikeCalm(ClassSpontaneous, &course{begin: 120, end: 130}); ok {
		t.Error("the only one breaks although it was just changed")
	}
}
