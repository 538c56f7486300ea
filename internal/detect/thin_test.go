package detect

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

// Every fourth sample of a past teaches the half-hours that all of them teach, the first
// three days of which are the ones that weigh most.
func TestSeason_aThinnedPastTeachesTheSame(t *testing.T) {
	const step = 15 * time.Second
	began, seasons := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), [2]*season{}
	for k, every := range []int{1, 4} {
		d, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(7, 1))
		s := backout.Series{ID: backout.SeriesID{Signal: "latency", Subject: backout.Subject{Service: "cart"}}, Kind: backout.SignalLatency, Worse: backout.WorseUp, Opens: true}
		for i := range int(5 * day / step) {
			at := began.Add(time.Duration(i+1) * step)
			z := r.NormFloat64()
			if i%every == every-1 {
				s.Samples = append(s.Samples, backout.Sample{At: at, Value: 20 * math.Exp(.1*math.Sin(2*math.Pi*float64(at.Unix()%86400)/86400)+.3*z), Total: 100})
			}
		}
		d.Tick(backout.Window{From: began, Now: began.Add(5 * day), Step: step, Series: []backout.Series{s}})
		if seasons[k] = d.order[0].season; seasons[k] == nil || !d.order[0].SeasonOn {
			t.Fatalf("each %d samples: no season after five days", every)
		}
	}
	sum := 0.0
	for i := range halfHours {
		e := float64(seasons[0].Bins[0][i] - seasons[1].Bins[0][i])
		sum += e * e
	}
	if rms := math.Sqrt(sum / halfHours); rms > .035 {
		t.Errorf("the half-hours differ by %.3f, more than the fewer samples explain", rms)
	}
}
