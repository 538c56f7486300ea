package endings

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/test/town"
)

// script is one random world, what goes wrong in it, and who meddles. It is drawn
// before fake time begins.
type script struct {
	graph     backout.Graph
	contracts []backout.Contract
	policy    backout.Policy
	ships     []ship
	harm      int // index into ships of the guilty one; -1 = trouble of nobody's change
	faults    []fault
	events    []event
	answers   bool // somebody approves what waits for a person
	seed      uint64
}

type ship struct {
	after time.Duration // after the one before
	part  backout.ComponentID
	to    backout.Version
}

// fault is how one call of Do goes; calls beyond the list go well.
type fault string

var faults = []fault{"", "", "", "", "lies", "reports an error", "fails", "answer lost", "slow", "hangs", "hangs, then does it", "conflict", "panics"}

// event is something from outside while the incident lasts.
type event struct {
	after time.Duration // after the harm was shipped
	what  string
	part  backout.ComponentID
}

var events = []string{"restart", "restart", "restart", "by hand", "by hand, unreported", "kill switch", "kill switch off", "freeze", "pause", "resume", "abort", "blind", "nobody listens", "unseen", "heal", "approve", "approve", "another ship"}

func draw(rt *rapid.T) script {
	n := rapid.IntRange(2, 5).Draw(rt, "services")
	s := script{seed: rapid.Uint64().Draw(rt, "seed"), answers: rapid.IntRange(0, 2).Draw(rt, "answers") > 0, harm: -1}
	kinds := []backout.ComponentKind{backout.KindConfig, backout.KindFlag, backout.KindSchema}
	for i := range n {
		name := fmt.Sprintf("s%d", i)
		s.graph.Services = append(s.graph.Services, backout.Service{ID: backout.ServiceID(name), Kind: backout.ServiceOwn, Tier: 1})
		s.part(backout.KindDeployment, name)
		if k := rapid.IntRange(0, 5).Draw(rt, "kind"); k < len(kinds) {
			s.part(kinds[k], name)
		}
		if i > 0 {
			s.graph.Dependencies = append(s.graph.Dependencies, backout.Dependency{From: backout.ServiceID(fmt.Sprintf("s%d", rapid.IntRange(0, i-1).Draw(rt, "caller"))), To: backout.ServiceID(name), Hard: true})
		}
	}
	for _, v := range s.graph.Services {
		s.graph.Journeys = append(s.graph.Journeys, backout.Journey{ID: backout.JourneyID(v.ID), Name: string(v.ID), Services: []backout.ServiceID{v.ID}, ValuePerMinute: backout.Money{Minor: 500000, Currency: "EUR"}})
	}
	s.drawShips(rt)
	s.drawContracts(rt)
	s.drawPolicy(rt)
	s.faults = rapid.SliceOfN(rapid.SampledFrom(faults), 0, 6).Draw(rt, "faults")
	for range rapid.IntRange(0, 6).Draw(rt, "events") {
		e := event{after: time.Duration(rapid.IntRange(1, 60).Draw(rt, "after")) * minute / 2, what: rapid.SampledFrom(events).Draw(rt, "event")}
		e.part = s.graph.Components[rapid.IntRange(0, len(s.graph.Components)-1).Draw(rt, "part")].ID
		s.events = append(s.events, e)
	}
	slices.SortStableFunc(s.events, func(a, b event) int { return int(a.after - b.after) })
	return s
}

func (s *script) part(kind backout.ComponentKind, name string) {
	s.graph.Components = append(s.graph.Components, backout.Component{
		ID: backout.NewComponentID(kind, name, town.Environment, "eu"), Kind: kind, Name: name, Service: backout.ServiceID(name),
		Environment: town.Environment, Location: "eu", Actuator: town.Actuator, Instances: 3,
	})
}

func (s *script) drawShips(rt *rapid.T) {
	top := map[backout.ComponentID]int{}
	for range rapid.IntRange(2, 4).Draw(rt, "ships") {
		part := s.graph.Components[rapid.IntRange(0, len(s.graph.Components)-1).Draw(rt, "shipped")].ID
		top[part]++
		s.ships = append(s.ships, ship{time.Duration(rapid.IntRange(0, 8).Draw(rt, "pause")) * minute / 2, part, backout.Version(fmt.Sprint(1 + top[part]))})
	}
	if rapid.IntRange(0, 9).Draw(rt, "nobody's") > 0 {
		s.harm = rapid.IntRange(0, len(s.ships)-1).Draw(rt, "guilty")
	}
}

// drawContracts lets some versions need others, which hold in what runs before and
// after the ships; all other pairs get along.
func (s *script) drawContracts(rt *rapid.T) {
	last := map[backout.ComponentID]backout.Version{}
	for _, x := range s.ships {
		last[x.part] = x.to
	}
	for i, a := range s.graph.Components {
		for _, b := range s.graph.Components[i+1:] {
			consumer, provider := a.ID, b.ID
			if rapid.Bool().Draw(rt, "turn") {
				consumer, provider = provider, consumer
			}
			c := backout.Contract{ID: fmt.Sprintf("%s>%s", consumer, provider), Consumer: consumer, Provider: provider, Source: backout.ContractDeclared, Reason: "drawn", Rules: []backout.ContractRule{{}}}
			if last[consumer] != "" && last[provider] != "" && rapid.IntRange(0, 5).Draw(rt, "needs") > 0 {
				c.Rules = []backout.ContractRule{{When: backout.VersionRange{From: last[consumer]}, Needs: backout.VersionRange{From: last[provider]}}}
			}
			s.contracts = append(s.contracts, c)
		}
	}
}

func (s *script) drawPolicy(rt *rapid.T) {
	s.policy = policy()
	s.policy.MaxAttempts = rapid.IntRange(1, 3).Draw(rt, "attempts")
	s.policy.MinConfidence = .3
	s.policy.MaxPNone = .6
	if rapid.IntRange(0, 4).Draw(rt, "autonomy") == 0 {
		s.policy.Autonomy = rapid.SampledFrom([]backout.Autonomy{backout.AutonomyAsk, backout.AutonomyShadow}).Draw(rt, "asks")
	}
	s.policy.Limits.Components = rapid.IntRange(0, 2).Draw(rt, "limit")
}
