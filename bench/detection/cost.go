package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/detect"
)

func service(i int) backout.ServiceID { return backout.ServiceID(fmt.Sprintf("service-%05d", i)) }

// measureCost100k feeds 100,000 series of 33,334 services until each has its long
// history and its season, and gives the median time of a tick and the memory that is
// live after it, the window not counted. Steps are half-hours, so that three days are few.
func measureCost100k() (ms float64, bytes int, err error) {
	const many, step = 100_000, 30 * time.Minute
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	d, err := detect.New(detect.Config{Warm: 20, Full: 500})
	if err != nil {
		return 0, 0, err
	}
	w, values := backout.Window{Step: step}, noise(1<<14)
	for i := range many {
		w.Series = append(w.Series, backout.Series{
			ID:   backout.SeriesID{Signal: backout.SignalName([]string{"latency", "calls", "queue"}[i%3]), Subject: backout.Subject{Service: service(i / 3)}},
			Kind: backout.SignalLatency, Worse: backout.WorseUp, Opens: true, Samples: make([]backout.Sample, 1)})
	}
	var took []float64
	for t := range 560 {
		w.From, w.Now = w.Now, epoch.Add(time.Duration(t+1)*step)
		for i := range w.Series {
			w.Series[i].Samples[0] = backout.Sample{At: w.Now, Value: values[(i*7919+t)%len(values)], Total: 1000}
		}
		began := time.Now()
		d.Tick(w)
		if t >= 530 {
			took = append(took, float64(time.Since(began).Microseconds())/1e3)
		}
	}
	if n := d.State(); n.Seasonal+n.Standing < many*99/100 || n.Seasons < many*99/100 {
		return 0, 0, fmt.Errorf("measure cost: %d of %d series have a long history and %d a season", n.Seasonal, many, n.Seasons)
	}
	runtime.GC() // the window and its values are not used any more, so they are gone
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(d)
	slices.Sort(took)
	return took[len(took)/2], int(int64(after.HeapAlloc)-int64(before.HeapAlloc)) / many, nil
}

// noise is n latencies of AR(0.4).
func noise(n int) []float64 {
	r, y, out := rand.New(rand.NewPCG(5, 5)), 0.0, make([]float64, n)
	for i := range out {
		y = .4*y + math.Sqrt(1-.16)*r.NormFloat64()
		out[i], _ = gauge(y)
	}
	return out
}
