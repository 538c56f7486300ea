package attribute

import (
	"math"
	"math/rand/v2"
	"time"

	backout "github.com/backout-dev/backout"
)

// scene builds a small shop by hand: web calls checkout and catalog, checkout
// calls payment, payment calls fraud and card-network; refund and subscription
// call card-network too. A model minute lasts one second.
type scene struct {
	q     Question
	rng   *rand.Rand
	start time.Time
}

const sceneMinutes = 60

func newScene() *scene {
	s := &scene{rng: rand.New(rand.NewPCG(1, 2)), start: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)}
	w := &s.q.World
	w.Now, w.Minute = s.at(sceneMinutes), backout.Duration(time.Second)
	for _, id := range []backout.ServiceID{"web", "catalog", "checkout", "payment", "fraud", "refund", "subscription", "ledger"} {
		w.Graph.Services = append(w.Graph.Services, backout.Service{ID: id, Kind: backout.ServiceOwn})
	}
	w.Graph.Services = append(w.Graph.Services, backout.Service{ID: "card-network", Kind: backout.ServiceExternal})
	for _, d := range [][2]backout.ServiceID{{"web", "checkout"}, {"web", "catalog"}, {"checkout", "payment"}, {"payment", "fraud"}, {"payment", "card-network"},
		{"refund", "card-network"}, {"subscription", "card-network"}, {"refund", "ledger"}} {
		w.Graph.Dependencies = append(w.Graph.Dependencies, backout.Dependency{From: d[0], To: d[1], Hard: true})
	}
	w.Graph.Components = []backout.Component{{ID: "deployment:payment@production/eu-1", Instances: 3}}
	w.Graph.Journeys = []backout.Journey{{ID: "buy", Services: []backout.ServiceID{"web", "checkout", "payment"}}}
	return s
}

func (s *scene) at(minute float64) time.Time {
	return s.start.Add(time.Duration(minute * float64(time.Second)))
}

// series adds residuals whose mean follows level; nil is quiet.
func (s *scene) series(sub backout.Subject, kind backout.SignalKind, level func(minute int) float64) {
	r := backout.Residuals{ID: backout.SeriesID{Signal: backout.SignalName(kind), Subject: sub}, Kind: kind, Mode: backout.ModeShort,
		From: s.at(1), Step: time.Second, Phi: 0.3}
	e := 0.0
	for m := range sceneMinutes {
		e = 0.3*e + math.Sqrt(1-0.09)*s.rng.NormFloat64()
		z := e
		if level != nil {
			z += level(m)
		}
		r.Levels = append(r.Levels, z)
	}
	s.q.Residuals = append(s.q.Residuals, r)
}

// measure adds latency and errors of every own service and every call; ill maps
// "service" or "caller>callee" to a level.
func (s *scene) measure(latency, errors map[string]func(int) float64) {
	for _, v := range s.q.World.Graph.Services {
		if v.Kind == backout.ServiceExternal {
			continue
		}
		s.series(backout.Subject{Service: v.ID}, backout.SignalLatency, latency[string(v.ID)])
		s.series(backout.Subject{Service: v.ID}, backout.SignalErrors, errors[string(v.ID)])
	}
	for _, d := range s.q.World.Graph.Dependencies {
		sub := backout.Subject{Service: d.To, Caller: d.From}
		key := string(d.From) + ">" + string(d.To)
		s.series(sub, backout.SignalLatency, latency[key])
		s.series(sub, backout.SignalErrors, errors[key])
	}
}

// ship adds a change; stages are (minute, share) pairs.
func (s *scene) ship(kind backout.ComponentKind, name string, service backout.ServiceID, stages ...float64) backout.ChangeID {
	id := backout.NewComponentID(kind, name, "production", "eu-1")
	c := backout.Change{ID: backout.ChangeID(name), Kind: kind, Component: id, Services: []backout.ServiceID{service}, From: "1", To: "2"}
	for i := 0; i < len(stages); i += 2 {
		c.Exposure.Stages = append(c.Exposure.Stages, backout.ExposureStage{At: s.at(stages[i]), Share: stages[i+1]})
	}
	s.q.World.Changes = append(s.q.World.Changes, c)
	return c.ID
}

// step is a shift of a size from a minute on, ramp one that takes some minutes.
func step(from int, size float64) func(int) float64 { return ramp(from, 1, size) }

func ramp(from, minutes int, size float64) func(int) float64 {
	return func(m int) float64 {
		return size * max(0, min(1, float64(m-from+1)/float64(minutes)))
	}
}

func probability(a backout.Attribution, id backout.ChangeID) float64 {
	for _, s := range a.Suspects {
		if s.Change == id {
			return s.P
		}
	}
	return math.NaN()
}
