package backout

import "time"

// Outcome is what became of an effect.
type Outcome string

// The three outcomes. Unknown is probed or shown to a person, never blindly repeated.
const (
	OutcomeDone    Outcome = "done"
	OutcomeNotDone Outcome = "not_done"
	OutcomeUnknown Outcome = "unknown"
)

// RunState is where an attempt's execution is.
type RunState string

// The states of a run.
const (
	RunPending   RunState = "pending"
	RunActive    RunState = "active"
	RunPaused    RunState = "paused"
	RunFrozen    RunState = "frozen"    // a gate can't see; it waits
	RunCompleted RunState = "completed" // every step done and verified
	RunStopped   RunState = "stopped"   // ended early, because the symptom has gone
	RunHalted    RunState = "halted"    // it got worse or did not help enough, a guard refused or an effect failed
	RunAborted   RunState = "aborted"   // a person ended it
)

// Terminal reports whether the run has ended.
func (s RunState) Terminal() bool {
	switch s {
	case RunCompleted, RunStopped, RunHalted, RunAborted:
		return true
	}
	return false
}

// Run is the execution of one attempt as far as it has come.
type Run struct {
	Attempt AttemptID `json:"attempt"`
	State   RunState  `json:"state"`
	Why     string    `json:"why,omitempty"`
	Parked  bool      `json:"parked,omitempty"` // it does nothing for now; Why says what it waits for
	Entries []Entry   `json:"entries"`
}

// EntryKind says what an entry of a run's journal records.
type EntryKind string

// The kinds of entry.
const (
	EntryStarted   EntryKind = "started"   // the run began
	EntryIntent    EntryKind = "intent"    // an effect is about to be tried
	EntryEffect    EntryKind = "effect"    // an effect ended, with its outcome
	EntrySkipped   EntryKind = "skipped"   // the target was there already
	EntryGate      EntryKind = "gate"      // a gate spoke
	EntryReversed  EntryKind = "reversed"  // a stage was taken back after a halt
	EntryControl   EntryKind = "control"   // a person paused, resumed or aborted
	EntryEnded     EntryKind = "ended"     // the run ended
	EntryWaits     EntryKind = "waits"     // an effect waits for a person: for whom, until when
	EntryEscalated EntryKind = "escalated" // nobody did what was asked: who hears of it now
	EntryNote      EntryKind = "note"      // what an actuator said while it worked
)

// Entry is one line of a run's journal.
type Entry struct {
	Seq       int64       `json:"seq"`
	Attempt   AttemptID   `json:"attempt"`
	At        time.Time   `json:"at"`
	Kind      EntryKind   `json:"kind"`
	Step      string      `json:"step,omitempty"`
	Component ComponentID `json:"component,omitempty"`
	Stage     int         `json:"stage"` // index into Step.Stages
	Share     float64     `json:"share_ratio"`
	Outcome   Outcome     `json:"outcome,omitempty"`
	Key       string      `json:"key,omitempty"` // the effect's idempotency key: attempt/step/stage
	// Verdict is what a gate saw when it spoke.
	Verdict VerdictValue `json:"verdict,omitempty"`
	// Unproven are the signals that a last gate saw no proof of recovery of when it ended
	// the run and took nothing back.
	Unproven []SeriesID `json:"unproven,omitempty"`
	Text     string     `json:"text"`
}
