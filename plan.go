package backout

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// PlanID names a plan.
type PlanID string

// Action is what a plan proposes as a whole.
type Action string

// The actions.
const (
	ActionRollBack Action = "roll_back" // take back what its steps name
	ActionNone     Action = "no_action" // leave everything: no change is to blame, or undoing costs more
	ActionAsk      Action = "ask"       // a person must decide; the ranked options are attached
	// ActionRollForward waits for a fix that somebody announced; see [Fix].
	ActionRollForward Action = "roll_forward"
)

// Plan is the way back: what is taken back, in what order and stages, why, and
// what it costs. It is a thing that can be printed, stored, compared and approved.
type Plan struct {
	Format   int        `json:"format"`
	ID       PlanID     `json:"id"`
	Incident IncidentID `json:"incident"`
	MadeAt   time.Time  `json:"made_at"`
	Action   Action     `json:"action"`
	Summary  string     `json:"summary"` // one sentence
	// Waves are carried out in order; steps of one wave may run side by side.
	Waves []Wave `json:"waves"`
	// Left names the recent changes that stay, each with the reason.
	Left []Left `json:"left"`
	// Impossible says of suspects that can't go back what stands in the way, and what
	// would help; likeliest first.
	Impossible []Impossibility `json:"impossible,omitempty"`
	// OrderReasons says which contract demands which order.
	OrderReasons []string      `json:"order_reasons"`
	Alternatives []Alternative `json:"alternatives"` // cheapest first, the chosen one marked
	// Success is the probability that carrying the plan out ends the trouble.
	Success float64 `json:"success_p"`
	// Takes is the planned time from start to end of the last bake.
	Takes Duration `json:"takes"`
	// Cost is the expected loss with this plan, CostNothing without any.
	Cost        Money `json:"cost"`
	CostNothing Money `json:"cost_nothing"`
	// Meetings are the versions that the plan brings together, each two with who says
	// that they get along; those of which nobody says it are among the gaps.
	Meetings []Meeting `json:"meetings"`
	// Gaps names what the plan rests on without proof, such as pairs nobody has a
	// contract for; a plan with gaps needs a person.
	Gaps []string `json:"gaps"`
	// Timing says why it was made then and not a minute later, where that was weighed.
	Timing      *Timing     `json:"timing,omitempty"`
	Certificate Certificate `json:"certificate"`
	Ruling      Ruling      `json:"ruling"`
	// Fingerprint is the world's, over the touched components, when it was made.
	Fingerprint string `json:"fingerprint"`
	// Grounds are what the fingerprint hashes.
	Grounds []Ground `json:"grounds,omitempty"`
	// Digest covers the executable part; approvals bind to it.
	Digest string `json:"digest"`
}

// Wave is a set of steps that may run side by side: every mixed state of them is
// compatible.
type Wave struct {
	Steps []Step `json:"steps"`
}

// Step moves one component to an earlier version.
type Step struct {
	ID        string        `json:"id"` // unique in the plan
	Component ComponentID   `json:"component"`
	Service   ServiceID     `json:"service"`
	Kind      ComponentKind `json:"kind"`
	From      Version       `json:"from"`
	To        Version       `json:"to"`
	FromLevel Level         `json:"from_level"`
	ToLevel   Level         `json:"to_level"`
	Reverts   []ChangeID    `json:"reverts"`
	// P is the probability that one of the reverted changes is the cause.
	P float64 `json:"p"`
	// Demanded is set when a contract needs this step, not suspicion.
	Demanded bool    `json:"demanded"`
	Stages   []Stage `json:"stages"`
	// Start is when the step begins, counted from the plan's start.
	Start Duration `json:"start"`
	Takes Duration `json:"takes"`
	Loss  Loss     `json:"loss"`
	Lost  string   `json:"lost,omitempty"`
	// Exposes names the vulnerabilities that come back with this step.
	Exposes []string `json:"exposes,omitempty"`
	// Until is when the step must have ended, because a point of no return or a freeze
	// follows; zero when nothing does.
	Until time.Time `json:"until,omitzero"`
	// Switch names the switch that turns this step's component together with those of
	// the other steps of its wave that name it; empty when it moves by itself.
	Switch       string `json:"switch,omitempty"`
	Precondition string `json:"precondition"`
	Check        string `json:"check"`
	WayBack      string `json:"way_back"` // or the admission that there is none
	Why          string `json:"why"`
	// SideEffects are what the step does by itself; their prices are in the cost.
	SideEffects []SideEffect `json:"side_effects,omitempty"`
}

