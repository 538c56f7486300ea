package render

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// support tells those who answer customers: what customers see, and a line to say.
func support(inc backout.Incident, m Moment) string {
	feature, since := features(inc), clockUTC(inc.Onset)
	if feature == "" {
		return ""
	}
	switch phaseOf(inc.State) {
	case begun:
		return fmt.Sprintf("Customers may see %s in %s since %s. Say: \"We know of trouble with %s and are working on it.\" Next word by %s.", symptoms(inc), feature, since, feature, clockUTC(m.Next))
	case acting:
		return fmt.Sprintf("%s: not over yet. Putting it right has begun and takes about %s. Next word by %s.", feature, Span(attempted(inc).Takes.Std()), clockUTC(m.Next))
	case stuck:
		return fmt.Sprintf("%s: not over yet. Next word by %s.", feature, clockUTC(m.Next))
	case over:
		return fmt.Sprintf("Working again since %s: %s. Say: \"The trouble with %s is over. Please try again.\" Tickets to link: %s.", clockUTC(inc.UpdatedAt), feature, feature, inc.ID)
	case open:
		return fmt.Sprintf("Not back to normal: %s. People decide what is next. Say: \"We are still working on %s.\" Nothing further will happen by itself, so ask on-call for the next word about %s.", feature, feature, inc.ID)
	}
	return ""
}

// executive tells what it costs, when it ends, and whether a decision is needed.
func executive(inc backout.Incident, m Moment) string {
	what := features(inc)
	if what == "" {
		what = "the product"
	}
	cost := "cost not measured"
	if inc.Forecast != nil && inc.Forecast.CostNow.P90.Minor > 0 {
		cost = Rate(inc.Forecast.CostNow)
	}
	switch phaseOf(inc.State) {
	case begun:
		if inc.State == backout.StateDetected {
			return "" // without a cause or a price there is nothing to weigh yet
		}
		need := "No action needed."
		switch {
		case inc.State == backout.StateWaiting && inc.Plan.Action == backout.ActionRollForward:
			need = fmt.Sprintf("A fix is expected by %s. No action needed.", clockUTC(inc.Deadline))
		case inc.State == backout.StateWaiting && len(inc.Plan.Waves) == 0:
			need = "There is no safe way back; on-call looks for another. No decision is asked of you."
		case inc.State == backout.StateWaiting:
			need = fmt.Sprintf("Decision needed: approve or reject the way back (on-call has it), by %s; otherwise nothing is changed.", clockUTC(inc.Deadline))
		}
		return fmt.Sprintf("Degraded since %s: %s; %s. %s", clockUTC(inc.Onset), what, cost, need)
	case acting:
		return fmt.Sprintf("Degraded since %s: %s; %s. The way back is under way, %s. No action needed.", clockUTC(inc.Onset), what, cost, expected(inc, m.Now))
	case stuck:
		return fmt.Sprintf("Degraded since %s: %s; %s. The way back waits, because the measurements are missing. No action needed.", clockUTC(inc.Onset), what, cost)
	case over:
		return fmt.Sprintf("Over at %s, after %s.%s", clockUTC(inc.UpdatedAt), Span(inc.UpdatedAt.Sub(inc.Onset)), avoided(inc))
	case open:
		return fmt.Sprintf("Not back to normal: %s; %s. People decide what is next; nothing further will happen by itself.", what, cost)
	}
	return ""
}

// expected says when the running attempt's plan should be through, or that it is
// late.
func expected(inc backout.Incident, now time.Time) string {
	if e := ending(inc); e != nil {
		return Ends(*e)
	}
	at := inc.Attempts[len(inc.Attempts)-1]
	end := at.StartedAt.Add(at.Plan.Takes.Std())
	if now.After(end) {
		return fmt.Sprintf("expected to end at %s and takes longer", clockUTC(end))
	}
	return fmt.Sprintf("expected to end about %s", clockUTC(end))
}

// avoided compares the plan's own estimates; it is shown as an estimate and only
// when money was measured.
func avoided(inc backout.Incident) string {
	p := attempted(inc)
	saved := backout.Money{Minor: p.CostNothing.Minor - p.Cost.Minor, Currency: p.CostNothing.Currency}
	if inc.State != backout.StateRecovered || saved.Minor <= 0 {
		return ""
	}
	return fmt.Sprintf(" Estimated loss avoided: about %s, against doing nothing (the plan's estimate).", Amount(saved))
}

// statusPage tells customers: no service names, money, cause or per cent.
func statusPage(inc backout.Incident, m Moment) string {
	feature := features(inc)
	if feature == "" {
		return "" // no journey of customers is known to be hit
	}
	switch phaseOf(inc.State) {
	case begun, stuck:
		return fmt.Sprintf("Investigating: some customers may have trouble with %s. Next update by %s.", feature, clockUTC(m.Next))
	case acting:
		return fmt.Sprintf("Identified: we are restoring %s. Next update by %s.", feature, clockUTC(m.Next))
	case over:
		return fmt.Sprintf("Resolved: the trouble with %s lasted from %s to %s.", feature, clockUTC(inc.Onset), clockUTC(inc.UpdatedAt))
	case open:
		return fmt.Sprintf("Investigating: some customers may still have trouble with %s. We are working on it.", feature)
	}
	return ""
}

type phase int

const (
	silent phase = iota
	begun        // known, nothing done yet
	acting       // being put right
	stuck        // waits until it can see
	over         // verified
	open         // ended, and not recovered
)

func phaseOf(s backout.State) phase {
	switch s {
	case backout.StateDetected, backout.StateAttributed, backout.StateWaiting:
		return begun
	case backout.StateExecuting:
		return acting
	case backout.StateFrozen:
		return stuck
	case backout.StateRecovered, backout.StateSelfRecovered, backout.StateFalseAlarm:
		return over
	case backout.StateNoAction, backout.StateHalted, backout.StateAborted, backout.StateTakenOver, backout.StateShadowed:
		return open
	}
	return silent
}

// features names the journeys that are hit, in the customers' words.
func features(inc backout.Incident) string {
	var out []string
	add := func(j string) {
		if j = strings.ReplaceAll(j, "-", " "); j != "" && !slices.Contains(out, j) {
			out = append(out, j)
		}
	}
	for _, f := range inc.Findings {
		add(string(f.ID.Subject.Journey))
	}
	if inc.Forecast != nil {
		for _, h := range inc.Forecast.Hits {
			if h.Kind == backout.TargetJourney && !h.HitAt.IsZero() {
				add(h.Target)
			}
		}
	}
	switch n := len(out); {
	case n == 0:
		return ""
	case n > 3:
		return strings.Join(out[:3], ", ") + fmt.Sprintf(" and %d more", n-3)
	case n > 1:
		return strings.Join(out[:n-1], ", ") + " and " + out[n-1]
	}
	return out[0]
}

// symptoms says what customers notice of what was found.
func symptoms(inc backout.Incident) string {
	var out []string
	for _, k := range []struct {
		kind backout.SignalKind
		word string
	}{{backout.SignalErrors, "errors"}, {backout.SignalLatency, "slow answers"}} {
		if slices.ContainsFunc(inc.Findings, func(f backout.Finding) bool { return f.Kind == k.kind }) {
			out = append(out, k.word)
		}
	}
	if len(out) == 0 {
		return "trouble"
	}
	return strings.Join(out, " and ")
}
