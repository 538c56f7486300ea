package attribute

import (
	"math"
	"strings"
	"testing"
	"time"

	backout "github.com/backout-dev/backout"
)

type levels = map[string]func(int) float64

// slowPayment is a payment release whose latency creeps up over 8 minutes from
// minute 40, with changes around it that did nothing.
func slowPayment(withArms bool) (*scene, backout.ChangeID) {
	s := newScene()
	s.ship(backout.KindConfig, "payment-timeouts", "payment", 27, 1)
	s.ship(backout.KindDeployment, "fraud", "fraud", 38.5, 1.0/3, 39.5, 2.0/3, 40.5, 1)
	id := s.ship(backout.KindDeployment, "payment", "payment", 39.6, 1.0/3, 43, 2.0/3, 46, 1)
	s.ship(backout.KindDeployment, "catalog", "catalog", 40, 1)
	s.ship(backout.KindFlag, "new-fee", "payment", 44.2, 1)
	s.ship(backout.KindConfig, "checkout-hotfix", "checkout", 52, 1)
	s.measure(levels{"payment": ramp(40, 8, 9), "checkout": ramp(41, 8, 6), "web": ramp(42, 8, 4), "checkout>payment": ramp(40, 8, 8), "web>checkout": ramp(41, 8, 5)}, nil)
	if withArms {
		s.arms("payment", 40, 46, ramp(40, 4, 12))
		s.arms("fraud", 39, 41, nil)
	}
	return s, id
}

// arms adds treated and control latency of a rollout between two minutes.
func (s *scene) arms(service backout.ServiceID, from, to int, treated func(int) float64) {
	for _, v := range []backout.Version{"1", "2"} {
		level := treated
		if v == "1" {
			level = nil
		}
		s.series(backout.Subject{Service: service, Version: v}, backout.SignalLatency, level)
		r := &s.q.Residuals[len(s.q.Residuals)-1]
		for m := range r.Levels {
			if (v == "2" && m < from) || (v == "1" && m >= to) {
				r.Levels[m] = nan
			}
		}
		s.q.Baselines = append(s.q.Baselines, backout.Baseline{Series: r.ID, Scale: 0.15})
	}
}

func TestRank_creepingRelease(t *testing.T) {
	for _, arms := range []bool{true, false} {
		s, id := slowPayment(arms)
		a := Rank(s.q)
		if a.Suspects[0].Change != id || a.Suspects[0].P < 0.6 {
			t.Errorf("arms %t: first is %s with %.2f, expected payment above 0.6\n%s", arms, a.Suspects[0].Change, a.Suspects[0].P, describe(a))
		}
		if d := a.Onset.Sub(s.at(40)).Seconds(); d < -2 || d > 4 {
			t.Errorf("arms %t: onset is %v s from the truth, expected within -2..4", arms, d)
		}
		if others := strings.Count(describe(a), "side by side"); arms && others != 2 {
			t.Errorf("%d changes are compared side by side, expected payment and fraud alone\n%s", others, describe(a))
		}
		if arms && !strings.Contains(describe(a), "slower than the old one side by side") {
			t.Errorf("no word about the arms\n%s", describe(a))
		}
	}
}

// cardOutage is a provider that fails at minute 45, just after innocent changes
// on its callers.
func cardOutage(changes func(s *scene)) *scene {
	s := newScene()
	changes(s)
	s.measure(nil, levels{"payment>card-network": step(45, 8), "refund>card-network": step(45, 8), "subscription>card-network": step(45, 7),
		"payment": step(45, 6), "refund": step(45, 6), "subscription": step(46, 5), "checkout": step(46, 4), "checkout>payment": step(45, 5)})
	return s
}

func TestRank_providerOutageAmongChangesOfItsCallers(t *testing.T) {
	cases := map[string]func(s *scene){
		"instantaneous": func(s *scene) {
			s.ship(backout.KindConfig, "payment-retries", "payment", 44.5, 1)
			s.ship(backout.KindFlag, "refund-v2", "refund", 43.8, 1)
		},
		"staged with arms": func(s *scene) {
			s.ship(backout.KindDeployment, "payment", "payment", 42, 1.0/3, 44, 2.0/3)
			for _, v := range []backout.Version{"1", "2"} {
				s.series(backout.Subject{Service: "payment", Version: v}, backout.SignalErrors, step(45, 6))
			}
			s.ship(backout.KindConfig, "checkout-limits", "checkout", 44.9, 1)
		},
		"staged without arms": func(s *scene) {
			s.ship(backout.KindDeployment, "payment", "payment", 42, 1.0/3, 44.9, 2.0/3, 48, 1)
			s.ship(backout.KindFlag, "plans", "subscription", 44.2, 1)
		},
		"a change on every caller": func(s *scene) {
			s.ship(backout.KindDeployment, "payment", "payment", 44.9, 1)
			s.ship(backout.KindDeployment, "refund", "refund", 44.5, 1)
			s.ship(backout.KindFlag, "plans", "subscription", 44.2, 1)
		},
	}
	for name, changes := range cases {
		t.Run(name, func(t *testing.T) {
			a := Rank(cardOutage(changes).q)
			if a.PNone < 0.8 || a.Origins[0].Kind != backout.OriginExternal || a.Origins[0].Service != "card-network" {
				t.Errorf("no change has %.2f, first origin %+v; expected card-network above 0.8\n%s", a.PNone, a.Origins[0], describe(a))
			}
			if !strings.Contains(a.Origins[0].Text, "all 3 of its callers see it fail") {
				t.Errorf("origin says %q", a.Origins[0].Text)
			}
		})
	}
}

