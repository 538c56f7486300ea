package forecast

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/backout-dev/backout/internal/statistics"
)

func mended(minutes int) Recovery {
	return Recovery{Now: noon, Minute: time.Minute, Step: time.Minute, Remaining: time.Duration(minutes) * time.Minute, Right: .9, Phi: .4}
}

// Golden: a healthy level is recognised after 11, 19 and 37 samples in the median at
// phi 0, .4 and .7 and a margin of one standard deviation (docs/EVALUATION.md).
func TestProof_takesTheSamplesItShould(t *testing.T) {
	for phi, want := range map[float64]float64{0: 11, .4: 19, .7: 37} {
		q := Recovery{Phi: phi, Step: time.Minute, Minute: time.Minute}.defaults()
		r := rand.New(rand.NewPCG(1, 2))
		var n []float64
		for range 4000 {
			n = append(n, q.proof(r)-warmMinutes)
		}
		if got := statistics.Median(n); math.Abs(got-want) > .12*want+1 {
			t.Errorf("phi %.1f: %.0f samples, expected about %.0f", phi, got, want)
		}
	}
}

func TestBacklog_drainsByWhatIsServedBeyondArrivals(t *testing.T) {
	for _, c := range []struct {
		b    Backlog
		want float64
		ok   bool
	}{{Backlog{"q", 1200, 300, 100}, 6, true}, {Backlog{"q", 1200, 100, 100}, 0, false}, {Backlog{"q", 0, 0, 5}, 0, true}} {
		if got, ok := c.b.minutes(); got != c.want || ok != c.ok {
			t.Errorf("%+v drains in %v (%t), expected %v (%t)", c.b, got, ok, c.want, c.ok)
		}
	}
}

func TestRecover_saysSoWhenABacklogDoesNotDrain(t *testing.T) {
	q := mended(5)
	q.Backlogs = []Backlog{{"orders", 100, 10, 5}, {"mails", 100, 5, 10}}
	e := Recover(q)
	if !slices.Equal(e.Stays, []string{"mails"}) || e.P50 != 0 || e.Any50 != nil {
		t.Errorf("got %+v, expected mails to stay and no end", e)
	}
	q.Backlogs = q.Backlogs[:1]
	with := Recover(q)
	q.Backlogs = nil
	if d := (with.P50 - Recover(q).P50).Std().Minutes(); math.Abs(d-20) > 1e-6 {
		t.Errorf("100 waiting, 5 a minute more served than arriving: %.2f minutes later, expected 20", d)
	}
}

// Two answers: when, if it is right, and how likely that is. What may be wrong has no
// end in sight beyond its chance.
func TestRecover_mixture(t *testing.T) {
	q := mended(5)
	e := Recover(q)
	if e.Any50 == nil || *e.Any50 <= e.P50 || e.Any90 != nil {
		t.Errorf("right with .9: median %v, any %v and %v; expected a later median and no 90th percentile", e.P50, e.Any50, e.Any90)
	}
	if q.Right = .4; Recover(q).Any50 != nil {
		t.Error("right with .4: a median that is more likely than not never reached")
	}
	if q.Right = 1; *Recover(q).Any50 != Recover(q).P50 {
		t.Error("certainly right: another median than if it is right")
	}
}

// A curve that halves every minute from 16 times the margin is back in four minutes.
func TestDecay_golden(t *testing.T) {
	e, ok := decay([]float64{64, 32, 16}, 1, 1)
	if !ok || math.Abs(math.Exp(e.mean)-4) > 1e-9 {
		t.Errorf("back in %.3f minutes (%t), expected 4", math.Exp(e.mean), ok)
	}
	if e, ok := decay([]float64{64, 32, 500, 8, 4}, 1, 1); !ok || math.Abs(math.Exp(e.mean)-2) > .2 {
		t.Errorf("with a wild sample: %.3f minutes, expected about 2", math.Exp(e.mean))
	}
	if _, ok := decay([]float64{4, 5, 6, 7}, 1, 1); ok {
		t.Error("a curve that rises bends")
	}
}

func TestRecover_followsTheCurveOnceItBends(t *testing.T) {
	q := mended(0)
	q.Done = noon.Add(-6 * time.Minute)
	flat := Recover(q)
	q.Curves = [][]float64{{40, 20, 10, 5, 2.5}}
	fast := Recover(q)
	q.Curves = [][]float64{{40, 38, 36, 34.5, 33}}
	slow := Recover(q)
	q.Curves = [][]float64{{40, 41, 42, 43, 44}}
	rising := Recover(q)
	if flat.Bends || !fast.Bends || !slow.Bends || rising.Bends {
		t.Errorf("bends: flat %t, fast %t, slow %t, rising %t", flat.Bends, fast.Bends, slow.Bends, rising.Bends)
	}
	if !(fast.P50 < flat.P50 && flat.P50 < slow.P50) || rising.P50 != flat.P50 {
		t.Errorf("medians: fast %v, flat %v, slow %v, rising %v", fast.P50, flat.P50, slow.P50, rising.P50)
	}
	if slow.P90-slow.P50 <= 0 || fast.Parts.Effect >= slow.Parts.Effect {
		t.Errorf("parts %+v and %+v", fast.Parts, slow.Parts)
	}
}

