package backout

import (
	"slices"
	"time"
)

// Autonomy says how far backout may go by itself.
type Autonomy string

// The levels of autonomy, least first.
const (
	AutonomyShadow Autonomy = "shadow" // decide and record, never act
	AutonomyAsk    Autonomy = "ask"    // act after approval
	AutonomyAct    Autonomy = "act"    // act by itself where the policy's conditions hold
)

// ColdStart says what is allowed while history is too short to know whether an
// incident is novel.
type ColdStart string

// The cold-start policies.
const (
	ColdStartAsk             ColdStart = "ask"               // a person decides
	ColdStartActIfReversible ColdStart = "act-if-reversible" // cheap, lossless, proven-safe, staged plans may run
)

// Policy says what may be done by whom. The zero value asks for everything.
type Policy struct {
	Version   string    `json:"version"`
	Autonomy  Autonomy  `json:"autonomy"`
	ColdStart ColdStart `json:"cold_start"`
	// MinConfidence is the least probability of the plan's targets together at
	// which a plan may run by itself.
	MinConfidence float64 `json:"min_confidence"`
	// MaxPNone is the greatest probability of "no change did this" at which a plan
	// may run by itself.
	MaxPNone float64 `json:"max_p_none"`
	// MaxSteps and MaxServices bound what one plan may touch; 0 = no bound.
	MaxSteps    int `json:"max_steps"`
	MaxServices int `json:"max_services"`
	// FourEyesTier: plans that touch a service of this tier or a more critical one
	// need two approvers when a person must decide. Negative = never.
	FourEyesTier Tier `json:"four_eyes_tier"`
	// ApprovalTimeout is how long a plan waits; afterwards it is not carried out.
	ApprovalTimeout Duration `json:"approval_timeout"`
	Cooldown        Duration `json:"cooldown"`     // between two automatic attempts on one component
	MaxAttempts     int      `json:"max_attempts"` // automatic attempts per incident
	Freezes         []Freeze `json:"freezes"`
	// Limits bound what may be moving at one instant.
	Limits Limits `json:"limits,omitzero"`
	// SecurityApprovers are the people of whom one must agree before a vulnerability
	// is opened again. With nobody named it must be an admin.
	SecurityApprovers []string `json:"security_approvers,omitempty"`
	// Rules are CEL expressions that must all be true for a plan to run by itself.
	Rules []PolicyRule `json:"rules"`
	// Skew is how many releases one of two neighbours may be from a version that ran
	// together with the other and still be assumed to get along with it, as in
	// Kubernetes' version skew: 1 is N-1, 0 assumes nothing.
	Skew int `json:"skew,omitempty"`
	// Trust is for each source the least confidence, in [0,1], from which on what it
	// says is enough to run without a person; see [Policy.Enough].
	Trust map[ContractSource]float64 `json:"trust,omitempty"`
	// MaxFailureAge is how long after its onset a trouble may still be answered without
	// a person, in model minutes; 0 = no bound. Who comes late to it acts on a picture
	// that others may be changing already.
	MaxFailureAge Duration `json:"max_failure_age,omitempty"`
	// Settle is how long a component must have been left alone, by others' rollouts and
	// by ourselves, before it is moved without a person, in model minutes; 0 = not at all.
	Settle Duration `json:"settle,omitempty"`
	// Budget bounds what may be done without a person over the whole environment.
	Budget Budget `json:"budget,omitzero"`
	// KillSwitch stops every effect at once, as [Stop] does at runtime.
	KillSwitch bool `json:"kill_switch"`
}

// SkewConfidence is how sure it is what Skew assumes: nobody looked.
const SkewConfidence = .5

// Enough reports whether what a source says with a confidence needs no person's
// look. What was written down never does; what was inferred or seen does not
// unless Trust asks for more confidence; what is merely assumed does unless Trust
// says from which confidence on it is enough.
func (p Policy) Enough(s ContractSource, confidence float64) bool {
	if s == ContractDeclared {
		return true
	}
	least, named := p.Trust[s]
	if !named {
		return s != ContractSkew
	}
	return confidence >= least
}

// PolicyRule is one CEL expression with the sentence shown when it says no.
type PolicyRule struct {
	Name string `json:"name"`
	Expr string `json:"expr"`
	Deny string `json:"deny"`
}

// Limits bound what a plan may have under way at one instant, so that a plan that
// goes wrong goes wrong for few. 0 = no bound. What they forbid to run side by side
// runs one after the other.
type Limits struct {
	Components int `json:"components,omitempty"` // components moving at once
	Services   int `json:"services,omitempty"`   // services they belong to
	// Instances is the share of all counted instances whose component is moving, in
	// (0,1]. A component that is larger than that by itself moves alone.
	Instances float64 `json:"instances_ratio,omitempty"`
	// Value is the share of the value of all journeys whose critical path has a service
	// with a moving component, in (0,1]: whose customers a bad step can hit at once. A
	// component that carries more by itself moves alone.
	Value float64 `json:"value_ratio,omitempty"`
}

// Freeze is a window in which nothing is changed but, where it says so, taken back.
// It covers the services and the place that it names, and everything when it names
// none.
type Freeze struct {
	From           time.Time `json:"from"`
	To             time.Time `json:"to"`
	Reason         string    `json:"reason"`
	AllowRollbacks bool      `json:"allow_rollbacks"`
	// Services, Environment and Location narrow the window; empty = all.
	Services    []ServiceID `json:"services,omitempty"`
	Environment Environment `json:"environment,omitempty"`
	Location    Location    `json:"location,omitempty"`
}

// Covers reports whether a component lies in the window's scope.
func (f Freeze) Covers(c Component) bool {
	return (len(f.Services) == 0 || slices.Contains(f.Services, c.Service)) &&
		(f.Environment == "" || f.Environment == c.Environment) && (f.Location == "" || f.Location == c.Location)
}

// Role is what a principal may do.
type Role string

// The roles, least first.
const (
	RoleViewer   Role = "viewer"
	RoleApprover Role = "approver"
	RoleAdmin    Role = "admin"
)

// Principal is a person or program that acts.
type Principal struct {
	Name string `json:"name"`
	Role Role   `json:"role"`
}

// Approval is one person's decision on one digest.
type Approval struct {
	By     Principal `json:"by"`
	At     time.Time `json:"at"`
	Digest string    `json:"digest"`
	Reason string    `json:"reason"`
	Yes    bool      `json:"yes"`
}

// Ruling is the policy's answer for one plan.
type Ruling struct {
	// Automatic is set when the plan may run without a person.
	Automatic bool `json:"automatic"`
	// Forbidden is set when it may not run at all.
	Forbidden bool `json:"forbidden"`
	// Approvers is how many different people must say yes; 0 when Automatic.
	Approvers int `json:"approvers"`
	// Among is set when one of the approvers must be among those named: what the plan
	// gives up is theirs to give. An admin is named as the role admin.
	Among   []string `json:"among,omitempty"`
	Reasons []string `json:"reasons"` // each condition that spoke, in words
}
