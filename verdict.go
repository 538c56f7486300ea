package backout

// VerdictValue is the answer of a verification.
type VerdictValue string

// The three answers. Inconclusive is a first-class outcome, not a failure.
const (
	VerdictRecovered    VerdictValue = "recovered"
	VerdictWorse        VerdictValue = "worse"
	VerdictInconclusive VerdictValue = "inconclusive"
)

// Verdict is what the signals say since a stage began, valid however often one
// looks.
type Verdict struct {
	Value   VerdictValue    `json:"value"`
	Reasons []VerdictReason `json:"reasons"`
	// Blind is set when too little could be measured to say anything: a gate that
	// sees this freezes.
	Blind bool `json:"blind"`
	// Score is the share of the primary metrics' weight that is proven back; Warning is
	// set when it reaches the criteria's warning mark with every key objective proven.
	Score   float64 `json:"score_ratio"`
	Warning bool    `json:"warning,omitempty"`
	// Mostly is set when at least half of the primary metrics are proven back, at odds that
	// allow for having chosen which.
	Mostly bool `json:"mostly,omitempty"`
}

// VerdictReason is one metric's part in a verdict.
type VerdictReason struct {
	Series SeriesID     `json:"series"`
	Value  VerdictValue `json:"value"`
	// Unmeasured is set when the metric had no usable sample.
	Unmeasured bool `json:"unmeasured"`
	Samples    int  `json:"samples"`
	// LogERecovered and LogEWorse are natural logarithms of the e-values.
	LogERecovered float64 `json:"log_e_recovered"`
	LogEWorse     float64 `json:"log_e_worse"`
	Now           float64 `json:"now"`    // in the signal's own unit
	Target        float64 `json:"target"` // in the signal's own unit
	Text          string  `json:"text"`
}
