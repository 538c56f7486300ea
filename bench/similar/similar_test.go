package main

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/backout-dev/backout"
)

// Two sorts of incident, each at its own service: the nearest is always of the same sort,
// chance is half, and "most frequent" of those left is always the other sort.
func TestMeasure_twoSorts(t *testing.T) {
	var all []incident
	for i := range 20 {
		sort := fmt.Sprint("sort", i%2)
		all = append(all, incident{seen: backout.Signature{Services: []backout.ServiceID{backout.ServiceID(sort)}}, answers: map[string]string{"root_cause": sort}})
	}
	a := ask("root_cause", all)
	if a.N != 20 || a.Nearest.Mean != 1 || a.Nearest.CI != [2]float64{1, 1} || math.Abs(a.Baselines.Chance.Mean-9.0/19) > 1e-3 || a.Baselines.MostFrequent.Mean != 0 || a.Baselines.SameService.Mean != 1 || a.OverFrequent.Mean != 1 {
		t.Errorf("%+v", a)
	}
}

// The picture says of each question what was measured.
func TestDraw_tellsEveryShare(t *testing.T) {
	a := Answer{Question: "root_cause", N: 31, Classes: 4, Nearest: Share{.62, [2]float64{.51, .73}}, OfThree: Share{.6, [2]float64{.5, .7}}}
	a.Baselines.Chance, a.Baselines.MostFrequent = Share{.25, [2]float64{.2, .3}}, Share{.44, [2]float64{.4, .5}}
	got := draw(Result{N: 32, Answers: []Answer{a, a}}).SVG()
	for _, want := range []string{"32 past incidents", "root cause (31 incidents, 4 classes)", "62 % [51, 73]", "60 % [50, 70]", "25 % [20, 30]", "44 % [40, 50]", "0 % [0, 0]"} {
		if strings.Count(got, want) < 1 {
			t.Errorf("the picture does not say %q", want)
		}
	}
}
