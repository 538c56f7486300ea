package detect

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

func TestScores_meanAtMostOne(t *testing.T) {
	var sum [powers]float64
	const n = 400000 // equal cells in log p, weighted by their width in p
	lo := math.Log(1e-14)
	for i := range n {
		a, b := math.Exp(lo*float64(i)/n), math.Exp(lo*float64(i+1)/n)
		for k, e := range scores(math.Sqrt(a*b), leastFull) {
			sum[k] += e * (a - b)
		}
	}
	for k, s := range sum {
		if s > 1+2e-3 || s < .97 {
			t.Errorf("shift %v: mean bet %v, expected 1 or a little below", shifts[k], s)
		}
	}
	total := 0.0
	for _, w := range mainly {
		total += w
	}
	if math.Abs(total-1) > 1e-12 {
		t.Errorf("the weights sum to %v", total)
	}
}

// Under the predictive law of the counts the mean of each bet is one, but for what
// is cut off.
func TestSparse_meanAtMostOne(t *testing.T) {
	for _, c := range []struct{ events, past float64 }{{30, 15}, {700, 350}, {5, 361}} {
		for _, ratios := range []*[powers]float64{&more, &fewer} {
			var sum [powers]float64
			q := 1 / (1 + c.past) // negative binomial: C(x+r-1, x) q^x (1-q)^r
			p := math.Pow(1-q, c.events)
			for x := range 400 {
				for k, e := range sparse(ratios, float64(x), c.events, c.past, 1) {
					sum[k] += e * p
				}
				p *= (float64(x) + c.events) / float64(x+1) * q
			}
			for k, s := range sum {
				if s > 1+1e-6 || s < .5 {
					t.Errorf("%v events in %v steps, ratio %v: mean bet %v", c.events, c.past, ratios[k], s)
				}
			}
		}
	}
}

// Windows that overlap hold the same events twice; the bets must still not grow.
func TestSparse_overlapIsNoEvidence(t *testing.T) {
	const many, length, overlap = 4000, 40, 3
	phi := 1 - 1.0/overlap
	r := rand.New(rand.NewPCG(3, 3))
	mean := 0.0
	for range many {
		var last [overlap]float64
		product := 1.0
		for range length {
			copy(last[:], last[1:])
			last[overlap-1] = smallCount(r, 1)
			e := sparse(&more, last[0]+last[1]+last[2], 3*1e6, 1e6, (1+phi)/(1-phi))
			product *= e[2]
		}
		mean += product / many
	}
	if mean > 1.2 {
		t.Errorf("bets on overlapping windows multiply to %v on average, expected at most 1", mean)
	}
}

func smallCount(r *rand.Rand, mean float64) float64 {
	l, k := math.Exp(-mean), 0
	for p := r.Float64(); p > l; p *= r.Float64() {
		k++
	}
	return float64(k)
}

// old is a detector of a few services with a long history, fed to the given sample.
func old(t *testing.T, c Config, n int, all ...backout.Series) *Detector {
	t.Helper()
	c.Full = 500
	d := mustNew(t, c)
	if f := d.Tick(window(0, n, all...)); len(f) > 0 {
		t.Fatalf("findings while healthy: %+v", f)
	}
	for _, s := range d.order {
		if s.Mode != seasonal {
			t.Fatalf("%v is %v, expected a long history", s.id, s.Mode)
		}
	}
	return d
}

func another(s backout.Series, signal string) backout.Series {
	s.ID.Signal = backout.SignalName(signal)
	return s
}

func TestTick_aServiceSpeaksTogether(t *testing.T) {
	sooner := 0
	for seed := range uint64(12) {
		var one, many []backout.Series
		for i := range uint64(6) {
			s := another(line(100*seed+i, 900, jump(700, .9)), string(rune('a'+i)))
			one = append(one, s)
			s.ID.Subject.Service = backout.ServiceID(rune('a' + i))
			many = append(many, s)
		}
		first := func(all []backout.Series) int {
			f := old(t, Config{}, 700, all...).Tick(window(700, 900, all...))
			if len(f) == 0 {
				return 200
			}
			return int(f[0].At.Sub(epoch)/step) - 700
		}
		together, apart := first(one), first(many)
		if together > apart {
			t.Errorf("seed %d: found after %d samples together and %d apart", seed, together, apart)
		}
		if together < apart {
			sooner++
		}
	}
	if sooner < 2 {
		t.Errorf("six series of a service were found sooner together than apart in %d of 12 cases", sooner)
	}
}

