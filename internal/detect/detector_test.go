package detect

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/backout-dev/backout"
)

var epoch = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

const step = time.Second

func id(name string) backout.SeriesID {
	return backout.SeriesID{Signal: backout.SignalName(name), Subject: backout.Subject{Service: "checkout"}}
}

func mustNew(t testing.TB, c Config) *Detector {
	t.Helper()
	d, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// line is a series of latencies whose logarithm is 0.2 s plus 20 % noise plus
// shift(i) standard deviations.
func line(seed uint64, n int, shift func(i int) float64) backout.Series {
	r := rand.New(rand.NewPCG(seed, 1))
	s := backout.Series{ID: id("latency"), Kind: backout.SignalLatency, Worse: backout.WorseUp, Opens: true}
	for i := range n {
		z := r.NormFloat64() + shift(i)
		s.Samples = append(s.Samples, backout.Sample{At: epoch.Add(time.Duration(i+1) * step), Value: 20 * math.Exp(.2*z), Total: 100})
	}
	return s
}

func quiet(int) float64 { return 0 }

func jump(at int, size float64) func(int) float64 {
	return func(i int) float64 {
		if i >= at {
			return size
		}
		return 0
	}
}

// window is what a sampler would give for samples [from, to) of the series.
func window(from, to int, all ...backout.Series) backout.Window {
	w := backout.Window{From: epoch.Add(time.Duration(from) * step), Now: epoch.Add(time.Duration(to) * step), Step: step}
	for _, s := range all {
		s.Samples = s.Samples[min(from, len(s.Samples)):min(to, len(s.Samples))]
		w.Series = append(w.Series, s)
	}
	return w
}

func ratios(n int, requests float64, failed func(i int) float64) backout.Series {
	s := backout.Series{ID: id("errors"), Kind: backout.SignalErrors, Worse: backout.WorseUp, Opens: true}
	for i := range n {
		s.Samples = append(s.Samples, backout.Sample{At: epoch.Add(time.Duration(i+1) * step), Value: failed(i), Total: requests})
	}
	return s
}

func TestNew_outOfRange(t *testing.T) {
	for name, c := range map[string]Config{
		"arl": {ARL: 1}, "warm": {Warm: 3}, "full": {Full: 100}, "overlap": {Overlap: .5}, "accept": {Accept: -1}, "nan": {ARL: math.NaN()},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: expected an error", name)
		}
	}
}

func TestTick_largeShiftFoundSoon(t *testing.T) {
	late := 0
	for seed := range uint64(50) {
		d := mustNew(t, Config{})
		s := line(seed, 60, jump(50, 6))
		if f := d.Tick(window(0, 50, s)); len(f) > 0 {
			t.Fatalf("seed %d: finding before the shift: %+v", seed, f)
		}
		f := d.Tick(window(50, 60, s))
		if len(f) != 1 {
			t.Fatalf("seed %d: %d findings, expected one", seed, len(f))
		}
		if f[0].At.After(epoch.Add(53 * step)) {
			late++
		}
		if off := f[0].Onset.Sub(epoch.Add(51 * step)); off < -2*step || off > step {
			t.Errorf("seed %d: onset is off by %v", seed, off)
		}
		if f[0].Mode != backout.ModeShort || f[0].Observed < f[0].Expected || f[0].Evidence < f[0].Threshold || f[0].Threshold != 1e6 {
			t.Errorf("seed %d: %+v", seed, f[0])
		}
		if math.Abs(f[0].Expected-.2) > .03 {
			t.Errorf("seed %d: expected %v s, want about 0.2", seed, f[0].Expected)
		}
	}
	if late > 20 {
		t.Errorf("%d of 50 shifts took more than three samples", late)
	}
}

func TestTick_delayFallsWithShift(t *testing.T) {
	delays := func(size float64) (total int) {
		for seed := range uint64(30) {
			d := mustNew(t, Config{})
			s := line(seed, 300, jump(100, size))
			if f := d.Tick(window(0, 300, s)); len(f) > 0 {
				total += int(f[0].At.Sub(epoch.Add(100*step)) / step)
			} else {
				total += 200
			}
		}
		return total
	}
	last := math.MaxInt
	for _, size := range []float64{1, 2, 4, 8} {
		got := delays(size)
		if got > last {
			t.Errorf("a shift of %v takes %d samples in all, a smaller one %d", size, got, last)
		}
		last = got
	}
}

func TestTick_onceUntilOver(t *testing.T) {
	d := mustNew(t, Config{Accept: time.Hour})
	s := line(1, 200, func(i int) float64 {
		if i >= 60 && i < 100 || i >= 150 {
			return 8
		}
		return 0
	})
	f := d.Tick(window(0, 100, s))
	if len(f) != 1 || len(d.Standing()) != 1 {
		t.Fatalf("%d findings, %d standing, expected one and one", len(f), len(d.Standing()))
	}
	if f = d.Tick(window(100, 145, s)); len(f) != 0 || len(d.Standing()) != 0 {
		t.Fatalf("%d findings, %d standing after recovery, expected none", len(f), len(d.Standing()))
	}
	if f = d.Tick(window(145, 200, s)); len(f) != 1 {
		t.Errorf("%d findings at the relapse, expected one", len(f))
	}
}