func TestRank_oneCallerFailsWhereOthersSucceed(t *testing.T) {
	s := newScene()
	id := s.ship(backout.KindDeployment, "payment", "payment", 44.5, 1)
	s.ship(backout.KindDeployment, "refund", "refund", 44.6, 1)
	s.measure(nil, levels{"payment>card-network": step(45, 8), "payment": step(45, 5), "checkout": step(46, 4), "checkout>payment": step(45, 5)})
	a := Rank(s.q)
	if a.Suspects[0].Change != id || a.Suspects[0].P < 0.7 {
		t.Errorf("first is %s with %.2f, expected payment above 0.7\n%s", a.Suspects[0].Change, a.Suspects[0].P, describe(a))
	}
	if !strings.Contains(describe(a), "its calls to card-network fail while 2 other callers of card-network succeed") {
		t.Errorf("no word about the other callers\n%s", describe(a))
	}
}

func TestRank_healthyCalleeCalledBadly(t *testing.T) {
	s := newScene()
	id := s.ship(backout.KindDeployment, "payment", "payment", 44.5, 1)
	s.ship(backout.KindDeployment, "fraud", "fraud", 30, 1)
	s.measure(nil, levels{"payment>fraud": step(45, 8), "payment": step(45, 6), "checkout": step(46, 4), "checkout>payment": step(45, 5)})
	a := Rank(s.q)
	if a.Suspects[0].Change != id || a.Suspects[0].P < 0.6 {
		t.Errorf("first is %s with %.2f, expected payment above 0.6\n%s", a.Suspects[0].Change, a.Suspects[0].P, describe(a))
	}
}

func TestRank_illCalleeBeforeItsIllCaller(t *testing.T) {
	s := newScene()
	s.ship(backout.KindDeployment, "checkout", "checkout", 44.6, 1)
	callee := s.ship(backout.KindDeployment, "fraud", "fraud", 44.2, 1)
	s.ship(backout.KindDeployment, "payment", "payment", 44.6, 1)
	s.measure(levels{"fraud": step(45, 6), "payment>fraud": step(45, 6), "payment": step(45, 5), "checkout>payment": step(45, 5), "checkout": step(46, 4)}, nil)
	a := Rank(s.q)
	if a.Suspects[0].Change != callee || a.Suspects[0].P < 0.7 {
		t.Errorf("first is %s with %.2f, expected fraud above 0.7\n%s", a.Suspects[0].Change, a.Suspects[0].P, describe(a))
	}
}

func TestRank_slowCallerStarvesCallee(t *testing.T) {
	var p [2]float64
	for i, holds := range []bool{false, true} {
		s := newScene()
		for j, d := range s.q.World.Graph.Dependencies {
			if d.From == "refund" && d.To == "ledger" {
				s.q.World.Graph.Dependencies[j].Holds = holds
			}
		}
		id := s.ship(backout.KindDeployment, "refund", "refund", 44.5, 1)
		s.measure(levels{"refund": step(45, 7), "ledger": step(46, 6), "refund>ledger": step(46, 6)}, nil)
		p[i] = probability(Rank(s.q), id)
	}
	if p[1] < 0.7 || p[1] < p[0]+0.1 {
		t.Errorf("refund has %.2f, and %.2f when it holds the ledger's locks; expected above 0.7 and clearly more", p[0], p[1])
	}
}

func TestRank_twoCulprits(t *testing.T) {
	s := newScene()
	one := s.ship(backout.KindDeployment, "fraud", "fraud", 44.5, 1)
	two := s.ship(backout.KindDeployment, "ledger", "ledger", 47.5, 1)
	s.ship(backout.KindDeployment, "catalog", "catalog", 46, 1)
	s.measure(levels{"fraud": step(45, 8), "payment>fraud": step(45, 8), "payment": step(45, 6), "checkout>payment": step(46, 6), "checkout": step(46, 6),
		"ledger": step(48, 8), "refund>ledger": step(48, 8), "refund": step(48, 7)}, nil)
	for _, at := range []backout.ServiceID{"web", "refund", "subscription"} {
		s.series(backout.Subject{Service: at}, backout.SignalTraffic, nil)
	}
	a := Rank(s.q)
	if p, q := probability(a, one), probability(a, two); p < 0.3 || q < 0.3 || p+q < 0.8 {
		t.Errorf("fraud %.2f, ledger %.2f: expected them to share the blame\n%s", p, q, describe(a))
	}
}

