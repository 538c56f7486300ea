package forecast

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	backout "github.com/backout-dev/backout"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// chain is a shop in a row: web calls checkout calls payment, and a side branch.
func chain() Question {
	var q Question
	q.World.Now, q.World.Minute = noon, backout.Duration(time.Minute)
	for _, id := range []backout.ServiceID{"web", "checkout", "payment", "catalog"} {
		q.World.Graph.Services = append(q.World.Graph.Services, backout.Service{ID: id, Kind: backout.ServiceOwn})
	}
	for _, d := range [][2]backout.ServiceID{{"web", "checkout"}, {"checkout", "payment"}, {"web", "catalog"}} {
		q.World.Graph.Dependencies = append(q.World.Graph.Dependencies, backout.Dependency{From: d[0], To: d[1], Hard: true})
	}
	q.World.Graph.Journeys = []backout.Journey{
		{ID: "buy", Services: []backout.ServiceID{"web", "checkout", "payment"}, ValuePerMinute: backout.Money{Minor: 12000, Currency: "EUR"}},
		{ID: "browse", Services: []backout.ServiceID{"web", "catalog"}, ValuePerMinute: backout.Money{Minor: 3000, Currency: "EUR"}},
	}
	q.World.Changes = []backout.Change{{ID: "c1", Services: []backout.ServiceID{"payment"}}}
	q.Attribution = backout.Attribution{At: noon, Onset: noon, Suspects: []backout.Suspect{{Change: "c1", P: 1}}}
	q.Draws = 2000
	return q
}

// learn makes a way almost certain in what it does.
func learn(q *Question, cause, victim backout.ServiceID, theta, mean float64) {
	const n = 1e6
	if q.World.Priors.Edges == nil {
		q.World.Priors.Edges = map[string]backout.EdgePrior{}
	}
	q.World.Priors.Edges[fmt.Sprintf("%s>%s", cause, victim)] = backout.EdgePrior{Followed: theta * n, Stayed: (1 - theta) * n, Delays: backout.Moments{N: n, Sum: mean * n}}
}

func found(s backout.ServiceID, at time.Time) backout.Finding {
	return backout.Finding{ID: backout.SeriesID{Signal: "latency", Subject: backout.Subject{Service: s}}, Onset: at, At: at}
}

func hitOf(f backout.Forecast, target string) backout.Hit {
	for _, h := range f.Hits {
		if h.Target == target {
			return h
		}
	}
	return backout.Hit{}
}

func TestCascade_noOrigin(t *testing.T) {
	q := chain()
	q.Attribution = backout.Attribution{}
	f := Cascade(q)
	if len(f.Hits) != 0 || f.Hits == nil || f.Drivers == nil || f.Warnings == nil || f.Draws != 0 {
		t.Errorf("got %+v, expected an empty forecast without nil slices", f)
	}
}

func TestCascade_twoServicesInClosedForm(t *testing.T) {
	for _, c := range []struct{ theta, mean, horizon float64 }{{0.7, 4, 10}, {0.3, 2, 3}, {0.95, 8, 5}} {
		q := chain()
		q.Draws = 8000
		q.Horizon = q.span(c.horizon)
		learn(&q, "payment", "checkout", c.theta, c.mean)
		x := 2 * c.horizon / c.mean
		want := c.theta * (1 - (1+x)*math.Exp(-x))
		if got := hitOf(Cascade(q), "checkout").P; math.Abs(got-want) > 0.02 {
			t.Errorf("θ %.2f, mean %v, within %v min: P %.3f, expected %.3f", c.theta, c.mean, c.horizon, got, want)
		}
	}
}

func TestCascade_healthySoFarInClosedForm(t *testing.T) {
	q := chain()
	q.Draws = 8000
	q.Attribution.Onset = noon.Add(-6 * time.Minute)
	q.Findings = []backout.Finding{found("payment", noon.Add(-6*time.Minute))}
	q.Horizon = q.span(5)
	learn(&q, "payment", "checkout", 0.7, 4)
	s := func(d float64) float64 { x := 2 * d / 4; return (1 + x) * math.Exp(-x) }
	// A hit of the last minute would not have been noticed: five minutes were quiet.
	want := 0.7 * (s(5) - s(11)) / (0.3 + 0.7*s(5))
	if got := hitOf(Cascade(q), "checkout").P; math.Abs(got-want) > 0.02 {
		t.Errorf("P %.3f after six quiet minutes, expected %.3f", got, want)
	}
}

