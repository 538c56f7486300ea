package main

import (
	"math"
	"testing"

	"github.com/backout-dev/backout/bench/played"
	"github.com/backout-dev/backout/internal/simulate"
)

// A few days and incidents go all the way: nothing is done on calm days, something is
// resolved otherwise, and counts fit together.
func TestCalm_leavesThingsAloneAndActsOtherwise(t *testing.T) {
	days, err := measureCalm(options{days: 4, seed: 1, train: true})
	if err != nil {
		t.Fatal(err)
	}
	if days.AutomaticActions != 0 || days.Days != 4 || days.Changes < 20 || days.Incidents < days.Founded {
		t.Errorf("calm days: %+v", days)
	}
	if days.AtMost < 100 {
		t.Errorf("four days prove at most %.0f actions in a thousand", days.AtMost)
	}
	acting, err := measureActing(options{cases: 8, seed: 1, train: true})
	if err != nil {
		t.Fatal(err)
	}
	if acting.Resolved == 0 || acting.Actions < acting.Resolved || acting.Reversible < acting.Resolved || acting.Incidents == 0 {
		t.Errorf("acting: %+v", acting)
	}
	n := 0
	for _, r := range acting.Classes {
		n += r.N
	}
	if n != 8 {
		t.Errorf("%d cases by class, expected 8", n)
	}
}

// Golden: 0 of 10 and 5 of 10 (Clopper and Pearson's table), and the rule of three.
func TestShare_exactIntervals(t *testing.T) {
	for _, c := range []struct {
		k, n      int
		low, high float64
	}{{0, 10, 0, .3085}, {5, 10, .1871, .8129}, {10, 10, .6915, 1}, {1, 50, .0005, .1065}} {
		if _, ci := share(c.k, c.n); math.Abs(ci[0]-c.low) > 5e-4 || math.Abs(ci[1]-c.high) > 5e-4 {
			t.Errorf("%d of %d: [%.4f, %.4f], expected [%.4f, %.4f]", c.k, c.n, ci[0], ci[1], c.low, c.high)
		}
	}
	if got := 1000 * upper(0, 1000); math.Abs(got-2.99) > .02 {
		t.Errorf("none in a thousand: at most %.3f, expected about 3", got)
	}
}

func TestOptions_check(t *testing.T) {
	good := options{days: 1, cases: 1, output: "json"}
	if err := good.check(); err != nil || played.Split(good.shifted, good.train) != simulate.Test {
		t.Errorf("%v, %s", err, played.Split(good.shifted, good.train))
	}
	for _, o := range []options{{days: 0, cases: 1, output: "json"}, {days: 1, cases: 1, output: "xml"}, {days: 1, cases: 1, output: "json", shifted: true, train: true}} {
		if o.check() == nil {
			t.Errorf("%+v passes", o)
		}
	}
}
