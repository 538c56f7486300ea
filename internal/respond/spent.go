package respond

import (
	"fmt"
	"math"
	"slices"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/execute"
)

// A last gate has a budget. When it is spent and not all is proven back, what was done
// is either of no use, and goes back to where it was, or it helped: then to bring back
// what was bad would bring the trouble back as well.
//
// What was ill from the same minute by another cause joins an incident like everything
// else, and no reversal of ours mends it. It is told by what it is not: most of what was
// ill is proven back, and it does not lie on a service that was suspected, nor on a
// journey, which may travel through one. It stays a finding and opens the next incident.
// Where criteria say what recovery needs, they alone say whether something helped.

// spent answers for a last gate whose budget is over.
func (g *Gate) spent(q execute.Question, v backout.Verdict, stated bool) execute.Answer {
	left, unseen := unproven(v)
	budget, helped := g.minutes(gateBudget), v.Mostly && !stated
	switch {
	case v.Warning:
		return execute.Answer{Decision: execute.DecisionGoOn, Why: fmt.Sprintf("mostly recovered, with a warning: %.0f %% of the weight is back; %s", 100*v.Score, open(v))}
	case nearly(v) && q.Now.Sub(q.Since) <= 2*budget:
		return execute.Answer{Decision: execute.DecisionWait, Why: "nearly proven, so it gets more time: " + open(v)}
	case helped && !unseen && !slices.ContainsFunc(left, suspected(q.Attempt.Plan)):
		return execute.Answer{Decision: execute.DecisionGoOn, Unproven: left, Why: fmt.Sprintf("recovered, with a warning: %s; what stays ill is taken for another trouble: %s", backs(v), open(v))}
	case helped || nearly(v):
		return execute.Answer{Decision: execute.DecisionLeave, Unproven: left, Why: fmt.Sprintf("it helped, so what was done stays, but not everything is back within %s: %s; %s", q.Now.Sub(q.Since).Round(g.Minute), backs(v), open(v))}
	}
	return execute.Answer{Decision: execute.DecisionHalt, Why: "no recovery within " + budget.String() + ": " + open(v)}
}

// leaning are the odds from which on a proof of recovery is worth waiting for.
const leaning = 2.0

// nearly reports whether what is not proven back yet looks as if it were.
func nearly(v backout.Verdict) bool {
	some := false
	for _, r := range v.Reasons {
		if !primary(r) {
			continue
		}
		if r.Value != backout.VerdictRecovered && (r.Unmeasured || r.LogERecovered < math.Log(leaning)) {
			return false
		}
		some = true
	}
	return some
}

// primary reports whether a reason is about a signal that recovery needs.
func primary(r backout.VerdictReason) bool { return r.Target != 0 }

// unproven are the primary signals that are not proven back; unseen is set when one of
// them is not measured any more.
func unproven(v backout.Verdict) (out []backout.SeriesID, unseen bool) {
	for _, r := range v.Reasons {
		if primary(r) && r.Value != backout.VerdictRecovered {
			out, unseen = append(out, r.Series), unseen || r.Unmeasured
		}
	}
	return out, unseen
}

// backs says how many of the primary signals are back.
func backs(v backout.Verdict) string {
	n, all := 0, 0
	for _, r := range v.Reasons {
		if primary(r) {
			all++
		}
		if primary(r) && r.Value == backout.VerdictRecovered {
			n++
		}
	}
	return fmt.Sprintf("%d of %d signals that were ill are back, proven", n, all)
}

// suspected tells the signals that may be ill by what a plan takes back on suspicion:
// those of its services, and of journeys.
func suspected(p backout.Plan) func(backout.SeriesID) bool {
	own := map[backout.ServiceID]bool{}
	for _, s := range p.Steps() {
		own[s.Service] = own[s.Service] || !s.Demanded
	}
	return func(id backout.SeriesID) bool { return id.Subject.Journey != "" || own[id.Subject.Service] }
}

// leftIll are the signals that the gate that ended a run saw no proof of recovery of.
func leftIll(run backout.Run) []backout.SeriesID {
	for _, e := range slices.Backward(run.Entries) {
		if e.Kind == backout.EntryGate {
			return e.Unproven
		}
	}
	return nil
}