func TestCascade_alreadyHit(t *testing.T) {
	q := chain()
	q.Attribution.Onset = noon.Add(-4 * time.Minute)
	q.Findings = []backout.Finding{found("payment", noon.Add(-4*time.Minute)), found("checkout", noon.Add(-2*time.Minute))}
	f := Cascade(q)
	var order []string
	for _, h := range f.Hits {
		order = append(order, h.Target)
	}
	if want := []string{"buy", "payment", "checkout"}; len(order) < 4 || !slices.Equal(order[:3], want) {
		t.Errorf("order %v, expected it to begin with %v", order, want)
	}
	h := hitOf(f, "checkout")
	if h.P != 1 || !h.HitAt.Equal(noon.Add(-2*time.Minute)) || h.P50 != 0 {
		t.Errorf("checkout is %+v, expected hit at 11:58 for certain", h)
	}
	if w := hitOf(f, "web"); w.P <= 0.3 || w.P >= 1 || !w.HitAt.IsZero() || w.P10 > w.P50 || w.P50 > w.P90 || w.P90 > f.Horizon {
		t.Errorf("web is %+v, expected a chance with ordered quantiles", w)
	}
	if f.CostNow.P50.Minor <= 0 || f.CostHorizon.P50.Minor < f.CostNow.P50.Minor || f.CostNow.P50.Currency != "EUR" {
		t.Errorf("costs %+v and %+v, expected money lost now and more later", f.CostNow, f.CostHorizon)
	}
	if len(f.Drivers) == 0 || f.Drivers[0] != "buy" {
		t.Errorf("drivers %v, expected buy first", f.Drivers)
	}
	if f.Effective < enough || f.Effective > float64(f.Draws)+1e-6 {
		t.Errorf("effective %v of %d draws", f.Effective, f.Draws)
	}
}

func TestCascade_modelMinute(t *testing.T) {
	q := chain()
	a := hitOf(Cascade(q), "checkout")
	q.World.Minute = backout.Duration(time.Second)
	b := hitOf(Cascade(q), "checkout")
	if a.P != b.P || math.Abs(float64(a.P50)/60-float64(b.P50)) > 1e3 {
		t.Errorf("minute: %+v, second: %+v; expected the same in other units", a, b)
	}
}

func TestCascade_originOfAChangeOnlyKnownByItsComponent(t *testing.T) {
	q := chain()
	q.World.Changes = nil
	q.World.Graph.Components = []backout.Component{{ID: "flag:x@production/eu-1", Service: "payment"}}
	q.Attribution.Suspects = []backout.Suspect{{Change: "gone", Component: "flag:x@production/eu-1", P: 0.6}}
	q.Attribution.PNone, q.Attribution.Origins = 0.4, []backout.Origin{{Kind: backout.OriginSpontaneous, Service: "catalog", P: 0.4}}
	f := Cascade(q)
	if p := hitOf(f, "payment").P; math.Abs(p-0.6) > 0.05 {
		t.Errorf("payment has %.2f, expected its share of the attribution", p)
	}
	if p := hitOf(f, "catalog").P; math.Abs(p-0.4) > 0.05 {
		t.Errorf("catalog has %.2f, expected its share of the attribution", p)
	}
}

func TestCascade_whatIsHitTellsTheOrigin(t *testing.T) {
	q := chain()
	q.Attribution.Onset = noon.Add(-4 * time.Minute)
	q.Attribution.Suspects[0].P = 0.5
	q.Attribution.PNone, q.Attribution.Origins = 0.5, []backout.Origin{{Kind: backout.OriginSpontaneous, Service: "catalog", P: 0.5}}
	q.Findings = []backout.Finding{found("checkout", noon.Add(-2*time.Minute))}
	if f := Cascade(q); hitOf(f, "payment").P < 0.7 || hitOf(f, "catalog").P > 0.4 {
		t.Errorf("payment %.2f, catalog %.2f: expected the one that explains checkout", hitOf(f, "payment").P, hitOf(f, "catalog").P)
	}
}

