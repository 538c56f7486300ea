package backout

// Consumer is software outside our reach that uses what we provide: a mobile app, a
// page in somebody's browser, a partner's program. It is an immovable component of
// which many versions live at once, each with a share of the users. Going back on
// what it calls breaks those whose version needs the new: a few of them are a loss
// that has a price, more than a few are a reason not to.
type Consumer struct {
	ID        string      `json:"id"`
	Component ComponentID `json:"component"` // the immovable component whose versions they run
	Users     string      `json:"users"`     // who they are, in words: Android users
	// Query is PromQL whose answer has one series a version, its value in proportion
	// to the users; VersionLabel is the label with the version.
	Query        string `json:"query,omitempty"`
	VersionLabel string `json:"version_label,omitempty"`
	// LossyAbove is the share of them that a step may break and still count as
	// lossless; breaking more than ForbiddenAbove rules the step out.
	LossyAbove     float64 `json:"lossy_above_ratio"`
	ForbiddenAbove float64 `json:"forbidden_above_ratio"`
	// Journeys are those that they travel, all when empty; Share is their share of
	// the journeys' attempts.
	Journeys []JourneyID `json:"journeys"`
	Share    float64     `json:"share_ratio"`
	File     string      `json:"file,omitempty"` // file:line where it is declared
}
