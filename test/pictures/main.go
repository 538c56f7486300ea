// Command pictures draws the pictures of the README from one example incident, the
// demo's story with round numbers, with the same code that draws the page.
package main

import (
	"log"
	"os"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/render/picture"
)

var began = time.Date(2026, 11, 24, 14, 2, 10, 0, time.UTC)

func main() {
	for name, s := range map[string]*picture.Scene{
		"suspects": picture.Suspects(attribution()), "cascade": picture.Cascade(forecast(), graph()), "plan": picture.Plan(plan(), nil),
	} {
		if err := os.WriteFile("docs/pictures/"+name+".svg", []byte(s.SVG()+"\n"), 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

func attribution() backout.Attribution {
	suspect := func(id backout.ComponentID, to backout.Version, p float64) backout.Suspect {
		return backout.Suspect{Component: id, To: to, P: p}
	}
	return backout.Attribution{PNone: .03, Suspects: []backout.Suspect{
		suspect("deployment:payment@production/eu-1", "2.14.0", .91), suspect("config:payment-log-detail@production/eu-1", "r2", .04),
		suspect("deployment:fraud@production/eu-1", "5.2.1", .01), suspect("flag:express-checkout@production/eu-1", "on", .004),
	}}
}

func graph() backout.Graph {
	need := func(from, to backout.ServiceID) backout.Dependency {
		return backout.Dependency{From: from, To: to, Hard: true}
	}
	return backout.Graph{
		Dependencies: []backout.Dependency{need("web", "checkout"), need("mobile-api", "checkout"), need("checkout", "payment"), {From: "checkout", To: "inventory", Hard: true, Holds: true}, need("web", "inventory")},
		Journeys:     []backout.Journey{{ID: "buy", Services: []backout.ServiceID{"web", "checkout", "payment"}}, {ID: "browse", Services: []backout.ServiceID{"web", "inventory"}}},
	}
}

func forecast() backout.Forecast {
	minutes := func(n float64) backout.Duration { return backout.Duration(n * float64(time.Minute)) }
	euros := func(n int64) backout.MoneyRange {
		m := func(n int64) backout.Money { return backout.Money{Minor: n * 100, Currency: "EUR"} }
		return backout.MoneyRange{P10: m(n * 7 / 10), P50: m(n), P90: m(n * 13 / 10)}
	}
	next := func(target string, kind backout.TargetKind, p, in float64, cost int64) backout.Hit {
		return backout.Hit{Target: target, Kind: kind, P: p, P10: minutes(in / 2), P50: minutes(in), P90: minutes(2 * in), CostPerMinute: euros(cost)}
	}
	return backout.Forecast{At: began, Horizon: minutes(30), CostNow: euros(430), CostHorizon: euros(1700), Hits: []backout.Hit{
		{Target: "payment", Kind: backout.TargetService, P: 1, HitAt: began, CostPerMinute: euros(430)},
		{Target: "buy", Kind: backout.TargetJourney, P: 1, HitAt: began.Add(time.Minute), CostPerMinute: euros(260)},
		next("checkout", backout.TargetService, .84, 2, 390), next("web", backout.TargetService, .62, 4, 120), next("mobile-api", backout.TargetService, .55, 5, 90),
		next("inventory", backout.TargetService, .48, 12, 210), next("browse", backout.TargetJourney, .41, 22, 30),
	}}
}

func plan() backout.Plan {
	stage := func(share float64, bake time.Duration) backout.Stage {
		return backout.Stage{Share: share, Bake: backout.Duration(bake)}
	}
	m := func(n int) backout.Duration { return backout.Duration(time.Duration(n) * time.Minute) }
	return backout.Plan{
		Summary: "Take back flag express-checkout to off, then payment to 2.13.2, in 2 waves", Takes: m(20),
		Waves: []backout.Wave{
			{Steps: []backout.Step{{ID: "1", Component: "flag:express-checkout@production/eu-1", From: "on", To: "off", Takes: m(9), Stages: []backout.Stage{stage(.1, 3*time.Minute), stage(1, 5*time.Minute)}}}},
			{Steps: []backout.Step{{ID: "2", Component: "deployment:payment@production/eu-1", From: "2.14.0", To: "2.13.2", Start: m(9), Takes: m(11), Stages: []backout.Stage{stage(1.0/3, 3*time.Minute), stage(1, 5*time.Minute)}}}},
		},
	}
}
