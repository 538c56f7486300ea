package backout

import (
	"fmt"
	"time"
)

// Hold keeps a component from being deployed forward. One that names a bad artifact
// keeps that artifact away and lets every other one pass; one that names none keeps
// everything away. Deploys by others ask first (backout check --deploy); the planner
// takes nothing back to what is held.
type Hold struct {
	Component ComponentID `json:"component"`
	Owner     string      `json:"owner"`
	Reason    string      `json:"reason"`
	BadDigest string      `json:"bad_digest,omitempty"`
	BadTo     Version     `json:"bad_to,omitempty"`
	Until     time.Time   `json:"until"` // it vanishes then by itself
	// Rule says what lets a deployment pass before Until; "" is read from what the hold
	// names: [ReleaseNewDigest] with a bad digest, [ReleaseNewVersion] with a bad version
	// alone, else [ReleasePerson].
	Rule    ReleaseRule `json:"release_rule,omitempty"`
	Release string      `json:"release"` // the rule in words
	// Incident whose plan took the bad version back; "" when a person holds.
	Incident IncidentID `json:"incident,omitempty"`
	At       time.Time  `json:"at,omitzero"` // since when
}

// ReleaseRule says what a deployment must be to pass a hold. A person can end every
// hold.
type ReleaseRule string

// The rules of release.
const (
	ReleaseNewDigest  ReleaseRule = "new_digest"  // its digest is known and differs from the bad one
	ReleaseNewVersion ReleaseRule = "new_version" // its version differs from the bad one: no digest is known
	ReleasePerson     ReleaseRule = "person"      // nothing passes until a person ends the hold
)

// Releases is the rule that the hold follows.
func (h Hold) Releases() ReleaseRule {
	switch {
	case h.Rule != "":
		return h.Rule
	case h.BadDigest != "":
		return ReleaseNewDigest
	case h.BadTo != "":
		return ReleaseNewVersion
	}
	return ReleasePerson
}

// Holds reports whether the hold is in force at a moment.
func (h Hold) Holds(now time.Time) bool { return h.Until.IsZero() || now.Before(h.Until) }

// Keeps says why a deployment does not pass the hold; "" when it does. The name of a
// version proves nothing where the bad digest is known: another version with the same
// digest is the same artifact, and the same version with another digest is not.
func (h Hold) Keeps(d Deployment) string {
	if d.Component != h.Component {
		return ""
	}
	digest := d.Digest
	if digest == "" && h.BadDigest != "" && string(d.To) == h.BadDigest {
		digest = h.BadDigest // some pipelines name a version by its digest
	}
	switch h.Releases() {
	case ReleaseNewDigest:
		switch {
		case digest == h.BadDigest && d.To != h.BadTo && h.BadTo != "":
			return fmt.Sprintf("%s is the same artifact as %s, which was bad (digest %s)", d.To, h.BadTo, h.BadDigest)
		case digest == h.BadDigest:
			return fmt.Sprintf("this artifact was bad (digest %s)", h.BadDigest)
		case digest == "" && d.To == h.BadTo:
			return fmt.Sprintf("version %s was bad", h.BadTo)
		case digest == "":
			return fmt.Sprintf("%s names no digest, so it can't be told from the bad artifact %s: ask again with its digest", d.To, h.BadDigest)
		}
		return ""
	case ReleaseNewVersion:
		if d.To == h.BadTo {
			return fmt.Sprintf("version %s was bad", h.BadTo)
		}
		return ""
	}
	return "nothing is deployed to it meanwhile"
}
