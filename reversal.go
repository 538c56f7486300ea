package backout

import "time"

// Loss says what going back to a level costs in data or function.
type Loss string

// The losses.
const (
	LossNone    Loss = "lossless" // nothing is lost
	LossSome    Loss = "lossy"    // something is lost; Lost says what
	LossOneWay  Loss = "one_way"  // there is no way back
	LossUnknown Loss = "unknown"  // nobody has checked: treated as lossy
)

// Reachable is one earlier state of a component that can still be reached.
type Reachable struct {
	Level   Level   `json:"level"`
	Version Version `json:"version"`
	Loss    Loss    `json:"loss"`
	Lost    string  `json:"lost,omitempty"` // what is lost, in words
	// Rows is how many rows were written since that this level does not know; nil when
	// nobody counted.
	Rows *int64 `json:"rows,omitempty"`
	// Verified is set when this version was seen live and healthy.
	Verified bool `json:"verified"`
	// Instances is how many copies it comes back with; 0 = as many as run now.
	Instances int `json:"instances,omitempty"`
	// Until is when this stops being so as far as is known, such as the end of a
	// backup's retention; zero = no end is known.
	Until time.Time `json:"until,omitzero"`
}

// Reversal is what an actuator says about taking a component back, without
// having touched anything. An actuator that does not answer leaves Known false.
type Reversal struct {
	Component ComponentID `json:"component"`
	Known     bool        `json:"known"`
	Current   Version     `json:"current"`
	Levels    []Reachable `json:"levels"`
	// Shares on offer between nothing and everything, ascending and ending at 1;
	// [1] when the component can only be moved whole.
	Shares []float64 `json:"shares_ratio"`
	// Mixed is set when old and new version live side by side during the move.
	Mixed bool `json:"mixed"`
	// Takes is how long one stage's effect takes to happen, before baking.
	Takes Duration `json:"takes"`
	// Headroom is the share of capacity that may be missing during the move.
	Headroom float64 `json:"headroom_ratio"`
	// CompareAndSwap is set when the target refuses an effect based on a stale picture.
	CompareAndSwap bool      `json:"compare_and_swap"`
	At             time.Time `json:"at"`            // when the actuator answered
	Why            string    `json:"why,omitempty"` // why it is not known or not reachable
}
