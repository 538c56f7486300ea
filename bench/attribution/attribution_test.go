package main

import (
	"flag"
	"fmt"
	"math"
	"testing"
	"time"

	backout "github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/attribute"
)

var (
	first = flag.Uint64("first", 10000, "first seed; below 10000 is for tuning")
	cases = flag.Int("cases", 200, "number of incidents")
	loud  = flag.Bool("misses", false, "print what went wrong")
)

// score of one method.
type score struct {
	top1, caused, right, all int
	p, loss                  float64
	bins                     [10][3]float64
}

func (s *score) add(truth Truth, pick backout.ChangeID, p, pTruth float64) {
	s.all++
	if truth.Culprit != "" {
		s.caused++
		if pick == truth.Culprit {
			s.top1++
		}
	}
	y := 0.0
	if pick == truth.Culprit {
		s.right++
		y = 1
	}
	s.p += p
	s.loss -= math.Log(max(1e-9, pTruth))
	b := &s.bins[min(9, int(p*10))]
	b[0], b[1], b[2] = b[0]+1, b[1]+p, b[2]+y
}

func (s *score) ece() float64 {
	e := 0.0
	for _, b := range s.bins {
		if b[0] > 0 {
			e += math.Abs(b[1]-b[2]) / float64(s.all)
		}
	}
	return e
}

func (s *score) String() string {
	n := float64(s.all)
	return fmt.Sprintf("top-1 %.3f (of %d)  with none %.3f (of %d)  mean p %.3f  ECE %.3f  NLL %.3f",
		float64(s.top1)/float64(max(1, s.caused)), s.caused, float64(s.right)/n, s.all, s.p/n, s.ece(), s.loss/n)
}

// winner is the likeliest answer; "" is no change.
func winner(a backout.Attribution) (backout.ChangeID, float64) {
	if len(a.Suspects) == 0 || a.PNone >= a.Suspects[0].P {
		return "", a.PNone
	}
	return a.Suspects[0].Change, a.Suspects[0].P
}

func pOf(a backout.Attribution, id backout.ChangeID) float64 {
	if id == "" {
		return a.PNone
	}
	for _, s := range a.Suspects {
		if s.Change == id {
			return s.P
		}
	}
	return 0
}

// latest blames the change that was exposed last.
func latest(c Case) backout.ChangeID {
	return latestWhere(c, func(backout.ServiceID) bool { return true })
}

// latestOnIll blames the latest change on a service whose mean residual of the
// last five minutes is beyond 3.
func latestOnIll(c Case) backout.ChangeID {
	ill := map[backout.ServiceID]bool{}
	for _, r := range c.Residuals {
		s := r.ID.Subject
		if s.Caller != "" || s.Version != "" || r.Kind == backout.SignalTraffic {
			continue
		}
		sum := 0.0
		for _, z := range r.Levels[len(r.Levels)-5:] {
			sum += z / 5
		}
		ill[s.Service] = ill[s.Service] || sum > 3
	}
	return latestWhere(c, func(s backout.ServiceID) bool { return ill[s] })
}

// latestBefore is kinder: it blames the latest change on an ill service that came
// before that service was first beyond 3 for two minutes in a row.
func latestBefore(c Case) backout.ChangeID {
	since := map[backout.ServiceID]time.Time{}
	for _, r := range c.Residuals {
		s := r.ID.Subject
		if s.Caller != "" || s.Version != "" || r.Kind == backout.SignalTraffic {
			continue
		}
		for i := len(r.Levels) - 1; i > 0 && (r.Levels[i] > 3 || r.Levels[i-1] > 3); i-- {
			at := r.From.Add(time.Duration(i) * r.Step)
			if old, ok := since[s.Service]; !ok || at.Before(old) {
				since[s.Service] = at
			}
		}
	}
	var best backout.Change
	for _, ch := range c.World.Changes {
		at, ill := since[ch.Services[0]]
		if ill && ch.Exposure.Start().Before(at) && ch.Exposure.Start().After(best.Exposure.Start()) {
			best = ch
		}
	}
	return best.ID
}

