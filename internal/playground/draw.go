package playground

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/catalog"
)

// shipment is one change that the director ships.
type shipment struct {
	component backout.ComponentID
	from, to  backout.Version
	at        float64   // steps after the beginning
	shares    []float64 // one stage each
	every     float64   // steps from stage to stage
	// audiences are the clients of each stage, for a flag that is on for some only.
	audiences []string
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
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(s.component.Name()+"="+string(s.to))))
}

func (s shipment) audience(stage int) string {
	if len(s.audiences) == 0 {
		return ""
	}
	return s.audiences[stage]
}

// end is when its last stage goes out.
func (s shipment) end() float64 { return s.at + s.every*float64(len(s.shares)-1) }

// script is a scenario drawn from a seed: all that will be shipped, and what is
// bad.
type script struct {
	scenario  string
	shipments []shipment // by time
	culprits  []backout.ComponentID
	demanded  []backout.ComponentID
	decoys    []backout.ComponentID
	faults    []fault
	bindings  []binding
	expect    expectation
	// factors scale the work of new releases: healthy is not the same as equal.
	factors map[backout.ComponentID]float64
}

func (s script) guilty(id backout.ComponentID) bool { return slices.Contains(s.culprits, id) }

// actors ship what a scenario says nothing of.
var actors = []string{"release-bot", "on-duty", "pipeline"}

const (
	stageSpacing = 4  // steps: long enough that old and new version can be compared
	earliest     = .1 // steps: nothing is shipped before
)

// draw writes the script of a scenario. The same seed gives the same script.
func draw(t *topology, told catalog.Scenario, seed uint64) script {
	d := &drawing{topology: t, rand: rand.New(rand.NewPCG(seed, 0xd1ce)), told: told, byID: map[string][]shipment{}, shipped: map[backout.ComponentID]bool{}}
	d.sc = script{scenario: told.Name, demanded: []backout.ComponentID{}, decoys: []backout.ComponentID{}, factors: map[backout.ComponentID]float64{}}
	for _, x := range told.Ship {
		d.ship(x)
	}
	for _, f := range told.Faults {
		d.fault(f)
	}
	for _, c := range told.Contracts {
		d.bind(c)
	}
	d.day(told.Day)
	d.expect(told.Expect)
	slices.SortStableFunc(d.sc.shipments, func(a, b shipment) int { return cmp.Compare(a.at, b.at) })
	for _, sh := range d.sc.shipments {
		d.sc.factors[sh.component] = d.between(.95, 1.06)
	}
	for _, id := range d.sc.decoys {
		d.sc.factors[id] = d.between(1.02, 1.3)
	}
	return d.sc
}

type drawing struct {
	topology *topology
	rand     *rand.Rand
	told     catalog.Scenario
	sc       script
	byID     map[string][]shipment // of the file's shipments; several = one a location
	shipped  map[backout.ComponentID]bool
}

func (d *drawing) between(lo, hi float64) float64 { return lo + (hi-lo)*d.rand.Float64() }
func (d *drawing) from(r catalog.Range) float64   { return d.between(r.From, r.To) }

// ship draws one of the file's shipments: nothing when its chance or what it comes
// after did not come about, or when each of its names was shipped already.
func (d *drawing) ship(x catalog.Shipment) {
	at := d.from(x.At)
	if d.rand.Float64() >= x.Chance {
		return
	}
	for id, needed := range map[string]bool{x.After: x.After != "", x.Needs: x.Needs != ""} {
		if needed && len(d.byID[id]) == 0 {
			return
		}
	}
	if x.After != "" {
		at += d.byID[x.After][0].at
	}
	for _, s := range d.drawn(x) {
		s.at, s.every = max(at, earliest), x.Every
		if len(x.Stages) > 0 {
			s.shares = x.Stages
		}
		if x.By != "" {
			s.actor = x.By
		}
		if x.Needs != "" {
			n := d.byID[x.Needs][0]
			for _, other := range d.byID[x.Needs] {
				if sameLocation(other.component, s.component) {
					n = other
				}
			}
			s.needs, s.needsVersion = n.component, n.to
		}
		s = d.add(s)
		if x.ID != "" {
			d.byID[x.ID] = append(d.byID[x.ID], s)
		}
		switch x.Role {
		case catalog.RoleCulprit:
			d.sc.culprits = append(d.sc.culprits, s.component)
		case catalog.RoleDecoy:
			d.sc.decoys = append(d.sc.decoys, s.component)
		case catalog.RoleDemanded:
			d.sc.demanded = append(d.sc.demanded, s.component)
		}
	}
}

