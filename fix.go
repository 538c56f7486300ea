package backout

import "time"

// Fix is a forward fix that somebody announced for an incident: the trouble is
// expected to end when it arrives, without anything being taken back. A plan weighs
// waiting for it against going back, in the same money.
type Fix struct {
	By Principal `json:"by"`
	At time.Time `json:"at"` // when it was announced
	// ETA is when it is expected to be live everywhere. When it passes and the trouble
	// is still there, the fix counts no more and the plan is made anew.
	ETA time.Time `json:"eta"`
	// Confidence is the announcer's probability that it arrives by then and ends the
	// trouble, above 0 and at most 1.
	Confidence float64 `json:"confidence_p"`
	// Change is the change that it mends; empty = the trouble, whatever caused it.
	Change ChangeID `json:"change,omitempty"`
	Text   string   `json:"text,omitempty"` // what it is, in words
}

// Pending reports whether the fix still counts at a moment; that of no fix does not.
func (f *Fix) Pending(now time.Time) bool { return f != nil && now.Before(f.ETA) }

// Mends reports whether the fix is for what a change caused; "" asks about trouble
// that no change caused.
func (f *Fix) Mends(c ChangeID) bool { return f != nil && (f.Change == "" || f.Change == c) }
