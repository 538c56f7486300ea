package simulate_test

import (
	"math"
	"reflect"
	"testing"
	"time"

	backout "github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/simulate"
)

// Until the case ends a play shows what the case shows, whatever is done afterwards.
func TestPlay_beginsAsItsCase(t *testing.T) {
	for seed := range uint64(4) {
		c, truth := simulate.Generate(simulate.Train, seed)
		p := simulate.Begin(simulate.Train, seed, 45*time.Minute)
		if got := p.Truth(); got != truth {
			t.Errorf("seed %d: truth %+v, of the case %+v", seed, got, truth)
		}
		p.TakeBack(truth.Component, 1, c.At.Add(time.Second), "INC/1")
		w := p.Window(p.Start(), c.At)
		if w.Now, w.From = c.Window.Now, c.Window.From; !reflect.DeepEqual(byID(w), byID(c.Window)) {
			t.Errorf("seed %d: other samples than the case's", seed)
		}
		if told := p.Told(c.At); !reflect.DeepEqual(told, c.Observations) {
			t.Errorf("seed %d: %d observations, the case has %d", seed, len(told), len(c.Observations))
		}
	}
}

// illness is the mean excess of a window's latencies and failures over another's.
func illness(a, b backout.Window) float64 {
	base, sum, n := byID(b), 0.0, 0.0
	for _, s := range a.Series {
		for i, x := range s.Samples {
			if y := base[s.ID].Samples; s.Kind != backout.SignalTraffic && i < len(y) && x.Total > 0 && y[i].Total > 0 {
				sum, n = sum+math.Abs(x.Value/x.Total-y[i].Value/y[i].Total), n+1
			}
		}
	}
	return sum / max(1, n)
}

// Taking back the culprit ends the trouble and nothing else does.
func TestTakeBack_endsTheTroubleOfTheCulpritAlone(t *testing.T) {
	checked := 0
	for seed := range uint64(8) {
		c, truth := simulate.Generate(simulate.Train, seed)
		if truth.Culprit == "" {
			continue
		}
		checked++
		innocent := backout.ComponentID("")
		for _, ch := range c.World().Changes {
			if ch.Component != truth.Component {
				innocent = ch.Component
			}
		}
		late := func(take backout.ComponentID) backout.Window {
			p := simulate.Begin(simulate.Train, seed, 50*time.Minute)
			if take != "" {
				p.TakeBack(take, 1, c.At, "INC/1")
			}
			_, over := p.Over()
			if over != (take == truth.Component) {
				t.Errorf("seed %d: over %t after taking back %q, culprit %q", seed, over, take, truth.Component)
			}
			return p.Window(p.End().Add(-20*time.Minute), p.End())
		}
		nobody, right, wrong := late(""), late(truth.Component), late(innocent)
		if d := illness(nobody, right); d == 0 {
			t.Errorf("seed %d: taking back the culprit %s (%s) changes nothing", seed, truth.Component, truth.Class)
		}
		if d := illness(nobody, wrong); d > 1e-12 {
			t.Errorf("seed %d: taking back the innocent %s still shows half an hour later: %g", seed, innocent, d)
		}
	}
	if checked < 3 {
		t.Errorf("only %d worlds with a culprit", checked)
	}
}

func TestTakeBack_byShares(t *testing.T) {
	for seed := range uint64(20) {
		c, truth := simulate.Generate(simulate.Train, seed)
		if truth.Culprit == "" {
			continue
		}
		p := simulate.Begin(simulate.Train, seed, 30*time.Minute)
		before := p.Share(truth.Component, c.At)
		p.TakeBack(truth.Component, .5, c.At.Add(time.Minute), "INC/1")
		if got := p.Share(truth.Component, c.At.Add(2*time.Minute)); math.Abs(got-before/2) > .5 || got >= before && before > 0 {
			t.Errorf("seed %d: share %.2f after taking half of %.2f back", seed, got, before)
		}
		if _, over := p.Over(); over {
			t.Errorf("seed %d: over although half of it stays", seed)
		}
		if n := len(p.Told(p.End())); n == 0 || p.Told(p.End())[n-1].At.After(p.End()) {
			t.Errorf("seed %d: nothing told of it", seed)
		}
	}
}

// A rollout that is held goes no further, and what was told before stays told.
func TestHold_stopsARollout(t *testing.T) {
	held := 0
	for seed := range uint64(9) {
		p := simulate.Begin(simulate.Train, seed, 30*time.Minute)
		all := p.Told(p.End())
		changes, _ := backout.Fold(all)
		for _, c := range changes {
			st := c.Exposure.Stages
			if len(st) < 2 {
				continue
			}
			held++
			at := st[0].At.Add(time.Second)
			p.Hold(c.Component, at)
			if got := p.Share(c.Component, p.End()); got != st[0].Share {
				t.Errorf("seed %d: %s is at %.2f, held at %.2f", seed, c.Component, got, st[0].Share)
			}
			if n, want := len(p.Told(p.End())), len(all)-len(st)+1; n != want {
				t.Errorf("seed %d: %d reports after holding %s, expected %d", seed, n, c.Component, want)
			}
			break
		}
	}
	if held < 6 {
		t.Errorf("only %d rollouts in stages", held)
	}
}

// A day has changes at all hours, most of its days have trouble, and no change is to
// blame for it: the services that break by themselves were left alone before.
func TestDay_hasTroubleThatNoChangeMade(t *testing.T) {
	classes, changes := map[simulate.Class]int{}, 0
	const days = 20
	for seed := range uint64(days) {
		p, events := simulate.Day(simulate.Test, seed)
		if truth := p.Truth(); truth.Culprit != "" || truth.Class != simulate.ClassCalm {
			t.Fatalf("day %d: truth %+v, expected nobody", seed, truth)
		}
		if d := p.End().Sub(p.Start()); d < 27*time.Hour || d > 28*time.Hour {
			t.Fatalf("day %d lasts %s", seed, d)
		}
		shipped, _ := backout.Fold(p.Told(p.End()))
		changes += len(shipped)
		for _, e := range events {
			classes[e.Class]++
			if e.Class != simulate.ClassSpontaneous {
				continue
			}
			for _, ch := range shipped {
				k, _ := p.Graph().Component(ch.Component)
				if gap := e.From.Sub(ch.Exposure.Start()); k.Service == e.Origin && gap > 0 && gap < 80*time.Minute {
					t.Errorf("day %d: %s breaks by itself %s after %s", seed, e.Origin, gap, ch.Component)
				}
			}
		}
	}
	if per := float64(changes) / days; per < 10 || per > 30 {
		t.Errorf("%.1f changes a day", per)
	}
	for _, c := range []simulate.Class{simulate.ClassExternal, simulate.ClassSpontaneous, simulate.ClassSurge} {
		if classes[c] < 3 {
			t.Errorf("%d of %s on %d days", classes[c], c, days)
		}
	}
}

// An event shows in the samples of its time.
func TestDay_eventsShow(t *testing.T) {
	a, events := simulate.Day(simulate.Test, 3)
	b, _ := simulate.Day(simulate.Test, 3)
	if !reflect.DeepEqual(a.Window(a.Start(), a.End()), b.Window(b.Start(), b.End())) {
		t.Error("the same seed gives two days")
	}
	for _, e := range events {
		if !e.Until.After(e.From) || e.From.Before(a.Start()) {
			t.Errorf("event %+v", e)
		}
	}
}

func BenchmarkDay(b *testing.B) {
	for i := range b.N {
		simulate.Day(simulate.Test, uint64(i))
	}
}
