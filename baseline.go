package backout

import "time"

// BaselineMode says how a baseline was learnt, and so how far to trust it.
type BaselineMode string

// The modes of a baseline.
const (
	ModeWarming  BaselineMode = "warming"  // too few samples to speak at all
	ModeShort    BaselineMode = "short"    // median and MAD of a short history, Student-t tail
	ModeSeasonal BaselineMode = "seasonal" // seasonal residuals, conformal and POT tail
	ModeAlert    BaselineMode = "alert"    // none of ours: another monitor's alert says so
)

// Baseline is what healthy looks like for one series, in the transformed scale
// of its kind: a level, a scale and the correlation of neighbouring residuals.
type Baseline struct {
	Series SeriesID     `json:"series"`
	Kind   SignalKind   `json:"kind"`
	Worse  Direction    `json:"worse"`
	Mode   BaselineMode `json:"mode"`
	Level  float64      `json:"level"` // transformed units
	Scale  float64      `json:"scale"` // transformed units, a standard deviation
	Phi    float64      `json:"phi"`   // AR(1) coefficient of residuals, in [0,1)
	N      int          `json:"n"`     // healthy samples behind it
	At     time.Time    `json:"at"`    // when it was frozen
}

// Residuals are standardised differences from the baseline, worse is positive,
// one a step from From on; NaN marks a gap. Innovations have the AR(1) part
// removed and unit variance while healthy.
type Residuals struct {
	ID          SeriesID
	Kind        SignalKind
	Mode        BaselineMode
	From        time.Time
	Step        time.Duration
	Phi         float64
	N           int       // healthy samples behind the baseline; 0 = it is taken as exact
	Levels      []float64 // (x - level)/scale, sign turned so that worse is up
	Innovations []float64
}

// Finding is the detector's statement that a series left its baseline for worse,
// or another monitor's alert, which has no measured values.
type Finding struct {
	ID        SeriesID     `json:"id"`
	Kind      SignalKind   `json:"kind"`
	At        time.Time    `json:"at"`        // when it was said
	Onset     time.Time    `json:"onset"`     // estimated start of the shift
	Evidence  float64      `json:"evidence"`  // the e-detector's value
	Threshold float64      `json:"threshold"` // = average run length in samples when healthy
	Mode      BaselineMode `json:"mode"`
	Expected  float64      `json:"expected"` // in the signal's own unit
	Observed  float64      `json:"observed"` // in the signal's own unit
	Opens     bool         `json:"opens"`
	// EndedAt is when an alert's finding was told to be over; zero while it goes on
	// and for what we measure ourselves, whose end is in the residuals.
	EndedAt time.Time `json:"ended_at,omitzero"`
}
