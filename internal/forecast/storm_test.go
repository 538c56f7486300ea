package forecast

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	backout "github.com/backout-dev/backout"
)

// Golden: with two retries a service at 60 % tips where 1 + f + f² = 1/.6.
func TestTips_golden(t *testing.T) {
	if got, want := tips(.6, 2), (-1+math.Sqrt(1+4*(1/.6-1)))/2; math.Abs(got-want) > 1e-9 {
		t.Errorf("tips at %.6f, expected %.6f", got, want)
	}
	if got := tips(.3, 2); got != 1 {
		t.Errorf("at 30 %% of capacity three tries of everything fit: tips at %.3f", got)
	}
	if got := tries(.5, 2); got != 1.75 {
		t.Errorf("half fails, two retries: %.3f tries, expected 1.75", got)
	}
}

// Below the tipping point nothing happens, beyond it more fails than before, and the
// more is used the worse.
func TestStormed_isMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, u := rapid.Float64Range(0, 1).Draw(t, "failing"), rapid.Float64Range(.01, 1).Draw(t, "used")
		n := rapid.IntRange(1, 5).Draw(t, "retries")
		got := stormed(f, u, n)
		if got < f-1e-12 || got > 1+1e-12 {
			t.Fatalf("%.4f becomes %.4f", f, got)
		}
		if f < tips(u, n)-1e-6 && got > f+1e-9 {
			t.Fatalf("%.4f fails, it tips at %.4f, and yet %.4f fail", f, tips(u, n), got)
		}
		if more := stormed(f, min(1, u+.05), n); more < got-1e-6 {
			t.Fatalf("%.4f fail at %.2f, %.4f at more", got, u, more)
		}
	})
}

func TestCascade_saysWhenAStormTips(t *testing.T) {
	q := chain()
	learn(&q, "payment", "checkout", 1, 6)
	q.Saturation = map[backout.ServiceID]float64{"checkout": .7}
	f := Cascade(q)
	if len(f.Warnings) != 1 || !strings.Contains(f.Warnings[0], "checkout uses 70 %") || !strings.Contains(f.Warnings[0], "most likely in about") {
		t.Errorf("warnings %q, expected when checkout tips", f.Warnings)
	}
	with := f.CostHorizon.P50.Minor
	q.Saturation = nil
	if without := Cascade(q); without.CostHorizon.P50.Minor >= with || len(without.Warnings) != 0 {
		t.Errorf("cost %d with a storm, %d without; warnings %q", with, without.CostHorizon.P50.Minor, without.Warnings)
	}
}

// What is lost until the horizon: the certain closed form, and between the rates of now
// and then.
func TestCascade_lossUntilTheHorizon(t *testing.T) {
	q := chain()
	q.World.Graph.Dependencies = nil
	q.World.Graph.Journeys = q.World.Graph.Journeys[:1]
	f := Cascade(q)
	if got, want := float64(f.Loss.P50.Minor), 30*float64(f.CostNow.P50.Minor); math.Abs(got-want) > want/100 {
		t.Errorf("nothing more is hit: %v lost in 30 minutes, expected 30 times %v", f.Loss.P50, f.CostNow.P50)
	}
	g := Cascade(chain())
	if low, high := 30*g.CostNow.P50.Minor, 30*g.CostHorizon.P50.Minor; g.Loss.P50.Minor < low || g.Loss.P50.Minor > high || g.Loss.P10.Minor > g.Loss.P90.Minor {
		t.Errorf("loss %+v, expected between %d and %d", g.Loss, low, high)
	}
}

// The same two hits, close together or far apart: trouble that travels fast goes on fast.
func TestCascade_timesTellThePace(t *testing.T) {
	wait := func(lag time.Duration) float64 {
		q := chain()
		q.Attribution.Onset = noon.Add(-lag)
		q.Findings = []backout.Finding{found("payment", noon.Add(-lag)), found("checkout", noon)}
		h := hitOf(Cascade(q), "web")
		return h.P50.Std().Minutes()
	}
	if fast, slow := wait(time.Minute), wait(12*time.Minute); fast >= slow {
		t.Errorf("web in %.2f minutes after a fast hit, %.2f after a slow one", fast, slow)
	}
}

// More that is hit never makes what depends on it safer, where it is certain what did it.
func TestCascade_monotoneInWhatIsHit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := randomGraph(t)
		origin := q.World.Changes[0].Services[0]
		q.Findings = []backout.Finding{found(origin, noon)}
		before := Cascade(q)
		ill := backout.ServiceID("s" + string(rune('0'+rapid.IntRange(0, 7).Draw(t, "ill"))))
		q.Findings = append(q.Findings, found(ill, noon))
		after := Cascade(q)
		for _, h := range before.Hits {
			if h.Kind == backout.TargetService && hitOf(after, h.Target).P < h.P-.06 {
				t.Fatalf("%s has %.3f, and %.3f once %s is hit as well", h.Target, h.P, hitOf(after, h.Target).P, ill)
			}
		}
	})
}

// Past misses widen or narrow what is told; below nine nothing is fitted.
func TestCascade_fittedToPastHits(t *testing.T) {
	q := chain()
	model := Cascade(q)
	for range 8 {
		q.World.Priors.HitTimes = append(q.World.Priors.HitTimes, .5)
	}
	if f := Cascade(q); f.Fitted != 0 || f.Stretch != 1 || hitOf(f, "web") != hitOf(model, "web") {
		t.Errorf("eight past hits: fitted %d, stretch %.2f", f.Fitted, f.Stretch)
	}
	q.World.Priors.HitTimes = append(q.World.Priors.HitTimes, .5)
	f := Cascade(q)
	a, b := hitOf(model, "web"), hitOf(f, "web")
	if f.Fitted != 9 || f.Stretch != .5 || b.P50 != a.P50 || b.P90 >= a.P90 || b.P10 <= a.P10 {
		t.Errorf("nine past hits at half a width: fitted %d, stretch %.2f, %+v instead of %+v", f.Fitted, f.Stretch, b, a)
	}
}

// Golden: the misses of the ends and the middle, and twice as far on each side.
func TestMiss_golden(t *testing.T) {
	for actual, want := range map[float64]float64{2: 1, 4: 0, 16: 1, 64: 2, 1: 2} {
		if got := Miss(2, 4, 16, actual); math.Abs(got-want) > 1e-9 {
			t.Errorf("%v minutes miss by %.3f, expected %.0f", actual, got, want)
		}
	}
}
