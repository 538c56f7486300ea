package backout

import (
	"encoding/json"
	"time"
)

// Analysis is a list of measurements with conditions that a product must meet, as Argo
// Rollouts' AnalysisTemplate writes it. One that success criteria name must be
// Successful before a gate lets a way back end; see [SuccessCriteria].
type Analysis struct {
	Name    string           `json:"name"`
	Args    []AnalysisArg    `json:"args"`
	Metrics []AnalysisMetric `json:"metrics"`
	File    string           `json:"file,omitempty"` // where it is written
}

// AnalysisArg is a value that stands in an analysis as {{args.NAME}}. One without a
// value is filled in from the step that is judged: service, component, environment,
// location, from and to.
type AnalysisArg struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
	Given bool   `json:"given"` // Value was written down, be it empty
}

// AnalysisMetric is one measurement of an analysis, repeated Count times. Limits are how
// many may be so before the metric is; -1 switches a limit off. Durations are real ones,
// not model minutes.
type AnalysisMetric struct {
	Name         string   `json:"name"`
	Interval     Duration `json:"interval,omitempty"`
	InitialDelay Duration `json:"initial_delay,omitempty"`
	// Count is how many measurements without error end it; 0 = one without an interval,
	// and with one until the gate's bake is over.
	Count int `json:"count,omitempty"`
	// The conditions are expressions of result. With both, a measurement that meets
	// neither is Inconclusive; with none it is Successful.
	SuccessCondition string `json:"success_condition,omitempty"`
	FailureCondition string `json:"failure_condition,omitempty"`

	FailureLimit      int `json:"failure_limit"`
	InconclusiveLimit int `json:"inconclusive_limit"`
	// ConsecutiveErrorLimit is how many errors in a row are borne.
	ConsecutiveErrorLimit int `json:"consecutive_error_limit"`
	// ConsecutiveSuccessLimit is how many successes in a row are enough; 0 = it takes Count.
	ConsecutiveSuccessLimit int `json:"consecutive_success_limit,omitempty"`
	// DryRun metrics are measured and shown, and don't count.
	DryRun bool `json:"dry_run,omitempty"`

	// One of them is set.
	Prometheus *PrometheusQuery `json:"prometheus,omitempty"`
	Web        *WebRequest      `json:"web,omitempty"`
	Job        *JobRun          `json:"job,omitempty"`
}

// PrometheusQuery is an instant query; its result is a list of numbers, or one number
// where it gives a scalar.
type PrometheusQuery struct {
	Address string            `json:"address"`
	Query   string            `json:"query"`
	Headers map[string]string `json:"headers,omitempty"`
	Timeout Duration          `json:"timeout"`
}

// WebRequest is a call whose JSON answer, or the part of it at JSONPath, is the result.
type WebRequest struct {
	Method   string            `json:"method"`
	URL      string            `json:"url"`
	Headers  map[string]string `json:"headers,omitempty"`
	Body     string            `json:"body,omitempty"`
	JSONPath string            `json:"json_path,omitempty"`
	Timeout  Duration          `json:"timeout"`
}

// JobRun is a Kubernetes Job that is run for one measurement. It is Successful when the
// job completes and Failed when the job fails; until then there is no measurement.
type JobRun struct {
	Cluster     string            `json:"cluster,omitempty"` // as the catalog names it; "" = the only one
	Namespace   string            `json:"namespace"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Spec        json.RawMessage   `json:"spec"` // a batch/v1 JobSpec
}

// JobOutcome is how a job ended.
type JobOutcome struct {
	Completed bool   `json:"completed"`
	Job       string `json:"job"` // namespace/name
	Why       string `json:"why,omitempty"`
}

// String says it in words.
func (o JobOutcome) String() string {
	if o.Completed {
		return "that job " + o.Job + " completed"
	}
	return "that job " + o.Job + " failed: " + o.Why
}

// AnalysisPhase is what is known of a measurement, a metric or an analysis.
type AnalysisPhase string

// The phases, in Argo's words. Unlike there, Error and Inconclusive never count as
// Failed: an outage of the monitoring says nothing about the product.
const (
	AnalysisRunning      AnalysisPhase = "Running"
	AnalysisSuccessful   AnalysisPhase = "Successful"
	AnalysisInconclusive AnalysisPhase = "Inconclusive"
	AnalysisError        AnalysisPhase = "Error"
	AnalysisFailed       AnalysisPhase = "Failed"
)

// Measurement is one look at a metric of an analysis.
type Measurement struct {
	At    time.Time     `json:"at"`
	Phase AnalysisPhase `json:"phase"`
	Value string        `json:"value,omitempty"` // what was measured, in words
	Why   string        `json:"why,omitempty"`   // of an error
}
