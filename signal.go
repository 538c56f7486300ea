package backout

import (
	"time"
)

// SignalKind says what a signal measures; it decides how samples are
// transformed before they are compared with their baseline.
type SignalKind string

// The kinds of signal.
const (
	SignalLatency    SignalKind = "latency"    // Value = summed seconds, Total = requests
	SignalErrors     SignalKind = "errors"     // Value = failed requests, Total = requests
	SignalSaturation SignalKind = "saturation" // Value in [0,1], share of a finite resource in use
	SignalTraffic    SignalKind = "traffic"    // Value = requests in the step
	SignalKPI        SignalKind = "kpi"        // Value = business count or amount in the step
)

// Direction says which way is worse.
type Direction string

// The directions.
const (
	WorseUp   Direction = "up"
	WorseDown Direction = "down"
	WorseBoth Direction = "both"
)

// SignalName names a signal.
type SignalName string

// Signal is a question that a metrics backend can answer again and again: one
// query whose answer has one series for each subject.
type Signal struct {
	Name      SignalName `json:"name"`
	Kind      SignalKind `json:"kind"`
	Direction Direction  `json:"direction"`
	// Query gives Value for each subject; $step in it stands for the sampling
	// step, $step_s for the step as a number of seconds, and $window for a range
	// that covers one step of scrapes. It is longer than a step, so a count in a
	// step is rate(x[$window]) * $step_s, not increase(x[$window]).
	Query string `json:"query"`
	// Total gives the number of requests behind each Value; empty for signals
	// that are not ratios.
	Total string `json:"total,omitempty"`
	// Labels says which label of the answer names which part of the subject,
	// for example {"service":"destination_service"}; a part that is not listed is
	// read from the label of its own name.
	Labels map[string]string `json:"labels,omitempty"`
	// Opens is set for signals that may open an incident; the others are only
	// evidence.
	Opens bool `json:"opens"`
}

// Subject says whom a series is about. Empty parts don't apply.
type Subject struct {
	Service ServiceID `json:"service,omitempty"`
	// Caller is set when the series is a caller's view of calls to Service.
	Caller   ServiceID `json:"caller,omitempty"`
	Journey  JourneyID `json:"journey,omitempty"`
	Version  Version   `json:"version,omitempty"` // one arm of a partial rollout
	Location Location  `json:"location,omitempty"`
	Client   string    `json:"client,omitempty"`
}

// SeriesID names one series: a signal and its subject.
type SeriesID struct {
	Signal  SignalName `json:"signal"`
	Subject Subject    `json:"subject"`
}

// Sample is a signal's answer for one subject and one step, ending at At. A gap
// is a sample that is absent. Total is 0 for signals that are not ratios.
type Sample struct {
	At    time.Time `json:"at"`
	Value float64   `json:"value"`
	Total float64   `json:"total"`
}

// Series is the samples of one subject in order of time.
type Series struct {
	ID      SeriesID   `json:"id"`
	Kind    SignalKind `json:"kind"`
	Worse   Direction  `json:"worse"`
	Opens   bool       `json:"opens"`
	Samples []Sample   `json:"samples"`
}

// Window is what was measured between From (exclusive) and Now (inclusive), one
// sample a Step. It carries Now so that nobody needs a clock.
type Window struct {
	From   time.Time     `json:"from"`
	Now    time.Time     `json:"now"`
	Step   time.Duration `json:"step_ns"`
	Series []Series      `json:"series"`
	// Missing names the signals that could not be measured and why; never empty
	// silently.
	Missing map[SignalName]string `json:"missing,omitempty"`
}

// Latest is the newest sample of the series, if it has any.
func (s Series) Latest() (Sample, bool) {
	if len(s.Samples) == 0 {
		return Sample{}, false
	}
	return s.Samples[len(s.Samples)-1], true
}
