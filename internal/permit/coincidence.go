package permit

import (
	"fmt"
	"slices"

	"github.com/backout-dev/backout"
)

// Trouble that no change made often meets a change that was shipped minutes before on a
// service which then suffers from it. All that speaks for such a change is the time, and
// no probability that is made mostly of time tells it from a guilty one. So a plan runs by
// itself only if evidence of a second kind speaks for what it takes back: a comparison
// (versions side by side, audiences, its calls beside those of others), what came of what
// was tried in this incident, of it or of another suspect, or the place, asked without the
// times. The place tells less than a comparison, for it is read from the same minutes:
// there a little more confidence is needed.
const (
	// comparison is the log evidence from which a comparison counts.
	comparison = 1.0
	// placed is the probability from which the place speaks: more likely there than
	// anywhere else.
	placed = .5
	// moreSure is how much more confidence than the policy's is needed where nothing was
	// compared; at most half of the policy's doubt is taken away.
	moreSure = .1
	// supposed is the confidence of plans that are made for the case that a change is
	// guilty. No ranking is as sure.
	supposed = .99
)

// coincidence names changes that are taken back on suspicion although little but their
// time speaks for them.
func (q question) coincidence() []string {
	var out []string
	needed := q.policy.MinConfidence + min(moreSure, (1-q.policy.MinConfidence)/2)
	for _, s := range q.plan.Steps() {
		lead, known := q.lead(s)
		if s.Demanded || s.P >= supposed || !known || compared(lead) || len(q.incident.Tried) > 0 {
			continue
		}
		switch c := trusted(q.plan, q.incident); {
		case lead.Place <= placed:
			out = append(out, fmt.Sprintf("only the time tells %s to %s from a coincidence: had no change begun it, it would have begun there with %.0f %%, and nothing could be compared",
				s.Component, s.From, 100*lead.Place))
		case c < needed-1e-9:
			out = append(out, fmt.Sprintf("only time and place speak for %s to %s, and nothing could be compared: %.0f %% are needed then, and it has %.0f %%", s.Component, s.From, 100*needed, 100*c))
		}
	}
	return out
}

// lead is the likeliest of the changes that a step takes back.
func (q question) lead(s backout.Step) (backout.Suspect, bool) {
	for _, x := range q.att.Suspects { // ordered by probability
		if slices.Contains(s.Reverts, x.Change) {
			return x, true
		}
	}
	return backout.Suspect{}, false
}

// compared reports whether some comparison speaks for a suspect.
func compared(x backout.Suspect) bool {
	return slices.ContainsFunc(x.For, func(e backout.Evidence) bool {
		switch e.Kind {
		case backout.EvidenceArms, backout.EvidenceCallers, backout.EvidenceOutcome:
			return e.LogBF >= comparison
		}
		return false
	})
}
