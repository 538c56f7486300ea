package drill

import (
	"math"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

func seconds(s float64) *float64 { return &s }

func TestScore_forecastNamesEveryTarget(t *testing.T) {
	at := injected.Add(2 * time.Second)
	hit := func(s backout.ServiceID, j backout.JourneyID, after time.Duration) backout.Finding {
		return backout.Finding{ID: backout.SeriesID{Subject: backout.Subject{Service: s, Journey: j}}, At: injected.Add(after)}
	}
	f := played(backout.StateRecovered, pay)
	f.Incidents[0].FirstForecast = &backout.Forecast{At: at, Horizon: backout.Duration(30 * time.Second), Hits: []backout.Hit{
		{Target: "cart", Kind: backout.TargetService, P: .7, P10: backout.Duration(time.Second), P50: backout.Duration(2 * time.Second), P90: backout.Duration(4 * time.Second)},
	}}
	f.Graph = backout.Graph{
		Services: []backout.Service{{ID: "cart", Kind: backout.ServiceOwn}, {ID: "mail", Kind: backout.ServiceOwn}, {ID: "bank", Kind: backout.ServiceExternal}},
		Journeys: []backout.Journey{{ID: "buy"}},
	}
	f.Hits = []backout.Finding{hit("cart", "", 6*time.Second), hit("cart", "", 5*time.Second), hit("", "buy", 3*time.Second)}
	r := Score(Truth{InjectedAt: injected}, f)
	if len(r.Forecast) != 3 || r.ForecastHorizonS != 30 {
		t.Fatalf("%d targets, horizon %v: want the two own services and the journey, 30 s", len(r.Forecast), r.ForecastHorizonS)
	}
	cart, buy, mail := r.Forecast[0], r.Forecast[1], r.Forecast[2]
	if cart.P != .7 || *cart.P50S != 4 || *cart.HitS != 5 {
		t.Errorf("cart is %+v: want named at 4 s, first hit at 5 s", cart)
	}
	if buy.P != 0 || buy.P50S != nil || *buy.HitS != 3 || mail.HitS != nil {
		t.Errorf("buy %+v, mail %+v: want neither named, buy hit at 3 s", buy, mail)
	}
}

func TestForecastSkill_closedForm(t *testing.T) {
	run := Result{ForecastAtS: seconds(2), ForecastHorizonS: 30, FirstEffectS: seconds(6), Forecast: []ForecastHit{
		{Target: "seen", P: 1, HitS: seconds(1)}, // before the forecast: no forecast at all
		{Target: "soon", P: .8, P10S: seconds(3), P50S: seconds(4), P90S: seconds(6), HitS: seconds(5)},
		{Target: "late", P: .8, P10S: seconds(3), P50S: seconds(4), P90S: seconds(6), HitS: seconds(7)}, // after we acted
		{Target: "unnamed", HitS: seconds(3)},
		{Target: "quiet"},
	}}
	s := ForecastSkill([]Result{run, {}})
	p := .8 * .9 // nine of ten arrivals come before the first effect
	brier, base := ((1-p)*(1-p)+p*p+1+0)/4, .25
	if s.Targets != 4 || s.Hits != 2 || s.Named != 1 || s.LeadS != 3 {
		t.Errorf("%+v: want 4 targets, 2 hits, 1 named 3 s before", s)
	}
	if math.Abs(s.Brier-brier) > 1e-9 || math.Abs(s.Base-base) > 1e-9 {
		t.Errorf("Brier %v, base %v: want %v, %v", s.Brier, s.Base, brier, base)
	}
	if s := ForecastSkill(nil); s != (Skill{}) {
		t.Errorf("%+v of nothing", s)
	}
}

func TestForecastHit_byIsMonotone(t *testing.T) {
	h := ForecastHit{P: .5, P10S: seconds(3), P50S: seconds(4), P90S: seconds(8)}
	last := 0.0
	for end := 2.0; end < 12; end += .1 {
		p := h.by(2, end)
		if p < last-1e-12 || p > .5 {
			t.Fatalf("by %v: %v after %v", end, p, last)
		}
		last = p
	}
	if last != .5 || h.by(2, 1) != 0 {
		t.Errorf("at the end %v, before the start %v: want .5 and 0", last, h.by(2, 1))
	}
}
