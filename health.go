package backout

import (
	"slices"
	"time"
)

// Health is what backout knows about itself at a moment. It is shown, and it is what
// a heartbeat carries: whoever hears no heartbeat for three periods must take
// backout for dead.
type Health struct {
	Format      int         `json:"format"`
	At          time.Time   `json:"at"`
	StartedAt   time.Time   `json:"started_at"`
	Environment Environment `json:"environment"`
	// Alive is set when every loop has turned within its bound.
	Alive bool `json:"alive"`
	// Ready is set when it is alive and can decide: nothing that it lacks freezes it.
	Ready bool   `json:"ready"`
	Loops []Loop `json:"loops"`
	// Degraded is what it can't see or do now.
	Degraded []Degradation `json:"degraded"`
	// Undelivered names messages that nobody has acknowledged, in words.
	Undelivered []string `json:"undelivered"`
}

// Loop is something that backout does again and again.
type Loop struct {
	Name string    `json:"name"`
	Last time.Time `json:"last"` // when its last turn ended
	// Bound is how long a turn and the pause after it take at most.
	Bound Duration `json:"bound"`
}

// Stuck reports whether a loop has not turned for longer than its bound.
func (l Loop) Stuck(now time.Time) bool { return now.Sub(l.Last) > l.Bound.Std() }

// Beats reports whether a heartbeat may say that backout is alive: every loop turns,
// and what is decided can be kept.
func (h Health) Beats() bool {
	return h.Alive && !slices.ContainsFunc(h.Degraded, func(d Degradation) bool { return d.Source == DegradedDatabase })
}

// Judge gives health with Alive and Ready as its parts say, and each stuck loop among
// what is degraded.
func (h Health) Judge() Health {
	h.Alive = true
	degraded := []Degradation{}
	for _, l := range h.Loops {
		if l.Stuck(h.At) {
			h.Alive = false
			degraded = append(degraded, Degraded(DegradedLoops, l.Name, l.Last, "its last turn ended "+l.Last.UTC().Format(time.TimeOnly)+", and it may take "+l.Bound.String()))
		}
	}
	h.Degraded = append(degraded, h.Degraded...)
	_, frozen := Freezes(h.Degraded)
	h.Ready = h.Alive && !frozen
	return h
}
