package app

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/catalog"
)

// answering is a sampler that gives what it was told to, and remembers the questions.
type answering struct {
	series  []backout.Series
	missing map[backout.SignalName]string
	err     error
	asked   []backout.Signal
}

func (a *answering) Sample(_ context.Context, signals []backout.Signal, _, _ time.Time, _ time.Duration) (backout.Window, error) {
	a.asked = signals
	return backout.Window{Series: a.series, Missing: a.missing}, a.err
}

func TestLoads_askWhatTheCatalogNames(t *testing.T) {
	const id = backout.ComponentID("deployment:payment@production/eu-1")
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	world := func() backout.World {
		return backout.World{
			Now: now, Changes: []backout.Change{{Component: id}},
			Graph: backout.Graph{Components: []backout.Component{{ID: id, Rollback: &backout.Rollback{
				Utilisation: "u", Queue: &backout.Queue{Backlog: "b", Inflow: "i", DrainRate: 1}, Writes: &backout.Writes{Query: "w"},
			}}}},
		}
	}
	one := func(q backout.Quantity, values ...float64) backout.Series {
		s := backout.Series{ID: backout.SeriesID{Signal: question(id, q)}}
		for _, v := range values {
			s.Samples = append(s.Samples, backout.Sample{At: now, Value: v})
		}
		return s
	}
	a := &answering{
		series:  []backout.Series{one(backout.QuantityUtilisation, .2, .7), one(backout.QuantityInflow, 1), one(backout.QuantityInflow, 2)},
		missing: map[backout.SignalName]string{question(id, backout.QuantityWrites): "no data"},
	}
	f, w := &facts{catalog: catalog.Catalog{}, step: time.Second, sampler: a}, world()
	f.loads(t.Context(), &w)
	want := map[backout.ComponentID]backout.Load{id: {
		Values: map[backout.Quantity]float64{backout.QuantityUtilisation: .7},
		Missing: map[backout.Quantity]string{
			backout.QuantityBacklog: "the metrics have no answer", backout.QuantityWrites: "no data",
			backout.QuantityInflow: "2 series answer: aggregate the query with sum(...)",
		},
	}}
	if diff := cmp.Diff(want, w.Loads); diff != "" {
		t.Errorf("loads (-want +got):\n%s", diff)
	}
	if len(a.asked) != 4 {
		t.Errorf("asked %v, want the four questions", a.asked)
	}
	f.sampler, w = &answering{err: errors.New("prometheus is away")}, world()
	f.loads(t.Context(), &w)
	if why := w.Loads[id].Missing[backout.QuantityBacklog]; !strings.Contains(why, "is away") {
		t.Errorf("a backend that is away gives %q", why)
	}
	w.Graph.Components[0].Rollback, w.Loads = nil, nil
	if f.loads(t.Context(), &w); w.Loads != nil {
		t.Error("asked although nobody said what")
	}
}

// A rehearsal in which a minute lasts a second waits four seconds for a cache that
// takes four minutes, and the catalog itself stays as it was written.
func TestPerModelMinute_scalesWhatGoingBackTakes(t *testing.T) {
	g := backout.Graph{Components: []backout.Component{{ID: "a"}, {ID: "b", Rollback: &backout.Rollback{CacheWarmup: backout.Duration(4 * time.Minute), Startup: backout.Duration(time.Minute)}}}}
	fast := perModelMinute(g, time.Second).Components[1].Rollback
	if fast.CacheWarmup.Std() != 4*time.Second || fast.Startup.Std() != time.Second || g.Components[1].Rollback.Startup.Std() != time.Minute {
		t.Errorf("fast %+v, written %+v", fast, g.Components[1].Rollback)
	}
}
