package main

import (
	"math"
	"strings"
	"testing"
)

// Clopper and Pearson: of no hits in n the upper limit solves (1-p)^n = .005.
func TestInterval_isExact(t *testing.T) {
	if r := interval(0, 100); r.Low != 0 || math.Abs(r.High-(1-math.Pow(.005, .01))) > 1e-9 {
		t.Errorf("%+v", r)
	}
	if r := interval(100, 100); r.High != 1 || math.Abs(r.Low-math.Pow(.005, .01)) > 1e-9 {
		t.Errorf("%+v", r)
	}
	// From tables: 5 of 50 at 99 %.
	if r := interval(5, 50); math.Abs(r.Low-.0222) > 5e-4 || math.Abs(r.High-.2581) > 5e-4 {
		t.Errorf("%+v", r)
	}
}

// The command's own claim, in small: what is promised is not seen to be broken, what
// looks as often without correction is wrong far more often, and nothing is proven by
// never answering.
func TestFamilies_holdUnderPeeking(t *testing.T) {
	var r report
	for i, f := range families() {
		name := f.String()
		if !strings.Contains(name, "AR(0.4) known") && !strings.Contains(name, "AR(0) learnt from 60") && !strings.HasPrefix(name, "counts 10 %") {
			continue
		}
		one, err := f.measure(300, 60, uint64(i))
		if err != nil {
			t.Fatal(err)
		}
		r.Families = append(r.Families, one)
		if one.Holds == "no" || one.Median < 0 {
			t.Errorf("%s: %+v", name, one)
		}
		if one.TTest.Rate <= one.Alpha {
			t.Errorf("%s: a t-test at every sample is wrong in %.3f only: this case shows nothing", name, one.TTest.Rate)
		}
	}
	if len(r.Families) != 5 {
		t.Errorf("%d families, want 5", len(r.Families))
	}
	if page := markdown(r); strings.Contains(page, "%!") || !strings.Contains(page, "| counts |") {
		t.Error(page)
	}
	if svg := picture(r).SVG(); strings.Contains(svg, "NaN") {
		t.Error("the picture has a place that is no number")
	}
}
