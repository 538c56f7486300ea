package backout

// SideEffectKind says in what way going back hurts by itself.
type SideEffectKind string

// The kinds of side effect.
const (
	SideEffectCapacity  SideEffectKind = "capacity"   // fewer instances serve than are needed
	SideEffectColdCache SideEffectKind = "cold_cache" // new instances answer slowly or not at all until warm
	SideEffectConsumers SideEffectKind = "consumers"  // somebody was built against the newer version
	SideEffectData      SideEffectKind = "data"       // what was written since is lost, unreadable or must be migrated
	SideEffectBacklog   SideEffectKind = "backlog"    // messages wait until the queue has drained
)

// SideEffect is harm that a step does by itself, however right it is. It is
// named, and priced in the plan's money where enough is known.
type SideEffect struct {
	Kind      SideEffectKind `json:"kind"`
	Component ComponentID    `json:"component"` // whom it hits
	Words     string         `json:"words"`
	// Cost is what is expected to be lost. It means nothing unless Priced: then the
	// words say what is not known.
	Cost   Money `json:"cost"`
	Priced bool  `json:"priced"`
	// Lasts is how long it goes on after the last instance has moved; zero when it
	// is not a matter of time.
	Lasts Duration `json:"lasts"`
}
