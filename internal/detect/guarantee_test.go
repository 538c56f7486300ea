package detect

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/backout-dev/backout"
)

func bytesOf(t testing.TB, d *Detector) []byte {
	t.Helper()
	b, err := d.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBets_meanOneWhileHealthy(t *testing.T) {
	for _, least := range []float64{leastShort, leastFull} {
		var sum [powers]float64
		const n = 400000 // equal cells in log p, weighted by their width in p
		lo := math.Log(1e-14)
		for i := range n {
			a, b := math.Exp(lo*float64(i)/n), math.Exp(lo*float64(i+1)/n)
			for k, e := range bets(math.Sqrt(a*b), least) {
				sum[k] += e * (a - b)
			}
		}
		for k, s := range sum {
			if math.Abs(s-1) > 2e-3 {
				t.Errorf("power %v, least %v: mean bet %v, expected 1", power[k], least, s)
			}
		}
	}
}

func TestPredictive_agreesWithSum(t *testing.T) {
	// gamma-Poisson: P(k) = C(k+r-1, k) q^k (1-q)^r
	const events, past, n = 2.5, 40.0, 10.0
	q, pk, below := n/(n+past), math.Pow(past/(n+past), events), 0.0
	for k := range 8 {
		up, down := predictive(float64(k), n, events, past, 1)
		if math.Abs(up-(1-below)) > 1e-9 || math.Abs(down-(below+pk)) > 1e-9 {
			t.Errorf("k=%d: up %v down %v, expected %v and %v", k, up, down, 1-below, below+pk)
		}
		below += pk
		pk *= (float64(k) + events) / float64(k+1) * q
	}
}

func TestTailFit_findsTheLaw(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var xi, sigma float64
	const many = 400
	for range many {
		g := tail{U: 2}
		for i := range g.Ex {
			g.Ex[i] = int16(parts * (2 + .5/.2*(math.Pow(r.Float64(), -.2)-1)))
		}
		g.Seen = exceedances
		g.fit(2)
		xi, sigma = xi+float64(g.Xi)/many, sigma+float64(g.Sigma)/many
	}
	if math.Abs(xi-.2) > .06 || math.Abs(sigma-.5) > .05 {
		t.Errorf("xi %v sigma %v on average, expected 0.2 and 0.5", xi, sigma)
	}
}

// pValues collects the p-values (before doubt) of healthy noise in the long mode.
func pValues(t *testing.T, n int) []float64 {
	d := mustNew(t, Config{ARL: 1e12})
	s := line(11, 6000, quiet)
	d.Tick(window(0, 6000, s))
	ser := d.order[0]
	if ser.Mode != seasonal {
		t.Fatal("expected the seasonal mode")
	}
	r := rand.New(rand.NewPCG(12, 1))
	var out []float64
	for i := range n {
		at := epoch.Add(time.Duration(6001+i) * step).UnixNano()
		o, _ := observe(latency, at, 20*math.Exp(.2*r.NormFloat64()), 100)
		st := ser.standardise(o)
		w := ser.innovation(st.z, 1)
		p, _ := ser.pValue(up, w, st)
		out = append(out, math.Pow(p, 1/.96))
		ser.push(1, st.z, w)
		ser.learn(o, st, w, 1, false)
		ser.Previous = st.z
	}
	return out
}

func TestPValues_uniform(t *testing.T) {
	p := pValues(t, 100000)
	slices.Sort(p)
	worst := 0.0
	for i, v := range p {
		worst = max(worst, math.Abs(v-float64(i+1)/float64(len(p))))
	}
	// The ranks are taken among 5000 samples of the past, whose own error is about
	// 1.6/sqrt(5000) = 0.023 and moves slowly.
	if worst > .025 {
		t.Errorf("Kolmogorov-Smirnov distance %v, expected at most 0.025", worst)
	}
	for _, a := range []float64{.1, .01, .001} {
		share := float64(len(p[:sortSearch(p, a)])) / float64(len(p))
		if share > 1.8*a || share < a/3 {
			t.Errorf("P(p < %v) = %v", a, share)
		}
	}
}

func sortSearch(p []float64, a float64) int { i, _ := slices.BinarySearch(p, a); return i }

// TestARL_atLeastStated watches many fresh series just after warm-up, where
// estimates are worst: the chance of a finding within T samples is at most T/A,
// so findings beyond the 99.9 % Poisson bound of samples/A break the promise.
func TestARL_atLeastStated(t *testing.T) {
	const arl, many, horizon = 1000.0, 500, 150
	for name, c := range map[string]struct {
		phi     float64
		heavy   bool
		overlap int
	}{"white": {}, "AR(0.4)": {phi: .4}, "AR(0.7)": {phi: .7}, "t5": {heavy: true}, "overlap 2": {overlap: 2}, "overlap 4": {overlap: 4}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := 0
			for seed := range uint64(many) {
				d := mustNew(t, Config{ARL: arl})
				s := line(0, 0, quiet)
				r := rand.New(rand.NewPCG(seed, 77))
				y, past := 0.0, make([]float64, max(1, c.overlap))
				for i := range 50 + horizon {
					z := r.NormFloat64()
					if c.heavy {
						chi := 0.0
						for range 5 {
							v := r.NormFloat64()
							chi += v * v
						}
						z /= math.Sqrt(chi / 3)
					}
					y = c.phi*y + math.Sqrt(1-c.phi*c.phi)*z
					past[i%len(past)] = y
					sum := 0.0
					for _, v := range past {
						sum += v
					}
					s.Samples = append(s.Samples, backout.Sample{At: epoch.Add(time.Duration(i+1) * step),
						Value: 20 * math.Exp(.2*sum/math.Sqrt(float64(len(past)))), Total: 100})
				}
				found += len(d.Tick(window(0, 50+horizon, s)))
			}
			mean := many * (horizon + 10) / arl
			if bound := mean + 3.1*math.Sqrt(mean); float64(found) > bound {
				t.Errorf("%d false findings, expected at most %.0f", found, bound)
			}
		})
	}
}

