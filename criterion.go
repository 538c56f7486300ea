package backout

import "slices"

// SuccessCriteria say when a way back has worked, in an environment or for some
// services: which signals must be back, how much each weighs, and which of them
// decide alone. The shape is Keptn's: objectives with weight and keyObjective, and a
// total score with passPercentage and warningPercentage.
//
// Without criteria every signal that was ill must be back.
type SuccessCriteria struct {
	ID          string      `json:"id"`
	Environment Environment `json:"environment,omitempty"` // empty = every one
	// Services narrow it to ways back that move one of them; empty = all.
	Services   []ServiceID `json:"services"`
	Objectives []Criterion `json:"objectives"`
	// Analyses name what must be Successful besides; see [Analysis].
	Analyses []string `json:"analyses"`
	// Pass is the share of the weight that must be proven back, in (0,1]. From Warning
	// on, in (0,Pass], a last gate whose time has run out lets the run end where it is
	// instead of taking it back.
	Pass    float64 `json:"pass_ratio"`
	Warning float64 `json:"warning_ratio"`
	File    string  `json:"file,omitempty"` // where it is written
}

// Criterion is one objective of success criteria: the series of a signal, a service or
// a journey, all that are named together. Empty parts cover everything.
type Criterion struct {
	Signal  SignalName `json:"signal,omitempty"`
	Service ServiceID  `json:"service,omitempty"`
	Journey JourneyID  `json:"journey,omitempty"`
	// Weight is its part of the score, in the same unit for all objectives; 0 leaves it
	// to [SuccessCriteria.Weighted].
	Weight float64 `json:"weight"`
	// Key objectives decide alone: without them nothing has recovered, whatever the score.
	Key bool `json:"key,omitempty"`
}

// Covers reports whether a series is the objective's. A caller's view, one arm of a
// rollout and one client are not: they say who did it, not whether it is over.
func (c Criterion) Covers(id SeriesID) bool {
	s := id.Subject
	return s.Caller == "" && s.Version == "" && s.Client == "" &&
		(c.Signal == "" || c.Signal == id.Signal) && (c.Service == "" || c.Service == s.Service) && (c.Journey == "" || c.Journey == s.Journey)
}

// Weighted fills in the weights that were left out. Where nobody gave any, an objective
// weighs what a minute of the journeys behind it is worth, so that the score is a share
// of the money that runs again; where that is not known either, and beside weights that
// people gave, it weighs 1.
func (c SuccessCriteria) Weighted(g Graph) SuccessCriteria {
	c.Objectives = slices.Clone(c.Objectives)
	given := slices.ContainsFunc(c.Objectives, func(o Criterion) bool { return o.Weight > 0 })
	known := false
	for i, o := range c.Objectives {
		if !given {
			c.Objectives[i].Weight = float64(g.worth(o).Minor)
			known = known || c.Objectives[i].Weight > 0
		}
	}
	for i, o := range c.Objectives {
		if o.Weight == 0 && !known {
			c.Objectives[i].Weight = 1
		}
	}
	return c
}

// worth is what a minute of the journeys is worth that an objective speaks of, or that
// its service serves.
func (g Graph) worth(o Criterion) Money {
	var sum Money
	for _, j := range g.Journeys {
		if o.Journey == j.ID || o.Journey == "" && o.Service != "" && slices.Contains(j.Services, o.Service) {
			sum = sum.Plus(j.ValuePerMinute)
		}
	}
	return sum
}

// CriteriaFor joins the criteria that hold for a way back which moves these services in
// an environment: all their objectives, and the strictest of their scores. Those that
// name a service go before those that name none. It reports false when none hold.
func CriteriaFor(all []SuccessCriteria, env Environment, services []ServiceID) (SuccessCriteria, bool) {
	named := func(c SuccessCriteria) bool {
		return slices.ContainsFunc(c.Services, func(s ServiceID) bool { return slices.Contains(services, s) })
	}
	var hold []SuccessCriteria
	for _, c := range all {
		if (c.Environment == "" || c.Environment == env) && (len(c.Services) == 0 || named(c)) {
			hold = append(hold, c)
		}
	}
	if slices.ContainsFunc(hold, named) {
		hold = slices.DeleteFunc(hold, func(c SuccessCriteria) bool { return !named(c) })
	}
	if len(hold) == 0 {
		return SuccessCriteria{}, false
	}
	out := hold[0]
	for _, c := range hold[1:] {
		out.Objectives = slices.Concat(out.Objectives, c.Objectives)
		out.Analyses = slices.Concat(out.Analyses, c.Analyses)
		out.Pass, out.Warning = max(out.Pass, c.Pass), max(out.Warning, c.Warning)
	}
	return out, true
}
