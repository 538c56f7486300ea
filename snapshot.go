package backout

import "time"

// Snapshot is a state of a workload that was seen to work while nothing was wrong: all
// that has to come back with it, not its image alone. It is kept by us, because targets
// keep only so many revisions, and none of the configuration that a revision ran with.
type Snapshot struct {
	Component ComponentID `json:"component"`
	Version   Version     `json:"version"`
	// Locator is where the workload stands, Revision what the target calls this state.
	Locator  string `json:"locator"`
	Revision string `json:"revision"`
	// Images and Digests are by container; a digest names what really ran.
	Images  map[string]string `json:"images"`
	Digests map[string]string `json:"digests"`
	Configs []SnapshotConfig  `json:"configs"`
	// Replicas is how many copies ran, MinReplicas and MaxReplicas between how many an
	// autoscaler could choose; all three are the same where there was none.
	Replicas    int       `json:"replicas"`
	MinReplicas int       `json:"min_replicas"`
	MaxReplicas int       `json:"max_replicas"`
	Since       time.Time `json:"since"`       // when it came
	VerifiedAt  time.Time `json:"verified_at"` // when it had worked for long enough
}

// SnapshotConfig is configuration that a snapshot took in. Of a secret there is only a
// hash, by which it is known whether it is still what it was.
type SnapshotConfig struct {
	Kind   string            `json:"kind"` // configmap or secret
	Name   string            `json:"name"`
	Hash   string            `json:"hash"` // "" = it was not there
	Data   map[string]string `json:"data,omitempty"`
	Binary map[string][]byte `json:"binary,omitempty"`
}
