package backout

import "time"

// Delivery is what became of one message by one channel.
type Delivery struct {
	Message Message   `json:"message"`
	Channel string    `json:"channel"`
	Tries   int       `json:"tries"`
	At      time.Time `json:"at,omitzero"` // when a receiver acknowledged it; zero while nobody has
	GivenUp bool      `json:"given_up"`
	Note    string    `json:"note,omitempty"` // why the last try failed, or how it was delivered in the end
}