func TestTick_seriesThatEndedSayNothing(t *testing.T) {
	a, b := another(line(1, 900, jump(700, 3)), "a"), another(line(2, 900, quiet), "b")
	d := old(t, Config{LongARL: 1e9}, 700, a, b)
	d.Tick(window(700, 706, a, b))
	for _, s := range d.order { // a is about to alarm and vanishes
		if s.id.Signal == "a" {
			s.own.Ladder.M = [powers]float32{9e8, 9e8, 9e8, 9e8, 9e8}
		}
	}
	if f := d.Tick(window(706, 900, b)); len(f) > 0 {
		t.Errorf("a series without samples made its service alarm: %+v", f)
	}
}

func TestUnusual_sortedAndBounded(t *testing.T) {
	var all []backout.Series
	for i := range 20 {
		s := line(uint64(i), 760, quiet)
		if i < 2 {
			s = line(uint64(i), 760, jump(700, 5))
		}
		s.Opens = false
		s.ID.Subject.Service = backout.ServiceID(rune('a' + i))
		all = append(all, s)
	}
	d := mustNew(t, Config{Full: 500})
	d.Tick(window(0, 700, all...))
	if got := d.Unusual(1e6); len(got) > 0 {
		t.Errorf("%v is unusual while all is well", got)
	}
	d.Tick(window(700, 712, all...))
	got := d.Unusual(1e5)
	if len(got) != 2 || got[0].ID.Subject.Service > "b" || got[1].ID.Subject.Service > "b" || got[0].Evidence < got[1].Evidence {
		t.Errorf("%v is unusual, expected the two that shifted, the stronger first", got)
	}
	if d.Unusual(0) != nil || d.Unusual(math.Inf(1)) != nil {
		t.Error("a patience that makes no sense has an answer")
	}
}

// TestUnusual_errorOverPatience looks at every step: at most T/patience of healthy
// looks may name anything, here with the 99.9 % Poisson bound on top.
func TestUnusual_errorOverPatience(t *testing.T) {
	const many, patience, length = 60, 2000.0, 150
	wrong := 0
	for run := range uint64(many) {
		var all []backout.Series
		for i := range 8 {
			s := line(run*100+uint64(i), 500+length, quiet)
			s.ID.Subject.Service = backout.ServiceID(rune('a' + i))
			all = append(all, s)
		}
		d := mustNew(t, Config{Full: 500, ARL: 1e12})
		d.Tick(window(0, 500, all...))
		for i := 500; i < 500+length; i++ {
			d.Tick(window(i, i+1, all...))
			if len(d.Unusual(patience)) > 0 {
				wrong++
				break
			}
		}
	}
	mean := many * length / patience
	if bound := mean + 3.1*math.Sqrt(mean); float64(wrong) > bound {
		t.Errorf("%d of %d runs named something, expected at most %.1f", wrong, many, bound)
	}
}

func TestTick_wentAway(t *testing.T) {
	s := line(5, 900, func(i int) float64 {
		if i >= 700 && i < 703 || i >= 800 {
			return 9
		}
		return 0
	})
	d := old(t, Config{LongARL: 1e5}, 700, s)
	if f := d.Tick(window(700, 704, s)); len(f) != 1 {
		t.Fatalf("%d findings of a burst, expected one", len(f))
	}
	d.Tick(window(704, 709, s))
	if n := d.State(); n.WentAway != 1 || n.Standing != 0 {
		t.Errorf("state is %+v, expected the burst to have gone away", n)
	}
	d.Tick(window(709, 900, s))
	if n := d.State(); n.WentAway != 1 || n.Standing != 1 {
		t.Errorf("state is %+v, expected what stays to stand", n)
	}
}

func TestTick_exposedIsSuspicious(t *testing.T) {
	evidence := func(exposed bool) float64 {
		s := line(6, 730, jump(700, 1))
		d := old(t, Config{LongARL: 1e12}, 700, s)
		if exposed {
			d.Exposed("checkout", epoch.Add(700*step))
			d.Exposed("nobody", epoch.Add(700*step))
		}
		d.Tick(window(700, 730, s))
		return d.order[0].evidence()
	}
	if calm, soon := evidence(false), evidence(true); soon < 4*calm || soon > 10*calm {
		t.Errorf("evidence %v after a change and %v without, expected up to eight times as much", soon, calm)
	}
	g := &group{exposed: 1}
	if w := g.weight(1 + int64(2*suspicionHalf)); math.Abs(w-(1+float64(mostSuspicion-1)/4)) > 1e-9 {
		t.Errorf("after two half-lives a sample counts as %v", w)
	}
	if w := g.weight(1 + int64(4*day)); w != 1 {
		t.Errorf("after four days a sample counts as %v", w)
	}
}

