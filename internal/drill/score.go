package drill

import (
	"cmp"
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

// Facts are what a finished run left behind: the incident with its journal, and
// what the shop counted.
type Facts struct {
	Mode       string // "names" or "blind"
	Incident   *backout.Incident
	Entries    []backout.Entry
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
	HumanAsked            bool           `json:"human_asked"`
	Outcome               string         `json:"outcome"`
	FailedTransactions    int64          `json:"failed_transactions"`
	LostRevenue           int64          `json:"lost_revenue"` // minor units
	Currency              string         `json:"currency"`
	AsExpected            bool           `json:"as_expected"`
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

// ForecastHit is one forecast target beside what came true.
type ForecastHit struct {
	Target string   `json:"target"`
	Kind   string   `json:"kind"`
	P      float64  `json:"p"`
	P10S   float64  `json:"p10_s"`
	P50S   float64  `json:"p50_s"`
	P90S   float64  `json:"p90_s"`
	HitS   *float64 `json:"hit_s"`
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
	if inc := f.Incident; inc != nil {
		scoreIncident(&r, t, *inc, since)
	}
	for _, e := range f.Entries {
		if e.Kind == backout.EntryIntent {
			r.FirstEffectS = since(e.At)
			break
		}
	}
	r.Reverted, r.InnocentReverted, r.ContractDemanded = reverted(t, f)
	r.Forecast = forecastHits(f, since)
	r.AsExpected, r.Why = asExpected(t, r)
	return r
}

func scoreIncident(r *Result, t Truth, inc backout.Incident, since func(time.Time) *float64) {
	r.OnsetS, r.DetectedS = since(inc.Onset), since(inc.OpenedAt)
	r.Outcome = outcome(inc.State)
	if inc.Plan != nil {
		r.DecidedS = since(inc.Plan.MadeAt)
	}
	if inc.State == backout.StateRecovered {
		r.RecoveredS = since(inc.UpdatedAt)
	}
	if fc := inc.FirstForecast; fc != nil {
		r.ForecastAtS = since(fc.At)
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
	if f.Incident == nil {
		return out, 0, 0
	}
	done := map[string]bool{}
	for _, e := range f.Entries {
		if e.Kind == backout.EntryEffect && e.Outcome != backout.OutcomeNotDone {
			done[string(e.Attempt)+" "+e.Step] = true
		}
	}
	for _, at := range f.Incident.Attempts {
		for _, s := range at.Plan.Steps() {
			if !done[string(at.ID)+" "+s.ID] {
				continue
			}
			out = append(out, Reverted{Change: string(s.Component) + "=" + string(s.From), Kind: string(s.Kind), From: string(s.From), To: string(s.To)})
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

// forecastHits sets the first forecast beside what happened. Targets that were
// hit without having been forecast appear with probability 0.
func forecastHits(f Facts, since func(time.Time) *float64) []ForecastHit {
	out := []ForecastHit{}
	if f.Incident == nil || f.Incident.FirstForecast == nil {
		return out
	}
	fc := *f.Incident.FirstForecast
	hit := map[string]time.Time{}
	for _, x := range f.Hits {
		key := targetOf(x)
		if at, ok := hit[key]; !ok || x.At.Before(at) {
			hit[key] = x.At
		}
	}
	base := *since(fc.At)
	for _, h := range fc.Hits {
		key := string(h.Kind) + " " + h.Target
		out = append(out, ForecastHit{h.Target, string(h.Kind), h.P, base + h.P10.Std().Seconds(), base + h.P50.Std().Seconds(), base + h.P90.Std().Seconds(), since(hit[key])})
		delete(hit, key)
	}
	for key, at := range hit {
		kind, target, _ := cut(key)
		out = append(out, ForecastHit{Target: target, Kind: kind, HitS: since(at)})
	}
	slices.SortStableFunc(out, func(a, b ForecastHit) int {
		return cmp.Or(-cmp.Compare(a.P, b.P), cmp.Compare(a.Target, b.Target))
	})
	return out
}

func targetOf(f backout.Finding) string {
	if f.ID.Subject.Journey != "" {
		return string(backout.TargetJourney) + " " + string(f.ID.Subject.Journey)
	}
	return string(backout.TargetService) + " " + string(f.ID.Subject.Service)
}

func cut(key string) (kind, target string, ok bool) {
	for i := range key {
		if key[i] == ' ' {
			return key[:i], key[i+1:], true
		}
	}
	return key, "", false
}

// asExpected says whether a run ended as it should: the right ending, the culprit
// taken back, nothing innocent touched, nothing unsafe, nobody asked.
func asExpected(t Truth, r Result) (bool, string) {
	culpritBack := len(t.Culprits) == 0
	for _, x := range r.Reverted {
		culpritBack = culpritBack || slices.Contains(t.Culprits, x.Change)
	}
	switch {
	case r.UnsafeStates > 0 || r.UnsafeRequests > 0:
		return false, "unsafe states or requests"
	case r.Outcome != t.Expected:
		return false, "ended " + r.Outcome + ", expected " + t.Expected
	case r.InnocentReverted > 0:
		return false, "an innocent change was reverted"
	case !culpritBack:
		return false, "the culprit was not taken back"
	case t.Expected == "no_action" && r.DetectedS == nil:
		return false, "the trouble was not detected"
	}
	return true, ""
}
