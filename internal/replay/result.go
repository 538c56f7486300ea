package replay

import (
	"time"

	"github.com/backout-dev/backout"
)

// Format numbers the shape of a [Result].
const Format = 1

// Result is what was said about a recording.
type Result struct {
	Format  int              `json:"format"`
	Dir     string           `json:"dir"`
	From    time.Time        `json:"from"` // of what was judged
	To      time.Time        `json:"to"`
	Step    backout.Duration `json:"step"`
	Asked   string           `json:"asked"` // when decisions were asked for, in words
	Series  int              `json:"series"`
	Samples int              `json:"samples"` // 0 when they came as blocks
	Changes int              `json:"changes"`
	// Incidents in order of detection; Missed are the labels without one.
	Incidents []Answer    `json:"incidents"`
	Missed    []time.Time `json:"missed"`
	Summary   Summary     `json:"summary"`
	// Ready says how many series were known well enough at the end, Missing which
	// signals could not be measured then, Notes what else is odd.
	Ready   string                        `json:"ready"`
	Missing map[backout.SignalName]string `json:"missing"`
	Notes   []string                      `json:"notes"`
}

// Answer is what was said of one incident.
type Answer struct {
	ID         backout.IncidentID `json:"id"`
	State      backout.State      `json:"state"`
	Why        string             `json:"why"`
	DetectedAt time.Time          `json:"detected_at"`
	DecidedAt  time.Time          `json:"decided_at"`
	Onset      time.Time          `json:"onset"`
	Findings   []backout.Finding  `json:"findings"`
	Suspects   []backout.Suspect  `json:"suspects"`
	PNone      float64            `json:"p_none"`
	Origins    []backout.Origin   `json:"origins"`
	Forecast   *backout.Forecast  `json:"forecast,omitempty"`
	Plan       *Plan              `json:"plan,omitempty"`
	// PlanError says why no plan could be made.
	PlanError string `json:"plan_error,omitempty"`
	// Known is what the label of this incident says, when there is one.
	Known *Verdict `json:"known,omitempty"`
	// TookMS is how long loading the world and attributing took, in milliseconds.
	TookMS float64 `json:"took_ms"`
	// Incident is all of it, for those who render it.
	Incident backout.Incident `json:"-"`
}

// Plan is the way back that would have been proposed.
type Plan struct {
	Action  backout.Action   `json:"action"`
	Summary string           `json:"summary"`
	Steps   []backout.Step   `json:"steps"` // in order, wave after wave
	Success float64          `json:"success_p"`
	Takes   backout.Duration `json:"takes"`
	Safe    bool             `json:"safe"` // proven by the checker
	// Ruling is the policy's, as if it were not in shadow mode.
	Ruling backout.Ruling `json:"ruling"`
}

// NewAnswer takes an answer out of an incident as it was decided at a moment.
func NewAnswer(now time.Time, inc backout.Incident, took time.Duration) Answer {
	a := Answer{
		ID: inc.ID, State: inc.State, Why: inc.Why, DetectedAt: inc.OpenedAt, DecidedAt: now, Onset: inc.Onset, Findings: inc.Findings,
		Suspects: []backout.Suspect{}, Origins: []backout.Origin{}, Forecast: inc.Forecast, TookMS: float64(took.Microseconds()) / 1000, Incident: inc,
	}
	if a.Findings == nil {
		a.Findings = []backout.Finding{}
	}
	if inc.Attribution != nil {
		a.Suspects, a.PNone, a.Origins = inc.Attribution.Suspects, inc.Attribution.PNone, inc.Attribution.Origins
	}
	if p := inc.Plan; p != nil {
		a.Plan = &Plan{Action: p.Action, Summary: p.Summary, Steps: append([]backout.Step{}, p.Steps()...), Success: p.Success, Takes: p.Takes, Safe: p.Certificate.Safe, Ruling: p.Ruling}
	}
	return a
}
