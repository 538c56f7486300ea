package backout

// AuditCheck is what came of checking audit logs, journals and anchors.
type AuditCheck struct {
	Whole bool `json:"whole"` // nothing of what was looked at is broken
	// How much was looked at.
	Logs     int `json:"logs"` // of incidents, and that of controls
	Entries  int `json:"entries"`
	Journals int `json:"journals"` // sealed journals of attempts
	Anchors  int `json:"anchors"`
	Copies   int `json:"copies"` // of anchors outside of the database
	// Anchored counts the entries that an anchor covers; what came after the newest
	// anchor could be cut off without being missed.
	Anchored int `json:"anchored"`
	// Broken has the first break of each log, journal and chain of anchors.
	Broken []AuditBreak `json:"broken"`
	Notes  []string     `json:"notes"` // what is no break and worth knowing
}

// AuditBreak is the first place in a record that is not as it was written.
type AuditBreak struct {
	Incident IncidentID `json:"incident,omitempty"` // whose log or journal; empty for anchors
	Record   string     `json:"record"`             // such as "audit log of INC-1"
	Seq      int64      `json:"seq"`                // the entry
	Why      string     `json:"why"`
	Expected string     `json:"expected"`
	Found    string     `json:"found"`
}
