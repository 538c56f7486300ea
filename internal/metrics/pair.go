package metrics

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/backout-dev/backout"
)

// parts are the parts of a subject, and the labels they are read from when the
// signal does not say otherwise.
var parts = []string{"service", "caller", "journey", "version", "location", "client"}

// pair makes the series of one signal from the answers to its expressions. Its
// error is the reason why the signal is missing.
func pair(s backout.Signal, query, total answer) ([]backout.Series, error) {
	for part := range s.Labels {
		if !slices.Contains(parts, part) {
			return nil, fmt.Errorf("labels: unknown part %q, expected one of %v", part, parts)
		}
	}
	switch {
	case s.Query == "":
		return nil, errors.New("the signal has no query")
	case query.err != nil:
		return nil, fmt.Errorf("query: %w", query.err)
	case s.Total != "" && total.err != nil:
		return nil, fmt.Errorf("total: %w", total.err)
	}
	values, err := bySubject(s, query.rows)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	samples := map[backout.Subject][]backout.Sample{}
	if s.Total == "" {
		for subject, points := range values {
			samples[subject] = alone(points)
		}
	} else {
		totals, err := bySubject(s, total.rows)
		if err != nil {
			return nil, fmt.Errorf("total: %w", err)
		}
		for subject, points := range totals {
			samples[subject] = ratio(values[subject], points, s.Kind != backout.SignalLatency)
		}
	}
	return series(s, samples)
}

// series puts the samples into the order of their subjects, so that the same
// answer gives the same window. Subjects that are all gaps are left out.
func series(s backout.Signal, samples map[backout.Subject][]backout.Sample) ([]backout.Series, error) {
	out := []backout.Series{}
	for _, subject := range slices.SortedFunc(maps.Keys(samples), compareSubjects) {
		if len(samples[subject]) == 0 {
			continue
		}
		out = append(out, backout.Series{
			ID:   backout.SeriesID{Signal: s.Name, Subject: subject},
			Kind: s.Kind, Worse: s.Direction, Opens: s.Opens, Samples: samples[subject],
		})
	}
	if len(out) == 0 {
		return nil, errors.New("the backend has no data for it in this window")
	}
	return out, nil
}

func bySubject(s backout.Signal, rows []Row) (map[backout.Subject][]Point, error) {
	out := make(map[backout.Subject][]Point, len(rows))
	for _, r := range rows {
		subject := subjectOf(s, r.Labels)
		if _, twice := out[subject]; twice {
			return nil, fmt.Errorf("two series for one subject, the second is %v: aggregate with sum by (...)", r.Labels)
		}
		out[subject] = r.Points
	}
	return out, nil
}

func subjectOf(s backout.Signal, labels map[string]string) backout.Subject {
	read := func(part string) string { return labels[cmp.Or(s.Labels[part], part)] }
	service := read("service")
	if callee := labels["callee"]; callee != "" && s.Labels["service"] == "" {
		service = callee
	}
	return backout.Subject{
		Service:  backout.ServiceID(service),
		Caller:   backout.ServiceID(read("caller")),
		Journey:  backout.JourneyID(read("journey")),
		Version:  backout.Version(read("version")),
		Location: backout.Location(read("location")),
		Client:   read("client"),
	}
}

func compareSubjects(a, b backout.Subject) int {
	return cmp.Or(
		cmp.Compare(a.Service, b.Service), cmp.Compare(a.Caller, b.Caller), cmp.Compare(a.Journey, b.Journey),
		cmp.Compare(a.Version, b.Version), cmp.Compare(a.Location, b.Location), cmp.Compare(a.Client, b.Client),
	)
}

// alone makes samples of a signal that is no ratio.
func alone(points []Point) []backout.Sample {
	out := make([]backout.Sample, 0, len(points))
	for _, p := range points {
		if finite(p.Value) {
			out = append(out, backout.Sample{At: p.At, Value: p.Value})
		}
	}
	return out
}

// ratio pairs values with the totals behind them. zero says that a value that is
// absent counts as 0; a value that is there but not finite is a gap all the same.
// Both are in order of time.
func ratio(values, totals []Point, zero bool) []backout.Sample {
	out := make([]backout.Sample, 0, len(totals))
	for _, p := range totals {
		for len(values) > 0 && values[0].At.Before(p.At) {
			values = values[1:]
		}
		known := len(values) > 0 && values[0].At.Equal(p.At)
		v := 0.0
		if known {
			v = values[0].Value
		}
		if !finite(p.Value) || p.Value <= 0 || !finite(v) || !known && !zero {
			continue
		}
		out = append(out, backout.Sample{At: p.At, Value: v, Total: p.Value})
	}
	return out
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
