package recorded

import (
	"math"
	"slices"
	"strings"
	"time"

	backout "github.com/backout-dev/backout"
)

// Case is one recorded incident, cut off at At.
type Case struct {
	ID string
	At time.Time // the last moment of which anything is known
	// Noticed is when somebody complained.
	Noticed time.Time
	Step    time.Duration // between samples
	// Scrape is how often the original backend measured; one value is current for
	// Step + Scrape.
	Scrape   time.Duration
	Services []Service
	// Components are what can be changed, beside the deployments of deployable services.
	Components   []backout.Component
	Observations []backout.Observation
	Metrics      []Metric
	Questions    []Question
	Truth        Truth
}

// Where the sets name no environment and no location, there is one of each.
const (
	environment = "production"
	everywhere  = "global"
)

// Truth is the label of a case; no folder contains it.
type Truth struct {
	Service backout.ServiceID // where the cause is
	// Target is the service that was complained about; it is no candidate. Empty
	// where the set names none.
	Target backout.ServiceID
	// Change says that a change did it; false means that nothing may be taken back.
	Change bool
	Fault  string // what kind of fault was injected, for reports by class only
}

// Service is an entry of the catalog.
type Service struct {
	ID        backout.ServiceID
	Kind      backout.ServiceKind // empty = a service of ours
	DependsOn []backout.ServiceID
	// Soft and Holds are those of DependsOn that are so.
	Soft, Holds []backout.ServiceID
	// Deployable services have a component that can be changed.
	Deployable bool
	Instances  int
}

// Metric is a family of gauges.
type Metric struct {
	Name string
	Help string
	Rows []Row
}

// Row is one series of a metric, its points in order of time.
type Row struct {
	Labels map[string]string
	Points []Point
}

// Point is one measured value.
type Point struct {
	At    time.Time
	Value float64
}

// Question is a signal over gauges: the value is the mean (or median) of Metric
// over all rows alike in By, each as it was last measured.
type Question struct {
	Name      backout.SignalName
	Kind      backout.SignalKind
	Direction backout.Direction
	Metric    string
	By        []string // labels named like the parts of a subject
	// Median instead of the mean: without the number of requests behind each row, an
	// instance that has just started would count as much as all others.
	Median bool
	// Requests is the metric with the number of requests behind the value; empty =
	// one request a second.
	Requests string
	Opens    bool
}

// Signal is the question in PromQL. Latencies are asked as summed seconds and
// failures as failed requests, both per step.
func (q Question) Signal() backout.Signal {
	mean := func(metric string) string {
		by := " by (" + strings.Join(q.By, ", ") + ") ("
		if q.Median {
			return "quantile" + by + "0.5, last_over_time(" + metric + "[$window]))"
		}
		return "avg" + by + "last_over_time(" + metric + "[$window]))"
	}
	s := backout.Signal{Name: q.Name, Kind: q.Kind, Direction: q.Direction, Opens: q.Opens, Query: mean(q.Metric)}
	if q.Kind != backout.SignalLatency && q.Kind != backout.SignalErrors {
		return s
	}
	if q.Requests == "" {
		s.Query, s.Total = mean(q.Metric)+" * $step_s", mean(q.Metric)+" * 0 + $step_s"
		return s
	}
	s.Query, s.Total = mean(q.Metric)+" * "+mean(q.Requests), mean(q.Requests)
	return s
}

// name makes an identifier of whatever the set calls a thing.
func name(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		}
		return '-'
	}, s)
}

// cutOff drops what was measured after the case ends, what is no number, and empty
// rows. Then it moves the end to the first tick that knows all that is left.
func (c *Case) cutOff() {
	last := time.Time{}
	for i := range c.Metrics {
		c.Metrics[i].Rows = slices.DeleteFunc(c.Metrics[i].Rows, func(r Row) bool {
			return !slices.ContainsFunc(r.Points, func(p Point) bool { return c.usable(p) })
		})
		for k, r := range c.Metrics[i].Rows {
			r.Points = slices.DeleteFunc(r.Points, func(p Point) bool { return !c.usable(p) })
			slices.SortStableFunc(r.Points, func(a, b Point) int { return a.At.Compare(b.At) })
			r.Points = slices.CompactFunc(r.Points, func(a, b Point) bool { return a.At.Equal(b.At) })
			c.Metrics[i].Rows[k] = r
			if end := r.Points[len(r.Points)-1].At; end.After(last) {
				last = end
			}
		}
	}
	c.At = last.Add(c.Step - 1).Truncate(c.Step)
}

func (c *Case) usable(p Point) bool {
	return !p.At.After(c.At) && !math.IsNaN(p.Value) && !math.IsInf(p.Value, 0)
}
