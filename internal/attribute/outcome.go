package attribute

import (
	"math"
	"slices"

	backout "github.com/backout-dev/backout"
)

// What is expected of an action, until the kind's own record says more.
const (
	actionWorks   = 0.9  // taking back the culprit ends the trouble
	actionPrior   = 10.0 // tries that actionWorks is worth
	endsAnyway    = 0.05 // the trouble ends by itself meanwhile
	worseCulprit  = 0.03 // it gets worse although the culprit was taken back
	worseInnocent = 0.15 // it gets worse when something else was taken back
)

// outcome is the log likelihood of everything that came of actions in this
// incident, given that the change is the cause.
func outcome(q Question, c backout.Change) float64 {
	sum := 0.0
	for _, t := range q.Tried {
		sum += math.Log(resultChance(q.World.Priors, t, &c))
	}
	return sum
}

// outcomeNone is the same given that no change is the cause.
func outcomeNone(q Question) float64 {
	sum := 0.0
	for _, t := range q.Tried {
		sum += math.Log(resultChance(q.World.Priors, t, nil))
	}
	return sum
}

func resultChance(pr backout.Priors, t backout.Tried, c *backout.Change) float64 {
	recovered, worse := endsAnyway, worseInnocent
	if c != nil && slices.Contains(t.Changes, c.ID) {
		share := max(0, min(1, t.Share))
		recovered = endsAnyway + share*(actionSuccess(pr, c.Kind)-endsAnyway)
		worse = worseInnocent + share*(worseCulprit-worseInnocent)
	}
	worse = min(worse, (1-recovered)*0.9)
	switch t.Result {
	case backout.VerdictRecovered:
		return recovered
	case backout.VerdictWorse:
		return worse
	case backout.VerdictInconclusive:
		return 1 - recovered - worse
	}
	return 1 // nothing known of it
}

func actionSuccess(pr backout.Priors, k backout.ComponentKind) float64 {
	r := pr.Actions[string(k)]
	p := (actionPrior*actionWorks + max(0, r.Worked)) / (actionPrior + max(0, r.Worked, r.Tried))
	return max(0.5, min(0.97, p))
}