func sameLocation(a, b backout.ComponentID) bool {
	_, _, _, x, errA := a.Split()
	_, _, _, y, errB := b.Split()
	return errA == nil && errB == nil && x == y
}

// drawn are the shipments of the first name that was not shipped yet, in a drawn
// order of the names.
func (d *drawing) drawn(x catalog.Shipment) []shipment {
	if x.Kind == backout.KindSchema {
		return d.fresh([]shipment{d.schema(x.To)})
	}
	for _, i := range d.rand.Perm(len(x.Names)) {
		var all []shipment
		switch name := x.Names[i]; x.Kind {
		case backout.KindDeployment:
			all = d.deployments(name, x.Location)
		case backout.KindConfig:
			all = []shipment{d.configuration(name)}
		case backout.KindTraffic:
			all = []shipment{d.traffic(name)}
		case backout.KindFlag:
			all = []shipment{d.flag(name, x.Audiences)}
		}
		if all = d.fresh(all); len(all) > 0 {
			return all
		}
	}
	return nil
}

// fresh gives shipments of which no component was shipped before, or none.
func (d *drawing) fresh(all []shipment) []shipment {
	for _, s := range all {
		if d.shipped[s.component] {
			return nil
		}
	}
	return all
}

func (d *drawing) add(s shipment) shipment {
	actor := actors[d.rand.IntN(len(actors))]
	s.actor, s.every = cmp.Or(s.actor, actor), cmp.Or(s.every, stageSpacing)
	d.shipped[s.component] = true
	d.sc.shipments = append(d.sc.shipments, s)
	return s
}

// deployments ship a service's next release, in one location or in each.
func (d *drawing) deployments(name string, only backout.Location) []shipment {
	s := d.topology.named(name)
	var out []shipment
	for _, at := range d.topology.locations {
		if only != "" && only != at {
			continue
		}
		shares := map[int][]float64{1: {1}, 2: {.5, 1}, 3: {.33, .67, 1}}[s.instances]
		title := "release " + s.name + " " + s.next
		if len(d.topology.locations) > 1 {
			title += " in " + string(at)
		}
		out = append(out, shipment{component: s.deploymentAt(at), from: backout.Version(s.current), to: backout.Version(s.next), shares: shares, title: title})
	}
	return out
}

func (d *drawing) configuration(name string) shipment {
	name = d.topology.outward["config:"+name]
	c := d.topology.settings[slices.IndexFunc(d.topology.settings, func(c setting) bool { return c.name == name })]
	return shipment{component: c.id(), from: "r1", to: "r2", shares: []float64{1}, title: "change " + c.title}
}

func (d *drawing) traffic(name string) shipment {
	name = d.topology.outward["split:"+name]
	s := d.topology.splits[slices.IndexFunc(d.topology.splits, func(s split) bool { return s.name == name })]
	return shipment{component: s.id(), from: "split-1", to: "split-2", shares: []float64{1}, title: "shift traffic: " + s.name}
}

// flag switches a flag on, for everybody or for one client after another.
func (d *drawing) flag(name string, clients []string) shipment {
	name = d.topology.outward["flag:"+name]
	f := d.topology.toggles[slices.IndexFunc(d.topology.toggles, func(f toggle) bool { return f.name == name })]
	s := shipment{component: f.id(), from: "off", to: "on", shares: []float64{1}, title: "switch on " + f.title}
	if len(clients) == 0 {
		return s
	}
	s.shares = nil
	share := 0.0
	for _, c := range clients {
		name := d.topology.outward["client:"+c]
		share += d.topology.client(name).share
		s.shares, s.audiences = append(s.shares, min(share, 1)), append(s.audiences, name)
	}
	return s
}

func (d *drawing) schema(to backout.Version) shipment {
	return shipment{component: d.topology.schemaID(), from: schemaFirst, to: to, shares: []float64{1}, title: "migrate " + d.topology.schema}
}

