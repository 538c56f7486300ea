package plan

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

func TestPressure_addsUpAlongTheOrder(t *testing.T) {
	w := newTown()
	payment := w.part(backout.KindDeployment, "payment", 30*time.Minute, "2.13.2", "2.14.0")
	checkout := w.part(backout.KindDeployment, "checkout", 20*time.Minute, "7.0.0", "7.1.0")
	flag := w.part(backout.KindFlag, "wallet", 10*time.Minute, "off", "on")
	w.needs("C-api", checkout, "7.1.0", payment, "2.14.0")
	w.needs("C-flag", flag, "on", checkout, "7.1.0")
	w.suspect(payment, "2.14.0", .8)
	m := newModel(w.req)
	_, in, s, err := m.settle()
	if err != nil {
		t.Fatal(err)
	}
	got := m.pressure(in, s) // sites: checkout, payment, wallet
	want := .8 * .95 * 12000
	if math.Abs(got[0]-want) > 1 || got[1] != 0 || math.Abs(got[2]-want) > 1 {
		t.Errorf("pressure %v, want %.0f on checkout and on wallet, none on payment", got, want)
	}
}

func TestStage_hurriesUnderPressure(t *testing.T) {
	w := newTown()
	w.part(backout.KindDeployment, "payment", 30*time.Minute, "2.13.2", "2.14.0")
	r := w.req.World.Reversals[id(backout.KindDeployment, "payment")]
	r.Shares = []float64{.05, .25, .5, 1}
	w.req.World.Reversals[r.Component] = r
	w.req.World.Graph.Components[0].Instances = 20
	m := newModel(w.req)
	for _, tt := range []struct {
		pressure, waited float64
		want             int
	}{{0, 0, 3}, {12000, 0, 2}, {0, 12000, 2}} {
		if a := m.stage(m.sites[0], tt.pressure, tt.waited); len(a.stages) != tt.want {
			t.Errorf("pressure %v, waited %v: stages %+v, want %d", tt.pressure, tt.waited, a.stages, tt.want)
		}
	}
}

// What is innocent, takes effect at once and holds others up goes whole; a suspect of
// the same kind is tried on a part first.
func TestStage_enablingFlagGoesWhole(t *testing.T) {
	w := newTown()
	flag := w.part(backout.KindFlag, "express", 30*time.Minute, "off", "on")
	r := w.req.World.Reversals[flag]
	r.Shares = []float64{.1, .5, 1}
	w.req.World.Reversals[flag] = r
	m := newModel(w.req)
	if a := m.stage(m.sites[0], 0, 12000); len(a.stages) != 1 || a.stages[0].Share != 1 || a.stages[0].Bake.Std() != bakePart*time.Minute {
		t.Errorf("stages %+v of a flag that only holds others up, want everything at once and a short bake", a.stages)
	}
	if a := m.stage(m.sites[0], 12000, 0); len(a.stages) < 2 {
		t.Errorf("stages %+v of a suspected flag, want a canary", a.stages)
	}
}

func TestOffered(t *testing.T) {
	tests := []struct {
		wished    []float64
		instances int
		on, want  []float64
	}{
		{[]float64{.05, .25, 1}, 3, []float64{1. / 3, 2. / 3, 1}, []float64{1. / 3, 1}},
		{[]float64{.05, .25, 1}, 10, []float64{.05, .1, .2, .3, 1}, []float64{.1, .3, 1}},
		{[]float64{.05, .25, 1}, 1, []float64{.5, 1}, []float64{1}},
		{[]float64{.1, 1}, 0, nil, []float64{1}},
		{[]float64{.1, 1}, 0, []float64{.25}, []float64{.25, 1}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, offered(tt.wished, tt.instances, tt.on)); diff != "" {
			t.Errorf("%v of %d on %v (-want +got):\n%s", tt.wished, tt.instances, tt.on, diff)
		}
	}
}

