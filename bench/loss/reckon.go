package main

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/bench/played"
	"github.com/backout-dev/backout/internal/simulate"
)

// levels are what a minute of trouble costs.
var levels = []float64{20, 60, 200, 1000}

// The deciders, in the order of the table.
const (
	nobody  = "nobody"
	latest  = "latest"
	hour    = "all in 60 min"
	suspect = "top suspect"
	ours    = "backout"
	alone   = "backout alone"
	oracle  = "oracle"
)

var deciders = []string{nobody, latest, hour, suspect, ours, alone, oracle}

// byHand is how long after the onset a person has mended it, whatever was taken back.
const byHand = 45 * time.Minute

// effort is what taking a component back and putting it forward again costs in work.
var effort = map[backout.ComponentKind]float64{
	backout.KindFlag: 5, backout.KindConfig: 10, backout.KindTraffic: 10, backout.KindDeployment: 25, backout.KindInfrastructure: 100, backout.KindSchema: 200,
}

// bill is one case: what each decider lost at each level, and how many innocent
// components were taken back.
type bill struct {
	loss     map[string][]float64
	needless map[string][]float64
}

// ledger reckons one case.
type ledger struct {
	truth   simulate.Truth
	changes []backout.Change
	worth   map[backout.ComponentID]float64
	drain   time.Duration
}

func newLedger(seed uint64, w *simulate.Play) ledger {
	l := ledger{truth: w.Truth(), worth: map[backout.ComponentID]float64{}, drain: w.Drain()}
	l.changes, _ = backout.Fold(w.Told(w.End()))
	r := rand.New(rand.NewPCG(seed, 0x6c6f7373))
	for _, c := range l.changes {
		l.worth[c.Component] = 150 * math.Pow(10, r.Float64())
	}
	return l
}

// cost is what a case costs that ended at a moment, with these components taken back.
func (l ledger) cost(perMinute float64, over time.Time, taken []backout.ComponentID) (loss, needless float64) {
	lasted := min(byHand, max(0, over.Sub(l.truth.Onset)))
	loss = perMinute * lasted.Minutes()
	for _, id := range taken {
		loss += effort[id.Kind()]
		if id != l.truth.Component {
			loss += l.worth[id]
			needless++
		}
	}
	return loss, needless
}

// never is an end that only a person brings.
func (l ledger) never() time.Time { return l.truth.Onset.Add(byHand) }

// atOnce is the end for who takes components back at a moment in one go.
func (l ledger) atOnce(at time.Time, taken []backout.ComponentID) time.Time {
	if !slices.Contains(taken, l.truth.Component) || l.truth.Component == "" {
		return l.never()
	}
	return at.Add(played.Takes(l.truth.Component.Kind()) + l.drain)
}

// shipped are the components changed in an hour before a moment, the latest first.
func (l ledger) shipped(at time.Time) []backout.ComponentID {
	var in []backout.Change
	for _, c := range l.changes {
		if start := c.Exposure.Start(); !start.After(at) && start.After(at.Add(-time.Hour)) {
			in = append(in, c)
		}
	}
	slices.SortStableFunc(in, func(a, b backout.Change) int { return b.Exposure.Start().Compare(a.Exposure.Start()) })
	var out []backout.ComponentID
	for _, c := range in {
		out = append(out, c.Component)
	}
	return out
}

// before is how long before the onset backout watches, beyond how long after its case a
// world goes on: until a person has mended it and a gate has given up.
const (
	before = 10 * time.Minute
	beyond = 60 * time.Minute
)

// measure plays every case at every level.
func measure(o options) ([]bill, error) {
	split := played.Split(o.shifted, o.train)
	return played.Each(o.cases, func(i int) (bill, error) { return one(split, o.seed+uint64(i)) })
}

// one plays one case at all levels and reckons what each decider loses.
func one(split simulate.Split, seed uint64) (bill, error) {
	policy, err := played.Policy()
	if err != nil {
		return bill{}, err
	}
	out := bill{loss: map[string][]float64{}, needless: map[string][]float64{}}
	for _, perMinute := range levels {
		w := simulate.Begin(split, seed, beyond)
		l := newLedger(seed, w)
		r, err := played.Play(context.Background(), played.Config{World: w, Watched: l.truth.Onset.Add(-before).Truncate(w.Step()), Policy: policy, Alone: true, Seed: seed,
			PerMinute: backout.Money{Minor: int64(100 * perMinute), Currency: "USD"}})
		if err != nil {
			return bill{}, err
		}
		note := func(name string, over time.Time, taken []backout.ComponentID) {
			loss, needless := l.cost(perMinute, over, taken)
			out.loss[name], out.needless[name] = append(out.loss[name], loss), append(out.needless[name], needless)
		}
		l.others(r, note)
		l.ours(w, r, note)
	}
	return out, nil
}

// others are all that don't need the path.
func (l ledger) others(r played.Result, note func(string, time.Time, []backout.ComponentID)) {
	note(nobody, l.never(), nil)
	if len(r.Incidents) == 0 { // nobody has noticed anything
		for _, name := range []string{latest, hour, suspect, oracle} {
			note(name, l.never(), nil)
		}
		return
	}
	at := r.Incidents[0].OpenedAt
	if at.Before(l.truth.Onset) { // it opened for another reason; who looks, looks when it matters
		at = l.truth.Onset.Add(2 * time.Minute)
	}
	all := l.shipped(at)
	last := all[:min(1, len(all))]
	note(latest, l.atOnce(at, last), last)
	note(hour, l.atOnce(at, all), all)
	var first []backout.ComponentID
	if a := r.Early; a != nil && len(a.Suspects) > 0 && a.Suspects[0].P > a.PNone {
		first = append(first, a.Suspects[0].Component)
		at = slices.MaxFunc([]time.Time{at, a.At}, time.Time.Compare)
	}
	note(suspect, l.atOnce(at, first), first)
	at = slices.MaxFunc([]time.Time{r.Incidents[0].OpenedAt, l.truth.Onset}, time.Time.Compare)
	if l.truth.Component == "" {
		note(oracle, l.never(), nil)
		return
	}
	right := []backout.ComponentID{l.truth.Component}
	note(oracle, l.atOnce(at, right), right)
}

// ours is what the path did; alone is the same where nobody was needed until the first
// action, and nothing where somebody was.
func (l ledger) ours(w *simulate.Play, r played.Result, note func(string, time.Time, []backout.ComponentID)) {
	var taken []backout.ComponentID
	byItself := len(r.Acts()) > 0
	for _, a := range r.Acts() {
		byItself = byItself && a.ByItself()
		for _, id := range a.Plan.Touched() {
			if !slices.Contains(taken, id) {
				taken = append(taken, id)
			}
		}
	}
	over, ends := w.Over()
	if !ends || over.After(l.never()) {
		over = l.never()
	}
	note(ours, over, taken)
	if !byItself {
		over, taken = l.never(), nil
	}
	note(alone, over, taken)
}
