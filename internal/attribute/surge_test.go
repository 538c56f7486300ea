package attribute

import (
	"testing"

	backout "github.com/backout-dev/backout"
)

// Demand has been above its baseline for an hour and rises once more. Then services give
// way one after the other, and one of them was changed minutes before; its callers have
// their trouble from it. Without the rise the change would be blamed.
func TestRank_surgeThatServicesFeelOneAfterTheOther(t *testing.T) {
	blamed := func(rise float64) (backout.Attribution, float64) {
		s := newScene()
		id := s.ship(backout.KindConfig, "limits", "payment", 41, 1)
		early, late := ramp(45, 3, 6), ramp(49, 3, 5)
		s.measure(levels{"payment": early, "checkout>payment": early, "checkout": ramp(46, 3, 5), "web>checkout": ramp(46, 3, 5), "ledger": late, "refund>ledger": late, "refund": late}, nil)
		for _, at := range []backout.ServiceID{"web", "refund", "subscription"} {
			s.series(backout.Subject{Service: at}, backout.SignalTraffic, func(m int) float64 { return 5 + ramp(41, 4, rise)(m) })
		}
		a := Rank(s.q)
		return a, probability(a, id)
	}
	if a, p := blamed(6); p > .5 || a.Origins[0].Kind != backout.OriginSurge {
		t.Errorf("the change has %.2f, first origin %+v: expected a surge\n%s", p, a.Origins[0], describe(a))
	}
	if a, p := blamed(0); p < .5 {
		t.Errorf("demand is as it was, and the change has %.2f\n%s", p, describe(a))
	}
}

// The ways of trouble may close circles; each service still comes once, after those it
// has its trouble from as far as that can be.
func TestCalleesFirst_circlesEnd(t *testing.T) {
	s := newScene()
	g := &s.q.World.Graph
	g.Dependencies = append(g.Dependencies, backout.Dependency{From: "fraud", To: "web", Hard: true})
	order := newTrial(s.q).calleesFirst()
	at := map[backout.ServiceID]int{}
	for i, x := range order {
		if _, twice := at[x.service]; twice || x.service == "card-network" {
			t.Errorf("%s is there twice, or not ours", x.service)
		}
		at[x.service] = i
		for _, from := range x.from {
			if k, known := at[from.to]; !known || k >= i {
				t.Errorf("%s comes before %s, which it has its trouble from", x.service, from.to)
			}
		}
	}
	if len(order) != 8 || at["ledger"] > at["refund"] {
		t.Errorf("order %+v", order)
	}
}

// Place is asked without the time: where trouble began speaks for a change made there,
// however well or badly timed, and not for one of a service that suffers from it.
func TestRank_placeIsAskedWithoutTheTime(t *testing.T) {
	place := func(service backout.ServiceID, shipped float64) float64 {
		s := newScene()
		s.ship(backout.KindConfig, "limits", service, shipped, 1)
		s.measure(levels{"fraud": step(45, 7), "payment>fraud": step(45, 7), "payment": step(46, 5), "checkout>payment": step(46, 5), "checkout": step(47, 4), "web>checkout": step(47, 4)}, nil)
		return Rank(s.q).Suspects[0].Place
	}
	if there, long, caller := place("fraud", 44), place("fraud", 2), place("checkout", 44); there < .8 || there-long > .01 || long-there > .01 || caller > .1 {
		t.Errorf("where it began %.2f, shipped long before %.2f, of a caller %.2f", there, long, caller)
	}
}

// Callers of an overloaded service have their trouble from it: three of a chain are
// likelier in a surge than three that have nothing to do with each other. Services that
// give way minutes apart cost it little.
func TestSurgeEvidence_travels(t *testing.T) {
	best := func(l levels) float64 {
		s := newScene()
		for k, level := range l { // their callers see it as well
			for _, d := range s.q.World.Graph.Dependencies {
				if string(d.To) == k {
					l[string(d.From)+">"+k] = level
				}
			}
		}
		s.measure(l, nil)
		e := newTrial(s.q).surgeEvidence()
		return e[bestOf(e)]
	}
	chain := best(levels{"payment": step(45, 6), "checkout": step(45, 6), "web": step(45, 6)})
	apart := best(levels{"payment": step(45, 6), "ledger": step(45, 6), "web": step(45, 6)})
	later := best(levels{"payment": step(45, 6), "checkout": step(49, 6), "web": step(49, 6)})
	if chain < apart+1.5 || later < chain-4 {
		t.Errorf("a chain %.1f, services apart %.1f, minutes later %.1f", chain, apart, later)
	}
}
