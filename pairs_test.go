package backout_test

import (
	"math"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

func TestPair_confidence(t *testing.T) {
	minutes := func(n float64) backout.Duration { return backout.Duration(n * float64(time.Minute)) }
	for _, c := range []struct {
		p      backout.Pair
		minute backout.Duration
		want   float64
	}{
		{backout.Pair{Lasted: minutes(60)}, 0, 0}, // not healthy
		{backout.Pair{Healthy: true}, 0, .5},
		{backout.Pair{Healthy: true, Times: 1, Lasted: minutes(5)}, 0, 1 / (1 + .1 + .9/math.E)},
		{backout.Pair{Healthy: true, Times: 1, Lasted: minutes(30)}, 0, .9072},
		{backout.Pair{Healthy: true, Times: 2, Lasted: minutes(30)}, 0, .9877},
		{backout.Pair{Healthy: true, Times: 1, Lasted: minutes(1)}, backout.Duration(2 * time.Second), .9072}, // a rehearsal
	} {
		if got := c.p.Confidence(c.minute); math.Abs(got-c.want) > 1e-4 {
			t.Errorf("%+v: %.4f, want %.4f", c.p, got, c.want)
		}
	}
}

// A version that came back counts as a second spell.
func TestSeenTogether_countsSpells(t *testing.T) {
	shop := backout.ComponentID("deployment:shop@production/eu-1")
	g := backout.Graph{
		Dependencies: []backout.Dependency{{From: "shop", To: "payment"}},
		Components:   []backout.Component{{ID: pay, Service: "payment", Environment: "production"}, {ID: shop, Service: "shop", Environment: "production"}},
	}
	changes, _ := backout.Fold([]backout.Observation{
		{Source: "ci", NativeID: "0", At: noon.Add(-time.Minute), Component: shop, From: "6", To: "7", Share: 1},
		seen("ci", "1", 0, "2", 1), seen("ci", "2", 10, "3", 1), seen("ci", "3", 15, "2", 1), seen("ci", "4", 35, "3", 1),
	})
	for _, p := range backout.SeenTogether(g, changes, nil, noon.Add(time.Hour), time.Minute) {
		if p.A == shop && p.AVersion == "7" && p.BVersion == "2" || p.B == shop && p.BVersion == "7" && p.AVersion == "2" {
			if p.Times != 2 || p.Lasted.Std() != 30*time.Minute || !p.SeenAt.Equal(noon.Add(35*time.Minute)) {
				t.Errorf("%+v, want 30 minutes in two spells", p)
			}
			return
		}
	}
	t.Error("the pair was not seen")
}

// What was side by side only while something was wrong proves nothing, and trouble
// parts a spell in two.
func TestSeenTogether_leavesTroubleOut(t *testing.T) {
	shop := backout.ComponentID("deployment:shop@production/eu-1")
	g := backout.Graph{
		Dependencies: []backout.Dependency{{From: "shop", To: "payment"}},
		Components:   []backout.Component{{ID: pay, Service: "payment", Environment: "production"}, {ID: shop, Service: "shop", Environment: "production"}},
	}
	changes, _ := backout.Fold([]backout.Observation{
		{Source: "ci", NativeID: "0", At: noon.Add(-time.Minute), Component: shop, From: "6", To: "7", Share: 1},
		seen("ci", "1", 0, "2", 1), seen("ci", "2", 30, "3", 1),
	})
	at := func(minute int) time.Time { return noon.Add(time.Duration(minute) * time.Minute) }
	for name, c := range map[string]struct {
		trouble []backout.Period
		lasted  time.Duration // of payment 2 with shop 7; 0 = not seen
		times   int
	}{
		"none":              {nil, 30 * time.Minute, 1},
		"in the middle":     {[]backout.Period{{From: at(10), To: at(15)}}, 25 * time.Minute, 2},
		"all the time":      {[]backout.Period{{From: at(-2), To: at(40)}}, 0, 0},
		"still":             {[]backout.Period{{From: at(10)}}, 10 * time.Minute, 1},
		"before and after":  {[]backout.Period{{From: at(-9), To: at(-5)}, {From: at(35), To: at(40)}}, 30 * time.Minute, 1},
		"all but a moment":  {[]backout.Period{{From: at(0), To: at(29)}, {From: at(29).Add(30 * time.Second)}}, 0, 0},
		"overlapping twice": {[]backout.Period{{From: at(10), To: at(20)}, {From: at(15), To: at(25)}}, 15 * time.Minute, 2},
	} {
		var got backout.Pair
		for _, p := range backout.SeenTogether(g, changes, nil, at(60), time.Minute, c.trouble...) {
			if p.A == shop && p.AVersion == "7" && p.BVersion == "2" || p.B == shop && p.BVersion == "7" && p.AVersion == "2" {
				got = p
			}
		}
		if got.Lasted.Std() != c.lasted || got.Times != c.times {
			t.Errorf("%s: %s in %d spells, want %s in %d", name, got.Lasted.Std(), got.Times, c.lasted, c.times)
		}
	}
}
