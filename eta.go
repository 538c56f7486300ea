package backout

import "time"

// ETA says when trouble is expected to be over once a plan is carried out. It is two
// answers and never one number: when, if the diagnosis is right, and how likely that is.
type ETA struct {
	At time.Time `json:"at"`
	// P10, P50 and P90 are quantiles of the time from At to recovery that the signals
	// prove, if the plan takes back what did it. Zero where a backlog does not drain.
	P10 Duration `json:"p10"`
	P50 Duration `json:"p50"`
	P90 Duration `json:"p90"`
	// Right is the probability that the plan takes back what did it, and that this works.
	Right float64 `json:"right_p"`
	// Any50 and Any90 are quantiles whether it is right or not: nil where the plan is
	// less likely than that to bring recovery, and no end can be foreseen.
	Any50 *Duration `json:"any_p50"`
	Any90 *Duration `json:"any_p90"`
	// Parts are the medians of what it is made of.
	Parts ETAParts `json:"parts"`
	// Bends is set once the measured curve bends back and the answer follows it.
	Bends bool `json:"bends"`
	// Stays names what has more work waiting than it gets done: it does not drain.
	Stays []string `json:"stays"`
	// Fitted is how many past recoveries the quantiles were fitted to; 0 = too few are
	// known, and they are a prior. Model is the median before that.
	Fitted int      `json:"fitted"`
	Model  Duration `json:"model_p50"`
}

// ETAParts are the parts of an [ETA], each a median.
type ETAParts struct {
	Acting    Duration `json:"acting"`    // until the last effect
	Effect    Duration `json:"effect"`    // until it shows
	Draining  Duration `json:"draining"`  // until queues are empty again
	Verifying Duration `json:"verifying"` // until the signals prove it
}

// Ends is when the trouble is expected to be over if the diagnosis is right: early, in
// the middle, late.
func (e ETA) Ends() (early, middle, late time.Time) {
	return e.At.Add(e.P10.Std()), e.At.Add(e.P50.Std()), e.At.Add(e.P90.Std())
}
