package analysis

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

func TestLook_conditions(t *testing.T) {
	for name, c := range map[string]struct {
		success, failure string
		result           any
		want             backout.AnalysisPhase
	}{
		"good":                        {"result[0] >= 0.95", "", []float64{.97}, backout.AnalysisSuccessful},
		"not good":                    {"result[0] >= 0.95", "", []float64{.9}, backout.AnalysisFailed},
		"not bad":                     {"", "result[0] > 5", []float64{1}, backout.AnalysisSuccessful},
		"bad":                         {"", "result[0] > 5", []float64{6}, backout.AnalysisFailed},
		"neither":                     {"result < 1", "result > 5", 3.0, backout.AnalysisInconclusive},
		"both":                        {"result < 10", "result > 5", 7.0, backout.AnalysisFailed},
		"no condition":                {"", "", 7.0, backout.AnalysisSuccessful},
		"no series":                   {"result[0] >= 0.95", "", []float64{}, backout.AnalysisError},
		"no series is fine":           {"len(result) == 0 || result[0] < 5", "", []float64{}, backout.AnalysisSuccessful},
		"not a number":                {"!isNaN(result) && result < 1", "", math.NaN(), backout.AnalysisFailed},
		"a text that is a number":     {"asFloat(result) > 1", "", "1.5", backout.AnalysisSuccessful},
		"a text that is none":         {"asInt(result) > 1", "", "many", backout.AnalysisError},
		"a mapping":                   {`result.ok && result.errors < 3`, "", map[string]any{"ok": true, "errors": 2.0}, backout.AnalysisSuccessful},
		"what is not there":           {"default(result.missing, 0) < 3", "", map[string]any{}, backout.AnalysisSuccessful},
		"what is not there, compared": {"result.missing.deeper < 3", "", map[string]any{}, backout.AnalysisError},
		"a list of texts":             {`all(result, # == "up")`, "", []any{"up", "up"}, backout.AnalysisSuccessful},
	} {
		got, err := Look(backout.AnalysisMetric{SuccessCondition: c.success, FailureCondition: c.failure}, c.result)
		if got != c.want || (err != nil) != (c.want == backout.AnalysisError) {
			t.Errorf("%s: %s, %v; want %s", name, got, err, c.want)
		}
	}
	for _, wrong := range []string{"result[0] >=", "result +", "1 + 1", "nobody(result)"} {
		if Compile(wrong) == nil {
			t.Errorf("%q passes for a condition", wrong)
		}
	}
}

// taken spells measurements: S, F, I, E.
func taken(letters string) []backout.Measurement {
	var out []backout.Measurement
	for _, l := range letters {
		p := map[rune]backout.AnalysisPhase{'S': backout.AnalysisSuccessful, 'F': backout.AnalysisFailed, 'I': backout.AnalysisInconclusive, 'E': backout.AnalysisError}[l]
		out = append(out, backout.Measurement{Phase: p})
	}
	return out
}

