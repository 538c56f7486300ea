package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/detect"
	"github.com/backout-dev/backout/internal/verify"
)

// As the gates ask, and verify states.
const (
	alphaRecovered, alphaWorse = .05, .01
	harm                       = 2.0
	leastSeen                  = 5    // samples before anybody may say anything
	reference                  = 60   // samples that the peers compare with
	seasoned                   = 1700 // samples after which the detector trusts its own past
)

// family is one kind of stage to be simulated many times.
type family interface {
	fmt.Stringer
	measure(runs, samples int, seed uint64) (row, error)
}

func families() []family {
	var out []family
	for _, question := range []string{"recovered", "worse"} {
		for _, n := range []noise{
			autoregressive(0, "", normal), autoregressive(.2, "", normal), autoregressive(.4, "", normal), autoregressive(.7, "", normal), autoregressive(.85, "", normal),
			autoregressive(0, " t5", student5), autoregressive(.4, " t5", student5), window(),
		} {
			for _, learnt := range []int{0, seasoned, 240, 60} {
				out = append(out, levels{question, n, learnt})
			}
		}
	}
	return append(out, countFamilies()...)
}

// levels is a stage judged by one series of levels.
type levels struct {
	question string
	noise    noise
	learnt   int // healthy samples behind the baseline; 0 = it is known
}

// margin is what gates ask for: baselines of a short history know their own spread
// badly.
func (f levels) margin() float64 {
	if f.learnt > 0 && f.learnt < seasoned {
		return 2.5
	}
	return 1
}

func (f levels) baseline() string {
	if f.learnt > 0 {
		return fmt.Sprintf("learnt from %d", f.learnt)
	}
	return "known"
}

// promised reports whether the baseline is worth enough independent samples for verify
// to state anything.
func (f levels) promised() bool {
	return f.learnt == 0 || float64(f.learnt)*(1-f.noise.phi)/(1+f.noise.phi) >= 15
}

// String names the family.
func (f levels) String() string { return f.question + " " + f.noise.name + " " + f.baseline() }

func (f levels) measure(runs, samples int, seed uint64) (row, error) {
	out := row{Question: f.question, Noise: f.noise.name, Baseline: f.baseline(), Alpha: alphaRecovered, Promised: f.promised()}
	boundary, right := f.margin(), 0.0
	if f.question == "worse" {
		out.Alpha, boundary, right = alphaWorse, 0, 3+harm
	}
	r := rand.New(rand.NewPCG(seed, 7))
	atBoundary, err := f.stages(r, runs, samples, boundary)
	if err != nil {
		return out, err
	}
	var ours, ranks, means int
	for _, s := range atBoundary {
		ours += one(s.look(f.question, samples) > 0)
		ranks += one(s.mannWhitney(f.question, out.Alpha))
		means += one(s.tTest(f.question, out.Alpha))
	}
	clear, err := f.stages(r, min(runs, 501), samples, right)
	if err != nil {
		return out, err
	}
	var took []int
	for _, s := range clear {
		took = append(took, s.look(f.question, samples))
	}
	return out.with(ours, ranks, means, runs, took), nil
}

// with fills in what came of the runs. took has 0 for those without an answer.
func (r row) with(ours, ranks, means, runs int, took []int) row {
	r.Backout, r.MannWhitney, r.TTest = interval(ours, runs), interval(ranks, runs), interval(means, runs)
	switch {
	case r.Backout.High <= r.Alpha:
		r.Holds = "yes"
	case r.Backout.Low > r.Alpha:
		r.Holds = "no"
	default:
		r.Holds = "open"
	}
	for i, n := range took {
		if n == 0 {
			took[i] = math.MaxInt
		}
	}
	slices.Sort(took)
	if r.Median = took[len(took)/2]; r.Median == math.MaxInt {
		r.Median = -1
	}
	return r
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// stage is one simulated stage.
type stage struct {
	residuals backout.Residuals // as the gate gets them
	margin    float64
	// The peers get the truth: what was measured in the stage and reference samples at
	// the boundary of the null, in true standard deviations from the true level.
	now, reference []float64
}

const step = time.Minute

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// stages draws some: the stage has this mean, in true standard deviations. Before it
// the product was ill when the question is recovery, and as it is now when the
// question is whether it got worse by itself.
func (f levels) stages(r *rand.Rand, runs, samples int, mean float64) ([]stage, error) {
	out := make([]stage, runs)
	drawn := make([][]float64, runs)
	for k := range out {
		s := stage{margin: f.margin()}
		next := f.noise.make(r)
		for range f.learnt {
			drawn[k] = append(drawn[k], next())
		}
		for i := range reference + samples {
			x := next()
			switch {
			case i >= reference:
				x += mean
				s.now = append(s.now, x)
			case f.question == "recovered":
				s.reference = append(s.reference, x+s.margin)
				x += 8
			default:
				s.reference = append(s.reference, x)
			}
			drawn[k] = append(drawn[k], x)
		}
		s.residuals = backout.Residuals{From: epoch, Step: step, Phi: f.noise.phi, Levels: drawn[k]}
		out[k] = s
	}
	if f.learnt == 0 {
		return out, nil
	}
	return out, detected(out, drawn, f.learnt)
}

// detected replaces residuals from a known baseline by those of the detector, which
// has to learn level, spread and correlation from the samples before.
func detected(out []stage, drawn [][]float64, learnt int) error {
	d, err := detect.New(detect.Config{})
	if err != nil {
		return err
	}
	begin := epoch.Add(-time.Duration(learnt) * step)
	w := backout.Window{Now: begin, Step: step}
	index := map[backout.SeriesID]int{}
	for k := range out {
		id := backout.SeriesID{Signal: "latency", Subject: backout.Subject{Service: backout.ServiceID(fmt.Sprint(k))}}
		index[id] = k
		w.Series = append(w.Series, backout.Series{ID: id, Kind: backout.SignalLatency, Worse: backout.WorseUp, Opens: true, Samples: make([]backout.Sample, 1)})
	}
	for i := range drawn[0] {
		w.From, w.Now = w.Now, begin.Add(time.Duration(i)*step)
		for k := range out { // a latency of 0.2 s with a standard deviation of a fifth
			w.Series[k].Samples[0] = backout.Sample{At: w.Now, Value: 1000 * .2 * math.Exp(.2*drawn[k][i]), Total: 1000}
		}
		d.Tick(w)
	}
	for _, r := range d.Residuals(epoch.Add(-step), w.Now) {
		out[index[r.ID]].residuals = r
		delete(index, r.ID)
	}
	if len(index) > 0 {
		return fmt.Errorf("%d of %d series have no baseline after %d samples", len(index), len(out), learnt)
	}
	return nil
}

// look asks at every sample, and gives the number of samples at the first answer, or
// 0 when there is none.
func (s stage) look(question string, samples int) int {
	since := epoch.Add((reference - 1) * step)
	for n := 1; n <= samples; n++ {
		q := verify.Question{Since: since, Now: since.Add(time.Duration(n) * step), Last: true, Margin: s.margin, Harm: harm}
		want := backout.VerdictRecovered
		if question == "worse" {
			q.Watched, want = []backout.Residuals{s.residuals}, backout.VerdictWorse
		} else {
			q.Primary = []backout.Residuals{s.residuals}
		}
		if verify.Judge(q).Value == want {
			return n
		}
	}
	return 0
}
