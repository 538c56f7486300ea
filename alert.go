package backout

import (
	"cmp"
	"slices"
	"time"
)

// AlertState says whether an alert goes on.
type AlertState string

// The states of an alert.
const (
	AlertFiring   AlertState = "firing"   // the monitor that sent it says that it goes on
	AlertResolved AlertState = "resolved" // the monitor says that it is over
)

// Alert is another monitor's word that something is wrong, or that it no longer
// is. Source and NativeID together name it through all its reports.
type Alert struct {
	Source      string      `json:"source"`
	NativeID    string      `json:"native_id"` // a fingerprint, or the id of somebody's incident
	Name        string      `json:"name"`
	Environment Environment `json:"environment,omitempty"` // empty = the sender does not say
	Subject     Subject     `json:"subject"`
	Severity    string      `json:"severity,omitempty"` // in the sender's own words
	State       AlertState  `json:"state"`
	// StartsAt is when it began to fire, by the sender's clock; zero when a sender
	// that tells the end does not tell the start.
	StartsAt time.Time         `json:"starts_at,omitzero"`
	EndsAt   time.Time         `json:"ends_at,omitzero"` // zero while it fires
	Labels   map[string]string `json:"labels"`
	Title    string            `json:"title,omitempty"`
	URL      string            `json:"url,omitempty"` // where the sender tells more
}

// Series is the series that an alert's finding is about. Alerts of one name about
// one subject are one series, however many instances each of them fires for.
func (a Alert) Series() SeriesID {
	return SeriesID{Signal: SignalName("alert:" + a.Name), Subject: a.Subject}
}

// last is when an alert's newest news happened.
func (a Alert) last() time.Time {
	if a.State == AlertResolved {
		return a.EndsAt
	}
	return a.StartsAt
}

// supersedes reports whether a is news after b. An end beats a start of the same
// moment; what happened at the same moment and says the same is no news.
func (a Alert) supersedes(b Alert) bool {
	return cmp.Or(a.last().Compare(b.last()), cmp.Compare(a.State, b.State)) > 0 // "firing" < "resolved"
}

// fill takes from another report of the same alert whom it is about, as far as this
// one does not say: the end of an incident is often told without its service.
func (a Alert) fill(b Alert) Alert {
	a.Environment = cmp.Or(a.Environment, b.Environment)
	a.Subject.Service = cmp.Or(a.Subject.Service, b.Subject.Service)
	a.Subject.Journey = cmp.Or(a.Subject.Journey, b.Subject.Journey)
	a.Subject.Location = cmp.Or(a.Subject.Location, b.Subject.Location)
	a.Subject.Client = cmp.Or(a.Subject.Client, b.Subject.Client)
	return a
}

// FoldAlerts gives the latest state of each alert, ordered by source and native
// id. Reports may come late, twice and in any order: what counts is when it
// happened by the sender's clock. A start reported anew after the end it was told
// with is therefore a late report and no new alert.
func FoldAlerts(reports []Alert) []Alert {
	latest := map[[2]string]Alert{}
	for _, a := range reports {
		id := [2]string{a.Source, a.NativeID}
		known, ok := latest[id]
		switch {
		case !ok:
			latest[id] = a
		case a.supersedes(known):
			latest[id] = a.fill(known)
		default:
			latest[id] = known.fill(a)
		}
	}
	out := make([]Alert, 0, len(latest))
	for _, a := range latest {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b Alert) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.NativeID, b.NativeID))
	})
	return out
}

// AlertNews lists the alerts of after that say something which before did not.
func AlertNews(before, after []Alert) []Alert {
	known := map[[2]string]Alert{}
	for _, a := range before {
		known[[2]string{a.Source, a.NativeID}] = a
	}
	out := []Alert{}
	for _, a := range after {
		if b, ok := known[[2]string{a.Source, a.NativeID}]; !ok || a.supersedes(b) {
			out = append(out, a)
		}
	}
	return out
}

// LiveAlerts leaves out what was over before a time.
func LiveAlerts(alerts []Alert, since time.Time) []Alert {
	return slices.DeleteFunc(slices.Clone(alerts), func(a Alert) bool { return a.State == AlertResolved && a.EndsAt.Before(since) })
}
