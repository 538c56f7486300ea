package backout

import "time"

// TargetKind says what a forecast hit is about.
type TargetKind string

// The kinds of forecast target.
const (
	TargetService TargetKind = "service"
	TargetJourney TargetKind = "journey"
)

// Hit is one target that the trouble reaches or may reach.
type Hit struct {
	Target string     `json:"target"`
	Kind   TargetKind `json:"kind"`
	// P is the probability of being hit before the horizon; 1 when it is hit already.
	P float64 `json:"p"`
	// P10, P50 and P90 are quantiles of the time from Forecast.At to the hit, given
	// that it happens.
	P10 Duration `json:"p10"`
	P50 Duration `json:"p50"`
	P90 Duration `json:"p90"`
	// HitAt is when it was hit; zero when it is only expected.
	HitAt time.Time `json:"hit_at,omitzero"`
	// CostPerMinute is what the target loses each minute once hit.
	CostPerMinute MoneyRange `json:"cost_per_minute"`
}

// Forecast says what is hit next, when, and what it costs while nobody acts.
type Forecast struct {
	At      time.Time `json:"at"`
	Horizon Duration  `json:"horizon"`
	Hits    []Hit     `json:"hits"` // already hit first, then by P50, ties by target
	// CostNow and CostHorizon are money per model minute lost now and at the horizon.
	CostNow     MoneyRange `json:"cost_now"`
	CostHorizon MoneyRange `json:"cost_horizon"`
	// Loss is what is lost from At until the horizon, all journeys together.
	Loss MoneyRange `json:"loss_horizon"`
	// Drivers are the targets that cost most, dearest first.
	Drivers []string `json:"drivers"`
	// Warnings are things that would make it worse, such as retry storms.
	Warnings []string `json:"warnings"`
	// Draws is how many worlds were drawn; Effective how many of them still agree
	// with what has been seen.
	Draws     int     `json:"draws"`
	Effective float64 `json:"effective"`
	// Fitted is how many past hits the quantiles of the times were fitted to; 0 = too few
	// are known, and the times are a prior. Stretch is by how much that widened (above 1)
	// or narrowed each of them on the logarithmic scale; 1 where nothing was fitted.
	Fitted  int     `json:"fitted"`
	Stretch float64 `json:"stretch"`
}
