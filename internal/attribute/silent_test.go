package attribute

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	backout "github.com/backout-dev/backout"
)

// neededFraud is the shop with three services that call fraud.
func neededFraud() *scene {
	s := newScene()
	for _, caller := range []backout.ServiceID{"refund", "subscription"} {
		s.q.World.Graph.Dependencies = append(s.q.World.Graph.Dependencies, backout.Dependency{From: caller, To: "fraud", Hard: true})
	}
	return s
}

// Two of three callers suffer and see where from; the third has no trouble with it.
func TestRank_silentCulprit(t *testing.T) {
	s := neededFraud()
	s.ship(backout.KindDeployment, "rules", "fraud", 38, 1)
	s.ship(backout.KindDeployment, "forms", "refund", 41, 1)
	s.measure(levels{"checkout": step(43, 4), "web": step(43, 3)},
		levels{"payment": step(42, 6), "refund": step(42, 6), "payment>fraud": step(42, 6), "refund>fraud": step(42, 6)})
	a := Rank(s.q)
	if p := probability(a, "rules"); p < .8 {
		t.Errorf("the silent culprit has %.3f, its caller %.3f, no change %.3f", p, probability(a, "forms"), a.PNone)
	}
	i := slices.IndexFunc(a.Suspects, func(s backout.Suspect) bool { return s.Change == "rules" })
	said := func(all []backout.Evidence, text string) bool {
		return slices.ContainsFunc(all, func(e backout.Evidence) bool { return strings.Contains(e.Text, text) })
	}
	if x := a.Suspects[i]; !said(x.For, "fraud is healthy from within, but calls from 2 callers fail") || said(x.Against, "fraud") {
		t.Errorf("for %v, against %v", x.For, x.Against)
	}
}

// However many callers suffer, and however clearly, the answer is a number, and none that
// callers pile up: what a silent cause does not show weighs as much as what they see.
func TestRank_manyIllCallers(t *testing.T) {
	s := manyCallers()
	s.ship(backout.KindDeployment, "rules", "fraud", 39, 1)
	s.ship(backout.KindConfig, "limits", "fraud", 20, 1)
	a := Rank(s.q)
	if p := probability(a, "rules"); !(p > .8) || !(a.PNone < .2) {
		t.Errorf("the culprit has %v, no change %v", p, a.PNone)
	}
	for _, x := range a.Suspects {
		for _, e := range slices.Concat(x.For, x.Against) {
			if math.IsNaN(e.LogBF) || math.IsInf(e.LogBF, 0) {
				t.Errorf("%s: %s weighs %v", x.Change, e.Text, e.LogBF)
			}
		}
	}
	s = manyCallers()
	s.ship(backout.KindDeployment, "rules", "fraud", 44, 1)
	if a := Rank(s.q); !(a.PNone > .9) {
		t.Errorf("a change four minutes after it began has %v, no change %v", probability(a, "rules"), a.PNone)
	}
}

// manyCallers is the shop with forty services that call fraud and suffer with it.
func manyCallers() *scene {
	s := newScene()
	ill := levels{"fraud": step(40, 12)}
	for i := range 40 {
		caller := backout.ServiceID(fmt.Sprint("caller-", i))
		g := &s.q.World.Graph
		g.Services = append(g.Services, backout.Service{ID: caller, Kind: backout.ServiceOwn})
		g.Dependencies = append(g.Dependencies, backout.Dependency{From: caller, To: "fraud", Hard: true})
		ill[string(caller)], ill[string(caller)+">fraud"] = step(40, 12), step(40, 12)
	}
	s.measure(nil, ill)
	return s
}

// One caller of three suffers. Its own change a minute later would explain that too, and
// its calls to the changed one tell whose doing it is.
func TestRank_silentToMostCallers(t *testing.T) {
	s := neededFraud()
	s.ship(backout.KindDeployment, "rules", "fraud", 41, 1)
	s.ship(backout.KindDeployment, "forms", "refund", 35, 1)
	fails := step(42, 6)
	s.measure(nil, levels{"refund": fails, "refund>fraud": fails})
	seen := probability(Rank(s.q), "rules")
	for i, r := range s.q.Residuals {
		if r.ID.Subject.Caller == "refund" {
			clear(s.q.Residuals[i].Levels)
		}
	}
	unseen := probability(Rank(s.q), "rules")
	t.Logf("%.3f, and %.3f where its caller sees nothing", seen, unseen)
	if seen < .2 || unseen > .1 {
		t.Errorf("the silent culprit has %.3f, and %.3f where its caller sees nothing", seen, unseen)
	}
}

// What a silent cause does not show is held against it once, however many parts the
// factor is called in, and says how likely it is that the place is ill.
func TestHushed_isHeldAgainstOnce(t *testing.T) {
	for _, log := range []float64{-2, -200, -1400} {
		ill, acc := []float64{1, 0.7, 0.2}, accumulator{make([]float64, 3), repeat(1, 3)}
		hushed(log, ill, acc.times, make([]float64, 3))
		told := acc.logs()
		for i, q := range []float64{1, 0.7, 0.2} {
			whole := math.Max(faintest, math.Exp(log))
			said, caught := math.Log(1-q+q*whole), q*whole/(1-q+q*whole)
			if q == 1 {
				said, caught = log, 1
			}
			if got := told[i]; math.Abs(got-said) > 1e-9*math.Abs(said) {
				t.Errorf("logarithm %v, chance %v: %v is held against it, want %v", log, q, got, said)
			}
			if math.Abs(ill[i]-caught) > 1e-12 {
				t.Errorf("logarithm %v, chance %v: then %v, want %v", log, q, ill[i], caught)
			}
		}
	}
}

func TestAccumulator_beyondAllNumbers(t *testing.T) {
	acc := accumulator{make([]float64, 2), repeat(1, 2)}
	for range 7 {
		acc.times([]float64{1e100, 1e-100})
	}
	for i, want := range []float64{700 * math.Ln10, -700 * math.Ln10} {
		if got := acc.sum[i] + math.Log(acc.product[i]); math.Abs(got-want) > 1e-6 {
			t.Errorf("%v, want %v", got, want)
		}
	}
}
