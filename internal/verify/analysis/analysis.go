// Package analysis judges the measurements of an analysis, as Argo Rollouts does: one
// measurement by its conditions, one metric by the limits on its measurements, the whole
// by its metrics. It measures nothing itself.
//
// A metric is folded over its measurements in order and rests at the first phase that
// ends it. Errors don't count towards Count; too many in a row make it Error. The whole
// is Failed as soon as one metric is, else Running while one is, else as bad as its worst
// metric, in the order Successful, Inconclusive, Error. What Error and Inconclusive mean
// for a way back is for the caller to say; here they are not Failed.
//
// Source: Argo Rollouts, docs/features/analysis.md.
package analysis

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/expr-lang/expr"

	"github.com/backout-dev/backout"
)

// environment is what a condition may name. Result is of any type, so that conditions
// are checked before there is one.
type environment struct {
	Result  any                           `expr:"result"`
	IsNaN   func(float64) bool            `expr:"isNaN"`
	IsInf   func(float64) bool            `expr:"isInf"`
	IsNil   func(any) bool                `expr:"isNil"`
	AsInt   func(string) (int64, error)   `expr:"asInt"`
	AsFloat func(string) (float64, error) `expr:"asFloat"`
	Default func(v, instead any) any      `expr:"default"`
}

func about(result any) environment {
	return environment{
		Result: result, IsNaN: math.IsNaN, IsInf: func(f float64) bool { return math.IsInf(f, 0) }, IsNil: func(v any) bool { return v == nil },
		AsInt:   func(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) },
		AsFloat: func(s string) (float64, error) { return strconv.ParseFloat(s, 64) },
		Default: func(v, instead any) any {
			if v == nil {
				return instead
			}
			return v
		},
	}
}

// Compile says what is wrong with a condition, such as result[0] >= 0.95. Beside the
// result it knows isNaN, isInf, isNil, asInt, asFloat and default(value, instead).
func Compile(condition string) error {
	_, err := expr.Compile(condition, expr.AsBool(), expr.Env(environment{}))
	return err
}

// Look judges one measured value; a job judges itself. What can't be evaluated is an Error: a list without
// the element that is asked for, a text that is no number.
func Look(m backout.AnalysisMetric, result any) (backout.AnalysisPhase, error) {
	if job, ok := result.(backout.JobOutcome); ok {
		if !job.Completed {
			return backout.AnalysisFailed, nil
		}
		return backout.AnalysisSuccessful, nil
	}
	good, err := holds(m.SuccessCondition, result)
	if err != nil {
		return backout.AnalysisError, fmt.Errorf("successCondition %s: %w", m.SuccessCondition, err)
	}
	bad, err := holds(m.FailureCondition, result)
	switch {
	case err != nil:
		return backout.AnalysisError, fmt.Errorf("failureCondition %s: %w", m.FailureCondition, err)
	case m.FailureCondition != "" && bad, m.FailureCondition == "" && m.SuccessCondition != "" && !good:
		return backout.AnalysisFailed, nil
	case m.SuccessCondition != "" && !good:
		return backout.AnalysisInconclusive, nil
	}
	return backout.AnalysisSuccessful, nil
}

func holds(condition string, result any) (bool, error) {
	if condition == "" {
		return false, nil
	}
	program, err := expr.Compile(condition, expr.AsBool(), expr.Env(environment{}))
	if err != nil {
		return false, err
	}
	out, err := expr.Run(program, about(result))
	if err != nil {
		return false, err
	}
	yes, ok := out.(bool)
	if !ok {
		return false, fmt.Errorf("gives %v, expected true or false", out)
	}
	return yes, nil
}

// Metric is the phase of a metric after its measurements so far. over says that the time
// for it has passed: one that repeats without a count then ends as it is.
func Metric(m backout.AnalysisMetric, taken []backout.Measurement, over bool) backout.AnalysisPhase {
	n := map[backout.AnalysisPhase]int{}
	errors, successes := 0, 0
	for _, x := range taken {
		n[x.Phase]++
		errors, successes = row(errors, x.Phase == backout.AnalysisError), row(successes, x.Phase == backout.AnalysisSuccessful)
		count := n[backout.AnalysisSuccessful] + n[backout.AnalysisFailed] + n[backout.AnalysisInconclusive]
		switch {
		case beyond(n[backout.AnalysisFailed], m.FailureLimit):
			return backout.AnalysisFailed
		case beyond(n[backout.AnalysisInconclusive], m.InconclusiveLimit):
			return backout.AnalysisInconclusive
		case beyond(errors, m.ConsecutiveErrorLimit):
			return backout.AnalysisError
		case m.ConsecutiveSuccessLimit > 0 && successes >= m.ConsecutiveSuccessLimit:
			return backout.AnalysisSuccessful
		case Count(m) > 0 && count >= Count(m) && m.ConsecutiveSuccessLimit > 0:
			return backout.AnalysisInconclusive // all were taken, and never enough in a row
		case Count(m) > 0 && count >= Count(m):
			return backout.AnalysisSuccessful
		}
	}
	if over && Count(m) == 0 && n[backout.AnalysisSuccessful] > 0 {
		return backout.AnalysisSuccessful
	}
	return backout.AnalysisRunning
}

