package backout

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Audience is a group of people told in their own words.
type Audience string

// The audiences.
const (
	AudienceOnCall     Audience = "on-call"
	AudienceSupport    Audience = "support"
	AudienceExecutive  Audience = "executive"
	AudienceStatusPage Audience = "status-page" // customers: no service names, money, cause or per cent
	AudienceMachines   Audience = "machines"    // programs that follow along: every state, with all facts
)

// Audiences lists all audiences.
func Audiences() []Audience {
	return []Audience{AudienceOnCall, AudienceSupport, AudienceExecutive, AudienceStatusPage, AudienceMachines}
}

// Message is something to tell one audience about one incident. Incident,
// Audience and Key together are unique: the same news is told once. Incident and
// Audience together are the thread that it belongs to.
type Message struct {
	Incident IncidentID `json:"incident"`
	Audience Audience   `json:"audience"`
	Key      string     `json:"key"` // state, or state and phase
	At       time.Time  `json:"at"`
	State    State      `json:"state"`
	// Text stands alone: a reader without pictures, links or colours knows from it
	// what happened and what is asked.
	Text string `json:"text"`
	// Terminal messages are retried until a receiver acknowledged them.
	Terminal bool  `json:"terminal"`
	Facts    Facts `json:"facts"`
}

// Thread names what a message belongs to: one incident and one audience.
func (m Message) Thread() string { return string(m.Incident) + "/" + string(m.Audience) }

// ID names a message for receivers that drop what they have seen already: the
// same message has the same id however often it is sent.
func (m Message) ID() string {
	sum := sha256.Sum256([]byte(m.Thread() + "\n" + m.Key))
	return "msg_" + hex.EncodeToString(sum[:16])
}

// Facts are what a message says, as values for programs. Each audience gets only
// what its words may say; the zero value says nothing.
type Facts struct {
	Environment Environment `json:"environment,omitempty"`
	Onset       time.Time   `json:"onset,omitzero"`
	Why         string      `json:"why,omitempty"`
	// Services are those that findings name, in order of the findings.
	Services []ServiceID `json:"services"`
	// Change is the likeliest suspect and P its probability; empty when "no change
	// did this" is likelier.
	Change ChangeID `json:"change,omitempty"`
	P      float64  `json:"p,omitempty"`
	// Digest is of the plan; Deadline is when the approval's default applies.
	Digest   string    `json:"digest,omitempty"`
	Deadline time.Time `json:"deadline,omitzero"`
	// Approval is the answer that closed the waiting plan, if a person gave one.
	Approval *Approval `json:"approval,omitempty"`
	// CostNow is money lost each model minute.
	CostNow MoneyRange `json:"cost_now,omitzero"`
	// TakenBack lists what is verified back at an earlier version, nothing else.
	TakenBack []TakenBack `json:"taken_back"`
	// Degraded is what could not be seen when this was said.
	Degraded []Degradation `json:"degraded,omitempty"`
}

// TakenBack is one component that is back at an earlier version: done and
// probed. On an incident that recovered it is verified by the signals as well.
type TakenBack struct {
	Component ComponentID   `json:"component"`
	Kind      ComponentKind `json:"kind"`
	Service   ServiceID     `json:"service,omitempty"`
	From      Version       `json:"from"`
	To        Version       `json:"to"`
	Share     float64       `json:"share_ratio"` // of instances, traffic or audience, in (0,1]
}

// Told is the newest news that an audience got about one phase of an incident; it
// keeps updates rare and the same state from being told twice.
type Told struct {
	Audience Audience  `json:"audience"`
	Phase    string    `json:"phase"`
	Text     string    `json:"text"`
	At       time.Time `json:"at"`
}

// AuditEntry is one line of an incident's audit log. Hash covers the entry and
// Previous, so that the lines form a chain.
type AuditEntry struct {
	Incident IncidentID `json:"incident"`
	Seq      int64      `json:"seq"`
	At       time.Time  `json:"at"`
	By       string     `json:"by"`
	What     string     `json:"what"`
	// Journal is set where an attempt has ended by then: it covers what was done.
	Journal  *Seal  `json:"journal,omitempty"`
	Previous string `json:"previous"`
	Hash     string `json:"hash"` // SHA-256 in hex of the entry's JSON with Hash empty
}
