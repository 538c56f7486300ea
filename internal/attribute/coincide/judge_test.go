package coincide

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var midnight = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

const perDay = 24 * 60

// quietSeries is days of noise around a daily course, sampled every minute, and a
// change at ten in the morning of the last of them.
func quietSeries(seed uint64, days int, phi float64) Question {
	rng := rand.New(rand.NewPCG(seed, 1))
	at := (days-1)*perDay + 600
	q := Question{From: midnight, Step: time.Minute, Began: midnight.Add(time.Duration(at) * time.Minute)}
	noise := 0.0
	for i := range at + 200 {
		noise = phi*noise + math.Sqrt(1-phi*phi)*rng.NormFloat64()
		q.Values = append(q.Values, 100+20*math.Sin(2*math.Pi*float64(i)/perDay)+noise)
	}
	return q
}

// with adds to the samples from so many minutes after the change on, for so long.
func (q Question) with(from, length int, f func(i int) float64) Question {
	at := q.index(q.Began)
	for i := at + from; i < min(len(q.Values), at+from+length); i++ {
		q.Values[i] += f(i - at - from)
	}
	return q
}

func by(x float64) func(int) float64 { return func(int) float64 { return x } }

func judged(t *testing.T, q Question) Verdict {
	t.Helper()
	v, err := Judge(q)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestJudge_whatCoincides(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for _, c := range []struct {
		name  string
		q     Question
		want  bool
		kind  Kind
		begin time.Duration
	}{
		{"nothing", quietSeries(1, 4, .3), false, "", 0},
		{"a shift", quietSeries(2, 4, .3).with(2, 200, by(6)), true, "", 0},
		{"a shift down", quietSeries(3, 4, .3).with(0, 200, by(-6)), true, "", 0},
		{"a burst", quietSeries(4, 4, .3).with(3, 5, by(25)), true, Burst, 3 * time.Minute},
		{"a ramp", quietSeries(5, 4, .3).with(0, 200, func(i int) float64 { return .12 * float64(i) }), true, Level, 15 * time.Minute},
		{"a shift an hour later", quietSeries(6, 4, .3).with(100, 100, by(6)), false, "", 0},
		{"noise five times as wide", quietSeries(7, 4, .3).with(5, 200, func(int) float64 { return 5 * rng.NormFloat64() }), true, "", 0},
	} {
		v := judged(t, c.q)
		if v.Coincides() != c.want {
			t.Errorf("%s: %+v, expected coincides = %v", c.name, v, c.want)
		}
		if c.kind != "" && v.Kind != c.kind {
			t.Errorf("%s: %+v, expected a %s", c.name, v, c.kind)
		}
		if d := v.Begins - c.begin; c.kind != "" && (d < -3*time.Minute || d > 3*time.Minute) {
			t.Errorf("%s: begins at %s, expected %s", c.name, v.Begins, c.begin)
		}
	}
}

// A peak that comes every day is no news, and the same move without its like on the
// days before is.
func TestJudge_dailyPeak(t *testing.T) {
	peak := func(q Question, daysBefore int) Question {
		at := q.index(q.Began)
		for d := range daysBefore + 1 {
			for i := at - d*perDay; i < min(len(q.Values), at-d*perDay+60); i++ {
				q.Values[i] += 8
			}
		}
		return q
	}
	if v := judged(t, peak(quietSeries(8, 5, .3), 4)); v.Coincides() {
		t.Errorf("a daily peak: %+v, expected nothing to tell", v)
	}
	if v := judged(t, peak(quietSeries(8, 5, .3), 0)); !v.Coincides() {
		t.Errorf("a peak of today alone: %+v, expected it told", v)
	}
}

// Innocent changes are seldom blamed whatever the autocorrelation, and shifts of four
// standard deviations are seldom missed.
func TestJudge_rates(t *testing.T) {
	const n = 40
	for _, phi := range []float64{0, .5, .9} {
		blamed, found := 0, 0
		for seed := range uint64(n) {
			if judged(t, quietSeries(100+seed, 3, phi)).Coincides() {
				blamed++
			}
			if judged(t, quietSeries(100+seed, 3, phi).with(1, 200, by(4))).Coincides() {
				found++
			}
		}
		if blamed > n/20 {
			t.Errorf("phi %.1f: %d of %d innocent changes blamed", phi, blamed, n)
		}
		if phi < .9 && found < n*9/10 {
			t.Errorf("phi %.1f: %d of %d shifts found", phi, found, n)
		}
	}
}

func TestJudge_isBlindToUnitAndFuture(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64Range(1, 1e6).Draw(rt, "seed")
		scale, offset := rapid.Float64Range(.01, 1000).Draw(rt, "scale"), rapid.Float64Range(-500, 500).Draw(rt, "offset")
		q := quietSeries(seed, 3, .3).with(3, 200, by(3))
		a, err := Judge(q)
		if err != nil {
			rt.Fatal(err)
		}
		other := q
		other.Values = make([]float64, len(q.Values))
		for i, x := range q.Values {
			other.Values[i] = offset + scale*x
			if i > q.index(q.Began)+120 {
				other.Values[i] = 1e6 // later than two hours after: not looked at
			}
		}
		b, err := Judge(other)
		if err != nil || math.Abs(a.Score-b.Score) > 1e-6 || a.Kind != b.Kind || a.Begins != b.Begins {
			rt.Errorf("%+v in one unit, %+v in another (%v)", a, b, err)
		}
		if a.Kind != Spread && math.Abs(b.By-scale*a.By) > 1e-6*math.Abs(b.By)+1e-9 {
			rt.Errorf("moved by %v, and by %v in units of 1/%v", a.By, b.By, scale)
		}
	})
}