// segments are latencies of one service by two locations and as a whole.
func segments(n int, at int, slower, busier float64) []backout.Series {
	r := rand.New(rand.NewPCG(8, 8))
	out := make([]backout.Series, 3)
	for i, place := range []backout.Location{"eu", "us", ""} {
		out[i] = backout.Series{ID: id("latency"), Kind: backout.SignalLatency, Worse: backout.WorseUp, Opens: place == ""}
		out[i].ID.Subject.Location = place
	}
	for i := range n {
		sum, total := 0.0, 0.0
		for k, usual := range []float64{.1, .4} {
			requests := 1000.0
			if k == 1 && i >= at {
				requests *= busier
			}
			mean := usual * math.Exp(.05*r.NormFloat64())
			if k == 1 && i >= at {
				mean *= slower
			}
			out[k].Samples = append(out[k].Samples, backout.Sample{At: epoch.Add(time.Duration(i+1) * step), Value: mean * requests, Total: requests})
			sum, total = sum+mean*requests, total+requests
		}
		out[2].Samples = append(out[2].Samples, backout.Sample{At: epoch.Add(time.Duration(i+1) * step), Value: sum, Total: total})
	}
	return out
}

func TestTick_otherMixOpensNothing(t *testing.T) {
	for name, c := range map[string]struct {
		slower, busier float64
		findings       int
		mixed          int
	}{
		"more customers far away": {1, 4, 0, 1},
		"slower far away":         {2, 1, 1, 0},
		"both":                    {2, 4, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			d := mustNew(t, Config{Full: 500})
			all := segments(760, 700, c.slower, c.busier)
			f := d.Tick(window(0, 760, all...))
			if len(f) != c.findings || d.State().Mixed != c.mixed {
				t.Errorf("%d findings, %d explained by the mix, expected %d and %d", len(f), d.State().Mixed, c.findings, c.mixed)
			}
		})
	}
}

func TestAccepted_saidOnce(t *testing.T) {
	d := mustNew(t, Config{Accept: 100 * step})
	s := line(3, 400, jump(60, 8))
	d.Tick(window(0, 400, s))
	if got := d.Accepted(); !slices.Equal(got, []backout.SeriesID{s.ID}) {
		t.Errorf("accepted %v, expected the series", got)
	}
	if got := d.Accepted(); len(got) > 0 {
		t.Errorf("said again: %v", got)
	}
}

// A counter that was set back by a deployment gives one negative difference, which is a gap.
func TestTick_counterResetIsAGap(t *testing.T) {
	a, b := line(9, 800, quiet), line(9, 800, quiet)
	a.Samples[720].Value = -1e6
	b.Samples = slices.Delete(slices.Clone(b.Samples), 720, 721)
	x, y := old(t, Config{}, 700, a), old(t, Config{}, 700, b)
	fx, fy := x.Tick(window(700, 800, a)), y.Tick(backout.Window{Now: epoch.Add(time.Hour), Step: step, Series: []backout.Series{b}})
	if diff := cmp.Diff(fx, fy); diff != "" || !bytes.Equal(bytesOf(t, x), bytesOf(t, y)) {
		t.Errorf("a reset differs from a gap:\n%s", diff)
	}
}

func TestSnapshot_keepsLongHistories(t *testing.T) {
	both := line(1, 800, jump(750, 2))
	both.Worse = backout.WorseBoth
	both.ID.Signal = "both"
	all := append(segments(800, 700, 1, 4), both)
	a, b := mustNew(t, Config{Full: 500}), mustNew(t, Config{Full: 500})
	a.Tick(window(0, 720, all...))
	a.Exposed("checkout", epoch.Add(710*step))
	if err := b.Restore(bytesOf(t, a)); err != nil {
		t.Fatal(err)
	}
	fa, fb := a.Tick(window(720, 800, all...)), b.Tick(window(720, 800, all...))
	if diff := cmp.Diff(fa, fb); diff != "" || !bytes.Equal(bytesOf(t, a), bytesOf(t, b)) {
		t.Errorf("a restored detector goes on differently:\n%s", diff)
	}
}
