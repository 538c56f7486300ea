package main

import (
	"fmt"
	"math"
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
