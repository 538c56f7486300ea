package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/detect"
)

var epoch = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

// bank feeds many series to one detector, one step at a time.
type bank struct {
	d       *detect.Detector
	w       backout.Window
	sources []func(float64) (float64, float64)
	now     time.Time
	shifts  func(i int) bool // which series are shifted; nil: all
}

func newBank(c detect.Config, from []source, seed uint64, step time.Duration) (*bank, error) {
	d, err := detect.New(c)
	if err != nil {
		return nil, fmt.Errorf("measure detection: %w", err)
	}
	b := &bank{d: d, now: epoch, w: backout.Window{Step: step}}
	for i, s := range from {
		b.sources = append(b.sources, s.make(rand.New(rand.NewPCG(seed, uint64(i)))))
		b.w.Series = append(b.w.Series, backout.Series{
			ID:   backout.SeriesID{Signal: backout.SignalName(s.name), Subject: backout.Subject{Service: backout.ServiceID(fmt.Sprint("s", i))}},
			Kind: s.kind, Worse: s.dir, Opens: true, Samples: make([]backout.Sample, 1)})
	}
	return b, nil
}

// step feeds one sample of each series, shifted.
func (b *bank) step(shift float64) []backout.Finding {
	b.w.From, b.now = b.now, b.now.Add(b.w.Step)
	b.w.Now = b.now
	for i, next := range b.sources {
		by := shift
		if b.shifts != nil && !b.shifts(i) {
			by = 0
		}
		v, n := next(by)
		b.w.Series[i].Samples[0] = backout.Sample{At: b.now, Value: v, Total: n}
	}
	return b.d.Tick(b.w)
}

func (b *bank) run(steps int, shift float64) (found []backout.Finding) {
	for range steps {
		found = append(found, b.step(shift)...)
	}
	return found
}

func repeat(s source, n int) []source { return slices.Repeat([]source{s}, n) }

// runLength is the mean number of samples to a false finding, counted as samples
// watched over findings, over the first horizon samples after warm-up of many
// fresh series, and that with the 99 % upper bound of the count of findings.
type runLength struct {
	Noise    string  `json:"noise"`
	Stated   float64 `json:"arl_stated"`
	Measured float64 `json:"arl_measured"`
	AtLeast  float64 `json:"arl_at_least_99"`
	Findings int     `json:"findings"`
	Samples  int     `json:"samples"`
}

func measureRunLength(c detect.Config, s source, many, warm, horizon int, seed uint64) (runLength, error) {
	return measureRunLengthAt(c, s, many, warm, horizon, seed, time.Second)
}

func measureRunLengthAt(c detect.Config, s source, many, warm, horizon int, seed uint64, step time.Duration) (runLength, error) {
	b, err := newBank(c, repeat(s, many), seed, step)
	if err != nil {
		return runLength{}, err
	}
	b.run(warm, 0)
	first := map[backout.SeriesID]bool{}
	samples := 0
	for range horizon {
		samples += many - len(first)
		for _, f := range b.step(0) {
			first[f.ID] = true
		}
	}
	n := len(first)
	return runLength{s.name, c.ARL, float64(samples) / max(float64(n), 1), float64(samples) / poissonUpper(n), n, samples}, nil
}

// poissonUpper is about the 99 % upper bound of a Poisson mean after n events
// (Wilson and Hilferty).
func poissonUpper(n int) float64 { return poissonBelow(n, 2.326) }

func poissonUpper95(n int) float64 { return poissonBelow(n, 1.645) }

func poissonBelow(n int, quantile float64) float64 {
	k := float64(n + 1)
	v := 1 - 1/(9*k) + quantile/(3*math.Sqrt(k))
	return k * v * v * v
}

// delay is how long a shift goes unseen, over fresh series.
type delay struct {
	Noise  string  `json:"noise"`
	Shift  float64 `json:"shift"`
	Median int     `json:"median_steps"` // -1: not within the patience
	P90    int     `json:"p90_steps"`
	Within float64 `json:"within_3_steps"`
	Found  float64 `json:"found"`
}

// measureDelay shifts after warm-up by what shift says at each step from 1 on.
func measureDelay(c detect.Config, s source, many, warm, patience int, seed uint64, size float64, shift func(int) float64) (delay, error) {
	return measureDelayAt(c, s, many, warm, patience, seed, size, shift, time.Second)
}

func measureDelayAt(c detect.Config, s source, many, warm, patience int, seed uint64, size float64, shift func(int) float64, step time.Duration) (delay, error) {
	b, err := newBank(c, repeat(s, many), seed, step)
	if err != nil {
		return delay{}, err
	}
	early := map[backout.SeriesID]bool{}
	for _, f := range b.run(warm, 0) {
		early[f.ID] = true
	}
	at := map[backout.SeriesID]int{}
	for i := 1; i <= patience; i++ {
		for _, f := range b.step(shift(i)) {
			if _, ok := at[f.ID]; !ok && !early[f.ID] {
				at[f.ID] = i
			}
		}
	}
	return summarise(s.name, size, at, many-len(early)), nil
}

func summarise(name string, size float64, at map[backout.SeriesID]int, many int) delay {
	var d []int
	within := 0
	for _, v := range at {
		d = append(d, v)
		if v <= 3 {
			within++
		}
	}
	slices.Sort(d)
	pick := func(q float64) int {
		if i := int(q * float64(many)); i < len(d) {
			return d[i]
		}
		return -1
	}
	return delay{name, size, pick(.5), pick(.9), float64(within) / float64(many), float64(len(d)) / float64(many)}
}

// demo is the hard case: many small services watched for a few dozen steps, then
// for 150 more in which nothing is wrong.
type demo struct {
	Overlap   int            `json:"overlap"`
	Series    int            `json:"series"`
	Warm      int            `json:"warm_steps"`
	Watched   int            `json:"watched_steps"`
	Runs      int            `json:"runs"`
	WithFalse float64        `json:"runs_with_false_finding"`
	Findings  int            `json:"false_findings"`
	ByNoise   map[string]int `json:"by_noise"`
}

func measureDemo(c detect.Config, overlap, runs int, seed uint64) (demo, error) {
	all := shopSources()[(overlap-1)*4 : overlap*4]
	var mix []source
	for len(mix) < 150 {
		mix = append(mix, all[0], all[1], all[0], all[1], all[3])
	}
	out := demo{Overlap: overlap, Series: len(mix), Warm: 50, Watched: 150, Runs: runs, ByNoise: map[string]int{}}
	withFalse := 0
	for i := range runs {
		b, err := newBank(c, mix, seed+uint64(i), time.Second)
		if err != nil {
			return out, err
		}
		found := b.run(50+150, 0)
		for _, f := range found {
			out.ByNoise[string(f.ID.Signal)]++
		}
		out.Findings += len(found)
		if len(found) > 0 {
			withFalse++
		}
	}
	out.WithFalse = float64(withFalse) / float64(runs)
	return out, nil
}
