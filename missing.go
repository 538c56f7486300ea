package backout

// Known is one thing that is known about two components, as people list it: a
// contract's rule, a line, or a sighting.
type Known struct {
	Consumer   ComponentID    `json:"consumer"`
	Provider   ComponentID    `json:"provider"`
	Source     ContractSource `json:"source"`
	Confidence float64        `json:"confidence"` // in (0,1]
	Allows     bool           `json:"allows"`
	What       string         `json:"what"` // the versions, in words
	Reason     string         `json:"reason,omitempty"`
}

// Missing is a pair of related components of whose versions nothing was written
// down or inferred: a plan that moves one of them rests on what happened to be
// seen, or on a person.
type Missing struct {
	Consumer ComponentID `json:"consumer"`
	Provider ComponentID `json:"provider"`
	// AtStake is what a minute of the journeys through one of the two is worth: it is
	// lost while a person finds out whether one of them may go back. A journey stands
	// at each of its pairs, so amounts of several pairs must not be added.
	AtStake Money `json:"at_stake_per_minute"`
	// Best is the best source that speaks of some of their versions, observed or skew;
	// "" when none does.
	Best  ContractSource `json:"best,omitempty"`
	Close string         `json:"close"` // what to write or record to close it
}

// Knowing is what is known about components and what is missing.
type Knowing struct {
	Known    []Known   `json:"known"`    // by consumer, provider and source
	Missing  []Missing `json:"missing"`  // dearest first
	Problems []string  `json:"problems"` // attachments that could not be used
}