// fault draws one trouble for each shipment that begins it, or the one that
// begins by itself.
func (d *drawing) fault(x catalog.Fault) {
	f := fault{Service: d.topology.outward[x.Service], Location: x.Location, WayBack: x.WayBack, delay: d.from(x.Delay), ramp: d.from(x.Ramp), lasts: d.from(x.Lasts)}
	if x.Service == "shop-db" {
		f.Service = d.topology.store
	}
	f.Acts = behaviour{Slow: d.from(x.Slow), Errors: d.from(x.Errors), Latency: millis(d.from(x.Latency))}
	if x.Client != "" {
		f.Client = d.topology.outward["client:"+x.Client]
	}
	if x.Shipment == "" {
		f.at = d.from(x.At)
		if x.After != "" {
			if len(d.byID[x.After]) == 0 {
				return
			}
			f.at = max(earliest, f.at+d.byID[x.After][0].at)
		}
		d.sc.faults = append(d.sc.faults, f)
		return
	}
	for _, s := range d.byID[x.Shipment] {
		if f.component = s.component; !d.holds(&f, s) {
			continue
		}
		d.sc.faults = append(d.sc.faults, f)
	}
}

// holds narrows a fault to where its shipment holds; false when that is nowhere.
func (d *drawing) holds(f *fault, s shipment) bool {
	_, name, _, at, err := s.component.Split()
	if err != nil {
		return false
	}
	switch s.component.Kind() {
	case backout.KindDeployment:
		if f.Location != "" && f.Location != at {
			return false
		}
		f.Version, f.Location = string(s.to), at
	case backout.KindFlag:
		f.Flag = name
	case backout.KindConfig:
		f.Setting = name
	case backout.KindSchema:
		f.Schema, err = strconv.ParseInt(string(s.to), 10, 64)
	}
	return err == nil
}

func (d *drawing) bind(c catalog.Demand) {
	consumer, provider := d.byID[c.Consumer], d.byID[c.Provider]
	if len(consumer) == 0 || len(provider) == 0 {
		return
	}
	d.sc.bindings = append(d.sc.bindings, binding{consumer[0].component.Name(), string(consumer[0].to), provider[0].component.Name(), string(provider[0].to), c.Reason})
}

// day is the rest of a working day; what the file names stays out of it.
func (d *drawing) day(day catalog.Day) {
	spoken := map[string]bool{"orders": true}
	for _, x := range d.told.Ship {
		for _, n := range x.Names {
			spoken[n] = true
		}
	}
	names := slices.DeleteFunc([]string{"catalog", "search", "pricing", "recommendations", "reviews", "shipping", "users", "notifications", "media", "cart"}, func(n string) bool { return spoken[n] })
	d.rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for _, n := range names[:min(day.Deployments, len(names))] {
		at := d.between(2, 14)
		for _, s := range d.deployments(n, "") {
			s.at = at
			d.add(s)
		}
	}
	if day.Migration {
		d.migration(d.between(1.5, 4))
	}
	d.oneOf([]string{"search-page-size", "catalog-cache", "shipping-cutoff", "media-quality", "mail-templates"}, d.configuration)
	d.oneOf([]string{"new-reviews", "smart-suggestions", "gift-wrap", "live-tracking"}, func(n string) shipment { return d.flag(n, nil) })
	d.oneOf([]string{"recommendations-split", "search-split", "catalog-split"}, d.traffic)
}

// oneOf ships one that the file does not ship.
func (d *drawing) oneOf(names []string, of func(string) shipment) {
	for _, i := range d.rand.Perm(len(names)) {
		if all := d.fresh([]shipment{of(names[i])}); len(all) > 0 {
			all[0].at = d.between(2, 20)
			d.add(all[0])
			return
		}
	}
}

// migration is the additive migration and the release of orders that needs it.
func (d *drawing) migration(at float64) {
	schema := d.schema(schemaAdditive)
	schema.at = at
	schema = d.add(schema)
	at += d.between(1, 4)
	for _, s := range d.deployments("orders", "") {
		s.at, s.needs, s.needsVersion = at, schema.component, schema.to
		d.add(s)
	}
}

func (d *drawing) expect(e catalog.Expectation) {
	x := expectation{Outcomes: e.Outcomes, Reverted: []string{}, Demanded: []backout.ComponentID{}, Innocents: e.Innocents, Detected: e.Detected, Asked: e.Asked}
	for _, id := range e.Reverted {
		for _, s := range d.byID[id] {
			x.Reverted = append(x.Reverted, string(s.component)+"="+string(s.to))
		}
	}
	for _, id := range e.Demanded {
		for _, s := range d.byID[id] {
			x.Demanded = append(x.Demanded, s.component)
		}
	}
	if e.Audience != "" {
		x.Audience = d.topology.outward["client:"+e.Audience]
	}
	d.sc.expect = x
}
