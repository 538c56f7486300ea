package backout

import "time"

// Period is a time in which something was wrong; a zero To is "still".
type Period struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}