func TestRecover_fittedToPastRecoveries(t *testing.T) {
	q := mended(5)
	model := Recover(q)
	for range 8 {
		q.Errors = append(q.Errors, math.Log(2))
	}
	if e := Recover(q); e.Fitted != 0 || e.P50 != model.P50 {
		t.Errorf("eight past recoveries: fitted to %d", e.Fitted)
	}
	q.Errors = append(q.Errors, math.Log(2))
	if e := Recover(q); e.Fitted != 9 || math.Abs(float64(e.P50)/float64(model.P50)-2) > 1e-6 || e.Model != model.P50 {
		t.Errorf("nine that took twice as long: fitted %d, %v instead of %v", e.Fitted, e.P50, model.P50)
	}
}

// Eight of ten recoveries lie inside, with nine past ones and with fifty, in a world
// where everything takes longer and is more uncertain than the model has it.
func TestRecover_coversEightOfTen(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	actual := func(model float64) float64 { return model * math.Exp(.35+.6*r.NormFloat64()) }
	for _, past := range []int{9, 19, 50} {
		inside, n := 0, 1500
		for k := range n {
			q := mended(3 + k%9)
			q.Draws, q.Seed = 120, uint64(k)
			for range past {
				q.Errors = append(q.Errors, math.Log(actual(1)))
			}
			e := Recover(q)
			if y := actual(e.Model.Std().Minutes()); y >= e.P10.Std().Minutes() && y <= e.P90.Std().Minutes() {
				inside++
			}
		}
		if share := float64(inside) / float64(n); share < .75 || share > .85 {
			t.Errorf("%d past recoveries: %.3f inside the interval of eight in ten", past, share)
		}
	}
}

func TestRecover_isWellFormed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := mended(rapid.IntRange(0, 40).Draw(t, "remaining"))
		q.Right, q.Phi, q.Draws = rapid.Float64Range(0, 1).Draw(t, "right"), rapid.Float64Range(0, .9).Draw(t, "phi"), 150
		q.Errors = rapid.SliceOfN(rapid.Float64Range(-1, 2), 0, 30).Draw(t, "errors")
		e := Recover(q)
		if e.P10 < 0 || e.P10 > e.P50 || e.P50 > e.P90 || e.Right != q.Right {
			t.Fatalf("eta %+v is not well formed", e)
		}
		if e.Any90 != nil && (e.Any50 == nil || *e.Any50 > *e.Any90) || e.Any50 != nil && *e.Any50 < e.P50 {
			t.Fatalf("mixture %v, %v beside %v", e.Any50, e.Any90, e.P50)
		}
		later := q
		later.Remaining += 5 * time.Minute
		if l := Recover(later); l.Fitted == 0 && l.P50 < e.P50 {
			t.Fatalf("with five minutes more to do: %v instead of %v", l.P50, e.P50)
		}
		if d := cmp.Diff(e, Recover(q)); d != "" {
			t.Fatalf("the same question, another answer: %s", d)
		}
	})
}

// After ten minutes in which nothing showed, what is still to come is not what it was.
func TestEffect_givenThatItHasNotShown(t *testing.T) {
	q := mended(0)
	q.Done = noon.Add(-10 * time.Minute)
	r := rand.New(rand.NewPCG(3, 4))
	var got []float64
	for range 4000 {
		got = append(got, q.effect(r, estimate{}, false))
	}
	// By numbers: of a log-normal of median 2 and spread .7, beyond 10.
	var want []float64
	for len(want) < 2000 {
		if x := 2 * math.Exp(.7*r.NormFloat64()); x > 10 {
			want = append(want, x-10)
		}
	}
	if a, b := statistics.Median(got), statistics.Median(want); math.Abs(a-b) > .35 {
		t.Errorf("median %.2f minutes, expected %.2f", a, b)
	}
	if a, b := statistics.Quantile(got, .9), statistics.Quantile(want, .9); math.Abs(a-b) > .15*b {
		t.Errorf("one in ten takes more than %.2f minutes, expected %.2f", a, b)
	}
	if slices.Min(got) < 0 {
		t.Error("the past")
	}
}
