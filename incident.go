package backout

import (
	"strings"
	"time"
)

// IncidentID names an incident.
type IncidentID string

// AttemptID names one approved try at carrying out a plan: incident/number.
type AttemptID string

// Number is the attempt's part of it.
func (id AttemptID) Number() string {
	_, n, _ := strings.Cut(string(id), "/")
	return n
}

// State says where an incident is on its way. Each state has a sentence in
// docs/STATES.md.
type State string

// The states.
const (
	StateDetected      State = "detected"       // findings say that something is wrong
	StateAttributed    State = "attributed"     // every suspect has a probability
	StatePlanned       State = "planned"        // a plan exists and passed the checker
	StateWaiting       State = "waiting"        // a person must decide, before a deadline
	StateApproved      State = "approved"       // the plan may run
	StateExecuting     State = "executing"      // an attempt is running
	StateRecovered     State = "recovered"      // verified: live state equals target and signals are back
	StateSelfRecovered State = "self_recovered" // it went away without our doing
	StateNoAction      State = "no_action"      // no change is to blame: nothing to take back
	StateHalted        State = "halted"         // the attempt stopped; what is left is stated
	StateFrozen        State = "frozen"         // backout can't see: nothing is done until it can
	StateAborted       State = "aborted"        // a person stopped it
	StateTakenOver     State = "taken_over"     // a person carries on by hand
	StateShadowed      State = "shadowed"       // decided and recorded, never acted
	StateFalseAlarm    State = "false_alarm"    // nothing was wrong
	StateReviewed      State = "reviewed"       // closed, labelled and learnt from
)

// Terminal reports whether nothing more happens by itself.
func (s State) Terminal() bool {
	switch s {
	case StateRecovered, StateSelfRecovered, StateNoAction, StateHalted, StateAborted, StateTakenOver, StateShadowed, StateFalseAlarm, StateReviewed:
		return true
	}
	return false
}

// Running reports whether an attempt is under way, be it one that waits until it can
// see again.
func (s State) Running() bool { return s == StateExecuting || s == StateFrozen }

// Incident is one trouble from first finding to review. Its row is owned by
// respond and saved with compare-and-swap on Row.
type Incident struct {
	Format int        `json:"format"`
	ID     IncidentID `json:"id"`
	// Key makes opening idempotent: one open incident for each environment and origin.
	Key         string       `json:"key"`
	Row         int64        `json:"row"` // version of the row, for compare-and-swap
	Environment Environment  `json:"environment"`
	State       State        `json:"state"`
	Why         string       `json:"why"` // why it is in this state, in words
	OpenedAt    time.Time    `json:"opened_at"`
	Onset       time.Time    `json:"onset"`
	UpdatedAt   time.Time    `json:"updated_at"`
	Wake        time.Time    `json:"wake,omitzero"`     // when to look again at the latest
	Deadline    time.Time    `json:"deadline,omitzero"` // when the approval's default applies
	Findings    []Finding    `json:"findings"`
	Baselines   []Baseline   `json:"baselines"` // frozen when the incident opened
	Attribution *Attribution `json:"attribution,omitempty"`
	Forecast    *Forecast    `json:"forecast,omitempty"`
	// FirstForecast is the one made before anything was done, kept for scoring.
	FirstForecast *Forecast `json:"first_forecast,omitempty"`
	ETA           *ETA      `json:"eta,omitempty"`       // of the waiting plan, or of the attempt that runs
	FirstETA      *ETA      `json:"first_eta,omitempty"` // made when the attempt began, kept for scoring
	Plan          *Plan     `json:"plan,omitempty"`
	Fix           *Fix      `json:"fix,omitempty"` // the forward fix that was announced last
	// Signature is what it looked like until the first attempt began, Likeness what the
	// past says about that, and Calibration what the given probability was worth so far.
	Signature   *Signature    `json:"signature,omitempty"`
	Likeness    *Likeness     `json:"likeness,omitempty"`
	Calibration *Calibration  `json:"calibration,omitempty"`
	Attempts    []Attempt     `json:"attempts"`
	TakeOver    *TakeOver     `json:"take_over,omitempty"` // set when a person carries on by hand
	Tried       []Tried       `json:"tried"`
	Degraded    []Degradation `json:"degraded"` // what backout can't see now; at the end, for an incident that has ended
	Paused      bool          `json:"paused"`
	Stop        *Stop         `json:"stop,omitempty"` // the kill switch, while it is on
	Told        []Told        `json:"told"`           // the newest news of each audience and phase
	// After is what the incident before has settled, when that one took this trouble along:
	// it began while its attempt ran, or stayed when the rest was back.
	After *Settled `json:"after,omitempty"`
}

// Settled is what an earlier incident has answered: it is neither suspect nor evidence
// of a trouble that this incident took along and that another cause must have.
type Settled struct {
	Incident IncidentID `json:"incident"`
	Changes  []ChangeID `json:"changes"` // taken back, with verified recovery
	Series   []SeriesID `json:"series"`  // were ill and are back
}

// Attempt is one approved plan being carried out.
type Attempt struct {
	ID        AttemptID  `json:"id"`
	Digest    string     `json:"digest"` // of the plan that was approved
	Plan      Plan       `json:"plan"`
	Approvals []Approval `json:"approvals"`
	// FromFile is set when a person brought the plan: it stays the waiting one while
	// the world it was made for stands.
	FromFile  bool      `json:"from_file,omitempty"`
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	Result    RunState  `json:"result"`
	Why       string    `json:"why,omitempty"`
	// TakenBack is what the run left at an earlier version, from its journal.
	TakenBack []TakenBack `json:"taken_back,omitempty"`
	// Unproven are the signals that were not proven back when the run ended with what it did
	// left in place, from its journal.
	Unproven []SeriesID `json:"unproven,omitempty"`
	// Journal covers the run's journal once the attempt has ended.
	Journal *Seal `json:"journal,omitempty"`
}

// ByItself reports whether the attempt was started without a person's yes.
func (a Attempt) ByItself() bool { return !a.StartedAt.IsZero() && len(a.Approvals) == 0 }