// Stage is one share of a step, followed by a bake and a gate.
type Stage struct {
	// Share of instances, traffic or audience at To when the stage is done, in (0,1].
	Share    float64  `json:"share_ratio"`
	Audience string   `json:"audience,omitempty"`
	Bake     Duration `json:"bake"` // the least time before the gate may pass
}

// Left is a change that stays, and why.
type Left struct {
	Change    ChangeID    `json:"change"`
	Component ComponentID `json:"component"`
	To        Version     `json:"to"` // what the change brought
	P         float64     `json:"p"`
	Why       string      `json:"why"`
}

// AlternativeKind is a way to act.
type AlternativeKind string

// The ways to act.
const (
	WayRollBack     AlternativeKind = "roll_back"     // take versions back, whatever is cheapest
	WayPartial      AlternativeKind = "partial"       // only the likeliest suspect, and what must go with it
	WayFlagOff      AlternativeKind = "flag_off"      // flags and configuration only, for one audience where that is enough
	WayTrafficShift AlternativeKind = "traffic_shift" // traffic only, versions stay
	WayFreeze       AlternativeKind = "freeze"        // stop rollouts where they are, take nothing back
	WayRollForward  AlternativeKind = "roll_forward"  // wait for an announced fix
	WayNone         AlternativeKind = "no_action"     // leave everything
	WayAsk          AlternativeKind = "ask"           // let a person decide first
)

// Alternative is another way to act, priced in the same money.
type Alternative struct {
	Kind   AlternativeKind `json:"kind"`
	Name   string          `json:"name"`
	Cost   Money           `json:"cost"`
	Steps  int             `json:"steps"`
	Chosen bool            `json:"chosen"`
	Unsafe bool            `json:"unsafe,omitempty"` // it is shown for comparison only
	Why    string          `json:"why"`              // why it won or lost, by the terms that tell them apart
	// Terms are what Cost is made of; they sum to it but for rounding.
	Terms []Term   `json:"terms"`
	Notes []string `json:"notes,omitempty"` // what the price assumes
}

// Term is one part of an alternative's price.
type Term struct {
	Name string `json:"name"`
	Cost Money  `json:"cost"`
}

// Timing weighs acting now against looking a model minute longer.
type Timing struct {
	Wait    bool    `json:"wait"`      // looking longer is worth its price
	Gain    Money   `json:"gain"`      // what a minute's evidence is expected to save
	Price   Money   `json:"price"`     // what the minute costs
	Changes float64 `json:"changes_p"` // probability that it changes the plan
	Words   string  `json:"words"`
}

// Certificate says what was proven about a plan and by whom.
type Certificate struct {
	// Safe is set by the independent checker alone.
	Safe   bool     `json:"safe"`
	Checks []string `json:"checks"` // what the checker looked at, in words
	// Optimal, LowerCost and Gap are set by the checker alone, from a proof.
	Optimal   bool  `json:"optimal"`     // no safe plan costs less
	LowerCost Money `json:"lower_bound"` // proven: no safe plan costs less than this
	Gap       Money `json:"gap"`         // the plan's cost less the lower bound
}

// Steps lists the steps of all waves in order.
func (p Plan) Steps() []Step {
	var out []Step
	for _, w := range p.Waves {
		out = append(out, w.Steps...)
	}
	return out
}

// Touched lists the components that the plan moves.
func (p Plan) Touched() []ComponentID {
	out := []ComponentID{}
	for _, s := range p.Steps() {
		out = append(out, s.Component)
	}
	return out
}

// ExecutableDigest hashes what carrying out the plan depends on: targets, order,
// stages and bakes, the world's fingerprint. Words, probabilities and money are
// left out, so that a better explanation of the same deeds keeps its approvals.
func (p Plan) ExecutableDigest() string {
	h := sha256.New()
	fmt.Fprintf(h, "backout plan 1 %s %s\n", p.Action, p.Fingerprint)
	for i, w := range p.Waves {
		for _, s := range w.Steps {
			fmt.Fprintf(h, "%d %q %q %q %q %d %d\n", i, s.ID, s.Component, s.From, s.To, s.FromLevel, s.ToLevel)
			if s.Switch != "" {
				fmt.Fprintf(h, " switch %q\n", s.Switch)
			}
			for _, g := range s.Stages {
				fmt.Fprintf(h, " %.6f %q %s\n", g.Share, g.Audience, g.Bake)
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
