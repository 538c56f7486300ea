package backout

import "time"

// Review is what an incident turned out to be: the label that learning uses.
type Review struct {
	Incident IncidentID `json:"incident"`
	At       time.Time  `json:"at"`
	// Culprits are the changes that did it; empty with Label none.
	Culprits []ChangeID  `json:"culprits"`
	Label    ReviewLabel `json:"label"`
	By       string      `json:"by"` // "verified recovery", or who overruled it
	// Simulated reviews are kept and shown, never learnt from.
	Simulated bool           `json:"simulated"`
	Actions   []ReviewAction `json:"actions"`
	// Delays is the time from exposure to onset of each culprit.
	Delays []ReviewDelay `json:"delays"`
	// Spread says for each way trouble could travel whether it did, and how fast.
	Spread []ReviewSpread `json:"spread"`
	// EffectLag is the time from the last effect to verified recovery; 0 where the run ended
	// for another reason, and nobody knows.
	EffectLag Duration `json:"effect_lag"`
	// Hits is for each hit that was foretold and came before anything was done how far
	// off its time was, in the forecast's own widths; see [Priors.HitTimes].
	Hits []float64 `json:"hits,omitempty"`
	// Recovery is log(actual / foretold median) of the time to recovery; see
	// [Priors.Recoveries]. Nil where none was foretold.
	Recovery *float64 `json:"recovery,omitempty"`
}

// ReviewLabel says what caused an incident.
type ReviewLabel string

// The labels.
const (
	LabelChange  ReviewLabel = "change"  // one or more changes
	LabelNone    ReviewLabel = "none"    // no change of ours
	LabelUnknown ReviewLabel = "unknown" // nobody knows: nothing is learnt from it
	// LabelFalseAlarm: nothing was wrong, so nothing is learnt about changes.
	LabelFalseAlarm ReviewLabel = "false_alarm"
)

// ReviewAction is one step that was tried and whether it worked.
type ReviewAction struct {
	Component ComponentID   `json:"component"`
	Kind      ComponentKind `json:"kind"`
	Service   ServiceID     `json:"service"`
	Worked    bool          `json:"worked"`
	Took      Duration      `json:"took"`
}

// ReviewDelay is one culprit's time from exposure to onset.
type ReviewDelay struct {
	Kind  ComponentKind `json:"kind"`
	Delay Duration      `json:"delay"` // in model minutes' time
}

// ReviewSpread is one dependency's part in an incident.
type ReviewSpread struct {
	Cause    ServiceID `json:"cause"`
	Victim   ServiceID `json:"victim"`
	Followed bool      `json:"followed"`
	Delay    Duration  `json:"delay"`
	// Began is set when the incident began at Cause: a culprit was a change of it.
	Began bool `json:"began,omitempty"`
}

// Priors are what past incidents taught, in the form the verbs start from. The
// zero value is usable and means "nothing learnt yet".
type Priors struct {
	Format    int       `json:"format"`
	At        time.Time `json:"at"`
	Incidents float64   `json:"incidents"` // decayed count of labelled incidents
	// Delays counts, for each kind of change, delays in the bins 0-1, 1-2, 2-5,
	// 5-10, 10-20, 20-40 and 40-90 model minutes (decayed).
	Delays map[ComponentKind][]float64 `json:"delays"`
	// Culprit and Shipped count changes of each kind that did and did not hurt.
	Culprit map[ComponentKind]float64 `json:"culprit"`
	Shipped map[ComponentKind]float64 `json:"shipped"`
	// None counts incidents that no change caused.
	None float64 `json:"none"`
	// Actions counts tried and successful reversals: kind, and kind/service.
	Actions map[string]Rate `json:"actions"`
	// Edges counts, for "cause>victim", how often trouble followed and how fast.
	Edges map[string]EdgePrior `json:"edges"`
	// EffectLags are log-seconds of model time: count, sum and sum of squares.
	EffectLags Moments `json:"effect_lags"`
	// HitTimes and Recoveries are the newest errors of foretold times, oldest first: of
	// hits in widths of the unfitted interval (1 = at its end), of recoveries as
	// log(actual / unfitted median). Forecasts are fitted to them.
	HitTimes   []float64 `json:"hit_times,omitempty"`
	Recoveries []float64 `json:"recoveries,omitempty"`
}

// Rate is a (decayed) count of successes among trials.
type Rate struct {
	Worked float64 `json:"worked"`
	Tried  float64 `json:"tried"`
}

// EdgePrior is what is known of one way trouble travels.
type EdgePrior struct {
	Followed float64 `json:"followed"`
	Stayed   float64 `json:"stayed"`
	Delays   Moments `json:"delays"` // in model minutes
	// Began counts, among these, the incidents that began at the cause. What is
	// broken itself starves those it calls; what passes trouble on seldom does.
	Began Rate `json:"began,omitzero"`
}

// Moments are running sums of one quantity.
type Moments struct {
	N   float64 `json:"n"`
	Sum float64 `json:"sum"`
	Sq  float64 `json:"sq"`
}
