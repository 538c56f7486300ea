package backout

import "time"

// Rollbackability says how far a change can be undone.
type Rollbackability string

// The degrees of rollbackability, best first.
const (
	RollbackNow      Rollbackability = "reversible_now" // nothing is lost, and everything that then lives together is known to be compatible
	RollbackUntil    Rollbackability = "lossless_until" // so too, but only until a known time
	RollbackUnproven Rollbackability = "unproven"       // it can be moved, but nobody knows whether what then meets is compatible, or what is lost
	RollbackLossy    Rollbackability = "lossy"          // it can be taken back, and something is lost with it
	RollbackBlocked  Rollbackability = "blocked"        // something stands in the way: a contract, a freeze, a hold, the policy
	RollbackUnknown  Rollbackability = "unknown"        // nothing that could take it back answers for it
	RollbackOneWay   Rollbackability = "one_way"        // there is no way back
	RollbackDone     Rollbackability = "taken_back"     // it was taken back already
)

// Reversible reports whether a change can be undone now without loss and with
// proof.
func (r Rollbackability) Reversible() bool { return r == RollbackNow || r == RollbackUntil }

// Prepared is what lies ready for one change before anything is wrong: the verdict
// on its rollbackability, and the plan for the case that it alone is the cause.
type Prepared struct {
	Change    ChangeID        `json:"change"`
	Component ComponentID     `json:"component"`
	From      Version         `json:"from,omitempty"`
	To        Version         `json:"to"`
	Verdict   Rollbackability `json:"verdict"`
	// Until is when a verdict of lossless_until ends; zero for the others.
	Until time.Time `json:"until,omitzero"`
	// Lost names what going back loses, by component.
	Lost []string `json:"lost"`
	// Reasons say in words why the verdict is what it is.
	Reasons []string `json:"reasons"`
	// Advice says what would make the verdict better.
	Advice []string `json:"advice"`
	// With are the components that go back with it because contracts demand it, in
	// the order in which they do.
	With []ComponentID `json:"with"`
	// Takes is from the first step to the end of the last bake.
	Takes Duration `json:"takes"`
	// Plan has steps where there is a way back.
	Plan Plan `json:"plan"`
}

// Release is a version that somebody is about to ship.
type Release struct {
	Component ComponentID `json:"component"`
	From      Version     `json:"from,omitempty"` // "" = what runs now
	To        Version     `json:"to"`
}

// ReleaseCheck says before a deployment whether it could be undone afterwards: the
// answer for a pipeline. It speaks of the world as it would be with all releases
// out and nothing else changed.
type ReleaseCheck struct {
	Format     int       `json:"format"`
	At         time.Time `json:"at"`
	Reversible bool      `json:"reversible"` // every release is
	// Releases holds the verdict on each release, in the order that was asked.
	Releases []Prepared `json:"releases"`
	// Warnings name what the releases themselves would break on their way out, by the
	// contracts that are known.
	Warnings []string `json:"warnings"`
}
