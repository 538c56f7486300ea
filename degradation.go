package backout

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Degradation is one thing that backout can't see or do now: since when, what that
// means for its decisions, and what somebody can do about it. Every surface shows all
// of them, so that nobody takes a stale picture for a fresh one.
type Degradation struct {
	Source DegradedSource `json:"source"`
	// About says which one of its source it is: a signal, a component, a channel;
	// empty = all of it.
	About string    `json:"about,omitempty"`
	Since time.Time `json:"since,omitzero"` // when it was noticed first
	Why   string    `json:"why"`            // what was answered, or not
	// Freezes is set when nothing is changed for as long as it lasts.
	Freezes bool   `json:"freezes"`
	Means   string `json:"means"`  // for decisions
	Remedy  string `json:"remedy"` // what to do about it
}

// DegradedSource says what a degradation is of.
type DegradedSource string

// The sources.
const (
	DegradedMetrics   DegradedSource = "metrics"   // what is measured
	DegradedActuators DegradedSource = "actuators" // what is live, and what could be undone
	DegradedChanges   DegradedSource = "changes"   // who reports what was changed
	DegradedChannels  DegradedSource = "channels"  // ways to tell people
	DegradedDatabase  DegradedSource = "database"  // what is kept
	DegradedEngine    DegradedSource = "engine"    // runs that can't go on
	DegradedClock     DegradedSource = "clock"     // what time it is
	DegradedReplicas  DegradedSource = "replicas"  // other processes on the same database
	DegradedLoops     DegradedSource = "loops"     // what backout does again and again
	DegradedHolds     DegradedSource = "holds"     // what keeps others from deploying
	DegradedAnchors   DegradedSource = "anchors"   // what shows that records were not rewritten
)

// consequence is what a degradation of a source means and asks for.
type consequence struct{ means, remedy string }

var consequences = map[DegradedSource]consequence{
	DegradedMetrics:   {"it takes no part in finding trouble and in verifying recovery", "check its query in the catalog, and that something exports it"},
	DegradedActuators: {"what is live there is not known, so no plan moves it", "check that it can be reached, and backout's rights there"},
	DegradedChanges:   {"a change that nobody reported is no suspect, so that no change did this is less sure than it looks", "check what reports changes there"},
	DegradedChannels:  {"who is told there may not know", "mend the channel; backout notify test tries it"},
	DegradedDatabase:  {"nothing is decided, changed or told until it can be written", "mend the database or free the disk; backout goes on by itself then"},
	DegradedEngine:    {"this run does nothing more for now, and what it has moved stays moved", "where its reason may pass it is tried again by itself, from its journal; else start backout again; or take the incident over"},
	DegradedClock:     {"deadlines, holds and ages are off by as much", "set the clock of this machine"},
	DegradedReplicas:  {"what it carried out waits until another one takes it over", "start it again"},
	DegradedHolds:     {"what is held can be deployed there by whoever does not ask first", "grant what deploy/ has for holds, or say holds: false for this cluster"},
	DegradedAnchors:   {"whoever rewrites the records from now on may not be noticed", "make the file writable, or look who changed it: backout audit verify"},
	DegradedLoops:     {"what it does is not being done, and what is shown of it is as old as that", "read the log, then start backout again"},
}

// Degraded makes a degradation with the consequences that its source has.
func Degraded(source DegradedSource, about string, since time.Time, why string) Degradation {
	c := consequences[source]
	d := Degradation{Source: source, About: about, Since: since, Why: why, Means: c.means, Remedy: c.remedy}
	switch {
	case source == DegradedMetrics && about == "":
		d.Freezes = true
		d.Means, d.Remedy = "no trouble is found and nothing is changed until it is measured again; what runs waits at its gates", "check that the metrics server answers"
	case source == DegradedDatabase:
		d.Freezes = true
	}
	return d
}

// What names what is degraded: its source, and which one of it.
func (d Degradation) What() string {
	if d.About == "" {
		return string(d.Source)
	}
	return string(d.Source) + " " + d.About
}

// String is what is degraded, since when, and why.
func (d Degradation) String() string {
	switch {
	case d.Source == "":
		return d.Why
	case d.Since.IsZero():
		return fmt.Sprintf("%s: %s", d.What(), d.Why)
	}
	return fmt.Sprintf("%s since %s: %s", d.What(), d.Since.UTC().Format(time.TimeOnly), d.Why)
}

// UnmarshalJSON also reads the plain words that incidents of an earlier format hold.
func (d *Degradation) UnmarshalJSON(b []byte) error {
	var words string
	if json.Unmarshal(b, &words) == nil {
		*d = Degradation{Why: words}
		return nil
	}
	type plain Degradation
	return json.Unmarshal(b, (*plain)(d))
}

// Lasting is what is degraded now, each since when it was first: what is in before
// keeps its time, all else begins now.
func Lasting(before, degraded []Degradation, now time.Time) []Degradation {
	out := slices.Clone(degraded)
	for i := range out {
		if out[i].Since.IsZero() {
			out[i].Since = now
		}
		for _, b := range before {
			if b.What() == out[i].What() && !b.Since.IsZero() && b.Since.Before(out[i].Since) {
				out[i].Since = b.Since
			}
		}
	}
	return out
}

// SameDegraded reports whether two lists name the same things; that one goes on is no
// difference.
func SameDegraded(a, b []Degradation) bool {
	return slices.EqualFunc(a, b, func(x, y Degradation) bool {
		return x.What() == y.What() && x.Freezes == y.Freezes && (x.Source != "" || x.Why == y.Why)
	})
}

// Freezes finds the degradation because of which nothing is changed.
func Freezes(all []Degradation) (Degradation, bool) {
	i := slices.IndexFunc(all, func(d Degradation) bool { return d.Freezes })
	if i < 0 {
		return Degradation{}, false
	}
	return all[i], true
}
