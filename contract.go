package backout

import "time"

// VersionRange is an inclusive range of versions of one component, ordered by
// [CompareVersions]. An empty end is open. A range with From = To is one version.
type VersionRange struct {
	From Version `json:"from,omitempty"`
	To   Version `json:"to,omitempty"`
}

// Contains reports whether v lies in the range.
func (r VersionRange) Contains(v Version) bool {
	return (r.From == "" || CompareVersions(v, r.From) >= 0) && (r.To == "" || CompareVersions(v, r.To) <= 0)
}

// ContractSource says how a contract became known; hand-written wins.
type ContractSource string

// The sources of contracts, best first.
const (
	ContractDeclared ContractSource = "declared" // somebody wrote it down
	ContractInferred ContractSource = "inferred" // derived from specs or migrations
	ContractObserved ContractSource = "observed" // the pair was seen live together, healthy
)

// Contract says which versions of two components may be live together. A
// consumer at a version in When needs its provider at a version in Needs. Pairs
// that no contract mentions are unknown, not allowed: see [World.Pairs].
type Contract struct {
	ID       string         `json:"id"`
	Consumer ComponentID    `json:"consumer"`
	Provider ComponentID    `json:"provider"`
	Rules    []ContractRule `json:"rules"`
	Source   ContractSource `json:"source"`
	SeenAt   time.Time      `json:"seen_at"`
	Reason   string         `json:"reason,omitempty"` // in words, for people
	File     string         `json:"file,omitempty"`   // file:line where it is declared
}

// ContractRule is one line of a contract.
type ContractRule struct {
	When  VersionRange `json:"when"`
	Needs VersionRange `json:"needs"`
}

// Allows reports whether the consumer's and the provider's version may be live
// together: every rule that speaks of the consumer's version holds.
func (c Contract) Allows(consumer, provider Version) bool {
	for _, r := range c.Rules {
		if r.When.Contains(consumer) && !r.Needs.Contains(provider) {
			return false
		}
	}
	return true
}

// Pair is two components' versions that were live together. Healthy pairs are
// the evidence for going back where nobody wrote a contract.
type Pair struct {
	A        ComponentID `json:"a"`
	B        ComponentID `json:"b"`
	AVersion Version     `json:"a_version"`
	BVersion Version     `json:"b_version"`
	Healthy  bool        `json:"healthy"`
	SeenAt   time.Time   `json:"seen_at"`
}