func TestMetric_limits(t *testing.T) {
	every := backout.Duration(time.Minute)
	five := backout.AnalysisMetric{Interval: every, Count: 5, ConsecutiveErrorLimit: 4}
	with := func(change func(*backout.AnalysisMetric)) backout.AnalysisMetric {
		m := five
		change(&m)
		return m
	}
	bear := with(func(m *backout.AnalysisMetric) { m.FailureLimit, m.InconclusiveLimit = 2, 1 })
	row := with(func(m *backout.AnalysisMetric) { m.ConsecutiveSuccessLimit, m.FailureLimit = 3, -1 })
	once := backout.AnalysisMetric{ConsecutiveErrorLimit: 4}
	endless := backout.AnalysisMetric{Interval: every, ConsecutiveErrorLimit: 4}
	for name, c := range map[string]struct {
		m     backout.AnalysisMetric
		taken string
		over  bool
		want  backout.AnalysisPhase
	}{
		"none yet":                          {five, "", true, backout.AnalysisRunning},
		"under way":                         {five, "SSSS", true, backout.AnalysisRunning},
		"all of them":                       {five, "SSSSS", false, backout.AnalysisSuccessful},
		"one failure is too much":           {five, "SSF", false, backout.AnalysisFailed},
		"two are borne":                     {bear, "SFSFS", false, backout.AnalysisSuccessful},
		"three are not":                     {bear, "FSFF", false, backout.AnalysisFailed},
		"it rests at the first end":         {bear, "FFFSSSSSS", false, backout.AnalysisFailed},
		"one inconclusive is borne":         {bear, "SISSS", false, backout.AnalysisSuccessful},
		"two are not, and are no failure":   {bear, "SII", false, backout.AnalysisInconclusive},
		"errors don't count":                {five, "SESESES", false, backout.AnalysisRunning},
		"four errors in a row are borne":    {five, "EEEESSSSS", false, backout.AnalysisSuccessful},
		"five are not, and are no failure":  {five, "SEEEEE", false, backout.AnalysisError},
		"three in a row are enough":         {row, "FSSS", false, backout.AnalysisSuccessful},
		"never three in a row":              {row, "SSFSS", false, backout.AnalysisInconclusive},
		"an error breaks the row":           {row, "SSESS", false, backout.AnalysisRunning},
		"once":                              {once, "S", false, backout.AnalysisSuccessful},
		"once, after errors":                {once, "EES", false, backout.AnalysisSuccessful},
		"without a count it runs":           {endless, "SSSSSSSS", false, backout.AnalysisRunning},
		"without a count, time is up":       {endless, "S", true, backout.AnalysisSuccessful},
		"without a count, nothing measured": {endless, "EE", true, backout.AnalysisRunning},
	} {
		if got := Metric(c.m, taken(c.taken), c.over); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestWhole_isItsWorst(t *testing.T) {
	const s, i, e, r, f = backout.AnalysisSuccessful, backout.AnalysisInconclusive, backout.AnalysisError, backout.AnalysisRunning, backout.AnalysisFailed
	a := backout.Analysis{Metrics: []backout.AnalysisMetric{{}, {}, {DryRun: true}}}
	for _, c := range []struct{ x, y, dry, want backout.AnalysisPhase }{
		{s, s, s, s}, {s, s, f, s}, {s, i, s, i}, {i, e, s, e}, {e, r, s, r}, {r, f, s, f}, {f, e, s, f},
	} {
		if got := Whole(a, []backout.AnalysisPhase{c.x, c.y, c.dry}); got != c.want {
			t.Errorf("%s, %s, dry run %s: %s, want %s", c.x, c.y, c.dry, got, c.want)
		}
	}
}

func TestFill_arguments(t *testing.T) {
	a := backout.Analysis{Name: "a", Args: []backout.AnalysisArg{{Name: "service"}, {Name: "least", Value: "0.9", Given: true}}, Metrics: []backout.AnalysisMetric{{
		SuccessCondition: "result[0] > {{ args.least }}", Prometheus: &backout.PrometheusQuery{Query: `up{service="{{args.service}}"} or {{x}}`, Headers: map[string]string{"X": "{{args.least}}"}},
	}}}
	got, err := Fill(a, map[string]string{"service": "pay", "least": "not this one"})
	if m := got.Metrics[0]; err != nil || m.SuccessCondition != "result[0] > 0.9" || m.Prometheus.Query != `up{service="pay"} or {{x}}` || m.Prometheus.Headers["X"] != "0.9" {
		t.Errorf("%+v %+v, %v", m, m.Prometheus, err)
	}
	if strings.Contains(a.Metrics[0].Prometheus.Query, "pay") {
		t.Error("the original was changed")
	}
	if _, err := Fill(a, nil); err == nil || !strings.Contains(err.Error(), "argument service") {
		t.Errorf("%v, want the argument named", err)
	}
	a.Metrics[0].FailureCondition = "result[0] > {{args.most}}"
	if _, err := Fill(a, map[string]string{"service": "pay"}); err == nil || !strings.Contains(err.Error(), "args.most") {
		t.Errorf("%v, want the name", err)
	}
}

func FuzzLook_neverPanics(f *testing.F) {
	f.Add("result[0] > 1", "result < 0")
	f.Fuzz(func(_ *testing.T, success, failure string) {
		_, _ = Look(backout.AnalysisMetric{SuccessCondition: success, FailureCondition: failure}, []float64{1})
	})
}
