package drill

import (
	"time"

	"github.com/backout-dev/backout"
)

// Facts are what a finished run left behind: its incidents with their journals,
// and what the shop counted.
type Facts struct {
	Mode      string // "names" or "blind"
	Incidents []backout.Incident
	// Entries are the journals of all attempts.
	Entries []backout.Entry
	// Graph tells what could have been hit.
	Graph      backout.Graph
	HumanAsked bool
	// UnsafeStates counts intermediate states that the checker, looking at the
	// journal afterwards, found to break a contract.
	UnsafeStates int
	Shop         ShopReport
	// Hits are the first findings of every service and journey.
	Hits []backout.Finding
}

// ShopReport is what the shop counted since the changes began.
type ShopReport struct {
	Services              int           `json:"services"`
	Instances             int           `json:"instances"`
	Transactions          int64         `json:"transactions"`
	FailedTransactions    int64         `json:"failed_transactions"`
	TransactionsPerMinute float64       `json:"transactions_per_minute"`
	LatencyP50            float64       `json:"latency_p50_ms"`
	LatencyP95            float64       `json:"latency_p95_ms"`
	CPU                   float64       `json:"cpu_ratio"`
	UnsafeRequests        int64         `json:"unsafe_requests"`
	LostRevenue           backout.Money `json:"lost_revenue"`
}

// Result is the outcome of one rehearsal. Times are seconds after injection; nil
// means that it never happened.
type Result struct {
	Format                int            `json:"format"`
	Scenario              string         `json:"scenario"`
	Seed                  uint64         `json:"seed"`
	Mode                  string         `json:"mode"`
	Services              int            `json:"services"`
	Instances             int            `json:"instances"`
	TransactionsPerMinute int64          `json:"transactions_per_minute"`
	InjectedS             float64        `json:"injected_s"`
	OnsetS                *float64       `json:"onset_s"`
	DetectedS             *float64       `json:"detected_s"`
	DecidedS              *float64       `json:"decided_s"`
	FirstEffectS          *float64       `json:"first_effect_s"`
	RecoveredS            *float64       `json:"recovered_s"`
	Suspects              []SuspectScore `json:"suspects"`
	PNone                 float64        `json:"p_none"`
	Truth                 []string       `json:"truth"`
	Reverted              []Reverted     `json:"reverted"`
	InnocentReverted      int            `json:"innocent_reverted"`
	ContractDemanded      int            `json:"contract_demanded"`
	UnsafeStates          int            `json:"unsafe_states"`
	UnsafeRequests        int64          `json:"unsafe_requests"`
	Forecast              []ForecastHit  `json:"forecast"`
	ForecastAtS           *float64       `json:"forecast_at_s"`
	ForecastHorizonS      float64        `json:"forecast_horizon_s"`
	// FalseAlarms counts incidents that opened before the fault.
	FalseAlarms        int    `json:"false_alarms"`
	HumanAsked         bool   `json:"human_asked"`
	Outcome            string `json:"outcome"`
	FailedTransactions int64  `json:"failed_transactions"`
	LostRevenue        int64  `json:"lost_revenue"` // minor units
	Currency           string `json:"currency"`
	AsExpected         bool   `json:"as_expected"`
	// Why names what was not as expected; empty otherwise.
	Why string `json:"why,omitempty"`
}

// SuspectScore is one suspect as the decision saw it.
type SuspectScore struct {
	Change string  `json:"change"`
	P      float64 `json:"p"`
}

// Reverted is one component that was moved back, wholly or in part.
type Reverted struct {
	Change   string  `json:"change"`
	Kind     string  `json:"kind"`
	From     string  `json:"from"`
	To       string  `json:"to"`
	Audience *string `json:"audience"`
}

// Score holds a finished run against the truth.
func Score(t Truth, f Facts) Result {
	since := func(at time.Time) *float64 {
		if at.IsZero() {
			return nil
		}
		s := at.Sub(t.InjectedAt).Seconds()
		return &s
	}
	r := Result{
		Format: 1, Scenario: t.Scenario, Seed: t.Seed, Mode: f.Mode, Services: f.Shop.Services, Instances: f.Shop.Instances,
		TransactionsPerMinute: int64(f.Shop.TransactionsPerMinute), Truth: append([]string{}, t.Culprits...), Suspects: []SuspectScore{}, Reverted: []Reverted{}, Forecast: []ForecastHit{},
		UnsafeStates: f.UnsafeStates, UnsafeRequests: f.Shop.UnsafeRequests, HumanAsked: f.HumanAsked, Outcome: "no_action",
		FailedTransactions: f.Shop.FailedTransactions, LostRevenue: f.Shop.LostRevenue.Minor, Currency: f.Shop.LostRevenue.Currency,
	}
	for _, inc := range f.Incidents {
		if inc.OpenedAt.Before(t.InjectedAt) {
			r.FalseAlarms++
		}
	}
	if inc := Scored(t, f.Incidents); inc != nil {
		scoreIncident(&r, t, *inc, since)
		r.FirstEffectS = firstEffect(*inc, f.Entries, since)
		if inc.FirstForecast != nil {
			r.Forecast = forecastHits(*inc.FirstForecast, f, since)
		}
	}
	r.Reverted, r.InnocentReverted, r.ContractDemanded = reverted(t, f)
	r.Why = t.Expect.objection(r)
	r.AsExpected = r.Why == ""
	return r
}

