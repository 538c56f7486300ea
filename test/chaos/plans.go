package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
)

// The versions of every component: the bad one that runs, and the one to go back to.
const (
	bad  = backout.Version("2")
	good = backout.Version("1")
)

// minute is a model minute: bakes are drawn in model minutes and last milliseconds.
const minute = 40 * time.Millisecond

// Answer is what a target tells its caller about an effect.
type Answer string

// The answers of targets.
const (
	AnswerOK      Answer = "ok"      // done, after it was done
	AnswerEarly   Answer = "early"   // done, before it was done
	AnswerLost    Answer = "lost"    // the connection is cut after it was done
	AnswerError   Answer = "error"   // an error, although it was done
	AnswerNothing Answer = "nothing" // done, and nothing happens
)

// Manners is how a target behaves.
type Manners struct {
	CAS    bool // refuses an effect that is based on a stale picture
	Keys   bool // does nothing for a key that it has done already
	Delay  time.Duration
	Answer Answer
}

// Drawn is one plan with the world that it was made for and what shall happen to it.
type Drawn struct {
	execute.Request
	World   backout.World
	Manners map[backout.ComponentID]Manners
	// Already are components of the first wave that somebody brings back by hand
	// before the plan begins; callers may always go first.
	Already map[backout.ComponentID]bool
	// HaltAt and StopAt are the wave at whose last gate it got worse or the
	// symptom has gone; -1 = never. BlindAt is a wave whose gates can't see at first.
	HaltAt, StopAt, BlindAt int
}

// draw makes plan number n: 10 to 60 steps in waves. Each component of a wave but
// the first is called by one or two of the wave before, whose version 2 needs its
// version 2; so callers go back first, and every other order is unsafe.
func draw(seed uint64, n int, now time.Time) Drawn {
	rnd := rand.New(rand.NewPCG(seed, uint64(n)))
	d := Drawn{Manners: map[backout.ComponentID]Manners{}, Already: map[backout.ComponentID]bool{}, HaltAt: -1, StopAt: -1, BlindAt: -1}
	d.World = backout.World{
		Now: now, Minute: backout.Duration(minute),
		Live: map[backout.ComponentID]backout.Live{}, Reversals: map[backout.ComponentID]backout.Reversal{},
	}
	plan := backout.Plan{Format: 1, ID: backout.PlanID(fmt.Sprintf("p%d", n)), Action: backout.ActionRollBack, MadeAt: now}
	steps, start := 10+rnd.IntN(51), backout.Duration(0)
	var before []backout.Component
	for k, left := 0, steps; left > 0; k++ {
		var wave backout.Wave
		var these []backout.Component
		for range min(left, 1+rnd.IntN(9)) {
			c := d.component(rnd, n, steps-left)
			d.calls(rnd, before, c)
			if k == 0 && rnd.IntN(6) == 0 {
				d.Already[c.ID] = true
			}
			s := step(rnd, c, k)
			s.Start = start
			wave.Steps, these, left = append(wave.Steps, s), append(these, c), left-1
		}
		for _, s := range wave.Steps {
			start = max(start, s.Start+s.Takes)
		}
		plan.Waves, before = append(plan.Waves, wave), these
	}
	switch at := rnd.IntN(len(plan.Waves)); rnd.IntN(10) {
	case 0:
		d.HaltAt = at
	case 1:
		d.StopAt = at
	case 2, 3:
		d.BlindAt = at
	}
	plan.Fingerprint = d.World.Fingerprint(plan.Touched())
	plan.Digest = plan.ExecutableDigest()
	d.Request = execute.Request{Minute: backout.Duration(minute), Components: d.World.Graph.Components, Attempt: backout.Attempt{
		ID: backout.AttemptID(fmt.Sprintf("chaos-%d/1", n)), Digest: plan.Digest, Plan: plan, StartedAt: now,
	}}
	return d
}

// live is what runs of a component when the plan begins.
func (d Drawn) live(id backout.ComponentID) map[backout.Version]float64 {
	if d.Already[id] {
		return map[backout.Version]float64{good: 1}
	}
	return map[backout.Version]float64{bad: 1}
}