func TestCascade_travelsToCalleesOnlyWhereResourcesAreHeld(t *testing.T) {
	for _, holds := range []bool{false, true} {
		q := chain()
		q.World.Changes[0].Services = []backout.ServiceID{"checkout"}
		q.World.Graph.Dependencies[1].Holds = holds
		if p := hitOf(Cascade(q), "payment").P; (p > 0.1) != holds {
			t.Errorf("holds %t: payment has %.2f", holds, p)
		}
	}
}

// Ten incidents that began at checkout reached catalog, ten that came through it did
// not: what matters then is where this one began.
func TestCascade_whatIsBrokenAndWhatPassesOn(t *testing.T) {
	for origin, want := range map[backout.ServiceID]float64{"checkout": 10.0 + 2*15.0/26, "payment": 2 * 15.0 / 26} {
		q := chain()
		q.Horizon = backout.Duration(24 * time.Hour)
		q.World.Changes[0].Services = []backout.ServiceID{origin}
		q.World.Graph.Dependencies = append(q.World.Graph.Dependencies, backout.Dependency{From: "catalog", To: "checkout", Hard: true})
		learn(&q, "payment", "checkout", 1, 2)
		q.World.Priors.Edges["checkout>catalog"] = backout.EdgePrior{Followed: 10, Stayed: 10, Began: backout.Rate{Worked: 10, Tried: 10}}
		if got := hitOf(Cascade(q), "catalog").P; math.Abs(got-want/12) > 0.03 {
			t.Errorf("began at %s: catalog has %.3f, expected %.3f", origin, got, want/12)
		}
	}
}

func TestLearnt_withoutWhereItBeganBothAreTheSame(t *testing.T) {
	broken, passing := learnt(odds{5, 1}, backout.EdgePrior{Followed: 3, Stayed: 2})
	if want := (odds{8, 3}); broken != want || passing != want {
		t.Errorf("broken %v, passing %v, expected %v for both", broken, passing, want)
	}
}

func TestCascade_warnsOfRetryStorms(t *testing.T) {
	q := chain()
	q.Saturation = map[backout.ServiceID]float64{"payment": 0.6, "web": 0.2}
	q.ErrorRatio = map[backout.ServiceID]float64{"payment": 0.5, "web": 0.4}
	f := Cascade(q)
	if len(f.Warnings) != 1 || !strings.Contains(f.Warnings[0], "payment uses 60 %") || !strings.Contains(f.Warnings[0], "has tipped and would need") {
		t.Errorf("warnings %q, expected one about payment", f.Warnings)
	}
}

func TestCascade_sameSeedSameForecast(t *testing.T) {
	q := chain()
	q.Draws = 0
	a, b := Cascade(q), Cascade(q)
	if d := cmp.Diff(a, b); d != "" {
		t.Errorf("same question, other answer: %s", d)
	}
	q.Seed = 99
	if cmp.Equal(a, Cascade(q)) {
		t.Error("another seed gives the very same forecast")
	}
	if a.Draws != 400 {
		t.Errorf("%d draws, expected 400", a.Draws)
	}
}

// randomGraph draws a small graph with an origin.
func randomGraph(t *rapid.T) Question {
	q := chain()
	q.Draws = 400
	g := &q.World.Graph
	g.Dependencies, g.Services = nil, nil
	n := rapid.IntRange(2, 8).Draw(t, "services")
	name := func(i int) backout.ServiceID { return backout.ServiceID(fmt.Sprintf("s%d", i)) }
	for i := range n {
		g.Services = append(g.Services, backout.Service{ID: name(i)})
	}
	for range rapid.IntRange(1, 14).Draw(t, "dependencies") {
		a, b := rapid.IntRange(0, n-1).Draw(t, "from"), rapid.IntRange(0, n-1).Draw(t, "to")
		if a != b {
			g.Dependencies = append(g.Dependencies, backout.Dependency{From: name(a), To: name(b), Hard: rapid.Bool().Draw(t, "hard"), Holds: rapid.Bool().Draw(t, "holds")})
		}
	}
	q.World.Changes[0].Services = []backout.ServiceID{name(rapid.IntRange(0, n-1).Draw(t, "origin"))}
	return q
}

