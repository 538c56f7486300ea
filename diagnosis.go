package backout

// Diagnosis is what `backout doctor` shows: what a running backout sees, can decide, and
// what keeps it from more.
type Diagnosis struct {
	Format int    `json:"format"`
	Health Health `json:"health"`
	// PastLearnt is the share of the metrics backend's past that was learnt beside the
	// work, in [0,1].
	PastLearnt float64 `json:"past_learnt"`
	// Services are those with series that may open incidents, by name.
	Services []Readiness `json:"services"`
	// Unmeasured services of the catalog have none: their trouble is seen at their callers
	// only, if at all.
	Unmeasured []ServiceID `json:"unmeasured"`
}

// Readiness says how ready the series of one service, or journey, are to be judged.
type Readiness struct {
	Service  ServiceID `json:"service,omitempty"`
	Journey  JourneyID `json:"journey,omitempty"`
	Opening  int       `json:"opening"`  // series that may open incidents
	Judged   int       `json:"judged"`   // of them with a baseline
	Seasonal int       `json:"seasonal"` // of them with a long history
	Seasons  int       `json:"seasons"`  // of them whose half-hours are in use
	// Learnt is the share of the samples needed for a baseline, averaged over the series.
	Learnt float64 `json:"learnt"`
}

// Name is the service's name, or the journey's.
func (r Readiness) Name() string {
	if r.Service != "" {
		return string(r.Service)
	}
	return "journey " + string(r.Journey)
}

// Mend reports whether somebody should do something: it can't decide, can't see or
// reach something, or told somebody who did not hear it. To be still learning is no illness.
func (d Diagnosis) Mend() bool {
	return !d.Health.Ready || len(d.Health.Degraded)+len(d.Health.Undelivered) > 0
}
