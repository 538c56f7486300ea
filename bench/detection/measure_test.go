package main

import (
	"testing"

	"github.com/backout-dev/backout/internal/detect"
)

func TestMeasureDemo_falseFindingsAreRare(t *testing.T) {
	for overlap := 1; overlap <= 3; overlap++ {
		d, err := measureDemo(detect.Config{}, overlap, 2, 9)
		if err != nil {
			t.Fatal(err)
		}
		if d.Findings > 0 || d.Series != 150 {
			t.Errorf("%+v, expected no false finding in two runs of 150 series", d)
		}
	}
}

func TestMeasureRunLength_noticesABrokenPromise(t *testing.T) {
	drifting := plain("drift", .99, normal) // far from anything a short history can whiten
	got, err := measureRunLength(detect.Config{ARL: 1000}, drifting, 300, 50, 150, 1)
	if err != nil {
		t.Fatal(err)
	}
	honest, err := measureRunLength(detect.Config{ARL: 1000}, plain("white", 0, normal), 300, 50, 150, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got.Measured >= honest.Measured {
		t.Errorf("run length %v on drifting noise and %v on white noise, expected the measure to tell them apart", got.Measured, honest.Measured)
	}
}
