package drill

import (
	"fmt"
	"slices"
	"strings"

	"github.com/backout-dev/backout"
)

// Expectation is how a scenario's file says that a run should end.
type Expectation struct {
	// Outcomes are all right endings, as [Result.Outcome] names them.
	Outcomes []string `json:"outcomes"`
	// Reverted must go back, as COMPONENT=VERSION; Demanded may go back along with
	// them; of other components at most Innocents may have been touched.
	Reverted  []string              `json:"reverted"`
	Demanded  []backout.ComponentID `json:"demanded"`
	Innocents int                   `json:"innocents"`
	// Audience is the one client for whom a reverted flag must have been switched.
	Audience string `json:"audience,omitempty"`
	Detected bool   `json:"detected"`
	Asked    *bool  `json:"asked,omitempty"` // a person was asked; nil = either
}

// objection says what was not as expected; empty = nothing.
func (e Expectation) objection(r Result) string {
	var missing, others []string
	for _, want := range e.Reverted {
		if !slices.ContainsFunc(r.Reverted, func(x Reverted) bool { return x.Change == want }) {
			missing = append(missing, want)
		}
	}
	for _, x := range r.Reverted {
		component, _, _ := strings.Cut(x.Change, "=")
		if !slices.Contains(e.Reverted, x.Change) && !slices.Contains(e.Demanded, backout.ComponentID(component)) {
			others = append(others, x.Change)
		}
	}
	switch {
	case r.UnsafeStates > 0 || r.UnsafeRequests > 0:
		return fmt.Sprintf("%d unsafe states and %d unsafe requests", r.UnsafeStates, r.UnsafeRequests)
	case !slices.Contains(e.Outcomes, r.Outcome):
		return fmt.Sprintf("ended %s, expected %s", r.Outcome, strings.Join(e.Outcomes, " or "))
	case len(others) > e.Innocents:
		return fmt.Sprintf("reverted %s, which should have stayed", strings.Join(others, ", "))
	case len(missing) > 0:
		return fmt.Sprintf("%s was not taken back", strings.Join(missing, ", "))
	case e.Detected && r.DetectedS == nil:
		return "the trouble was not detected"
	case e.Asked != nil && *e.Asked != r.HumanAsked:
		return map[bool]string{true: "nobody was asked", false: "a person was asked"}[*e.Asked]
	}
	return e.audienceMissed(r)
}

// audienceMissed says whom else a reverted flag was switched for.
func (e Expectation) audienceMissed(r Result) string {
	for _, x := range r.Reverted {
		switch {
		case e.Audience == "" || x.Kind != string(backout.KindFlag):
		case x.Audience == nil:
			return fmt.Sprintf("%s was switched for everybody, expected for %s alone", x.Change, e.Audience)
		case *x.Audience != e.Audience:
			return fmt.Sprintf("%s was switched for %q, expected for %s alone", x.Change, *x.Audience, e.Audience)
		}
	}
	return ""
}