func TestTick_baselineFreezesDuringIncident(t *testing.T) {
	d := mustNew(t, Config{})
	s := line(2, 400, jump(60, 8))
	d.Tick(window(0, 65, s))
	before := d.Baselines()
	d.Tick(window(65, 400, s))
	after := d.Baselines()
	if before[0].Level != after[0].Level || before[0].Scale != after[0].Scale {
		t.Errorf("the incident was learnt: %+v, then %+v", before[0], after[0])
	}
}

func TestTick_newLevelAcceptedAfterADay(t *testing.T) {
	d := mustNew(t, Config{Accept: 100 * step})
	s := line(3, 400, jump(60, 8))
	if f := d.Tick(window(0, 400, s)); len(f) != 1 {
		t.Fatalf("%d findings, expected one", len(f))
	}
	n := d.State()
	if n.Accepted != 1 || n.Standing != 0 || n.Short != 1 {
		t.Errorf("state is %+v, expected the new level as baseline", n)
	}
}

func TestTick_onlyOpeningSeriesGiveFindings(t *testing.T) {
	d := mustNew(t, Config{})
	s := line(4, 80, jump(60, 8))
	s.Opens = false
	if f := d.Tick(window(0, 80, s)); len(f) != 0 {
		t.Errorf("findings of a series that is evidence only: %+v", f)
	}
}

func TestTick_badSamplesAreGaps(t *testing.T) {
	clean, dirty := mustNew(t, Config{}), mustNew(t, Config{})
	s := line(5, 120, jump(110, 8))
	soiled, holed := s, s
	soiled.Samples, holed.Samples = nil, nil
	poison := []backout.Sample{{Value: math.NaN(), Total: 5}, {Value: math.Inf(1), Total: 5}, {Value: 5, Total: 0}, {Value: -5, Total: 5}, {Value: 3, Total: math.NaN()}}
	for i, smp := range s.Samples {
		if i%9 == 4 {
			p := poison[i/9%len(poison)]
			p.At = smp.At
			soiled.Samples = append(soiled.Samples, p)
			continue
		}
		soiled.Samples, holed.Samples = append(soiled.Samples, smp), append(holed.Samples, smp)
	}
	a, b := clean.Tick(window(0, 200, holed)), dirty.Tick(window(0, 200, soiled))
	if len(b) != 1 {
		t.Fatalf("%d findings, expected one", len(b))
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("what can't be read is not a gap:\n%s", diff)
	}
}

func TestTick_longGapForgetsEvidence(t *testing.T) {
	d := mustNew(t, Config{})
	s := line(6, 60, quiet)
	d.Tick(window(0, 60, s))
	late := backout.Series{ID: s.ID, Kind: s.Kind, Worse: s.Worse, Opens: true}
	for i := range 30 { // a wild sample, then nothing, again and again
		late.Samples = append(late.Samples, backout.Sample{At: epoch.Add(time.Duration(100+5*i) * step), Value: 100, Total: 100})
	}
	if f := d.Tick(window(0, 1, late)); len(f) != 0 {
		t.Fatalf("samples after Now were read: %+v", f)
	}
	w := window(0, 30, late)
	w.Now = epoch.Add(time.Hour)
	if f := d.Tick(w); len(f) != 0 {
		t.Errorf("findings across gaps: %+v", f)
	}
}

func TestTick_olderSamplesAreSkipped(t *testing.T) {
	a, b := mustNew(t, Config{}), mustNew(t, Config{})
	s := line(7, 100, jump(80, 4))
	fa := a.Tick(window(0, 100, s))
	var fb []backout.Finding
	for i := 1; i <= 100; i++ { // every window overlaps the ones before
		fb = append(fb, b.Tick(window(max(0, i-10), i, s))...)
	}
	if diff := cmp.Diff(fa, fb); diff != "" {
		t.Errorf("catching up differs from following:\n%s", diff)
	}
	if diff := cmp.Diff(bytesOf(t, a), bytesOf(t, b)); diff != "" {
		t.Error("the states differ")
	}
}

