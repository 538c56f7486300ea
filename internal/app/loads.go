package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// loadTimeout bounds what the metrics may take to say what going back would cost.
const loadTimeout = 5 * time.Second

// sampler is the part of [metrics.Sampler] that the world needs.
type sampler interface {
	Sample(ctx context.Context, signals []backout.Signal, from, to time.Time, step time.Duration) (backout.Window, error)
}

// loads asks the metrics about the components that matter and say what to ask.
// What is not answered is named with its reason, and a plan says so where it matters.
func (f *facts) loads(ctx context.Context, w *backout.World) {
	var signals []backout.Signal
	for _, id := range matter(*w) {
		c, _ := w.Graph.Component(id)
		for q, query := range c.Rollback.Questions() {
			signals = append(signals, backout.Signal{Name: question(id, q), Kind: backout.SignalKPI, Direction: backout.WorseBoth, Query: query})
		}
	}
	if len(signals) == 0 || f.sampler == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	answers, err := f.sampler.Sample(ctx, signals, w.Now.Add(-5*f.step), w.Now, f.step)
	w.Loads = map[backout.ComponentID]backout.Load{}
	for _, s := range signals {
		id, q := asked(s.Name)
		l, ok := w.Loads[id]
		if !ok {
			l = backout.Load{Values: map[backout.Quantity]float64{}, Missing: map[backout.Quantity]string{}}
			w.Loads[id] = l
		}
		if v, why := newest(answers, s.Name, err); why == "" {
			l.Values[q] = v
		} else {
			l.Missing[q] = why
		}
	}
}

// question names the signal that asks for a quantity of a component.
func question(id backout.ComponentID, q backout.Quantity) backout.SignalName {
	return backout.SignalName(string(id) + "#" + string(q))
}

func asked(s backout.SignalName) (backout.ComponentID, backout.Quantity) {
	id, q, _ := strings.Cut(string(s), "#")
	return backout.ComponentID(id), backout.Quantity(q)
}

// newest is the last value of the one series that answers a signal, or why there
// is none.
func newest(w backout.Window, name backout.SignalName, err error) (float64, string) {
	if err != nil {
		return 0, err.Error()
	}
	var found []backout.Series
	for _, s := range w.Series {
		if s.ID.Signal == name {
			found = append(found, s)
		}
	}
	if len(found) > 1 {
		return 0, fmt.Sprintf("%d series answer: aggregate the query with sum(...)", len(found))
	}
	if len(found) == 1 {
		if last, ok := found[0].Latest(); ok {
			return last.Value, ""
		}
	}
	if why := w.Missing[name]; why != "" {
		return 0, why
	}
	return 0, "the metrics have no answer"
}
