package simulate

import (
	"cmp"
	"fmt"
	"slices"

	backout "github.com/backout-dev/backout"
)

const (
	environment = "production"
	location    = "eu-1"
)

// draft is a change in the making.
type draft struct {
	node      int
	kind      backout.ComponentKind
	stages    []stage
	guilty    bool
	byVersion bool // its two versions are measured apart while both run
	component backout.ComponentID
	version   int
	back      retreat
}

// drawDraft draws a change of a service that begins in a minute. Deployments
// mostly come in stages, as do some flags; of data stores it is the schema that
// changes.
func (w *world) drawDraft(node int, minute float64) draft {
	r := w.r
	d := draft{node: node, kind: backout.KindDeployment}
	switch u := r.Float64(); {
	case w.nodes[node].kind == backout.ServiceDatastore && u < .7:
		d.kind = backout.KindSchema
	case u < .45:
	case u < .66:
		d.kind = backout.KindConfig
	case u < .84:
		d.kind = backout.KindFlag
	case u < .92:
		d.kind = backout.KindInfrastructure
	default:
		d.kind = backout.KindTraffic
	}
	if d.kind == backout.KindDeployment && w.deployed(node) {
		d.kind = backout.KindConfig
	}
	staged := map[backout.ComponentKind]float64{backout.KindDeployment: .75, backout.KindFlag: .4, backout.KindTraffic: .5}
	shares := []float64{1}
	if r.Float64() < staged[d.kind] {
		shares = [][]float64{{1. / 3, 2. / 3, 1}, {.1, .5, 1}, {.25, 1}, {.2, .4, .6, .8, 1}}[r.IntN(4)]
	}
	gap := 1 + 4*r.Float64()
	for i, s := range shares {
		d.stages = append(d.stages, stage{minute + float64(i)*gap, s})
	}
	d.byVersion = d.kind == backout.KindDeployment && len(shares) > 1 && r.Float64() < .6
	return d
}

// deployed reports whether a service is deployed already in this world: rollouts of
// one service don't overlap.
func (w *world) deployed(node int) bool {
	return w.cause.change.guilty && w.cause.change.node == node && w.cause.change.kind == backout.KindDeployment ||
		slices.ContainsFunc(w.drafts, func(d draft) bool { return d.node == node && d.kind == backout.KindDeployment })
}

// before is how far back innocent changes reach, in minutes from the end.
const before = 80.0

// ship draws all changes: the culprit, those that the story brings along, those
// that happen anyway, and the fixes of people in a hurry.
func (w *world) ship() {
	if w.cause.class.byChange() {
		w.drafts = append(w.drafts, w.cause.change)
	}
	if w.cause.class == ClassExternal { // who depends on it was being changed
		for _, u := range w.callers(w.cause.origin) {
			if w.r.Float64() < .6 {
				w.drafts = append(w.drafts, w.drawDraft(u, -8*w.r.Float64()))
			}
		}
	}
	n := w.terms.changes[0] + w.r.IntN(w.terms.changes[1]-w.terms.changes[0])
	for range n {
		node := w.bystander()
		minute := w.end - before*w.r.Float64()
		if w.r.Float64() < .2 {
			minute = -9 + 14*w.r.Float64()
		}
		w.drafts = append(w.drafts, w.drawDraft(node, min(minute, w.end-.1)))
	}
	for range w.r.IntN(3) {
		w.drafts = append(w.drafts, w.drawDraft(w.patient(), w.noticed+(w.end-w.noticed)*w.r.Float64()))
	}
	w.name()
}

// bystander draws where an innocent change is made.
func (w *world) bystander() int {
	near, u := w.terms.near, w.r.Float64()
	origin := w.cause.origin
	if origin < 0 || !w.changeable(origin) {
		origin = w.pick(w.changeable)
	}
	switch {
	case u < near[nearOrigin]:
		if w.cause.class.byChange() { // else nothing could tell it from a culprit
			return origin
		}
	case u < near[nearOrigin]+near[nearNeighbour]:
		around := w.callers(origin)
		for _, c := range w.nodes[origin].calls {
			if w.changeable(c.to) {
				around = append(around, c.to)
			}
		}
		if len(around) > 0 {
			return around[w.r.IntN(len(around))]
		}
	case u < near[nearOrigin]+near[nearNeighbour]+near[nearUnrelated]:
		if ill := w.all(func(x *node) bool { return len(x.unrelated) > 0 }); len(ill) > 0 {
			return ill[w.r.IntN(len(ill))]
		}
	}
	return w.pick(w.changeable)
}

// patient draws a service that people try to mend: one that is seen to be ill.
func (w *world) patient() int {
	if ill := w.all(func(x *node) bool { return len(x.influences) > 0 && x.kind != backout.ServiceExternal }); len(ill) > 0 {
		return ill[w.r.IntN(len(ill))]
	}
	return w.pick(w.changeable)
}

func (w *world) all(fit func(*node) bool) []int {
	var out []int
	for i, x := range w.nodes {
		if fit(x) {
			out = append(out, i)
		}
	}
	return out
}

// name gives components and versions, in an order that tells nothing: that of a
// shuffle, not that of the story.
func (w *world) name() {
	w.r.Shuffle(len(w.drafts), func(i, j int) { w.drafts[i], w.drafts[j] = w.drafts[j], w.drafts[i] })
	used := map[backout.ComponentID]bool{}
	for i := range w.drafts {
		d := &w.drafts[i]
		service := string(w.nodes[d.node].id)
		for n := 0; d.component == "" || used[d.component]; n++ {
			name := fmt.Sprintf("%s-%02d", service, w.r.IntN(100))
			if d.kind == backout.KindDeployment {
				name = service
			}
			d.component = backout.NewComponentID(d.kind, name, environment, location)
		}
		used[d.component] = true
		d.version = 2 + w.r.IntN(40)
	}
}

func (d draft) from() backout.Version { return backout.Version(fmt.Sprintf("1.%d.0", d.version-1)) }
func (d draft) to() backout.Version   { return backout.Version(fmt.Sprintf("1.%d.0", d.version)) }

// observations are what the sources report by the end of what is measured: one for each
// stage.
func (w *world) observations() []backout.Observation {
	var out []backout.Observation
	for _, d := range w.drafts {
		for i, s := range d.stages {
			if s.minute <= w.end+w.beyond {
				out = append(out, backout.Observation{Source: "delivery", NativeID: fmt.Sprintf("%s/%s/%d", d.component, d.to(), i), At: w.when(s.minute),
					Component: d.component, From: d.from(), To: d.to(), Share: s.share})
			}
		}
	}
	slices.SortFunc(out, func(a, b backout.Observation) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.NativeID, b.NativeID))
	})
	return out
}
