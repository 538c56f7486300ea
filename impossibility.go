package backout

import "fmt"

// ImpossibilityKind says what stands in the way of going back.
type ImpossibilityKind string

// The kinds of impossibility.
const (
	ImpossiblePair      ImpossibilityKind = "pair"      // neither of two components can go back before the other
	ImpossibleCycle     ImpossibilityKind = "cycle"     // several wait for each other in a circle
	ImpossibleImmovable ImpossibilityKind = "immovable" // it, or one that would have to go back first, can't be moved
	ImpossibleOneWay    ImpossibilityKind = "one_way"   // the change has no way back
	ImpossibleHeld      ImpossibilityKind = "held"      // the earlier version is marked bad
	ImpossibleForbidden ImpossibilityKind = "forbidden" // policy or a freeze says no
	ImpossibleUnknown   ImpossibilityKind = "unknown"   // nobody could say how, or no safe order was found in time
)

// Impossibility says why a change that ought to go back can't, and what would make
// it possible.
type Impossibility struct {
	Change    ChangeID          `json:"change"`
	Component ComponentID       `json:"component"`
	To        Version           `json:"to"` // the version that the change brought
	P         float64           `json:"p"`
	Kind      ImpossibilityKind `json:"kind"`
	Why       string            `json:"why"` // one sentence
	// Waits say who would have to go back before whom. In a cycle they close; else
	// they lead from the change to the pair in Cells.
	Waits []Wait `json:"waits,omitempty"`
	// Cells are the states of the pair where it ends: now, each gone back alone, both.
	Cells   []Cell   `json:"cells,omitempty"`
	WaysOut []WayOut `json:"ways_out"`
}

// Wait says that one component must have gone back before another does, and which
// contract demands it.
type Wait struct {
	First    ComponentID    `json:"first"`
	Then     ComponentID    `json:"then"`
	Contract string         `json:"contract"`
	Source   ContractSource `json:"source"`
	Words    string         `json:"words"` // what the contract asks for
}

// Cell is one combination of versions of two components.
type Cell struct {
	A        ComponentID `json:"a"`
	B        ComponentID `json:"b"`
	AVersion Version     `json:"a_version"`
	BVersion Version     `json:"b_version"`
	Now      bool        `json:"now"` // it is what runs; never held against a plan
	Allowed  bool        `json:"allowed"`
	// Contract forbids it, Words are what it asks for; empty when it is allowed.
	Contract string         `json:"contract,omitempty"`
	Source   ContractSource `json:"source,omitempty"`
	Words    string         `json:"words,omitempty"`
}

// WayOutKind says what somebody could do about an impossibility.
type WayOutKind string

// The ways out.
const (
	WayOutIntermediate WayOutKind = "intermediate" // ship a version of one side that works with both of the other
	WayOutSwitch       WayOutKind = "switch"       // change both in one instant, behind one router
	WayOutContract     WayOutKind = "contract"     // correct the contract, for those who know better
	WayOutForward      WayOutKind = "forward"      // mend it in a newer version
	WayOutLift         WayOutKind = "lift"         // end the hold, the freeze or the policy's no
	WayOutAsk          WayOutKind = "ask"          // make whoever moves it answer
)

// WayOut is one thing that somebody could do so that a change can go back, or need
// not. Those of the kinds intermediate, switch and contract were tried: with them
// a safe plan exists.
type WayOut struct {
	Kind      WayOutKind  `json:"kind"`
	Component ComponentID `json:"component"` // what to ship, switch or ask about
	Words     string      `json:"words"`
	// Version is the one that a corrected contract would speak of; empty = one that
	// is still to be shipped.
	Version Version `json:"version,omitempty"`
	// WorksWith are the versions of others that it must work with.
	WorksWith []Need `json:"works_with,omitempty"`
}

// Need is a range of versions of one component.
type Need struct {
	Component ComponentID  `json:"component"`
	Versions  VersionRange `json:"versions"`
}

// Words writes the range as people say it: 2.14.0 or later.
func (r VersionRange) Words() string {
	switch {
	case r.From == "" && r.To == "":
		return "any version"
	case r.To == "":
		return fmt.Sprintf("%s or later", r.From)
	case r.From == "":
		return fmt.Sprintf("%s or earlier", r.To)
	case r.From == r.To:
		return string(r.From)
	}
	return fmt.Sprintf("%s to %s", r.From, r.To)
}
