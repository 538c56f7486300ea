package backout

import "time"

// Effect is one thing to be done to one component: bring Share of it to To.
type Effect struct {
	// Key is attempt/step/stage: the same key is the same effect, however often
	// it is sent.
	Key       string    `json:"key"`
	Attempt   AttemptID `json:"attempt"`
	Component Component `json:"component"`
	From      Version   `json:"from"`
	To        Version   `json:"to"`
	Share     float64   `json:"share_ratio"` // of instances, traffic or audience, in (0,1]
	Audience  string    `json:"audience,omitempty"`
	// IfVersion is the Reality.Version that the decision was based on; a target
	// with compare-and-swap refuses the effect when it has moved.
	IfVersion string `json:"if_version,omitempty"`
}

// Reality is what an actuator sees of one component.
type Reality struct {
	Live Live `json:"live"`
	// Audiences says the same of each named audience, where the target tells them
	// apart. A stage with an audience is verified against it.
	Audiences map[string]Live `json:"audiences,omitempty"`
	// Version is the target's own resource version (an ETag, a resourceVersion, a
	// content hash), for compare-and-swap.
	Version string    `json:"version"`
	At      time.Time `json:"at"`
}