// The prices are those of the package comment, reckoned by hand.
func TestPrices_formula(t *testing.T) {
	w := newTown()
	payment := w.part(backout.KindDeployment, "payment", 30*time.Minute, "1", "2", "3")
	w.suspect(payment, "2", .3)
	w.suspect(payment, "3", .5)
	w.req.Attribution.PNone = .2
	m := newModel(w.req)
	a := action{stages: []backout.Stage{{Share: .5}}, fails: .1, damage: 4000, effort: 700}
	fixed, rate := m.prices(m.sites[0], a)
	const r, h, v, q = 12000, 45 * 60, 30000 * 60, .1
	act := (700 + q*4000*.5) * 60
	wantFixed := []int64{
		int64(.3*r*q*h + .7*v + .5*r*q*h + .5*v + act),
		int64(.3*r*h + .5*r*q*h + .5*v + act),
		int64(.3*r*h + .5*r*h),
	}
	wantRate := []int64{int64(math.Round(.8 * r * (1 - q))), int64(.5 * r * (1 - q)), 0}
	if diff := cmp.Diff(wantFixed, fixed); diff != "" {
		t.Errorf("fixed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantRate, rate); diff != "" {
		t.Errorf("rate (-want +got):\n%s", diff)
	}
}

func TestStakes(t *testing.T) {
	euros := func(now, then int64) backout.Forecast {
		return backout.Forecast{CostNow: backout.MoneyRange{P50: eur(now)}, CostHorizon: backout.MoneyRange{P50: eur(then)}}
	}
	fast := euros(10, 30)
	fast.Horizon = backout.Duration(30 * time.Second)
	tests := map[string]struct {
		req  Request
		want stakes
	}{
		"mean of now and horizon": {
			Request{Forecast: euros(10, 30)},
			stakes{currency: "EUR", rate: 2000, horizon: 45 * 60, lag: 120, mended: 45 * 60},
		},
		"a model minute of a second": {
			Request{Forecast: fast, World: backout.World{Minute: backout.Duration(time.Second)}},
			stakes{currency: "EUR", rate: 2000, horizon: 30 * 60, lag: 120, mended: 30 * 60},
		},
		"nothing has a value": {
			Request{},
			stakes{currency: "XXX", rate: nominalRate, assumed: true, horizon: 45 * 60, lag: 120, mended: 45 * 60},
		},
		"a fix arrives after its lag, as surely as it was said": {
			Request{Forecast: euros(10, 30), Fix: &backout.Fix{ETA: time.Time{}.Add(13 * time.Minute), Confidence: .6}},
			stakes{currency: "EUR", rate: 2000, horizon: 45 * 60, lag: 120, mended: 15*60*6/10 + 45*60*4/10},
		},
		"learnt lag counts against three prior ones": {
			Request{Forecast: euros(1, 1), World: backout.World{Priors: backout.Priors{EffectLags: backout.Moments{N: 3, Sum: 3 * math.Log(30)}}}},
			stakes{currency: "EUR", rate: 100, horizon: 45 * 60, lag: 60, mended: 45 * 60},
		},
	}
	for name, tt := range tests {
		if got := stakesOf(tt.req); got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}

func TestValue_ofAFeature(t *testing.T) {
	w := newTown()
	flag := w.part(backout.KindFlag, "wallet", 10*time.Minute, "off", "on")
	w.req.World.Graph.Features = []backout.Feature{{ID: "wallet", Flag: flag, ValuePerMinute: eur(2)}}
	m := newModel(w.req)
	if got := m.value(m.sites[0].component); got != 10000+200*45 {
		t.Errorf("value %d, want the work in it and what the feature earns until the horizon, %d", got, 10000+200*45)
	}
}

func TestWorks_poolsKindAndService(t *testing.T) {
	c := backout.Component{Kind: backout.KindDeployment, Service: "payment"}
	p := backout.Priors{Actions: map[string]backout.Rate{"deployment": {Worked: 5, Tried: 10}, "deployment/payment": {Worked: 10, Tried: 10}}}
	kind := (.95*10 + 5) / 20
	if got, want := works(c, p), (kind*10+10)/20; math.Abs(got-want) > 1e-12 {
		t.Errorf("chance %v, want %v", got, want)
	}
}
