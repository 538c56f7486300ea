package backout

import (
	"slices"
	"time"
)

// OwnEffect is what the journal of one of our attempts says about a component: from
// Began to Ended it was brought to To, or may have been.
type OwnEffect struct {
	Attempt   AttemptID   `json:"attempt"`
	Key       string      `json:"key"` // of its last effect
	Component ComponentID `json:"component"`
	To        Version     `json:"to"`
	Began     time.Time   `json:"began"`
	Ended     time.Time   `json:"ended,omitzero"` // zero while it goes on
}

// Recognized marks the observations that report effects of our own, which sources do
// not know to be ours: those of the same component and version that happened while
// the effect did, give or take skew for the source's clock. An effect that no source
// reported is added, so that it counts whether or not anybody watches. The input is
// left as it is.
func Recognized(obs []Observation, own []OwnEffect, skew time.Duration) []Observation {
	out := slices.Clone(obs)
	for _, e := range own {
		seen := false
		for i, o := range out {
			if o.Component == e.Component && o.To == e.To && e.during(o.At, skew) && (o.Attempt == "" || o.Attempt == e.Attempt) {
				out[i].Attempt, seen = e.Attempt, true
			}
		}
		if !seen {
			out = append(out, Observation{Source: "backout", NativeID: e.Key, At: e.Began, Component: e.Component, To: e.To, Share: 1, Attempt: e.Attempt})
		}
	}
	return out
}

func (e OwnEffect) during(at time.Time, skew time.Duration) bool {
	return !at.Before(e.Began.Add(-skew)) && (e.Ended.IsZero() || !at.After(e.Ended.Add(skew)))
}