func TestTick_errorsOfQuietService(t *testing.T) {
	for name, c := range map[string]struct {
		failed func(int) float64
		want   int
		within int
	}{
		"never an error":          {func(int) float64 { return 0 }, 0, 0},
		"a single error":          {func(i int) float64 { return map[bool]float64{i == 70: 1}[true] }, 0, 0},
		"now and then an error":   {func(i int) float64 { return map[bool]float64{i%17 == 3: 1}[true] }, 0, 0},
		"a burst of one sample":   {func(i int) float64 { return map[bool]float64{i == 70: 10}[true] }, 0, 0},
		"thirty percent for good": {func(i int) float64 { return map[bool]float64{i >= 70: 3}[true] }, 1, 3},
		"everything fails":        {func(i int) float64 { return map[bool]float64{i >= 70: 10}[true] }, 1, 3},
	} {
		t.Run(name, func(t *testing.T) {
			d := mustNew(t, Config{})
			f := d.Tick(window(0, 150, ratios(150, 10, c.failed)))
			if len(f) != c.want {
				t.Fatalf("%d findings, expected %d: %+v", len(f), c.want, f)
			}
			if c.want > 0 && f[0].At.After(epoch.Add(time.Duration(70+c.within)*step)) {
				t.Errorf("found at %v, expected within %d samples", f[0].At.Sub(epoch), c.within)
			}
		})
	}
}

func TestTick_constantSeries(t *testing.T) {
	for name, s := range map[string]backout.Series{
		"latency":    {Kind: backout.SignalLatency, Worse: backout.WorseUp},
		"saturation": {Kind: backout.SignalSaturation, Worse: backout.WorseUp},
		"traffic":    {Kind: backout.SignalTraffic, Worse: backout.WorseBoth},
		"orders":     {Kind: backout.SignalKPI, Worse: backout.WorseDown},
	} {
		t.Run(name, func(t *testing.T) {
			s.ID, s.Opens = id(name), true
			for i := range 120 {
				v := .5
				if i >= 60 { // one percent off: real, but nobody's concern
					v = .505
				}
				s.Samples = append(s.Samples, backout.Sample{At: epoch.Add(time.Duration(i+1) * step), Value: v, Total: map[bool]float64{name == "latency": 10}[true]})
			}
			if f := mustNew(t, Config{}).Tick(window(0, 120, s)); len(f) != 0 {
				t.Errorf("a series without noise alarms at a wiggle: %+v", f)
			}
		})
	}
}

func TestTick_trafficFallsAway(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	s := backout.Series{ID: id("traffic"), Kind: backout.SignalTraffic, Worse: backout.WorseDown, Opens: true}
	for i := range 80 {
		v := 400 + 20*r.NormFloat64()
		if i >= 60 {
			v = 5
		}
		s.Samples = append(s.Samples, backout.Sample{At: epoch.Add(time.Duration(i+1) * step), Value: v})
	}
	f := mustNew(t, Config{}).Tick(window(0, 80, s))
	if len(f) != 1 || f[0].At.After(epoch.Add(64*step)) {
		t.Fatalf("findings %+v, expected one within four samples", f)
	}
	if f[0].Observed != 5 || math.Abs(f[0].Expected-400) > 20 {
		t.Errorf("observed %v of %v, expected 5 of about 400", f[0].Observed, f[0].Expected)
	}
}

func TestTick_otherStepStartsAnew(t *testing.T) {
	d := mustNew(t, Config{})
	s := line(9, 80, quiet)
	d.Tick(window(0, 60, s))
	w := window(60, 80, s)
	w.Step = 2 * step
	d.Tick(w)
	if n := d.State(); n.Short != 0 || n.Warming != 1 {
		t.Errorf("state is %+v, expected warming", n)
	}
}

func TestTick_anyNumberLeavesStateFinite(t *testing.T) {
	kinds := []backout.SignalKind{backout.SignalLatency, backout.SignalErrors, backout.SignalSaturation, backout.SignalTraffic, backout.SignalKPI}
	rapid.Check(t, func(rt *rapid.T) {
		s := backout.Series{ID: id("any"), Kind: rapid.SampledFrom(kinds).Draw(rt, "kind"), Worse: backout.WorseBoth, Opens: true}
		number := rapid.OneOf(rapid.Float64(), rapid.Float64Range(0, 30), rapid.SampledFrom([]float64{0, 1, math.NaN(), math.Inf(1), math.Inf(-1), -1, 1e-300, 1e300, 1e14}))
		for i := range rapid.IntRange(1, 200).Draw(rt, "n") {
			s.Samples = append(s.Samples, backout.Sample{At: epoch.Add(time.Duration(i+1) * step), Value: number.Draw(rt, "value"), Total: number.Draw(rt, "total")})
		}
		d := mustNew(t, Config{Warm: 20})
		d.Tick(window(0, 200, s))
		for _, b := range d.Baselines() {
			for _, v := range []float64{b.Level, b.Scale, b.Phi, d.order[0].evidence()} {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					rt.Fatalf("baseline %+v, evidence %v", b, d.order[0].evidence())
				}
			}
			if b.Scale <= 0 || b.Phi < 0 || b.Phi >= 1 {
				rt.Fatalf("baseline %+v", b)
			}
		}
	})
}
