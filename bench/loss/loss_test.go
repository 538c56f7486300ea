package main

import (
	"encoding/json"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/simulate"
)

func someLedger(culprit backout.ComponentID) ledger {
	onset := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	return ledger{truth: simulate.Truth{Component: culprit, Onset: onset}, drain: time.Minute, worth: map[backout.ComponentID]float64{"flag:a@p/e": 300, "config:b@p/e": 200}}
}

// Golden: minutes times price, work, and what innocent changes earned.
func TestCost_golden(t *testing.T) {
	l := someLedger("flag:a@p/e")
	both := []backout.ComponentID{"flag:a@p/e", "config:b@p/e"}
	for _, c := range []struct {
		over           time.Duration
		taken          []backout.ComponentID
		loss, needless float64
	}{{10 * time.Minute, both[:1], 205, 0}, {10 * time.Minute, both, 415, 1}, {2 * time.Hour, nil, 900, 0}, {-time.Minute, both[1:], 210, 1}} {
		if loss, needless := l.cost(20, l.truth.Onset.Add(c.over), c.taken); loss != c.loss || needless != c.needless {
			t.Errorf("over after %s with %v back: %.0f and %.0f, expected %.0f and %.0f", c.over, c.taken, loss, needless, c.loss, c.needless)
		}
	}
}

func TestAtOnce_endsWithTheCulpritOnly(t *testing.T) {
	l := someLedger("flag:a@p/e")
	at := l.truth.Onset.Add(3 * time.Minute)
	if got := l.atOnce(at, []backout.ComponentID{"flag:a@p/e"}); !got.Equal(at.Add(5*time.Second + time.Minute)) {
		t.Errorf("ends %s after the onset", got.Sub(l.truth.Onset))
	}
	if got := l.atOnce(at, []backout.ComponentID{"config:b@p/e"}); !got.Equal(l.never()) {
		t.Errorf("an innocent one ends it %s after the onset", got.Sub(l.truth.Onset))
	}
	none := someLedger("")
	if got := none.atOnce(at, []backout.ComponentID{""}); !got.Equal(none.never()) {
		t.Error("no change did it, and yet taking something back ends it")
	}
}

// Three cases go all the way, and what must hold whatever is played does: nobody loses
// the whole time, the oracle takes nothing innocent back and never loses more than the
// latest does, and alone backout takes back no more than with a person.
func TestMeasure_bounds(t *testing.T) {
	o := options{cases: 3, seed: 6, train: true, output: "json"}
	bills, err := measure(o)
	if err != nil {
		t.Fatal(err)
	}
	r := summarise(o, bills)
	if len(r.Levels) != len(levels) || r.N != 3 {
		t.Fatalf("%d levels of %d cases", len(r.Levels), r.N)
	}
	acted := false
	for _, l := range r.Levels {
		d := l.Deciders
		if math.Abs(d[nobody].Loss-45*l.PerMinute) > 1e-9 || d[oracle].Needless != 0 || d[oracle].Loss > d[latest].Loss || d[alone].Needless > d[ours].Needless {
			t.Errorf("at %.0f a minute: %+v", l.PerMinute, d)
		}
		acted = acted || d[ours].Loss < d[nobody].Loss
	}
	if !acted {
		t.Error("backout never did anything of use")
	}
	if svg := draw(r).SVG(); !strings.Contains(svg, "a minute costs 200") {
		t.Error("the picture lacks a price")
	}
}

// Where no change did it there is no way from nobody to the oracle, and of few cases many
// resamples are such: that is said as null, and the rest is still told.
func TestSummarise_whatDoesNotExistIsNull(t *testing.T) {
	bills := func(guilty ...bool) []bill {
		out := make([]bill, len(guilty))
		for i, g := range guilty {
			out[i] = bill{map[string][]float64{}, map[string][]float64{}}
			for _, name := range deciders {
				lost := 900.0
				if g && name != nobody {
					lost = 100
				}
				out[i].loss[name], out[i].needless[name] = []float64{lost, lost, lost, lost}, make([]float64, len(levels))
			}
		}
		return out
	}
	many := make([]bool, 40)
	for i := range many {
		many[i] = i%2 == 0
	}
	for name, c := range map[string]struct {
		guilty        []bool
		gap, interval bool
	}{"no change did it": {guilty: []bool{false, false}}, "one of three": {guilty: []bool{true, false, false}, gap: true}, "twenty of forty": {guilty: many, gap: true, interval: true}} {
		r := summarise(options{output: "json"}, bills(c.guilty...))
		if l := r.Levels[0]; (l.GapClosed != nil) != c.gap || (l.GapClosedCI != nil) != c.interval || l.Deciders[nobody].CI == nil || l.AgainstSuspectCI == nil {
			t.Errorf("%s: %+v", name, l)
		}
		if err := json.NewEncoder(io.Discard).Encode(r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		r.show(io.Discard)
		draw(r)
	}
}
