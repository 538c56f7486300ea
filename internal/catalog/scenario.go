package catalog

import (
	"slices"

	"github.com/backout-dev/backout"
)

// Scenario is one rehearsal as its file tells it: what is shipped, what is bad,
// and how it should end. Every range is drawn from a seed when it is played.
type Scenario struct {
	Name     string // the file's name without .txtar
	File     string
	Comment  string // what stands before the first section, for people
	Sentence string
	// Locations are where the shop runs; empty = in one place.
	Locations []backout.Location
	Day       Day
	Ship      []Shipment
	Faults    []Fault
	Contracts []Demand
	Policy    Leeway
	Expect    Expectation
}

// Range is drawn from evenly; both ends may be equal.
type Range struct{ From, To float64 }

// Day is the rest of a working day: changes that nobody need think about.
type Day struct {
	Deployments int
	// Migration ships an additive migration and the release of orders that needs it.
	Migration bool
}

// Role is what a shipment is in the truth.
type Role string

// The roles.
const (
	RoleInnocent Role = "innocent" // one of the day's changes
	RoleDecoy    Role = "decoy"    // innocent, and placed so that it looks guilty
	RoleDemanded Role = "demanded" // innocent, and must go back along with the culprit
	RoleCulprit  Role = "culprit"
)

// Shipment is one change that goes out.
type Shipment struct {
	Line int
	ID   string // how the rest of the file speaks of it; may be empty
	Kind backout.ComponentKind
	// Names are in the words of the shop's table; one that was not shipped yet is drawn.
	Names    []string
	Location backout.Location // of a deployment; empty = each location, as a shipment of its own
	To       backout.Version  // of a schema
	At       Range            // model minutes after the beginning, or after After began
	After    string           // a shipment's ID
	Stages   []float64        // shares; empty = as many as there are instances
	Every    float64          // minutes from stage to stage
	// Audiences are the clients for whom a flag is switched on, one a stage.
	Audiences []string
	Needs     string // a shipment that must have gone out wholly before
	Chance    float64
	Role      Role
	By        string // who ships it; empty = drawn
}

// Fault is one trouble. It hurts a service's work wherever its shipment holds
// (instances at the release, requests with the flag on, everything while the
// configuration or schema is there), or from a time on.
type Fault struct {
	Line     int
	Service  string
	Shipment string
	At       Range  // when there is no shipment: minutes after the beginning,
	After    string // or after this shipment began
	// WayBack hurts instances at other releases than the shipment's that were
	// started since it went out: the version to go back to is broken as well.
	WayBack  bool
	Location backout.Location
	Client   string
	Delay    Range // minutes from its begin until it is first felt
	Ramp     Range // minutes until it is felt wholly
	Lasts    Range // minutes that it is felt; zero = for ever
	Slow     Range // work takes this many times as long
	Latency  Range // milliseconds that work takes longer
	Errors   Range // share of requests that fail
}

// Demand is a contract between two deployments of the file: what the consumer
// ships works with what the provider ships, and with nothing older.
type Demand struct {
	Line               int
	Consumer, Provider string // shipments' IDs
	Reason             string
}

// Leeway is where a scenario's policy differs from the shop's; zero = it does not.
type Leeway struct {
	Autonomy                         backout.Autonomy
	ApprovalMinutes, CooldownMinutes float64
	MaxAttempts                      int
}

// Expectation says how a run should end.
type Expectation struct {
	// Outcomes are all right endings: recovered, no_action, waiting, frozen, halted.
	Outcomes []string
	// Reverted must go back, Demanded may go back along with them, and nothing else
	// beyond Innocents other components.
	Reverted, Demanded []string
	Innocents          int
	// Audience is the one client for whom a reverted flag must be switched off.
	Audience string
	Detected bool  // it must have been noticed
	Asked    *bool // whether a person must have been asked; nil = either
}

// outcomes are the endings that a scenario can expect.
var outcomes = []string{"recovered", "no_action", "waiting", "frozen", "halted"}

// shipment finds a shipment by its ID; nil when there is none.
func (s *Scenario) shipment(id string) *Shipment {
	i := slices.IndexFunc(s.Ship, func(x Shipment) bool { return x.ID != "" && x.ID == id })
	if i < 0 {
		return nil
	}
	return &s.Ship[i]
}
