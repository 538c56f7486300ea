package simulate

import (
	"math/rand/v2"
	"slices"
	"time"

	backout "github.com/backout-dev/backout"
)

// Class says what went wrong, for reports by class.
type Class string

// The classes; the first four are changes.
const (
	ClassChange      Class = "change"      // shows where it was made, within minutes
	ClassCreeping    Class = "creeping"    // shows where it was made, growing for ten minutes or more
	ClassSilent      Class = "silent"      // the changed service looks healthy to itself
	ClassBadCalls    Class = "bad_calls"   // the changed service calls a healthy one wrongly
	ClassExternal    Class = "external"    // a provider
	ClassSpontaneous Class = "spontaneous" // a service by itself
	ClassSurge       Class = "surge"       // more demand than capacity
)

// Case is what is known of one incident at At.
type Case struct {
	// At is the last moment of which anything is known, Noticed when somebody
	// complained; both lie after the onset.
	At, Noticed time.Time
	// Graph is as it was written down: some dependencies are missing, some invented.
	// Its components are all that were changed, and every deployment.
	Graph        backout.Graph
	Observations []backout.Observation // in order of time, none later than At
	// Window has latency, errors and traffic of our services, callers' views of
	// calls, and versions of some staged deployments, from about four hours before
	// the onset on.
	Window backout.Window
}

// Truth is what really happened. Nothing that ranks may see it.
type Truth struct {
	Class Class
	// Culprit is the change that did it, by its id in [Case.World], and Component
	// what it changed; both empty when no change did it.
	Culprit   backout.ChangeID
	Component backout.ComponentID
	// Origin is the service where it began; empty for a surge.
	Origin backout.ServiceID
	Onset  time.Time
	Family string // of the dependency graph
}

// Generate makes the case of a seed. Equal arguments give equal cases; cases of
// different splits have nothing in common, whatever their seeds.
func Generate(split Split, seed uint64) (Case, Truth) {
	return newWorld(split, seed).play(true)
}

// Counterfactual is the same case had its cause done nothing: no incident, for which
// Noticed and At stand nevertheless.
func Counterfactual(split Split, seed uint64) Case {
	c, _ := newWorld(split, seed).play(false)
	return c
}

// World is the case as facts and catalog show it at At.
func (c Case) World() backout.World {
	w := backout.World{Now: c.At, Minute: backout.Duration(time.Minute), Step: backout.Duration(c.Window.Step), Graph: c.Graph}
	w.Changes, w.Responses = backout.Fold(c.Observations)
	for i, ch := range w.Changes {
		if k, ok := c.Graph.Component(ch.Component); ok {
			w.Changes[i].Services = []backout.ServiceID{k.Service}
		}
	}
	return w
}

// world is a case in the making. Times are minutes from the onset.
type world struct {
	r     *rand.Rand // structure; series have streams of their own
	seed  uint64
	split Split
	terms terms

	family  string
	nodes   []*node
	cause   cause
	drafts  []draft
	load    load
	noticed float64
	end     float64
	at      time.Time
	step    float64 // minutes
	acts    bool    // the cause has its effect
	beyond  float64 // minutes that are measured after the end as well
}

func newWorld(split Split, seed uint64) *world {
	w := &world{r: rand.New(rand.NewPCG(seed, split.stream())), seed: seed, split: split, terms: split.terms()}
	w.step = w.terms.steps[w.r.IntN(len(w.terms.steps))].Minutes()
	w.wire()
	w.disturb()
	w.happen()
	w.notice()
	w.date()
	w.load = w.drawLoad()
	w.ship()
	w.misstate()
	return w
}

func (w *world) play(acts bool) (Case, Truth) {
	w.acts = acts
	c := Case{At: w.at, Noticed: w.when(w.noticed), Graph: w.told(), Observations: w.observations()}
	c.Window = w.measure()
	return c, w.truth(c.World().Changes)
}

// truth names the culprit among the changes that are told.
func (w *world) truth(changes []backout.Change) Truth {
	t := Truth{Class: w.cause.class, Onset: w.when(0), Family: w.family}
	if w.cause.origin >= 0 {
		t.Origin = w.nodes[w.cause.origin].id
	}
	if w.cause.class.byChange() {
		i := slices.IndexFunc(w.drafts, func(d draft) bool { return d.guilty })
		t.Component = w.drafts[i].component
		for _, ch := range changes {
			if ch.Component == t.Component {
				t.Culprit = ch.ID
			}
		}
	}
	return t
}

func (c Class) byChange() bool {
	return c == ClassChange || c == ClassCreeping || c == ClassSilent || c == ClassBadCalls
}

// date chooses when all this is: any hour of any day, the end on a sampling instant.
func (w *world) date() {
	step := time.Duration(w.step * float64(time.Minute))
	w.at = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC).Add(time.Duration(w.r.IntN(7*24*60)) * time.Minute).Truncate(step)
}

// when is the time of a minute.
func (w *world) when(minute float64) time.Time {
	return w.at.Add(time.Duration((minute - w.end) * float64(time.Minute))).Truncate(time.Millisecond)
}
