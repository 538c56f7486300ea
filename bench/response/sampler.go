package main

import (
	"context"
	"math"
	"math/rand/v2"
	"time"

	"github.com/backout-dev/backout"
)

// sampler answers as a metrics backend would.
type sampler struct {
	p     *product
	step  time.Duration
	start time.Time // of what the backend keeps
	rates []float64 // requests a minute, by service
	busy  []*noise  // of the rate
	lag   []*noise  // of the latency
	fails []*noise  // normal draws behind the failures
	each  []*noise  // and behind the latencies of single requests
}

var signals = []backout.Signal{
	{Name: "errors", Kind: backout.SignalErrors, Direction: backout.WorseUp, Query: "simulated", Opens: true},
	{Name: "latency", Kind: backout.SignalLatency, Direction: backout.WorseUp, Query: "simulated", Opens: true},
}

func newSampler(p *product, seed uint64, start time.Time, step time.Duration) *sampler {
	s := &sampler{p: p, step: step, start: start}
	r := rand.New(rand.NewPCG(seed, 23))
	for i := range services {
		s.rates = append(s.rates, 300*math.Exp(.8*r.NormFloat64()))
		s.busy = append(s.busy, &noise{r: rand.New(rand.NewPCG(seed, uint64(100+i))), phi: .5})
		s.lag = append(s.lag, &noise{r: rand.New(rand.NewPCG(seed, uint64(200+i))), phi: .2 + .4*r.Float64()})
		s.fails = append(s.fails, &noise{r: rand.New(rand.NewPCG(seed, uint64(300+i)))})
		s.each = append(s.each, &noise{r: rand.New(rand.NewPCG(seed, uint64(400+i)))})
	}
	return s
}

// Sample gives one sample a step for each signal and service.
func (s *sampler) Sample(_ context.Context, _ []backout.Signal, from, to time.Time, step time.Duration) (backout.Window, error) {
	from, to = from.Truncate(step), to.Truncate(step)
	w := backout.Window{From: from, Now: to, Step: step}
	for i := range services {
		e := backout.Series{ID: backout.SeriesID{Signal: "errors", Subject: backout.Subject{Service: serviceName(i)}}, Kind: backout.SignalErrors, Worse: backout.WorseUp, Opens: true}
		l := backout.Series{ID: backout.SeriesID{Signal: "latency", Subject: backout.Subject{Service: serviceName(i)}}, Kind: backout.SignalLatency, Worse: backout.WorseUp, Opens: true}
		for at := from.Add(step); !at.After(to); at = at.Add(step) {
			total, failed, seconds := s.measure(i, at)
			e.Samples = append(e.Samples, backout.Sample{At: at, Value: failed, Total: total})
			l.Samples = append(l.Samples, backout.Sample{At: at, Value: seconds, Total: total})
		}
		w.Series = append(w.Series, e, l)
	}
	return w, nil
}

// measure gives the requests of a step, how many failed, and their summed seconds.
func (s *sampler) measure(i int, at time.Time) (total, failed, seconds float64) {
	k := int(at.Sub(s.start) / s.step)
	if k < 0 {
		return 0, 0, 0
	}
	total = math.Round(s.rates[i] * s.step.Minutes() * math.Exp(.1*s.busy[i].at(k)))
	if total < 1 {
		return 0, 0, 0
	}
	// A rate over scrapes looks a step and a scrape interval back.
	hurt := (s.p.hurt(serviceName(i), at.Add(-s.step/2)) + s.p.hurt(serviceName(i), at.Add(-3*s.step/2))) / 2
	share := .002 + s.p.fail*hurt
	failed = math.Max(0, math.Min(total, math.Round(total*share+math.Sqrt(total*share)*s.fails[i].at(k))))
	request := math.Max(.2, 1+.6*s.each[i].at(k)/math.Sqrt(total)) // one differs from another
	seconds = total * .03 * (1 + s.p.slow*hurt) * math.Exp(.04*s.lag[i].at(k)) * request
	return total, failed, seconds
}
