package backout

import (
	"slices"
	"time"
)

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

// ContractSource says how something about two components became known. A better
// source wins over a worse one whatever it says; worse ones fill gaps only.
type ContractSource string

// The sources, best first.
const (
	ContractDeclared  ContractSource = "declared"  // somebody wrote it down
	ContractSpec      ContractSource = "spec"      // inferred from two versions' API specs
	ContractMigration ContractSource = "migration" // inferred from what a schema's migrations do
	ContractObserved  ContractSource = "observed"  // the pair was seen live together, healthy
	ContractSkew      ContractSource = "skew"      // the policy assumes it of neighbours few releases apart
)

// Words says for people where something is known from.
func (s ContractSource) Words() string {
	switch s {
	case ContractDeclared:
		return "written down"
	case ContractSpec:
		return "inferred from API specs"
	case ContractMigration:
		return "inferred from migrations"
	case ContractObserved:
		return "seen live together"
	case ContractSkew:
		return "assumed by the policy's skew"
	}
	return "of unknown source"
}

// Contract says which versions of two components may be live together. A
// consumer at a version in When needs its provider at a version in Needs. It
// is about all versions of its two components; what is known of single pairs of
// versions is a [Line] or a [Pair]. Two components that nothing of these mentions
// are unknown to each other, not compatible.
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

// Speaks reports whether some rule is about a version of the consumer. Where none
// is, the contract asks nothing, and what worse sources say counts.
func (c Contract) Speaks(consumer Version) bool {
	return slices.ContainsFunc(c.Rules, func(r ContractRule) bool { return r.When.Contains(consumer) })
}
