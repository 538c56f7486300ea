package backout

import (
	"slices"
	"time"
)

// Past is how one incident went, for somebody who looks back at many.
type Past struct {
	Incident    IncidentID  `json:"incident"`
	Environment Environment `json:"environment"`
	State       State       `json:"state"`
	Why         string      `json:"why"`
	Onset       time.Time   `json:"onset"`
	EndedAt     time.Time   `json:"ended_at,omitzero"` // zero while it is open
	Services    []ServiceID `json:"services"`          // those that findings name, and those of what was moved
	// Cause is the likeliest suspect with its probability; empty where "no change" is
	// likelier, whose probability is PNone.
	Cause   ComponentID `json:"cause,omitempty"`
	CauseTo Version     `json:"cause_to,omitempty"`
	P       float64     `json:"p,omitempty"`
	PNone   float64     `json:"p_none,omitempty"`
	// TakenBack is what attempts left at an earlier version.
	TakenBack  []TakenBack `json:"taken_back"`
	ApprovedBy []string    `json:"approved_by"` // who said yes; empty when it ran by itself or nothing ran
	// The time from the onset to each milestone; nil for those that were not reached.
	Detected    *Duration `json:"detected,omitempty"`
	Decided     *Duration `json:"decided,omitempty"`      // the first attempt was handed over
	FirstEffect *Duration `json:"first_effect,omitempty"` // the first effect was done
	Verified    *Duration `json:"verified,omitempty"`     // the signals proved recovery
	// Unproven are the signals that were not back when the rest was: another trouble.
	Unproven []SeriesID `json:"unproven,omitempty"`
	// CostPerMinute is the loss while it lasted, Cost the expected loss from the plan on,
	// and CostNothing the same without it. Zero where it was not measured.
	CostPerMinute MoneyRange `json:"cost_per_minute,omitzero"`
	Cost          Money      `json:"cost,omitzero"`
	CostNothing   Money      `json:"cost_nothing,omitzero"`
}

// PastOf draws it from the incident and its runs.
func PastOf(inc Incident, runs []Run) Past {
	p := Past{
		Incident: inc.ID, Environment: inc.Environment, State: inc.State, Why: inc.Why, Onset: inc.Onset,
		Services: []ServiceID{}, TakenBack: []TakenBack{}, ApprovedBy: []string{}, Detected: since(inc.Onset, inc.OpenedAt),
	}
	if inc.State.Terminal() {
		p.EndedAt = inc.UpdatedAt
	}
	if a := inc.Attribution; a != nil {
		p.PNone = a.PNone
		if len(a.Suspects) > 0 && a.Suspects[0].P >= a.PNone {
			p.Cause, p.CauseTo, p.P = a.Suspects[0].Component, a.Suspects[0].To, a.Suspects[0].P
		}
	}
	for _, f := range inc.Findings {
		p.serves(f.ID.Subject.Service)
	}
	for _, at := range inc.Attempts {
		p.attempted(inc, at)
	}
	for _, r := range runs {
		for _, e := range r.Entries {
			if e.Kind == EntryEffect && e.Outcome == OutcomeDone && p.FirstEffect == nil {
				p.FirstEffect = since(inc.Onset, e.At)
			}
		}
	}
	for _, f := range []*Forecast{inc.FirstForecast, inc.Forecast} {
		if f != nil && p.CostPerMinute.P90.Minor == 0 {
			p.CostPerMinute = f.CostNow
		}
	}
	return p
}

func (p *Past) attempted(inc Incident, at Attempt) {
	for _, a := range at.Approvals {
		if a.Yes && !slices.Contains(p.ApprovedBy, a.By.Name) {
			p.ApprovedBy = append(p.ApprovedBy, a.By.Name)
		}
	}
	if at.StartedAt.IsZero() {
		return
	}
	if p.Decided == nil {
		p.Decided = since(inc.Onset, at.StartedAt)
	}
	p.Cost, p.CostNothing = at.Plan.Cost, at.Plan.CostNothing
	p.TakenBack = append(p.TakenBack, at.TakenBack...)
	for _, b := range at.TakenBack {
		p.serves(b.Service)
	}
	if (at.Result == RunCompleted || at.Result == RunStopped) && !at.EndedAt.IsZero() {
		p.Verified, p.Unproven = since(inc.Onset, at.EndedAt), at.Unproven
	}
}

func (p *Past) serves(s ServiceID) {
	if s != "" && !slices.Contains(p.Services, s) {
		p.Services = append(p.Services, s)
	}
}

func since(onset, at time.Time) *Duration {
	d := Duration(at.Sub(onset))
	return &d
}
