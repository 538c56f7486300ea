package backout

import "time"

// Attribution is the answer to "who did it": a probability for every recent
// change and for no change at all. P of all suspects and PNone sum to 1.
type Attribution struct {
	At       time.Time `json:"at"`
	Onset    time.Time `json:"onset"`    // most likely start of the trouble
	Suspects []Suspect `json:"suspects"` // likeliest first, ties by change id
	// PNone is the probability that no recent change did it; Origins says where
	// the trouble would come from then.
	PNone   float64  `json:"p_none"`
	Origins []Origin `json:"origins"`
}

// Suspect is one change with what speaks for and against it.
type Suspect struct {
	Change    ChangeID    `json:"change"`
	Component ComponentID `json:"component"`
	To        Version     `json:"to"`
	// Audience is the one that the change hurts, when it hurts one alone.
	Audience string  `json:"audience,omitempty"`
	P        float64 `json:"p"`
	// Place is the probability that the trouble would have begun where this change was
	// made if no change had begun it: how far the place speaks for it without the time.
	Place   float64    `json:"place"`
	For     []Evidence `json:"for"`
	Against []Evidence `json:"against"`
}

// EvidenceKind says where evidence comes from.
type EvidenceKind string

// The kinds of evidence.
const (
	EvidenceTime    EvidenceKind = "time"    // delay between exposure and onset
	EvidenceSpace   EvidenceKind = "space"   // which services are ill, against which would be
	EvidenceArms    EvidenceKind = "arms"    // treated against control
	EvidenceCallers EvidenceKind = "callers" // its calls beside those of others to the same callee
	EvidencePrior   EvidenceKind = "prior"   // how often such changes hurt
	EvidenceOutcome EvidenceKind = "outcome" // what happened when something was taken back
)

// Evidence is one fact in words, with its weight.
type Evidence struct {
	Kind EvidenceKind `json:"kind"`
	// LogBF is the natural logarithm of the Bayes factor: positive speaks for.
	LogBF float64 `json:"log_bf"`
	Text  string  `json:"text"`
}

// OriginKind says what besides a change can start trouble.
type OriginKind string

// The kinds of origin.
const (
	OriginSpontaneous OriginKind = "spontaneous" // something of ours broke by itself
	OriginExternal    OriginKind = "external"    // a provider of ours
	OriginSurge       OriginKind = "surge"       // more demand than capacity
)

// Origin is one explanation without a change.
type Origin struct {
	Kind    OriginKind `json:"kind"`
	Service ServiceID  `json:"service,omitempty"`
	P       float64    `json:"p"`
	Text    string     `json:"text,omitempty"`
}

// Tried is an action already taken in this incident and what came of it; it is
// evidence for the next attribution.
type Tried struct {
	Changes []ChangeID   `json:"changes"`
	Share   float64      `json:"share_ratio"`
	Result  VerdictValue `json:"result"`
	At      time.Time    `json:"at"`
}
