package backout

// PointOfNoReturn says when taking a component's change back stops being possible,
// or stops being lossless. It is declared for one component and so for one
// environment: the same migration may have its point in production and none in
// staging. Of the limits that are set the first to be met counts; with none the
// point is passed as soon as anybody meets the change.
type PointOfNoReturn struct {
	ID        string       `json:"id"`
	Component ComponentID  `json:"component"`
	Versions  VersionRange `json:"versions"` // taking one of these back is what it is about
	// After is the time from the change's first exposure to the point; 0 = time does
	// not count.
	After Duration `json:"after,omitempty"`
	// Rows is how many rows may have been written since, by the actuator's count; 0 =
	// rows don't count.
	Rows int64 `json:"rows,omitempty"`
	// Loss is what lies beyond the point: one_way or lossy.
	Loss   Loss   `json:"loss"`
	Lost   string `json:"lost"`             // what is lost beyond it, in words
	Reason string `json:"reason,omitempty"` // in words, for people
	File   string `json:"file,omitempty"`   // file:line where it is declared
}
