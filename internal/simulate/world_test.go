package simulate_test

import (
	"math"
	"testing"
	"time"

	backout "github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/simulate"
)

// survey is what many worlds have between them.
type survey struct {
	classes  map[simulate.Class]int
	kinds    map[backout.ComponentKind]int
	families map[string]int
	steps    map[time.Duration]int
	services, changes,
	after, staged, arms float64
}

func surveyOf(t *testing.T, split simulate.Split, n int) survey {
	t.Helper()
	s := survey{classes: map[simulate.Class]int{}, kinds: map[backout.ComponentKind]int{}, families: map[string]int{}, steps: map[time.Duration]int{}}
	for seed := range uint64(n) {
		c, truth := simulate.Generate(split, seed)
		s.classes[truth.Class]++
		s.families[truth.Family]++
		s.steps[c.Window.Step]++
		for _, ch := range c.World().Changes {
			s.kinds[ch.Kind]++
			s.changes += 1 / float64(n)
			if ch.Exposure.Start().After(truth.Onset) {
				s.after += 1 / float64(n)
			}
			if len(ch.Exposure.Stages) > 1 {
				s.staged += 1 / float64(n)
			}
		}
		for _, v := range c.Graph.Services {
			if v.Kind != backout.ServiceExternal {
				s.services += 1 / float64(n)
			}
		}
		for _, x := range c.Window.Series {
			if x.ID.Subject.Version != "" {
				s.arms += .25 / float64(n) // two signals of two versions
			}
		}
	}
	return s
}

// The worlds have everything that makes blame hard.
func TestWorlds_areWhatTheyClaim(t *testing.T) {
	s := surveyOf(t, simulate.Test, 60)
	if s.services < 45 || s.services > 55 || s.changes < 16 || s.changes > 24 {
		t.Errorf("on average %.1f services and %.1f changes, expected about 50 and 20", s.services, s.changes)
	}
	if s.after < 1.5 || s.staged < 3 || s.arms < 1 {
		t.Errorf("on average %.1f changes after the onset, %.1f in stages, %.1f with versions measured apart", s.after, s.staged, s.arms)
	}
	for _, c := range []simulate.Class{simulate.ClassChange, simulate.ClassCreeping, simulate.ClassSilent, simulate.ClassBadCalls, simulate.ClassExternal, simulate.ClassSpontaneous, simulate.ClassSurge} {
		if s.classes[c] == 0 {
			t.Errorf("no world of class %s", c)
		}
	}
	for _, k := range []backout.ComponentKind{backout.KindDeployment, backout.KindConfig, backout.KindFlag, backout.KindSchema, backout.KindTraffic, backout.KindInfrastructure} {
		if s.kinds[k] == 0 {
			t.Errorf("no change of kind %s", k)
		}
	}
}

// Shifted worlds have other graphs, other steps and more silent culprits.
func TestShifted_isAnotherWorld(t *testing.T) {
	usual, shifted := surveyOf(t, simulate.Train, 45), surveyOf(t, simulate.Shifted, 45)
	for f := range shifted.families {
		if usual.families[f] > 0 {
			t.Errorf("family %s is in both", f)
		}
	}
	for d := range shifted.steps {
		if usual.steps[d] > 0 {
			t.Errorf("step %s is in both", d)
		}
	}
	silent := func(s survey) float64 {
		all := s.classes[simulate.ClassChange] + s.classes[simulate.ClassCreeping] + s.classes[simulate.ClassSilent] + s.classes[simulate.ClassBadCalls]
		return float64(s.classes[simulate.ClassSilent]) / float64(all)
	}
	if silent(shifted) <= silent(usual) {
		t.Errorf("%.2f of shifted culprits are silent, of the usual ones %.2f", silent(shifted), silent(usual))
	}
}

// What is told lies before the end, samples are counts of things, and each signal
// has what its kind promises.
func TestWindow_isWhatABackendAnswers(t *testing.T) {
	signals := map[backout.SignalName]backout.Signal{}
	for _, s := range simulate.Signals() {
		signals[s.Name] = s
	}
	for _, split := range []simulate.Split{simulate.Test, simulate.Shifted} {
		for seed := range uint64(10) {
			c, _ := simulate.Generate(split, seed)
			w := c.Window
			if w.Now != c.At || w.Now.UnixNano()%int64(w.Step) != 0 {
				t.Fatalf("seed %d: window ends %s in steps of %s, asked %s", seed, w.Now, w.Step, c.At)
			}
			for _, o := range c.Observations {
				if o.At.After(c.At) || o.Share <= 0 || o.Share > 1 {
					t.Errorf("seed %d: observation %+v, asked %s", seed, o, c.At)
				}
			}
			for _, s := range w.Series {
				if q := signals[s.ID.Signal]; q.Kind != s.Kind || q.Direction != s.Worse || q.Opens != s.Opens {
					t.Fatalf("seed %d: series %v is not what signal %s asks for", seed, s.ID, q.Name)
				}
				checkSamples(t, s, w)
			}
		}
	}
}

func checkSamples(t *testing.T, s backout.Series, w backout.Window) {
	t.Helper()
	last := w.From
	for _, x := range s.Samples {
		ratio := s.Kind == backout.SignalLatency || s.Kind == backout.SignalErrors
		switch {
		case !x.At.After(last) || x.At.After(w.Now) || x.At.Sub(w.From)%w.Step != 0:
			t.Fatalf("%v: sample at %s after %s, window %s to %s", s.ID, x.At, last, w.From, w.Now)
		case x.Value < 0 || math.IsNaN(x.Value) || math.IsInf(x.Value, 0), ratio != (x.Total > 0), s.Kind == backout.SignalErrors && x.Value > x.Total:
			t.Fatalf("%v: sample %+v", s.ID, x)
		}
		last = x.At
	}
}

// The graph that is told is wrong in both ways. Missing dependencies are seen in
// calls between services that it does not connect, invented ones in dependencies
// whose calls nobody measures.
func TestGraph_isToldWrongly(t *testing.T) {
	missing, unseen, told := 0, 0, 0
	for seed := range uint64(15) {
		c, _ := simulate.Generate(simulate.Test, seed)
		type pair struct{ from, to backout.ServiceID }
		calls, deps := map[pair]bool{}, map[pair]bool{}
		for _, s := range c.Window.Series {
			if s.ID.Subject.Caller != "" {
				calls[pair{s.ID.Subject.Caller, s.ID.Subject.Service}] = true
			}
		}
		for _, d := range c.Graph.Dependencies {
			deps[pair{d.From, d.To}] = true
			told++
			if !calls[pair{d.From, d.To}] {
				unseen++
			}
		}
		for p := range calls {
			if !deps[p] {
				missing++
			}
		}
	}
	if m, i := float64(missing)/float64(told), float64(unseen)/float64(told); m < .02 || m > .12 || i < .01 || i > .12 {
		t.Errorf("%.3f of the dependencies are called but not told, %.3f are told but never called", m, i)
	}
}

func BenchmarkGenerate(b *testing.B) {
	for i := range b.N {
		simulate.Generate(simulate.Train, uint64(i))
	}
}
