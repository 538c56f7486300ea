package backout_test

import (
	"testing"

	"github.com/backout-dev/backout"
)

func euros(n int64) backout.Money { return backout.Money{Minor: 100 * n, Currency: "EUR"} }

var shopGraph = backout.Graph{Journeys: []backout.Journey{
	{ID: "buy", Services: []backout.ServiceID{"checkout", "payment"}, ValuePerMinute: euros(900)},
	{ID: "browse", Services: []backout.ServiceID{"search", "checkout"}, ValuePerMinute: euros(100)},
}}

func TestSuccessCriteria_weights(t *testing.T) {
	for name, c := range map[string]struct {
		objectives []backout.Criterion
		want       []float64
	}{
		"the journeys' money":             {[]backout.Criterion{{Journey: "buy"}, {Service: "search"}, {Service: "checkout"}}, []float64{90000, 10000, 100000}},
		"given, and one left out":         {[]backout.Criterion{{Journey: "buy", Weight: 3}, {Journey: "browse"}}, []float64{3, 1}},
		"no money known":                  {[]backout.Criterion{{Service: "mail"}, {Signal: "orders"}}, []float64{1, 1}},
		"worth nothing beside the others": {[]backout.Criterion{{Service: "mail"}, {Journey: "buy"}}, []float64{0, 90000}},
	} {
		got := backout.SuccessCriteria{Objectives: c.objectives}.Weighted(shopGraph)
		for i, w := range c.want {
			if got.Objectives[i].Weight != w {
				t.Errorf("%s: objective %d weighs %g, want %g", name, i, got.Objectives[i].Weight, w)
			}
		}
	}
}

func TestCriteriaFor_theNearestHold(t *testing.T) {
	all := []backout.SuccessCriteria{
		{ID: "everywhere", Pass: .8, Objectives: []backout.Criterion{{Journey: "buy"}}},
		{ID: "pay", Services: []backout.ServiceID{"payment"}, Pass: .9, Objectives: []backout.Criterion{{Service: "payment"}}},
		{ID: "search", Services: []backout.ServiceID{"search"}, Pass: 1, Objectives: []backout.Criterion{{Service: "search"}}, Analyses: []string{"smoke"}},
		{ID: "staging", Environment: "staging", Pass: 1},
	}
	for name, c := range map[string]struct {
		env      backout.Environment
		services []backout.ServiceID
		id       string
		n        int
		pass     float64
	}{
		"no service has its own": {"production", []backout.ServiceID{"mail"}, "everywhere", 1, .8},
		"its own":                {"production", []backout.ServiceID{"mail", "payment"}, "pay", 1, .9},
		"two have their own":     {"production", []backout.ServiceID{"search", "payment"}, "pay", 2, 1},
		"another environment":    {"staging", nil, "everywhere", 1, 1},
	} {
		got, ok := backout.CriteriaFor(all, c.env, c.services)
		if !ok || got.ID != c.id || len(got.Objectives) != c.n || got.Pass != c.pass {
			t.Errorf("%s: %+v, %t", name, got, ok)
		}
	}
	if _, ok := backout.CriteriaFor(all[1:3], "production", nil); ok {
		t.Error("criteria of services hold for others")
	}
}

func TestCriterion_covers(t *testing.T) {
	buy := backout.SeriesID{Signal: "journey-errors", Subject: backout.Subject{Journey: "buy"}}
	arm := backout.SeriesID{Signal: "errors", Subject: backout.Subject{Service: "payment", Version: "2"}}
	for _, c := range []struct {
		o    backout.Criterion
		id   backout.SeriesID
		want bool
	}{
		{backout.Criterion{Journey: "buy"}, buy, true}, {backout.Criterion{Journey: "buy", Signal: "journey-latency"}, buy, false},
		{backout.Criterion{Signal: "journey-errors"}, buy, true}, {backout.Criterion{Service: "payment"}, arm, false}, {backout.Criterion{Service: "payment"}, buy, false},
	} {
		if got := c.o.Covers(c.id); got != c.want {
			t.Errorf("%+v covers %+v: %t", c.o, c.id, got)
		}
	}
}
