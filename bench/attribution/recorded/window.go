package recorded

import (
	"maps"
	"slices"
	"strings"
	"time"

	backout "github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/statistics"
)

// Window is what asking all questions of the case gives: the same samples that a
// replay of its folder gets from PromQL. Peers are measured on it.
func (c Case) Window() backout.Window {
	w := backout.Window{Now: c.At.Truncate(c.Step), Step: c.Step, Missing: map[backout.SignalName]string{}}
	w.From = w.Now
	for _, m := range c.Metrics {
		for _, r := range m.Rows {
			if len(r.Points) > 0 && r.Points[0].At.Before(w.From) {
				w.From = r.Points[0].At.Truncate(c.Step)
			}
		}
	}
	for _, q := range c.Questions {
		w.Series = append(w.Series, c.answer(q, w)...)
	}
	return w
}

// answer is a question's series in order of their subjects.
func (c Case) answer(q Question, w backout.Window) []backout.Series {
	values := c.groups(q.Metric, q, w)
	var requests map[backout.Subject][]group
	if q.Requests != "" {
		requests = c.groups(q.Requests, q, w)
	}
	var out []backout.Series
	for _, subject := range slices.SortedFunc(maps.Keys(values), func(a, b backout.Subject) int { return strings.Compare(key(a), key(b)) }) {
		s := backout.Series{ID: backout.SeriesID{Signal: q.Name, Subject: subject}, Kind: q.Kind, Worse: q.Direction, Opens: q.Opens}
		ratio := q.Kind == backout.SignalLatency || q.Kind == backout.SignalErrors
		for i, v := range values[subject] {
			smp := backout.Sample{At: w.From.Add(time.Duration(i+1) * c.Step), Value: v.value(q.Median)}
			switch {
			case len(v) == 0:
				continue
			case ratio && q.Requests == "":
				smp.Total = c.Step.Seconds()
			case ratio:
				if requests[subject] == nil || len(requests[subject][i]) == 0 || requests[subject][i].value(q.Median) <= 0 {
					continue
				}
				smp.Total = requests[subject][i].value(q.Median)
			}
			if ratio {
				smp.Value *= smp.Total
			}
			s.Samples = append(s.Samples, smp)
		}
		if len(s.Samples) > 0 {
			out = append(out, s)
		}
	}
	return out
}

func key(s backout.Subject) string {
	return strings.Join([]string{string(s.Service), string(s.Caller), string(s.Version)}, "\x00")
}

// group is what the rows alike in their subject said at one instant.
type group []float64

func (g group) value(median bool) float64 {
	if median {
		return statistics.Median(g)
	}
	sum := 0.0
	for _, v := range g {
		sum += v
	}
	return sum / float64(len(g))
}

// groups are the values of a metric's rows by subject, for each sampling
// instant.
func (c Case) groups(metric string, q Question, w backout.Window) map[backout.Subject][]group {
	out := map[backout.Subject][]group{}
	i := slices.IndexFunc(c.Metrics, func(m Metric) bool { return m.Name == metric })
	if i < 0 {
		return out
	}
	steps := int(w.Now.Sub(w.From) / c.Step)
	for _, r := range c.Metrics[i].Rows {
		var s backout.Subject
		for _, by := range q.By {
			switch by {
			case "service":
				s.Service = backout.ServiceID(r.Labels[by])
			case "caller":
				s.Caller = backout.ServiceID(r.Labels[by])
			case "version":
				s.Version = backout.Version(r.Labels[by])
			}
		}
		if out[s] == nil {
			out[s] = make([]group, steps)
		}
		next, last := 0, -1
		for k := range out[s] {
			at := w.From.Add(time.Duration(k+1) * c.Step)
			for next < len(r.Points) && !r.Points[next].At.After(at) {
				last = next
				next++
			}
			if last >= 0 && r.Points[last].At.After(at.Add(-c.Step-c.Scrape)) {
				out[s][k] = append(out[s][k], r.Points[last].Value)
			}
		}
	}
	return out
}