// Scored picks the incident that answers for the run: the newest that was still
// open, or opened, after the fault, and was not over by itself, or else the newest
// that was; nil when none was open after the fault.
func Scored(t Truth, all []backout.Incident) *backout.Incident {
	var out *backout.Incident
	for i := range all {
		inc := &all[i]
		if inc.OpenedAt.Before(t.InjectedAt) && inc.State.Terminal() && !inc.UpdatedAt.After(t.InjectedAt) {
			continue
		}
		self := inc.State == backout.StateSelfRecovered
		if out == nil || !self && out.State == backout.StateSelfRecovered || self == (out.State == backout.StateSelfRecovered) && inc.OpenedAt.After(out.OpenedAt) {
			out = inc
		}
	}
	return out
}

// noticed is when an incident showed the first thing found after the fault; zero when
// all that it shows was found before.
func noticed(t Truth, inc backout.Incident) time.Time {
	if !inc.OpenedAt.Before(t.InjectedAt) {
		return inc.OpenedAt
	}
	var first time.Time
	for _, f := range inc.Findings {
		if f.At.After(t.InjectedAt) && (first.IsZero() || f.At.Before(first)) {
			first = f.At
		}
	}
	return first
}

func firstEffect(inc backout.Incident, entries []backout.Entry, since func(time.Time) *float64) *float64 {
	for _, at := range inc.Attempts {
		for _, e := range entries {
			if e.Attempt == at.ID && e.Kind == backout.EntryIntent {
				return since(e.At)
			}
		}
	}
	return nil
}

func scoreIncident(r *Result, t Truth, inc backout.Incident, since func(time.Time) *float64) {
	r.OnsetS, r.DetectedS = since(inc.Onset), since(noticed(t, inc))
	r.Outcome = outcome(inc.State)
	if inc.Plan != nil {
		r.DecidedS = since(inc.Plan.MadeAt)
	}
	if inc.State == backout.StateRecovered {
		r.RecoveredS = since(inc.UpdatedAt)
	}
	if fc := inc.FirstForecast; fc != nil {
		r.ForecastAtS, r.ForecastHorizonS = since(fc.At), fc.Horizon.Std().Seconds()
	}
	if a := inc.Attribution; a != nil {
		r.PNone = a.PNone
		for _, s := range a.Suspects {
			r.Suspects = append(r.Suspects, SuspectScore{string(s.Component) + "=" + string(s.To), s.P})
		}
	}
}

func outcome(s backout.State) string {
	switch s {
	case backout.StateRecovered, backout.StateReviewed:
		return "recovered"
	case backout.StateNoAction, backout.StateSelfRecovered, backout.StateFalseAlarm:
		return "no_action"
	case backout.StateWaiting, backout.StateDetected, backout.StateAttributed, backout.StatePlanned, backout.StateApproved:
		return "waiting"
	case backout.StateFrozen:
		return "frozen"
	case backout.StateHalted, backout.StateAborted, backout.StateTakenOver:
		return "halted"
	}
	return "failed"
}

// reverted lists what was really moved, from the journal: a plan that never came
// to a step has not reverted it.
func reverted(t Truth, f Facts) (out []Reverted, innocent, demanded int) {
	out = []Reverted{}
	done := map[string]bool{}
	for _, e := range f.Entries {
		if e.Kind == backout.EntryEffect && e.Outcome != backout.OutcomeNotDone {
			done[string(e.Attempt)+" "+e.Step] = true
		}
	}
	for _, at := range attempts(f.Incidents) {
		for _, s := range at.Plan.Steps() {
			if !done[string(at.ID)+" "+s.ID] {
				continue
			}
			out = append(out, Reverted{Change: string(s.Component) + "=" + string(s.From), Kind: string(s.Kind), From: string(s.From), To: string(s.To), Audience: audienceOf(s)})
			switch {
			case t.guilty(s.Component, s.From):
			case t.demanded(s.Component):
				demanded++
			default:
				innocent++
			}
		}
	}
	return out, innocent, demanded
}

// audienceOf is the one audience that a step moves; nil = everybody.
func audienceOf(s backout.Step) *string {
	for _, g := range s.Stages {
		if g.Audience != "" {
			return &g.Audience
		}
	}
	return nil
}

func attempts(all []backout.Incident) []backout.Attempt {
	out := []backout.Attempt{}
	for _, inc := range all {
		out = append(out, inc.Attempts...)
	}
	return out
}