func TestCascade_fewerWaysReachLess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := randomGraph(t)
		if len(q.World.Graph.Dependencies) == 0 {
			return
		}
		before := Cascade(q)
		i := rapid.IntRange(0, len(q.World.Graph.Dependencies)-1).Draw(t, "removed")
		q.World.Graph.Dependencies = slices.Delete(slices.Clone(q.World.Graph.Dependencies), i, i+1)
		for _, h := range Cascade(q).Hits {
			if old := hitOf(before, h.Target).P; h.P > old+1e-9 {
				t.Fatalf("%s has %.4f without a way, %.4f with it", h.Target, h.P, old)
			}
		}
	})
}

func TestCascade_likelierWaysReachMore(t *testing.T) {
	last := 0.0
	for _, theta := range []float64{0.1, 0.3, 0.5, 0.7, 0.9} {
		q := chain()
		learn(&q, "payment", "checkout", theta, 3)
		p := hitOf(Cascade(q), "web").P
		if p < last {
			t.Errorf("θ %.1f: web has %.3f, less than %.3f with a smaller θ", theta, p, last)
		}
		last = p
	}
	if last < 0.4 {
		t.Errorf("web has %.3f at θ 0.9, expected much more", last)
	}
}

func TestCascade_isWellFormed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := randomGraph(t)
		q.Attribution.Onset = noon.Add(-time.Duration(rapid.IntRange(0, 20).Draw(t, "ago")) * time.Minute)
		for range rapid.IntRange(0, 3).Draw(t, "findings") {
			s := backout.ServiceID(fmt.Sprintf("s%d", rapid.IntRange(0, 9).Draw(t, "ill")))
			q.Findings = append(q.Findings, found(s, noon.Add(-time.Duration(rapid.IntRange(0, 25).Draw(t, "since"))*time.Minute)))
		}
		f := Cascade(q)
		if !(f.Effective >= 1) || f.Effective > float64(f.Draws)+1e-6 {
			t.Fatalf("effective %v of %d", f.Effective, f.Draws)
		}
		for _, h := range f.Hits {
			if !(h.P >= leastP && h.P <= 1) || h.P10 > h.P50 || h.P50 > h.P90 || h.P10 < 0 || h.P90 > f.Horizon {
				t.Fatalf("hit %+v is not well formed", h)
			}
			if h.CostPerMinute.P10.Minor > h.CostPerMinute.P90.Minor || h.CostPerMinute.P10.Minor < 0 {
				t.Fatalf("cost of %+v is not well formed", h)
			}
		}
	})
}

func BenchmarkCascade(b *testing.B) {
	q := chain()
	q.Draws = 0
	q.World.Graph.Services, q.World.Graph.Dependencies = nil, nil
	name := func(i int) backout.ServiceID { return backout.ServiceID(fmt.Sprintf("s%d", i)) }
	for i := range 50 {
		q.World.Graph.Services = append(q.World.Graph.Services, backout.Service{ID: name(i)})
		for _, j := range []int{i / 2, i / 3, i / 5} {
			if j != i {
				q.World.Graph.Dependencies = append(q.World.Graph.Dependencies, backout.Dependency{From: name(j), To: name(i), Hard: true})
			}
		}
	}
	q.World.Changes[0].Services = []backout.ServiceID{name(49)}
	for b.Loop() {
		Cascade(q)
	}
}

// A journey lists the services that it calls, not the data stores behind them: an ill
// store reaches it all the same.
func TestCascade_anIllDataStoreReachesJourneys(t *testing.T) {
	for kind, want := range map[backout.ServiceKind]bool{backout.ServiceDatastore: true, backout.ServiceOwn: false} {
		q := chain()
		q.World.Graph.Services = append(q.World.Graph.Services, backout.Service{ID: "shop-db", Kind: kind})
		q.World.Graph.Dependencies = append(q.World.Graph.Dependencies, backout.Dependency{From: "checkout", To: "shop-db", Hard: true})
		q.World.Changes[0].Services = []backout.ServiceID{"shop-db"}
		q.Attribution.Onset = noon.Add(-2 * time.Minute)
		q.Findings = []backout.Finding{found("checkout", noon.Add(-2*time.Minute))}
		f := Cascade(q)
		if costs := f.CostNow.P50.Minor > 0; costs != want {
			t.Errorf("ill %s behind checkout: costs %v now, want any: %t", kind, f.CostNow.P50, want)
		}
	}
}
