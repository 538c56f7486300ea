package backout

import "time"

// Matter is something about backout itself that people must know while it lasts: it
// is blind, a run is parked, the kill switch is on. It belongs to no incident.
type Matter struct {
	// Key names the matter: it is told when it begins and when it is over.
	Key   string    `json:"key"`
	Since time.Time `json:"since"`
	Text  string    `json:"text"`            // for on-call
	Plain string    `json:"plain,omitempty"` // for executives; empty = they need not hear of it
	// Sudden is told at once; all else must last first, since what comes and goes within a
	// minute helps nobody.
	Sudden bool `json:"sudden,omitempty"`
	// Once is an event: told at once, and never over.
	Once bool `json:"once,omitempty"`
}

// Self names the thread of news about backout itself in an environment.
func Self(env Environment) IncidentID { return IncidentID("backout-" + string(env)) }

// OfItself reports whether a message is about backout itself and no incident.
func (m Message) OfItself() bool {
	return m.Facts.Environment != "" && m.Incident == Self(m.Facts.Environment)
}

// News is what people were told last of a matter.
type News struct {
	Matter Matter    `json:"matter"`
	At     time.Time `json:"at"`
	Stands bool      `json:"stands"` // it was not told to be over
}
