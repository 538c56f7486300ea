package backout

import "time"

// Audience is a group of people told in their own words.
type Audience string

// The audiences.
const (
	AudienceOnCall     Audience = "on-call"
	AudienceSupport    Audience = "support"
	AudienceExecutive  Audience = "executive"
	AudienceStatusPage Audience = "status-page"
)

// Message is something to tell one audience about one incident. Incident,
// Audience and Key together are unique: the same news is told once.
type Message struct {
	Incident IncidentID `json:"incident"`
	Audience Audience   `json:"audience"`
	Key      string     `json:"key"` // state, or state and phase
	At       time.Time  `json:"at"`
	State    State      `json:"state"`
	Text     string     `json:"text"`
	// Terminal messages are retried until a receiver acknowledged them.
	Terminal bool `json:"terminal"`
}

// AuditEntry is one line of an incident's audit log. Hash covers the entry and
// Previous, so that the lines form a chain.
type AuditEntry struct {
	Incident IncidentID `json:"incident"`
	Seq      int64      `json:"seq"`
	At       time.Time  `json:"at"`
	By       string     `json:"by"`
	What     string     `json:"what"`
	Previous string     `json:"previous"`
	Hash     string     `json:"hash"`
}
