package watch

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/detect"
)

// After a past that was thinned in its middle a detector keeps the run length that it
// states, as after the whole of it: correlated noise, with a day, for three more days. One
// series in sixty has a bad morning either way, so no series counts more than five times.
func TestPiece_thePromiseHoldsAfterAThinnedPast(t *testing.T) {
	const step, arl, many, ahead = 15 * time.Second, 1e4, 12, 3 * 24 * time.Hour
	began := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	live := began.Add(10 * 24 * time.Hour)
	seed := uint64(time.Now().UnixNano())
	w := backout.Window{From: began, Now: live.Add(ahead), Step: step}
	for k := range many {
		r, x := rand.New(rand.NewPCG(seed, uint64(k))), 0.0
		phi := .2 + .7*r.Float64()
		s := backout.Series{ID: backout.SeriesID{Signal: "latency", Subject: backout.Subject{Service: backout.ServiceID(fmt.Sprint("service-", k))}}, Kind: backout.SignalLatency, Worse: backout.WorseUp, Opens: true}
		for at := began.Add(step); !at.After(w.Now); at = at.Add(step) {
			x = phi*x + math.Sqrt(1-phi*phi)*r.NormFloat64()
			day := math.Sin(2*math.Pi*float64(at.Unix()%86400)/86400 + float64(k))
			s.Samples = append(s.Samples, backout.Sample{At: at, Value: 20 * math.Exp(.3*day+.2*x), Total: 100})
		}
		w.Series = append(w.Series, s)
	}
	for _, every := range []int{1, 4} {
		d, err := detect.New(detect.Config{LongARL: arl})
		if err != nil {
			t.Fatal(err)
		}
		for at := began; live.After(at); {
			c := cut(began, at, live, step, 4000, every)
			d.Tick(part(w, c))
			at = c.to
		}
		found, of := 0, map[backout.ServiceID]int{}
		for _, f := range d.Tick(part(w, piece{live, w.Now, 1})) {
			if of[f.ID.Subject.Service]++; of[f.ID.Subject.Service] <= 5 {
				found++
			}
		}
		stated := many * float64(ahead/step) / arl
		t.Logf("each %d samples: %d false findings, %.0f stated", every, found, stated)
		if float64(found) > stated {
			t.Errorf("seed %d, each %d samples: %d false findings in three days, %.0f are stated", seed, every, found, stated)
		}
	}
}

// part is what a backend answers when it is asked for a piece.
func part(w backout.Window, c piece) backout.Window {
	out := backout.Window{From: c.from, Now: c.to, Step: w.Step}
	for _, s := range w.Series {
		all := s.Samples
		s.Samples = nil
		for _, x := range all {
			if x.At.After(c.from) && !x.At.After(c.to) && x.At.Unix()%int64(w.Step*time.Duration(c.every)/time.Second) == 0 {
				s.Samples = append(s.Samples, x)
			}
		}
		out.Series = append(out.Series, s)
	}
	return out
}