func TestSnapshot_continuesIdentically(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		cut := rapid.IntRange(1, 130).Draw(rt, "cut")
		seed := rapid.Uint64().Draw(rt, "seed")
		s := line(seed, 140, jump(70, rapid.Float64Range(0, 8).Draw(rt, "shift")))
		arm := s
		arm.ID.Subject.Version = "v2"
		e := ratios(140, 10, func(i int) float64 { return float64(i % 7 / 6) })
		a, b := mustNew(t, Config{}), mustNew(t, Config{})
		a.Tick(window(0, cut, s, arm, e))
		if err := b.Restore(bytesOf(t, a)); err != nil {
			rt.Fatal(err)
		}
		fa, fb := a.Tick(window(cut, 140, s, arm, e)), b.Tick(window(cut, 140, s, arm, e))
		if diff := cmp.Diff(fa, fb); diff != "" {
			rt.Fatalf("findings differ:\n%s", diff)
		}
		if !bytes.Equal(bytesOf(t, a), bytesOf(t, b)) {
			rt.Fatal("states differ")
		}
		if diff := cmp.Diff(a.Standing(), b.Standing()); diff != "" {
			rt.Fatalf("standing findings differ:\n%s", diff)
		}
	})
}

func TestRestore_refusesWhatItCannotRead(t *testing.T) {
	d := mustNew(t, Config{})
	d.Tick(window(0, 60, line(1, 60, quiet)))
	good := bytesOf(t, d)
	other := slices.Clone(good)
	other[len(snapshotMagic)] = 99
	for name, b := range map[string][]byte{"empty": nil, "text": []byte("something else entirely"), "version": other, "cut": good[:len(good)/2]} {
		if err := d.Restore(b); err == nil {
			t.Errorf("%s: expected an error", name)
		}
		if !bytes.Equal(good, bytesOf(t, d)) {
			t.Errorf("%s: the detector changed", name)
		}
	}
}

