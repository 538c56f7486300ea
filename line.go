package backout

import "fmt"

// Line is what somebody inferred about one pair of versions: whether a consumer
// at one and its provider at the other may be live together. Unlike a [Contract]
// it says nothing about any other versions.
type Line struct {
	Consumer        ComponentID    `json:"consumer"`
	Provider        ComponentID    `json:"provider"`
	ConsumerVersion Version        `json:"consumer_version"`
	ProviderVersion Version        `json:"provider_version"`
	Allows          bool           `json:"allows"`
	Source          ContractSource `json:"source"`
	Confidence      float64        `json:"confidence"` // in (0,1]: how sure the source is
	Reason          string         `json:"reason"`     // in words: what breaks, or why nothing does
}

// String names the pair as people do.
func (l Line) String() string {
	return fmt.Sprintf("%s %s with %s %s", l.Consumer, l.ConsumerVersion, l.Provider, l.ProviderVersion)
}

// Meeting is two versions that a plan brings together, with the best source that
// says that they get along, and how sure that is.
type Meeting struct {
	A          ComponentID    `json:"a"`
	AVersion   Version        `json:"a_version"`
	B          ComponentID    `json:"b"`
	BVersion   Version        `json:"b_version"`
	Source     ContractSource `json:"source"`
	Confidence float64        `json:"confidence"` // in (0,1]
	Text       string         `json:"text"`       // one sentence, with source and confidence
}
