package backout

import "time"

// PrecedentID names a past incident that later ones are compared with: an incident's
// own id, or source:id of one that was imported.
type PrecedentID string

// Precedent is a past incident as later ones are compared with it: what it looked
// like when it was decided, what was done about it, and what came of that.
type Precedent struct {
	Format int         `json:"format"`
	ID     PrecedentID `json:"id"`
	// Source says where it was imported from; empty for backout's own incidents.
	Source string    `json:"source,omitempty"`
	Title  string    `json:"title,omitempty"`
	Link   string    `json:"link,omitempty"`
	At     time.Time `json:"at"` // its onset
	// Took is the time from the onset to its end; 0 = unknown.
	Took      Duration    `json:"took,omitempty"`
	Signature Signature   `json:"signature"`
	Label     ReviewLabel `json:"label"`
	// Cause is the kind of what did it; empty when that is unknown or was no change.
	Cause ComponentKind `json:"cause,omitempty"`
	// Did is what was done about it, in words; Moved the kinds and services of what was
	// taken back.
	Did     string           `json:"did,omitempty"`
	Moved   []PrecedentMove  `json:"moved,omitempty"`
	Outcome PrecedentOutcome `json:"outcome"`
	// Said is the probability that was given to the likeliest change when it was decided,
	// and Right whether that was the one; nil while nobody knows.
	Said  float64 `json:"said,omitempty"`
	Right *bool   `json:"right,omitempty"`
	// NoveltyP is its own conformal p-value among those before it; 0 = there were too few.
	NoveltyP  float64 `json:"novelty_p,omitempty"`
	Simulated bool    `json:"simulated,omitempty"`
}

// Imported reports whether somebody else wrote it down.
func (p Precedent) Imported() bool { return p.Source != "" }

// PrecedentMove is one thing that was taken back.
type PrecedentMove struct {
	Kind    ComponentKind `json:"kind"`
	Service ServiceID     `json:"service,omitempty"`
}

// PrecedentOutcome says what came of what was done.
type PrecedentOutcome string

// The outcomes.
const (
	PrecedentVerified   PrecedentOutcome = "verified"   // it recovered, and backout's own gates proved it
	PrecedentTold       PrecedentOutcome = "told"       // people wrote that it worked
	PrecedentByItself   PrecedentOutcome = "by_itself"  // it went away and nothing was done
	PrecedentUnresolved PrecedentOutcome = "unresolved" // what was done did not bring recovery, or nothing was
	PrecedentNotKnown   PrecedentOutcome = "not_known"  // nobody wrote it down
)

// Worked reports whether what was done brought recovery.
func (o PrecedentOutcome) Worked() bool { return o == PrecedentVerified || o == PrecedentTold }

// Reach says where a signal was ill, seen from where the trouble began.
type Reach string

// The reaches.
const (
	ReachOrigin  Reach = "origin"  // the service that it began at
	ReachCallers Reach = "callers" // those that need it
	ReachCallees Reach = "callees" // those that it needs
)

// Signature is what an incident looked like, in parts that can be compared. A part
// that is empty was not known and is left out of comparisons.
type Signature struct {
	// Profile is how far each kind of signal was off, for each reach.
	Profile []ProfileCell `json:"profile,omitempty"`
	// Onsets are the first five services in the order in which they fell ill.
	Onsets   []ServiceOnset `json:"onsets,omitempty"`
	Services []ServiceID    `json:"services,omitempty"` // all that were ill
	// Causes is the probability of each kind of change and of CauseNone, when it was decided.
	Causes map[ComponentKind]float64 `json:"causes,omitempty"`
	// Age is how long the likeliest change was exposed before the onset, in model minutes;
	// nil = unknown, or no change.
	Age *float64 `json:"age_minutes,omitempty"`
	// Tokens are words of error signatures, alerts or reports, in lower case.
	Tokens []string `json:"tokens,omitempty"`
	// Simulated is set when a change of a rehearsal was in flight: it is kept and never
	// compared.
	Simulated bool `json:"simulated,omitempty"`
}

// CauseNone stands among the kinds of cause for "no change did it".
const CauseNone ComponentKind = "none"

// ProfileCell is one number of a signature's profile.
type ProfileCell struct {
	Kind  SignalKind `json:"kind"`
	Reach Reach      `json:"reach"`
	// Level is tanh(z/4) of the series that was furthest off, where z is in robust
	// standard deviations and positive is worse: in (-1,1), 0 = as ever.
	Level float64 `json:"level"`
}

// ServiceOnset is when a service fell ill.
type ServiceOnset struct {
	Service ServiceID `json:"service"`
	Lag     float64   `json:"lag_minutes"` // after the first, in model minutes
}

// Novelty says whether an incident is like those before.
type Novelty string

// The answers.
const (
	NoveltyInsufficient Novelty = "insufficient" // too few comparable incidents to say
	NoveltyFamiliar     Novelty = "familiar"
	NoveltyNovel        Novelty = "novel" // further from all others than 95 % of them are
)

// Likeness is what the past says about an incident.
type Likeness struct {
	Novelty Novelty `json:"novelty"`
	// P is the conformal p-value: for an incident that is like those before it is at most
	// a with a probability of at most a. 0 while there are too few.
	P      float64 `json:"p,omitempty"`
	N      int     `json:"n"`      // comparable incidents that it was judged among
	Needed int     `json:"needed"` // as many must there be
	// Class is the kind of incident it was judged within; empty = all kinds.
	Class ComponentKind `json:"class,omitempty"`
	// Known is how many past incidents there are, imported ones included.
	Known    int `json:"known"`
	Imported int `json:"imported"`
	// Nearest are those most like it, nearest first.
	Nearest []Neighbour `json:"nearest"`
	// Drift is the martingale against "incidents are as ever", started at 1; from
	// [DriftAlarm] on they have become different.
	Drift float64 `json:"drift,omitempty"`
}

// DriftAlarm is what the drift martingale exceeds with a probability of at most one in
// twenty while nothing has changed.
const DriftAlarm = 20.0

// Neighbour is a precedent with its distance.
type Neighbour struct {
	Precedent PrecedentID      `json:"precedent"`
	Source    string           `json:"source,omitempty"`
	Title     string           `json:"title,omitempty"`
	Link      string           `json:"link,omitempty"`
	At        time.Time        `json:"at"`
	Service   ServiceID        `json:"service,omitempty"` // where it began
	Did       string           `json:"did,omitempty"`
	Outcome   PrecedentOutcome `json:"outcome"`
	Label     ReviewLabel      `json:"label"`
	Cause     ComponentKind    `json:"cause,omitempty"`
	Took      Duration         `json:"took,omitempty"`
	Distance  float64          `json:"distance"` // in [0,1]
	// Basis is the weight of the parts that both know, in (0,1].
	Basis float64 `json:"basis"`
	// Weight is how many incidents it counts for as prior evidence: exp(-distance/.2).
	Weight float64 `json:"weight"`
}

// Calibration is what a probability has been worth so far: how often the likeliest
// change was the one when it was given.
type Calibration struct {
	N    int     `json:"n"`    // labelled outcomes
	Said float64 `json:"said"` // the probability as attribution gave it
	// P0 and P1 are the limits of Venn-Abers' interval, one of which is calibrated; P is
	// the single number to show, and P0 the one to act on.
	P0 float64 `json:"p0"`
	P1 float64 `json:"p1"`
	P  float64 `json:"p"`
}

// Kept says what became of precedents that were handed in.
type Kept struct {
	New     int `json:"new"`
	Changed int `json:"changed"` // were there with other content
	Same    int `json:"same"`    // were there already
}