func TestRank_nothingShippedNearTheOnset(t *testing.T) {
	s := newScene()
	s.ship(backout.KindDeployment, "catalog", "catalog", 20, 1)
	s.ship(backout.KindDeployment, "fraud", "fraud", 50, 1)
	s.measure(levels{"fraud": step(45, 6), "payment>fraud": step(45, 6), "payment": step(45, 5), "checkout>payment": step(45, 5)}, nil)
	a := Rank(s.q)
	if a.PNone < 0.8 || a.Origins[0].Service != "fraud" {
		t.Errorf("no change has %.2f, first origin %+v; expected fraud by itself\n%s", a.PNone, a.Origins[0], describe(a))
	}
}

func TestRank_surge(t *testing.T) {
	s := newScene()
	s.ship(backout.KindDeployment, "payment", "payment", 43, 1)
	slow := step(45, 5)
	s.measure(levels{"web": slow, "catalog": slow, "checkout": slow, "payment": slow, "fraud": slow, "web>checkout": slow, "web>catalog": slow, "checkout>payment": slow, "payment>fraud": slow}, nil)
	for _, at := range []backout.ServiceID{"web", "refund", "subscription"} {
		s.series(backout.Subject{Service: at}, backout.SignalTraffic, step(44, 8))
	}
	a := Rank(s.q)
	if a.Origins[0].Kind != backout.OriginSurge || a.PNone < 0.7 {
		t.Errorf("first origin %+v with no change %.2f, expected a surge\n%s", a.Origins[0], a.PNone, describe(a))
	}
}

func TestRank_faultStaysInItsLocation(t *testing.T) {
	s := newScene()
	s.ship(backout.KindDeployment, "payment", "payment", 44, 1)
	there := s.ship(backout.KindDeployment, "payment-us", "payment", 44.4, 1)
	s.q.World.Changes[1].Component = "deployment:payment@production/us-1"
	for _, loc := range []backout.Location{"eu-1", "us-1"} {
		for _, id := range []backout.ServiceID{"payment", "checkout", "web"} {
			var level func(int) float64
			if loc == "us-1" && id != "web" {
				level = step(45, 6)
			}
			s.series(backout.Subject{Service: id, Location: loc}, backout.SignalLatency, level)
		}
	}
	a := Rank(s.q)
	if a.Suspects[0].Change != there || a.Suspects[0].P < 0.7 {
		t.Errorf("first is %s with %.2f, expected the release in us-1\n%s", a.Suspects[0].Change, a.Suspects[0].P, describe(a))
	}
}

func TestRank_whatWasTriedCounts(t *testing.T) {
	s, id := slowPayment(false)
	before := Rank(s.q)
	s.q.Until = s.at(55)
	try := func(share float64, v backout.VerdictValue) backout.Attribution {
		s.q.Tried = []backout.Tried{{Changes: []backout.ChangeID{id}, Share: share, Result: v}}
		return Rank(s.q)
	}
	whole, part := try(1, backout.VerdictInconclusive), try(0.34, backout.VerdictInconclusive)
	helped, worse := try(1, backout.VerdictRecovered), try(1, backout.VerdictWorse)
	p := func(a backout.Attribution) float64 { return probability(a, id) }
	if !(p(worse) < p(before) && p(whole) < p(part) && p(part) < p(before) && p(before) < p(helped)) {
		t.Errorf("worse %.3f, whole %.3f, part %.3f, before %.3f, helped %.3f: expected this order", p(worse), p(whole), p(part), p(before), p(helped))
	}
	if !strings.Contains(describe(whole), "taking it back did not help yet") {
		t.Errorf("no word about what was tried\n%s", describe(whole))
	}
}

func TestRank_ownEffectsAreNoEvidence(t *testing.T) {
	s, id := slowPayment(false)
	s.q.Tried = []backout.Tried{{Changes: []backout.ChangeID{id}, Share: 0.3, Result: backout.VerdictInconclusive, At: s.at(58)}}
	s.q.Until = s.at(55)
	want := probability(Rank(s.q), id)
	s.q.Until = time.Time{}
	s.q.World.Responses = []backout.Response{{Component: "deployment:payment@production/eu-1", To: "1", At: s.at(55)}, {Component: "flag:other@production/eu-1", At: s.at(20)}}
	for i, r := range s.q.Residuals {
		for k := 55; k < len(r.Levels); k++ {
			s.q.Residuals[i].Levels[k] = 0 // all is well since the first effect
		}
	}
	if got := probability(Rank(s.q), id); math.Abs(got-want) > 1e-9 {
		t.Errorf("%.4f, expected %.4f as from the evidence before the first effect", got, want)
	}
}
