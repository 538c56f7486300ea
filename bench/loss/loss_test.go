package main

import (
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
