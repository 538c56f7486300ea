package learn

import (
	"math"
	"testing"
)

// Worked out by hand: the new answer joins those that said as much, so that of 50 of which
// 40 were right it makes 40 or 41 of 51.
func TestCalibrate_golden(t *testing.T) {
	past := []Labelled{}
	for i := range 100 {
		l := Labelled{Score: .5, True: i%5 < 2}
		if i >= 50 {
			l = Labelled{Score: .9, True: i%5 < 4}
		}
		past = append(past, l)
	}
	for said, want := range map[float64][2]float64{.9: {40.0 / 51, 41.0 / 51}, .5: {20.0 / 51, 21.0 / 51}} {
		c := Calibrate(past, said)
		if c == nil || math.Abs(c.P0-want[0]) > 1e-9 || math.Abs(c.P1-want[1]) > 1e-9 || c.N != 100 || c.Said != said || math.Abs(c.P-want[1]/(1-want[0]+want[1])) > 1e-9 {
			t.Errorf("%g: %+v, want %v", said, c, want)
		}
	}
	if c := Calibrate(past[1:], .9); c != nil {
		t.Errorf("99 labels: %+v; the posterior stays", c)
	}
}