// component adds a component that runs version 2 since a while ago.
func (d *Drawn) component(rnd *rand.Rand, n, i int) backout.Component {
	name := fmt.Sprintf("p%d-c%d", n, i)
	c := backout.Component{
		ID:   backout.NewComponentID(backout.KindDeployment, name, "chaos", "here"),
		Kind: backout.KindDeployment, Name: name, Service: backout.ServiceID(name), Environment: "chaos", Location: "here", Actuator: "plain", Instances: 10,
	}
	m := manners(rnd)
	if m.CAS {
		c.Actuator = "cas"
	}
	d.Manners[c.ID] = m
	d.World.Graph.Components = append(d.World.Graph.Components, c)
	d.World.Live[c.ID] = backout.Live{Shares: map[backout.Version]float64{bad: 1}, Healthy: true, At: d.World.Now}
	d.World.Changes = append(d.World.Changes, backout.Change{
		ID: backout.ChangeID("change of " + name), Kind: c.Kind, Component: c.ID, From: good, To: bad,
		Exposure: backout.Exposure{Stages: []backout.ExposureStage{{At: d.World.Now.Add(-time.Hour), Share: 1}}},
	})
	d.World.Reversals[c.ID] = backout.Reversal{
		Component: c.ID, Known: true, Current: bad, Mixed: true, Shares: []float64{1}, CompareAndSwap: m.CAS, At: d.World.Now,
		Levels: []backout.Reachable{{Level: 0, Version: good, Loss: backout.LossNone, Verified: true}},
	}
	return c
}

// manners draws how a target behaves. Two thirds are well-behaved; one in two
// hundred does nothing, which ends its plan.
func manners(rnd *rand.Rand) Manners {
	m := Manners{CAS: rnd.IntN(2) == 0, Delay: time.Duration(2+rnd.IntN(80)) * time.Millisecond, Answer: AnswerOK}
	m.Keys = !m.CAS && rnd.IntN(3) == 0
	switch rnd.IntN(14) {
	case 0:
		m.Answer = AnswerLost
	case 1:
		m.Answer = AnswerError
	case 2, 3:
		m.Answer = AnswerEarly
	}
	if rnd.IntN(8) == 0 {
		m.Delay = time.Duration(200+rnd.IntN(600)) * time.Millisecond
	}
	if rnd.IntN(200) == 0 {
		m.Answer = AnswerNothing
	}
	return m
}

// calls lets one or two components of the wave before call c.
func (d *Drawn) calls(rnd *rand.Rand, before []backout.Component, c backout.Component) {
	for range min(len(before), 1+rnd.IntN(2)) {
		caller := before[rnd.IntN(len(before))]
		d.World.Contracts = append(d.World.Contracts, backout.Contract{
			ID: fmt.Sprintf("K%d", len(d.World.Contracts)), Consumer: caller.ID, Provider: c.ID, Source: backout.ContractDeclared,
			Rules: []backout.ContractRule{{When: backout.VersionRange{From: bad}, Needs: backout.VersionRange{From: bad}}},
		})
	}
}

func step(rnd *rand.Rand, c backout.Component, wave int) backout.Step {
	s := backout.Step{
		ID: fmt.Sprintf("%d.%s", wave, c.Name), Component: c.ID, Service: c.Service, Kind: c.Kind,
		From: bad, To: good, FromLevel: 1, ToLevel: 0, Loss: backout.LossNone,
		Reverts: []backout.ChangeID{backout.ChangeID("change of " + c.Name)},
	}
	for _, share := range [][]float64{{1}, {.5, 1}, {.1, .5, 1}}[rnd.IntN(3)] {
		bake := backout.Duration(rnd.IntN(3)) * backout.Duration(time.Minute)
		s.Stages = append(s.Stages, backout.Stage{Share: share, Bake: bake})
		s.Takes += bake + backout.Duration(time.Minute)
	}
	return s
}
