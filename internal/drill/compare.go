package drill

import (
	"slices"
	"time"

	"github.com/backout-dev/backout"
)

// Actor is who answers the same incident in a comparison.
type Actor string

// The actors.
const (
	ActorNobody   Actor = "nobody"     // nobody acts until the end of the look
	ActorOneByOne Actor = "one-by-one" // every change of the last hour is rolled back, newest first, until it helps
	ActorBackout  Actor = "backout"
)

// Actors in the order of telling.
var Actors = []Actor{ActorNobody, ActorOneByOne, ActorBackout}

// Moment is what the shop had counted at a time.
type Moment struct {
	At                   time.Time
	Transactions, Failed int64
	Lost                 backout.Money
}

// Deed is one rollback that an actor tried.
type Deed struct {
	Component backout.ComponentID
	From, To  backout.Version
	Failed    bool   // refused, or of unknown outcome
	Why       string // empty when it was done
}

// Course is one run of a comparison as it was seen from outside.
type Course struct {
	Actor   Actor
	Moments []Moment // in order of time, from the end of the calm on
	Deeds   []Deed
	// UnsafeRequests crossed an incompatible pair of versions.
	UnsafeRequests int64
}

// ComparedRun is one actor's part of a comparison. Times are seconds after
// injection; nil means that it never happened.
type ComparedRun struct {
	Actor              Actor    `json:"actor"`
	Transactions       int64    `json:"transactions"`
	FailedTransactions int64    `json:"failed_transactions"`
	LostRevenue        int64    `json:"lost_revenue"` // minor units
	Reverted           int      `json:"reverted"`
	InnocentReverted   int      `json:"innocent_reverted"`
	ContractDemanded   int      `json:"contract_demanded"`
	FailedRollbacks    int      `json:"failed_rollbacks"`
	UnsafeRequests     int64    `json:"unsafe_requests"`
	RecoveredS         *float64 `json:"recovered_s"`
}

// Comparison sets the same incident side by side, answered by different actors.
type Comparison struct {
	Format   int           `json:"format"`
	Scenario string        `json:"scenario"`
	Seed     uint64        `json:"seed"`
	HorizonS float64       `json:"horizon_s"` // from injection, the same for all
	Currency string        `json:"currency"`
	Runs     []ComparedRun `json:"runs"`
}

// How the customers' trouble is told apart from an ordinary minute: by the share of
// transactions that failed within some moments, above what was usual before.
const (
	troubleShare  = .01
	troubleWindow = 8 // moments
)

// Compare holds one course against the truth. Only what happened between the
// injection and the horizon counts, so that all actors are measured over the same
// time. Recovery is measured on the customers' side alone, the same way for all:
// the last moment at which more transactions failed than usual. It is nil when that
// lasts until the end.
func Compare(t Truth, c Course, horizon time.Duration) ComparedRun {
	r := ComparedRun{Actor: c.Actor, UnsafeRequests: c.UnsafeRequests}
	ms := slices.DeleteFunc(slices.Clone(c.Moments), func(m Moment) bool { return m.At.After(t.InjectedAt.Add(horizon)) })
	usual := failedShare(ms, t.InjectedAt)
	var last time.Time
	for i := range ms {
		from := max(0, i-troubleWindow)
		if ms[from].At.Before(t.InjectedAt) {
			continue
		}
		if n := ms[i].Transactions - ms[from].Transactions; n > 0 && float64(ms[i].Failed-ms[from].Failed)/float64(n) > usual+troubleShare {
			last = ms[i].At
		}
	}
	if n := len(ms); n > 0 {
		start := ms[0]
		for _, m := range ms {
			if !m.At.After(t.InjectedAt) {
				start = m
			}
		}
		end := ms[n-1]
		r.Transactions, r.FailedTransactions, r.LostRevenue = end.Transactions-start.Transactions, end.Failed-start.Failed, end.Lost.Minor-start.Lost.Minor
		if at := max(0, n-1-troubleWindow); last.Before(ms[at].At) { // calm again before the end
			s := max(0, last.Sub(t.InjectedAt).Seconds())
			r.RecoveredS = &s
		}
	}
	for _, d := range c.Deeds {
		switch {
		case d.Failed:
			r.FailedRollbacks++
			continue
		case t.guilty(d.Component, d.From):
		case t.demanded(d.Component):
			r.ContractDemanded++
		default:
			r.InnocentReverted++
		}
		r.Reverted++
	}
	return r
}

// failedShare is the share of transactions that failed until a time.
func failedShare(ms []Moment, until time.Time) float64 {
	share := 0.0
	for _, m := range ms {
		if m.At.After(until) {
			break
		}
		if n := m.Transactions - ms[0].Transactions; n > 0 {
			share = float64(m.Failed-ms[0].Failed) / float64(n)
		}
	}
	return share
}

// Deeds are the steps of a plan that its journal shows as tried, one each: failed
// when the last word about the step is not that it was done.
func Deeds(p backout.Plan, entries []backout.Entry) []Deed {
	out := []Deed{}
	for _, st := range p.Steps() {
		d, tried := Deed{Component: st.Component, From: st.From, To: st.To}, false
		for _, e := range entries {
			if e.Step == st.ID && e.Kind == backout.EntryEffect {
				tried, d.Failed, d.Why = true, e.Outcome != backout.OutcomeDone, e.Text
			}
		}
		if tried {
			out = append(out, d)
		}
	}
	return out
}