func latestWhere(c Case, ok func(backout.ServiceID) bool) backout.ChangeID {
	var best backout.Change
	for _, ch := range c.World.Changes {
		if ok(ch.Services[0]) && !ch.Exposure.Start().After(c.World.Now) && ch.Exposure.Start().After(best.Exposure.Start()) {
			best = ch
		}
	}
	return best.ID
}

// tally runs the ranking and the baselines on cases.
type tally struct {
	ours, last, lastIll, before score
	byKind                      map[string]*score
	took                        time.Duration
}

func measureAll(t *testing.T, n int, generate func(seed uint64) Case) *tally {
	out := &tally{byKind: map[string]*score{}}
	for i := range n {
		seed := *first + uint64(i)
		c := generate(seed)
		begin := time.Now()
		a := attribute.Rank(attribute.Question{World: c.World, Residuals: c.Residuals, Baselines: c.Baselines})
		out.took += time.Since(begin) / time.Duration(n)
		pick, p := winner(a)
		out.ours.add(c.Truth, pick, p, pOf(a, c.Truth.Culprit))
		if out.byKind[c.Truth.Kind] == nil {
			out.byKind[c.Truth.Kind] = &score{}
		}
		out.byKind[c.Truth.Kind].add(c.Truth, pick, p, pOf(a, c.Truth.Culprit))
		l, li := latest(c), latestOnIll(c)
		out.last.add(c.Truth, l, 1, one(l == c.Truth.Culprit))
		b := latestBefore(c)
		out.before.add(c.Truth, b, 1, one(b == c.Truth.Culprit))
		out.lastIll.add(c.Truth, li, 1, one(li == c.Truth.Culprit))
		if *loud && pick != c.Truth.Culprit {
			t.Logf("seed %d truth %+v picked %q %.2f, truth has %.2f, onset %s", seed, c.Truth, pick, p, pOf(a, c.Truth.Culprit), a.Onset.Sub(c.World.Now))
		}
	}
	return out
}

func (m *tally) log(t *testing.T) {
	t.Logf("backout            %v", &m.ours)
	for _, k := range []string{"change", "silent", "bad-calls", "external", "spontaneous", "surge"} {
		if s := m.byKind[k]; s != nil {
			t.Logf("  %-16s right %.3f (of %d)  mean p %.3f", k, float64(s.right)/float64(s.all), s.all, s.p/float64(s.all))
		}
	}
	t.Logf("latest             %v", &m.last)
	t.Logf("latest on ill      %v", &m.lastIll)
	t.Logf("... and before it  %v", &m.before)
	t.Logf("%v an incident", m.took)
}

func TestRank_generatedWorlds(t *testing.T) {
	m := measureAll(t, *cases, Generate)
	m.log(t)
	if got := float64(m.ours.top1) / float64(max(1, m.ours.caused)); got < 0.65 {
		t.Errorf("top-1 of change-caused incidents is %.3f, expected at least 0.65", got)
	}
	if got := float64(m.ours.right) / float64(m.ours.all); got < 0.65 || m.ours.right <= max(m.lastIll.right, m.before.right) {
		t.Errorf("right answers are %.3f of all, expected at least 0.65 and more than any baseline", got)
	}
	if m.ours.ece() > 0.12 {
		t.Errorf("expected calibration error is %.3f, expected at most 0.12", m.ours.ece())
	}
}

func TestRank_shopStories(t *testing.T) {
	for _, story := range []string{"release", "outage"} {
		m := measureAll(t, *cases, func(seed uint64) Case { return Shop(seed, story) })
		t.Logf("story %s", story)
		m.log(t)
		if got := float64(m.ours.right) / float64(m.ours.all); got < 0.85 {
			t.Errorf("story %s: right in %.3f, expected at least 0.85", story, got)
		}
	}
}
