package backout

import (
	"slices"
	"time"
)

// Dependency says that From needs To: From calls it, reads it or subscribes to it.
type Dependency struct {
	From ServiceID `json:"from"`
	To   ServiceID `json:"to"`
	// Hard dependencies fail their caller when they fail; soft ones degrade it.
	Hard  bool `json:"hard"`
	Async bool `json:"async"`
	// Holds is set when From keeps a finite resource of To (a reservation, a
	// lock, a connection) while it waits for others. A slow From then starves
	// To, so trouble travels from caller to callee as well.
	Holds      bool      `json:"holds"`
	Source     string    `json:"source"`     // who says so: a file, a trace, a mesh
	SeenAt     time.Time `json:"seen_at"`    // when it was last confirmed; zero = never measured
	Confidence float64   `json:"confidence"` // in [0,1]
}

// Graph is what the product consists of and how trouble can travel in it.
type Graph struct {
	Services     []Service    `json:"services"`
	Dependencies []Dependency `json:"dependencies"`
	Components   []Component  `json:"components"`
	Journeys     []Journey    `json:"journeys"`
	Features     []Feature    `json:"features"`
	Clients      []Client     `json:"clients"`
	// What limits the way back: data that older versions can't read, points of no
	// return, shared capacity, software outside our reach, and what can be turned at once.
	Formats   []DataFormat      `json:"formats,omitempty"`
	NoReturns []PointOfNoReturn `json:"no_returns,omitempty"`
	Pools     []Pool            `json:"pools,omitempty"`
	Consumers []Consumer        `json:"consumers,omitempty"`
	Switches  []Switch          `json:"switches,omitempty"`
}

// Service finds a service by id.
func (g Graph) Service(id ServiceID) (Service, bool) {
	i := slices.IndexFunc(g.Services, func(s Service) bool { return s.ID == id })
	if i < 0 {
		return Service{}, false
	}
	return g.Services[i], true
}

// Component finds a component by id.
func (g Graph) Component(id ComponentID) (Component, bool) {
	i := slices.IndexFunc(g.Components, func(c Component) bool { return c.ID == id })
	if i < 0 {
		return Component{}, false
	}
	return g.Components[i], true
}

// Knows reports whether the graph knows whom a subject is about: its journey, or
// else its service.
func (g Graph) Knows(s Subject) bool {
	if s.Journey != "" {
		return slices.ContainsFunc(g.Journeys, func(j Journey) bool { return j.ID == s.Journey })
	}
	_, ok := g.Service(s.Service)
	return ok
}

// Spread is one way trouble travels: when Cause is ill, Victim may follow.
type Spread struct {
	Cause, Victim ServiceID
	Dependency    Dependency
}

// Spreads lists every way trouble can travel: from callee to caller along each
// dependency, and from caller to callee along those that hold resources. The
// order is that of Dependencies.
func (g Graph) Spreads() []Spread {
	out := make([]Spread, 0, len(g.Dependencies))
	for _, d := range g.Dependencies {
		out = append(out, Spread{Cause: d.To, Victim: d.From, Dependency: d})
		if d.Holds {
			out = append(out, Spread{Cause: d.From, Victim: d.To, Dependency: d})
		}
	}
	return out
}