// Count is how many measurements end a metric; 0 = none do.
func Count(m backout.AnalysisMetric) int {
	if m.Count == 0 && m.Interval == 0 {
		return 1
	}
	return m.Count
}

func row(n int, goesOn bool) int {
	if goesOn {
		return n + 1
	}
	return 0
}

func beyond(n, limit int) bool { return limit >= 0 && n > limit }

// Whole is the phase of an analysis, from the phases of its metrics in their order.
func Whole(a backout.Analysis, phases []backout.AnalysisPhase) backout.AnalysisPhase {
	worst := backout.AnalysisSuccessful
	for i, p := range phases {
		if !a.Metrics[i].DryRun && badness(p) > badness(worst) {
			worst = p
		}
	}
	return worst
}

func badness(p backout.AnalysisPhase) int {
	for i, known := range []backout.AnalysisPhase{backout.AnalysisSuccessful, backout.AnalysisInconclusive, backout.AnalysisError, backout.AnalysisRunning, backout.AnalysisFailed} {
		if p == known {
			return i
		}
	}
	return -1
}

// Fill replaces {{args.NAME}} in everything that is asked, by the values written down or
// else those given. It names a value that nobody has.
func Fill(a backout.Analysis, given map[string]string) (backout.Analysis, error) {
	values := map[string]string{}
	for _, arg := range a.Args {
		v, ok := given[arg.Name]
		if arg.Given {
			v, ok = arg.Value, true
		}
		if !ok {
			return a, fmt.Errorf("analysis %s: nobody gives a value for its argument %s", a.Name, arg.Name)
		}
		values[arg.Name] = v
	}
	var missing error
	fill := func(s string) string {
		out, err := replace(s, values)
		if err != nil && missing == nil {
			missing = fmt.Errorf("analysis %s: %w", a.Name, err)
		}
		return out
	}
	metrics := make([]backout.AnalysisMetric, len(a.Metrics))
	for i, m := range a.Metrics {
		m.SuccessCondition, m.FailureCondition = fill(m.SuccessCondition), fill(m.FailureCondition)
		if m.Prometheus != nil {
			q := *m.Prometheus
			q.Address, q.Query, q.Headers = fill(q.Address), fill(q.Query), filled(q.Headers, fill)
			m.Prometheus = &q
		}
		if m.Web != nil {
			w := *m.Web
			w.URL, w.Body, w.JSONPath, w.Headers = fill(w.URL), fill(w.Body), fill(w.JSONPath), filled(w.Headers, fill)
			m.Web = &w
		}
		if m.Job != nil {
			j := *m.Job
			j.Namespace, j.Labels, j.Annotations = fill(j.Namespace), filled(j.Labels, fill), filled(j.Annotations, fill)
			var err error
			if j.Spec, err = filledJSON(j.Spec, fill); err != nil && missing == nil {
				missing = fmt.Errorf("analysis %s: %w", a.Name, err)
			}
			m.Job = &j
		}
		metrics[i] = m
	}
	a.Metrics = metrics
	return a, missing
}

func filled(headers map[string]string, fill func(string) string) map[string]string {
	out := map[string]string{}
	for k, v := range headers {
		out[k] = fill(v)
	}
	return out
}

// filledJSON fills every text of a JSON value, so that no value can end one.
func filledJSON(raw json.RawMessage, fill func(string) string) (json.RawMessage, error) {
	var whole any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&whole); err != nil {
		return nil, err
	}
	var walk func(any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case string:
			return fill(v)
		case []any:
			for i := range v {
				v[i] = walk(v[i])
			}
		case map[string]any:
			for k := range v {
				v[k] = walk(v[k])
			}
		}
		return v
	}
	return json.Marshal(walk(whole))
}

// replace fills one text. Doubled braces that don't hold args.NAME stay: PromQL and JSON
// have their own.
func replace(s string, values map[string]string) (string, error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "{{")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		inside, after, closed := strings.Cut(rest, "}}")
		name, ours := strings.CutPrefix(strings.TrimSpace(inside), "args.")
		if !closed || !ours {
			b.WriteString("{{")
			s = rest
			continue
		}
		v, ok := values[name]
		if !ok {
			return b.String(), fmt.Errorf("{{args.%s}} is none of its arguments", name)
		}
		b.WriteString(v)
		s = after
	}
}
