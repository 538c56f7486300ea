package backout

// Missing is a pair of related components of which nothing was written down or
// inferred: a plan that moves one of them can rest on luck only, or on a person.
type Missing struct {
	Consumer ComponentID `json:"consumer"`
	Provider ComponentID `json:"provider"`
	// AtStake is what a minute of the journeys through the two is worth: what waits
	// for a person while nobody knows whether one of them may go back. A journey's
	// money stands at each of its pairs, so amounts of several must not be added.
	AtStake Money `json:"at_stake_per_minute"`
	// Best is the best source that speaks of some of their versions; "" = none does.
	Best       ContractSource `json:"best,omitempty"`
	Confidence float64        `json:"confidence,omitempty"` // of the best
	Close      string         `json:"close"`                // what to write or record to close it
}
