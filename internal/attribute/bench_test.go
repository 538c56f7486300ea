package attribute

import (
	"fmt"
	"testing"

	backout "github.com/backout-dev/backout"
)

// BenchmarkRank ranks in a product of 59 services and 50 changes, all of which are
// measured by themselves and by their callers: latency, errors and demand.
func BenchmarkRank(b *testing.B) { benchmarkRank(b, 50) }

// BenchmarkRank_1000 is the same with 1,009 services and 1,000 changes.
func BenchmarkRank_1000(b *testing.B) { benchmarkRank(b, 1000) }

func benchmarkRank(b *testing.B, n int) {
	s := wide(n)
	for b.Loop() {
		Rank(s.q)
	}
}

// wide is the shop with n services more, each called by two others and changed once; one
// of the last is ill, and so is the way from there to the shop's front.
func wide(n int) *scene {
	s := newScene()
	g, ill := &s.q.World.Graph, levels{}
	name := func(i int) backout.ServiceID { return backout.ServiceID(fmt.Sprintf("s%04d", i)) }
	for i := range n {
		g.Services = append(g.Services, backout.Service{ID: name(i), Kind: backout.ServiceOwn})
		for _, caller := range []int{i / 2, i / 3} {
			if i > 0 {
				g.Dependencies = append(g.Dependencies, backout.Dependency{From: name(caller), To: name(i), Hard: true})
			}
		}
		s.ship(backout.KindDeployment, fmt.Sprintf("x%d", i), name(i), float64(i%55), 0.5, float64(i%55+2), 1)
	}
	for i, from := n*4/5, 45; i > 0; i, from = i/2, from+1 {
		ill[string(name(i))] = step(from, 8)
		ill[string(name(i/2))+">"+string(name(i))] = step(from, 7)
	}
	s.measure(ill, nil)
	for _, x := range g.Services {
		s.series(backout.Subject{Service: x.ID}, backout.SignalTraffic, nil)
	}
	return s
}