func TestJudge_longRollout(t *testing.T) {
	q := quietSeries(9, 4, .3)
	q.Began = q.Began.Add(-4 * time.Hour)
	q.Ended = q.Began.Add(4 * time.Hour)
	at := q.index(q.Ended)
	for i := at + 2; i < len(q.Values); i++ {
		q.Values[i] += 6
	}
	if v := judged(t, q); !v.Coincides() || v.Begins < 4*time.Hour || v.Begins > 4*time.Hour+15*time.Minute {
		t.Errorf("a shift with the last stage: %+v, expected it told, four hours after the first", v)
	}
}

func TestJudge_coarseStepsAndGaps(t *testing.T) {
	fine := quietSeries(10, 6, .3).with(0, 200, by(8))
	q := fine
	q.Step, q.Values = 5*time.Minute, nil
	for i := 0; i < len(fine.Values); i += 5 {
		q.Values = append(q.Values, fine.Values[i])
	}
	for i := range q.Values {
		if i%7 == 3 {
			q.Values[i] = math.NaN()
		}
	}
	if v := judged(t, q); !v.Coincides() || math.IsNaN(v.Score) {
		t.Errorf("every five minutes with gaps: %+v, expected it told", v)
	}
}

func TestJudge_zeros(t *testing.T) {
	q := quietSeries(11, 4, 0)
	for i := range q.Values {
		q.Values[i] = 0
	}
	if v := judged(t, q); v.Coincides() || math.IsNaN(v.Score) || math.IsInf(v.Score, 0) {
		t.Errorf("a series of zeros: %+v, expected nothing to tell", v)
	}
	if v := judged(t, q.with(2, 15, by(1))); !v.Coincides() {
		t.Errorf("the first ones of a series of zeros: %+v, expected them told", v)
	}
}

func TestJudge_tooShort(t *testing.T) {
	q := quietSeries(12, 4, .3)
	at := q.index(q.Began)
	for name, c := range map[string]Question{
		"no step":     {Values: q.Values, From: q.From, Began: q.Began},
		"no after":    {Values: q.Values[:at+5], From: q.From, Step: q.Step, Began: q.Began},
		"no before":   {Values: q.Values[at-30:], From: q.From.Add(time.Duration(at-30) * q.Step), Step: q.Step, Began: q.Began},
		"no placebos": {Values: q.Values[at-300:], From: q.From.Add(time.Duration(at-300) * q.Step), Step: q.Step, Began: q.Began},
		"empty":       {Step: time.Minute, Began: midnight},
	} {
		if v, err := Judge(c); !errors.Is(err, ErrShort) {
			t.Errorf("%s: %+v, %v, expected ErrShort", name, v, err)
		}
	}
	// Half a day is enough without the days before.
	half := Question{Values: q.Values[at-720:], From: q.From.Add(time.Duration(at-720) * q.Step), Step: q.Step, Began: q.Began}
	if _, err := Judge(half.with(1, 200, by(9))); err != nil {
		t.Errorf("half a day of history: %v", err)
	}
}

func BenchmarkJudge(b *testing.B) {
	q := quietSeries(13, 7, .3)
	for b.Loop() {
		_, _ = Judge(q)
	}
}