func TestResiduals_armsAgainstTheService(t *testing.T) {
	d := mustNew(t, Config{})
	s := line(1, 100, quiet)
	arm := line(2, 100, jump(0, 5))
	arm.ID.Subject.Version = "v2"
	arm.Samples = arm.Samples[80:]
	w := window(0, 100, s)
	w.Series = append(w.Series, arm)
	if f := d.Tick(w); len(f) != 0 {
		t.Fatalf("an arm was tested: %+v", f)
	}
	got := d.Residuals(epoch.Add(90*step), epoch.Add(95*step))
	if len(got) != 2 {
		t.Fatalf("%d residuals, expected the service and its arm", len(got))
	}
	for i, want := range []float64{0, 5} {
		r := got[i]
		if len(r.Levels) != 5 || len(r.Innovations) != 5 || !r.From.Equal(epoch.Add(91*step)) {
			t.Errorf("%v: %d levels from %v, expected 5 from +91 s", r.ID, len(r.Levels), r.From.Sub(epoch))
		}
		mean := 0.0
		for _, z := range r.Levels {
			mean += z / 5
		}
		if math.Abs(mean-want) > 1.6 {
			t.Errorf("%v: mean residual %v, expected about %v", r.ID, mean, want)
		}
	}
	if b := d.Baselines(); len(b) != 1 || math.Abs(b[0].Scale-.2) > .05 {
		t.Errorf("baselines %+v, expected one with scale 0.2", b)
	}
}

func TestResiduals_gapsAndSign(t *testing.T) {
	d := mustNew(t, Config{})
	s := line(3, 70, jump(60, -4))
	s.Worse = backout.WorseDown
	s.Samples = slices.Delete(s.Samples, 62, 64)
	w := window(0, 70, s)
	w.Now = epoch.Add(70 * step)
	w.Series[0].Samples = s.Samples
	d.Tick(w)
	r := d.Residuals(epoch.Add(60*step), epoch.Add(70*step))[0]
	if len(r.Levels) != 10 {
		t.Fatalf("%d levels, expected 10", len(r.Levels))
	}
	for i, z := range r.Levels {
		if hole := i == 2 || i == 3; math.IsNaN(z) != hole || !hole && z < 0 {
			t.Errorf("level %d is %v", i, z)
		}
	}
}

func TestTick_constantMemory(t *testing.T) {
	d := mustNew(t, Config{})
	s := line(1, 4000, quiet)
	d.Tick(window(0, 2000, s))
	before := len(bytesOf(t, d))
	d.Tick(window(2000, 4000, s))
	if after := len(bytesOf(t, d)); after > before+300 { // a standing finding is all that may come
		t.Errorf("the state grew from %d to %d bytes", before, after)
	}
}

func TestSeason_learnsTheDay(t *testing.T) {
	d := mustNew(t, Config{})
	r := rand.New(rand.NewPCG(4, 4))
	s := backout.Series{ID: id("latency"), Kind: backout.SignalLatency, Worse: backout.WorseUp}
	daily := func(at time.Time) float64 { return .5 * math.Sin(2*math.Pi*float64(at.Hour()*60+at.Minute())/1440) }
	w := backout.Window{Step: time.Minute}
	for i := range 14 * 1440 {
		at := epoch.Add(time.Duration(i) * time.Minute)
		s.Samples = append(s.Samples, backout.Sample{At: at, Value: 20 * math.Exp(daily(at)+.1*r.NormFloat64()), Total: 100})
		w.Now = at
	}
	w.Series = []backout.Series{s}
	d.Tick(w)
	ser := d.order[0]
	if !ser.SeasonOn || d.State().Seasons != 1 {
		t.Fatal("the season is not in use after two weeks")
	}
	swing := ser.season.at(time.Date(2026, 3, 18, 6, 0, 0, 0, time.UTC).UnixNano()) - ser.season.at(time.Date(2026, 3, 18, 18, 0, 0, 0, time.UTC).UnixNano())
	if math.Abs(swing-1) > .3 {
		t.Errorf("the day swings by %v, expected about 1", swing)
	}
}

func BenchmarkTick_1000(b *testing.B) {
	d := mustNew(b, Config{})
	base := line(1, 4096, quiet)
	var w backout.Window
	w.Step = step
	for i := range 1000 {
		s := base
		s.ID.Subject.Service = backout.ServiceID(rune(i + 200))
		s.Samples = make([]backout.Sample, 1)
		w.Series = append(w.Series, s)
	}
	i := 0
	tick := func() {
		for k := range w.Series {
			smp := base.Samples[(i+k)%len(base.Samples)]
			smp.At = epoch.Add(time.Duration(i+1) * step)
			w.Series[k].Samples[0] = smp
		}
		i++
		w.Now = epoch.Add(time.Duration(i) * step)
		d.Tick(w)
	}
	for range 50 {
		tick()
	}
	b.ResetTimer()
	for b.Loop() {
		tick()
	}
}
