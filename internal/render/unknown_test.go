package render_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/render"
)

func TestUnknown_namesWhatIsNotInTheCatalog(t *testing.T) {
	g := backout.Graph{
		Services:   []backout.Service{{ID: "cart"}},
		Journeys:   []backout.Journey{{ID: "buy"}},
		Components: []backout.Component{{ID: "deployment:cart@production/eu"}},
	}
	change := func(id backout.ComponentID) backout.Change { return backout.Change{Component: id} }
	alert := func(name string, s backout.Subject, state backout.AlertState) backout.Alert {
		return backout.Alert{Name: name, Subject: s, State: state}
	}
	firing := backout.AlertFiring
	for name, c := range map[string]struct {
		changes []backout.Change
		alerts  []backout.Alert
		want    []string
	}{
		"all known": {
			[]backout.Change{change("deployment:cart@production/eu")},
			[]backout.Alert{alert("Slow", backout.Subject{Service: "cart"}, firing), alert("Slow", backout.Subject{Journey: "buy"}, firing)}, []string{},
		},
		"unknown": {
			[]backout.Change{change("flag:x@production/eu"), change("deployment:old@production/eu"), change("flag:x@production/eu")},
			[]backout.Alert{
				alert("Slow", backout.Subject{Service: "node"}, firing), alert("Down", backout.Subject{}, firing), alert("Lost", backout.Subject{Journey: "pay", Service: "cart"}, firing),
				alert("Over", backout.Subject{Service: "node"}, backout.AlertResolved),
			},
			[]string{
				"3 changes on components that the catalog does not know: deployment:old@production/eu, flag:x@production/eu",
				"3 alerts about what the catalog does not know: Down (no service named), Lost (journey pay), Slow (service node)",
			},
		},
		"many": {
			[]backout.Change{change("a:1"), change("a:2"), change("a:3"), change("a:4"), change("a:5"), change("a:6"), change("a:7")}, nil,
			[]string{"7 changes on components that the catalog does not know: a:1, a:2, a:3, a:4, a:5 and 2 more"},
		},
	} {
		if d := cmp.Diff(c.want, render.Unknown(g, c.changes, c.alerts)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}
