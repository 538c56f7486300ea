package backout

import (
	"cmp"
	"fmt"
	"time"
)

// Stop is the kill switch as people turn it at runtime: while On no effect is tried
// anywhere, not even one that takes an effect back. What runs waits where it is.
type Stop struct {
	On     bool      `json:"on"`
	By     string    `json:"by,omitempty"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at,omitzero"`
}

// Words say that everything is stopped, by whom and why, and what ends it; "" when
// nothing is.
func (s Stop) Words() string {
	if !s.On {
		return ""
	}
	return fmt.Sprintf("the kill switch is on since %s: %s stopped everything (%s). Nothing is changed until somebody says backout go", s.At.UTC().Format("2006-01-02 15:04 UTC"), cmp.Or(s.By, "somebody"), cmp.Or(s.Reason, "no reason was given"))
}

// ControlsLog is the audit log of what concerns no single incident: the kill switch and
// the holds that people place and end.
const ControlsLog IncidentID = "controls"
