package app

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/catalog"
	"github.com/backout-dev/backout/internal/metrics"
)

// past is a store in which nothing was written down.
type past struct{}

func (past) Observations(context.Context, time.Time) ([]backout.Observation, error) { return nil, nil }
func (past) Priors(context.Context) (backout.Priors, error)                         { return backout.Priors{}, nil }
func (past) Holds(context.Context, time.Time) ([]backout.Hold, error)               { return nil, nil }
func (past) Attached(context.Context) ([]backout.Attached, error)                   { return nil, nil }
func (past) AttachedState(context.Context) (string, error)                          { return "", nil }

func TestFacts_versionsOfConsumers(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	row := func(labels map[string]string, newest float64) metrics.Row {
		return metrics.Row{Labels: labels, Points: []metrics.Point{{At: now.Add(-time.Minute), Value: 1000}, {At: now, Value: newest}}}
	}
	app := backout.ComponentID("deployment:android@production/phones")
	for name, tt := range map[string]struct {
		rows   []metrics.Row
		err    error
		want   map[backout.Version]float64
		silent string
	}{
		"shares": {[]metrics.Row{
			row(map[string]string{"app": "5.1"}, 60), row(map[string]string{"app": "5.2"}, 20), row(map[string]string{"app": "5.3"}, 20),
			row(map[string]string{"app": "4.0"}, 0), row(map[string]string{"app": "4.1"}, math.NaN()), row(map[string]string{"other": "x"}, 50),
		}, nil, map[backout.Version]float64{"5.1": .6, "5.2": .2, "5.3": .2}, ""},
		"no series":       {nil, nil, nil, "versions of Android users since 12:00:00: the backend has no data"},
		"no label":        {[]metrics.Row{row(map[string]string{"other": "x"}, 50)}, nil, nil, "versions of Android users since 12:00:00: its query has no series with a label app"},
		"refused":         {nil, &backout.Error{Code: backout.CodeInvalid, Message: "parse error"}, nil, "versions of Android users since 12:00:00: query: parse error"},
		"backend is away": {nil, &backout.Error{Code: backout.CodeUnavailable, Message: "connection refused", Err: errors.New("refused")}, nil, "versions of Android users since 12:00:00: ask metrics backend"},
	} {
		t.Run(name, func(t *testing.T) {
			sampler, err := metrics.New(metrics.Config{}, func(_ context.Context, expression string, _ metrics.Range) ([]metrics.Row, error) {
				if !strings.Contains(expression, "android_users") {
					t.Errorf("asked %q, want the consumer's query", expression)
				}
				return tt.rows, tt.err
			})
			if err != nil {
				t.Fatal(err)
			}
			f := &facts{catalog: catalog.Catalog{Graph: backout.Graph{Consumers: []backout.Consumer{
				{ID: "android", Component: app, Users: "Android users", Query: "android_users", VersionLabel: "app"}, {ID: "unmeasured", Component: "deployment:ios@production/phones"},
			}}}, store: past{}, sampler: sampler, minute: time.Minute, step: time.Minute}
			w, err := f.World(t.Context(), now, true)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, w.Live[app].Shares); diff != "" {
				t.Errorf("shares (-want +got):\n%s", diff)
			}
			if got := fmt.Sprint(f.blind()); (tt.silent == "") != (got == "[]") || !strings.Contains(got, tt.silent) {
				t.Errorf("unseen %q, want %q", got, tt.silent)
			}
		})
	}
}
