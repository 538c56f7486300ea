package backout

import "time"

// Anchor fixes how far the audit logs had come at one moment. It names the heads
// of all logs that moved since the anchor before, and its Hash covers them and
// Previous, so that anchors form a chain of their own. A copy of it outside of the
// database shows entries cut off a log's end, and a log that somebody rewrote with
// hashes that fit.
type Anchor struct {
	Seq      int64        `json:"seq"` // from 1, without gaps
	At       time.Time    `json:"at"`
	Heads    []AnchorHead `json:"heads"` // by incident
	Previous string       `json:"previous"`
	Hash     string       `json:"hash"` // SHA-256 in hex of the anchor's JSON with Hash empty
}

// AnchorHead is the newest entry of one audit log when an anchor was made.
type AnchorHead struct {
	Incident IncidentID `json:"incident"`
	Seq      int64      `json:"seq"`
	Hash     string     `json:"hash"`
}
