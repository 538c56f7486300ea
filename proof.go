package backout

import "time"

// Proof shows that no safe plan for a [Problem] costs less than Lower. Each of its
// parts speaks of some movables and proves a bound on what these cost together, by
// the ties among them alone; what no part speaks of costs at least its cheapest
// level. Lower is the sum. Leaving ties out only makes plans cheaper, so a part
// needs no proof that it is independent of the others: were it not, the bound would
// fall short of the answer's cost and prove less than was hoped.
type Proof struct {
	Lower int64       `json:"lower"`
	Parts []PartProof `json:"parts"`
}

// PartProof is the tree of cases by which the bound on one part is proven, in
// preorder: a split is followed by the cases of its first branch, then those of its
// second. All amounts in it are in the part's own units: costs times one more than
// the number of members, and one unit for each component that moves. That makes
// "fewest moves of the cheapest" a matter of cost.
type PartProof struct {
	Members []int  `json:"members"` // the movables it speaks of, ascending
	Cases   []Case `json:"cases"`
}

// CaseKind says how a case of a proof is dealt with.
type CaseKind string

// The kinds of case.
const (
	CaseSplit  CaseKind = "split"  // Movable is at Level, or at any other level that is left
	CaseStrike CaseKind = "strike" // plans with a level in Struck are bound by Shifts; the case that follows is about the others
	CaseBound  CaseKind = "bound"  // Shifts show what every plan of the case costs at least
	CaseEmpty  CaseKind = "empty"  // no pair of levels that is left suits some tie, so the case has no plan
	CaseCycle  CaseKind = "cycle"  // the decided moves in Cycle wait for each other in a ring, so the case has no plan
)

// Case is one node of the tree of cases.
//
// A bound is shown by shifts. A [Shift] puts amounts onto the prices of the levels at
// the two ends of a tie, and takes others off, such that for no two levels that may be
// live together they add up to more than nothing: whoever pays at one end is given it
// back at the other, so no plan of the case gets dearer. They may add up to the price
// of a wait, where one end has to wait for the other at these levels and a [Charge]
// says that this wait is counted here and nowhere else. After any such shifts the
// cheapest levels of the members, each priced by itself, add up to a bound. Good
// shifts come from the flow of a minimum cut (Picard and Ratliff 1975) and from
// evening out what is left (Globerson and Jaakkola 2007), but nothing about them has
// to be believed: bad ones show a bound that is too low.
type Case struct {
	Kind CaseKind `json:"kind"`
	// Movable and Level are those of a split.
	Movable int `json:"movable,omitempty"`
	Level   int `json:"level,omitempty"`
	// Shifts show the bound of a bound or a strike.
	Shifts []Shift `json:"shifts,omitempty"`
	// Charges are the waits that the shifts make use of, at most one for each level.
	Charges []Charge `json:"charges,omitempty"`
	// Struck are the levels that a strike rules out.
	Struck []Struck `json:"struck,omitempty"`
	Cycle  []int    `json:"cycle,omitempty"`
}

// Struck is a level that a strike rules out: plans with it are bound by the strike's
// shifts, like a case of their own.
type Struck struct {
	Movable int `json:"movable"`
	Level   int `json:"level"`
}

// Shift is the amounts that one tie puts onto the prices of its ends: I by level of
// the tie's movable I, J by level of its J.
type Shift struct {
	Tie int     `json:"tie"` // index into the problem's ties
	I   []int64 `json:"i"`
	J   []int64 `json:"j"`
}

// Charge says that the wait of a movable at a level is counted at one tie: of all that
// it waits for only the longest counts, so only one may.
type Charge struct {
	Tie     int `json:"tie"`
	Movable int `json:"movable"`
	Level   int `json:"level"`
}

// Derivation is how a plan was found, in numbers, so that it can be proven by
// somebody else: the priced problem, the cheapest answer, what of it is carried out,
// and the proof.
type Derivation struct {
	Problem Problem `json:"problem"`
	// Components names the movables, Base gives the level of each that is level 0 in
	// the problem.
	Components []ComponentID `json:"components"`
	Base       []Level       `json:"base"`
	// Best is the cheapest answer found, Shown the one the plan carries out: it
	// begins moves where a gate lets it, which may be later, and moves nothing when
	// the plan is to take no action or to ask.
	Best  Answer `json:"best"`
	Shown Answer `json:"shown"`
	Proof Proof  `json:"proof"`
	// Tick is how long a tick lasts. Unit is how many units of cost make a minor unit
	// of money in Currency. Rest is the cost, in units, that no plan can do anything
	// about.
	Tick     time.Duration `json:"tick_ns"`
	Unit     int64         `json:"unit"`
	Currency string        `json:"currency"`
	Rest     int64         `json:"rest"`
	// Nothing says why nothing is shown, and so nothing claimed about cost; empty when
	// the rest is there.
	Nothing string `json:"nothing,omitempty"`
}
