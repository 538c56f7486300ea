package playground

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/backout-dev/backout"
)

// shipment is one change that the director ships.
type shipment struct {
	component backout.ComponentID
	from, to  backout.Version
	at        float64   // steps after the beginning
	shares    []float64 // one stage each, stageSpacing apart
	title     string
	actor     string
	// needs is a component that must be wholly at a version before, as a pipeline
	// would check; "" = nothing.
	needs        backout.ComponentID
	needsVersion backout.Version
}

func (s shipment) digest() string {
	if s.component.Kind() != backout.KindDeployment {
		return ""
	}
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(string(s.component)+"="+string(s.to))))
}

// script is a scenario drawn from a seed: all that will be shipped, and what is
// bad.
type script struct {
	scenario  string
	shipments []shipment // by time
	culprit   backout.ComponentID
	demanded  []backout.ComponentID
	decoys    []backout.ComponentID
	bad       behaviour // of the culprit's new release, or of the provider
	rampAfter float64   // steps from exposure to the ramp's begin
	rampFor   float64   // steps that the ramp takes
	outageAt  float64   // steps after the beginning; 0 = none
	// factors scale the work of new releases: healthy is not the same as equal.
	factors map[backout.ComponentID]float64
}

const stageSpacing = 4 // steps: long enough that old and new version can be compared

// draw writes the script of a scenario. The same seed gives the same script.
func draw(t *topology, scenario string, seed uint64) script {
	d := &drawing{topology: t, rand: rand.New(rand.NewPCG(seed, 0xd1ce))}
	s := script{scenario: scenario, demanded: []backout.ComponentID{}, decoys: []backout.ComponentID{}}
	if scenario == ScenarioExternalOutage {
		d.outage(&s)
	} else {
		d.degraded(&s)
	}
	slices.SortStableFunc(d.out, func(a, b shipment) int { return cmp.Compare(a.at, b.at) })
	s.shipments, s.factors = d.out, map[backout.ComponentID]float64{}
	for _, sh := range d.out {
		s.factors[sh.component] = d.between(.95, 1.06)
	}
	for _, id := range s.decoys {
		s.factors[id] = d.between(1.02, 1.3)
	}
	return s
}

type drawing struct {
	topology *topology
	rand     *rand.Rand
	out      []shipment
}

func (d *drawing) between(lo, hi float64) float64 { return lo + (hi-lo)*d.rand.Float64() }

// degraded: payment's release is bad. A flag that needs it follows it, an innocent
// release of a callee comes shortly before and an innocent configuration of
// payment itself shortly after.
func (d *drawing) degraded(s *script) {
	at := d.between(5, 9)
	s.culprit = d.deploy("payment", at)
	s.bad = behaviour{Slow: d.between(300, 450), Errors: d.between(.05, .1)}
	s.rampAfter, s.rampFor = d.between(1.7, 2.4), d.between(7, 9)
	express := d.flag("express-checkout", at+2*stageSpacing+d.between(.4, 1.4))
	last := &d.out[len(d.out)-1]
	last.needs, last.needsVersion = s.culprit, backout.Version(d.topology.named("payment").next)
	s.demanded = append(s.demanded, express)
	callees := []string{"fraud", "ledger"}
	d.rand.Shuffle(2, func(i, j int) { callees[i], callees[j] = callees[j], callees[i] })
	s.decoys = append(s.decoys, d.deploy(callees[0], at-d.between(.8, 3)), d.configure("payment-log-detail", at+d.between(1.2, 3.5)))
	if d.rand.IntN(2) == 0 {
		s.decoys = append(s.decoys, d.deploy(callees[1], at+d.between(1, 6)))
	}
	d.innocents(2)
}

// outage: the card network degrades while its callers and others ship healthy
// changes.
func (d *drawing) outage(s *script) {
	s.outageAt = d.between(8, 14)
	s.bad = behaviour{Slow: d.between(170, 260), Errors: d.between(.2, .35)}
	s.rampFor = d.between(2, 4)
	callers := []string{"payment", "refunds", "subscriptions", "wallet"}
	d.rand.Shuffle(len(callers), func(i, j int) { callers[i], callers[j] = callers[j], callers[i] })
	for i, c := range callers[:3] {
		s.decoys = append(s.decoys, d.deploy(c, s.outageAt-d.between(.5, 3.5)-float64(i)))
	}
	s.decoys = append(s.decoys, d.configure("checkout-summary", s.outageAt-d.between(.5, 2)))
	d.innocents(2)
}

// innocents are the rest of a working day.
func (d *drawing) innocents(deployments int) {
	names := []string{"catalog", "search", "pricing", "recommendations", "reviews", "shipping", "users", "notifications", "media", "cart"}
	d.rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for _, n := range names[:deployments] {
		d.deploy(n, d.between(2, 14))
	}
	d.migration(d.between(1.5, 4))
	settings := []string{"search-page-size", "catalog-cache", "shipping-cutoff", "media-quality", "mail-templates"}
	d.configure(settings[d.rand.IntN(len(settings))], d.between(2, 20))
	flags := []string{"new-reviews", "smart-suggestions", "gift-wrap", "live-tracking"}
	d.flag(flags[d.rand.IntN(len(flags))], d.between(2, 20))
	splits := d.topology.splits
	sp := splits[d.rand.IntN(len(splits))]
	d.add(shipment{component: sp.id(), from: "split-1", to: "split-2", at: d.between(2, 20), shares: []float64{1}, title: "shift traffic: " + sp.name})
}

func (d *drawing) add(s shipment) backout.ComponentID {
	s.actor = []string{"release-bot", "on-duty", "pipeline"}[d.rand.IntN(3)]
	d.out = append(d.out, s)
	return s.component
}

func (d *drawing) deploy(name string, at float64) backout.ComponentID {
	s := d.topology.named(name)
	shares := []float64{.33, .67, 1}
	if s.instances == 2 {
		shares = []float64{.5, 1}
	}
	return d.add(shipment{component: s.deployment(), from: backout.Version(s.current), to: backout.Version(s.next), at: at,
		shares: shares, title: "release " + s.name + " " + s.next})
}

func (d *drawing) configure(name string, at float64) backout.ComponentID {
	name = d.topology.outward["config:"+name]
	i := slices.IndexFunc(d.topology.settings, func(c setting) bool { return c.name == name })
	c := d.topology.settings[i]
	return d.add(shipment{component: c.id(), from: "r1", to: "r2", at: at, shares: []float64{1}, title: "change " + c.title})
}

func (d *drawing) flag(name string, at float64) backout.ComponentID {
	name = d.topology.outward["flag:"+name]
	i := slices.IndexFunc(d.topology.toggles, func(f toggle) bool { return f.name == name })
	f := d.topology.toggles[i]
	return d.add(shipment{component: f.id(), from: "off", to: "on", at: at, shares: []float64{1}, title: "switch on " + f.title})
}

// migration is the additive migration and the release of orders that needs it.
func (d *drawing) migration(at float64) {
	schema := d.add(shipment{component: d.topology.schemaID(), from: schemaFirst, to: schemaAdditive, at: at, shares: []float64{1}, title: "migrate " + d.topology.schema})
	d.deploy("orders", at+d.between(1, 4))
	last := &d.out[len(d.out)-1]
	last.needs, last.needsVersion = schema, schemaAdditive
}
