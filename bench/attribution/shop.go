package main

import (
	"math/rand/v2"
	"time"

	backout "github.com/backout-dev/backout"
)

// shopServices is a small shop with one provider; layers point downwards.
var shopServices = []struct {
	id      string
	layer   int
	callees []int
}{
	{"storefront", 0, []int{1, 2, 8}}, {"checkout", 1, []int{3, 4, 5}}, {"catalog", 1, []int{9}}, {"payment", 2, []int{6, 10}}, {"orders", 2, []int{9}},
	{"subscription", 2, []int{10}}, {"fraud", 3, nil}, {"refund", 2, []int{10, 4}}, {"account", 1, []int{5, 7}}, {"inventory", 3, nil}, {"card-network", 4, nil},
}

const (
	shopPayment     = 3
	shopFraud       = 6
	shopCheckout    = 1
	shopCardNetwork = 10
)

// Shop makes a case of a small shop with few requests a step, in one of two
// stories. "release": a payment release in three stages slows down over eight
// steps, among a configuration change on the same service before it, a rollout
// of the service it calls, and a flag switched on after it. "outage": the card
// network fails just after some of its callers were changed.
func Shop(seed uint64, story string) Case {
	g := &generator{r: rand.New(rand.NewPCG(seed, 11)), callBad: map[[2]int][]float64{}, untold: map[[2]int]bool{}, surge: make([]float64, length), faulty: map[backout.ChangeID]fault{}}
	g.now = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for _, s := range shopServices {
		n := &node{id: backout.ServiceID(s.id), external: s.id == "card-network", layer: s.layer, callees: s.callees, slow: make([]float64, length), fail: make([]float64, length)}
		n.latency, n.rate, n.phi = 0.01+0.03*g.r.Float64(), 20+60*g.r.Float64(), 0.4*g.r.Float64()
		g.nodes = append(g.nodes, n)
	}
	g.onset = length - 6 - g.r.IntN(9)
	near := func(lo, hi float64) float64 { return float64(g.onset) + lo + (hi-lo)*g.r.Float64() }
	if story == "release" {
		g.slowRelease(near)
	} else {
		g.cardOutage(near)
	}
	for _, i := range []int{2, shopCheckout, 4} {
		g.ship(i, g.kind(), g.exposure(near(-30, 5), g.r.Float64() < 0.5))
	}
	g.r.Shuffle(len(g.c.World.Changes), func(i, j int) {
		ch := g.c.World.Changes
		ch[i], ch[j] = ch[j], ch[i]
	})
	g.tell()
	g.measure()
	return g.c
}

func (g *generator) slowRelease(near func(lo, hi float64) float64) {
	e := g.exposure(near(-2, 0.9), true)
	c := g.ship(shopPayment, backout.KindDeployment, e)
	f := fault{slow: 2 + 4*g.r.Float64(), fail: 0.02 * g.r.Float64(), ramp: 8}
	g.c.Truth, g.faulty[c.ID] = Truth{c.ID, "change", "payment"}, f
	full := g.course(f)
	g.spread(shopPayment, 1, func(m int) (float64, float64) {
		slow, fail := full(m)
		share := e.Share(g.at(float64(m) + 0.5))
		return slow * share, fail * share
	}, false)
	g.ship(shopPayment, backout.KindConfig, g.exposure(near(-25, -6), false))
	g.ship(shopPayment, backout.KindFlag, g.exposure(near(1, 5), false))
	g.ship(shopFraud, backout.KindDeployment, g.exposure(near(-8, -1), true))
}

func (g *generator) cardOutage(near func(lo, hi float64) float64) {
	f := fault{fail: 0.1 + 0.3*g.r.Float64(), slow: 1 + 2*g.r.Float64(), ramp: float64(1 + g.r.IntN(4))}
	g.c.Truth = Truth{"", "external", "card-network"}
	g.spread(shopCardNetwork, 1, g.course(f), false)
	kinds := []backout.ComponentKind{backout.KindDeployment, backout.KindConfig, backout.KindFlag}
	for _, i := range []int{shopPayment, 5, 7} {
		if i == shopPayment || g.r.Float64() < 0.4 {
			k := kinds[g.r.IntN(3)]
			g.ship(i, k, g.exposure(near(-6, 0.9), k == backout.KindDeployment))
		}
	}
}
