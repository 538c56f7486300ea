package backout

import "time"

// TakeOver is a person's word that they carry on by hand: backout does nothing further
// about the incident. What it moved stays, and so do its holds.
type TakeOver struct {
	By     Principal `json:"by"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}
