package attribute

import (
	"math"
	"testing"

	backout "github.com/backout-dev/backout"
)

// creeping is a release of payment whose trouble creeps in on the new version alone,
// and a setting of payment that came a minute later. control says how the old one fares.
func creeping(control func(int) float64) (release, setting float64) {
	s := newScene()
	r := s.ship(backout.KindDeployment, "payment", "payment", 54, .33)
	c := s.ship(backout.KindConfig, "payment-log", "payment", 55, 1)
	worse := ramp(56, 4, 9)
	s.measure(map[string]func(int) float64{"payment": worse, "checkout": worse}, nil)
	s.series(backout.Subject{Service: "payment", Version: "1"}, backout.SignalLatency, control)
	s.series(backout.Subject{Service: "payment", Version: "2"}, backout.SignalLatency, func(m int) float64 {
		if m < 54 {
			return math.NaN()
		}
		return worse(m)
	})
	a := Rank(s.q)
	return probability(a, r), probability(a, c)
}

// A fault that creeps in looks like noise from one minute to the next; the calm of the
// old version tells that it is none. Where the old one is as ill, nothing is told.
func TestRank_creepingBesideACalmOldVersion(t *testing.T) {
	release, setting := creeping(nil)
	if release < .9 {
		t.Errorf("release %.2f, setting %.2f: its new version is ever worse beside a calm old one", release, setting)
	}
	both, setting := creeping(ramp(56, 4, 9))
	if both > setting {
		t.Errorf("release %.2f, setting %.2f: the old version fares as badly", both, setting)
	}
}

// Everything is up by a trifle, and one service is truly ill just after its release:
// many trifles are no surge.
func TestRank_manyTriflesAreNoSurge(t *testing.T) {
	s := newScene()
	var near []string
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t"} {
		s.q.World.Graph.Services = append(s.q.World.Graph.Services, backout.Service{ID: backout.ServiceID(name), Kind: backout.ServiceOwn})
		near = append(near, name)
	}
	id := s.ship(backout.KindDeployment, "ledger", "ledger", 52, 1)
	latency := map[string]func(int) float64{"ledger": step(53, 6), "refund>ledger": step(53, 6)}
	for _, name := range near {
		latency[name] = step(53, .8)
	}
	s.measure(latency, nil)
	if a := Rank(s.q); probability(a, id) < .6 {
		t.Errorf("release %.2f, no change %.2f (%s)", probability(a, id), a.PNone, a.Origins[0].Text)
	}
}
