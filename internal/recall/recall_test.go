package recall

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/backout-dev/backout"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func cell(k backout.SignalKind, r backout.Reach, level float64) backout.ProfileCell {
	return backout.ProfileCell{Kind: k, Reach: r, Level: level}
}

// draw makes a signature of a product with so many services.
func draw(r *rand.Rand, services int) backout.Signature {
	s := backout.Signature{Causes: map[backout.ComponentKind]float64{}}
	for _, k := range signalKinds {
		for _, at := range reaches {
			if r.IntN(3) > 0 {
				s.Profile = append(s.Profile, cell(k, at, math.Tanh(r.NormFloat64())))
			}
		}
	}
	for i := range 1 + r.IntN(6) {
		id := backout.ServiceID(fmt.Sprintf("s%d", r.IntN(services)))
		s.Services = append(s.Services, id)
		s.Onsets = append(s.Onsets, backout.ServiceOnset{Service: id, Lag: float64(i * r.IntN(4))})
	}
	s.Services = unique(s.Services)
	p := r.Float64()
	s.Causes[causeKinds[r.IntN(causes)]] += p
	s.Causes[backout.CauseNone] += 1 - p
	age := 60 * r.Float64()
	s.Age = &age
	for range r.IntN(3) {
		s.Tokens = append(s.Tokens, fmt.Sprintf("word%d", r.IntN(30)))
	}
	return s
}

// Worked out by hand, part by part.
func TestDistance_golden(t *testing.T) {
	age := func(m float64) *float64 { return &m }
	a := backout.Signature{
		Profile:  []backout.ProfileCell{cell(backout.SignalErrors, backout.ReachOrigin, .8), cell(backout.SignalLatency, backout.ReachCallers, .2)},
		Services: []backout.ServiceID{"pay", "shop"}, Onsets: []backout.ServiceOnset{{Service: "pay", Lag: 0}, {Service: "shop", Lag: 3}},
		Causes: map[backout.ComponentKind]float64{backout.KindDeployment: .9, backout.CauseNone: .1}, Age: age(3), Tokens: []string{"timeout", "refused"},
	}
	b := backout.Signature{
		Profile:  []backout.ProfileCell{cell(backout.SignalErrors, backout.ReachOrigin, .4), cell(backout.SignalLatency, backout.ReachCallers, -.2)},
		Services: []backout.ServiceID{"pay", "mail"}, Causes: map[backout.ComponentKind]float64{backout.KindFlag: .6, backout.CauseNone: .4}, Age: age(30), Tokens: []string{"timeout"},
	}
	profile := .8 / 1.6                                             // (|.8-.4| + |.2+.2|) / (1.2 + .4)
	services := 1 - math.Log(2)/(math.Log(2)+2*math.Log(3))         // pay in both, shop and mail in one of two
	cause := .75*(.9+.6+.3)/2 + .25*3/7                             // 2-5 minutes against 20-40: three buckets of seven
	want := (.35*profile + .25*services + .15*cause + .10*.5) / .85 // no order: one service in common
	if d, basis := Distance(a, b); math.Abs(d-want) > 1e-6 || math.Abs(basis-.85) > 1e-12 {
		t.Errorf("distance %.6f on %.2f, want %.6f on .85", d, basis, want)
	}
	c := a
	c.Onsets = []backout.ServiceOnset{{Service: "shop", Lag: 0}, {Service: "pay", Lag: 1.5}}
	if d, basis := Distance(a, c); math.Abs(d-.15) > 1e-6 || math.Abs(basis-1) > 1e-12 {
		t.Errorf("turned order: %.4f on %.2f, want .15 on 1", d, basis)
	}
	c.Onsets = []backout.ServiceOnset{{Service: "shop", Lag: 0}, {Service: "pay", Lag: .2}}
	if d, _ := Distance(a, c); math.Abs(d-.075) > 1e-6 {
		t.Errorf("order tied in one: %.4f, want .075", d)
	}
	if d, basis := Distance(a, backout.Signature{}); d != 1 || basis != 0 {
		t.Errorf("nothing in common: %.4f on %.2f", d, basis)
	}
}

func TestDistance_symmetricZeroOnItselfAndBounded(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		a, b := draw(r, 8), draw(r, 8)
		d, basis := Distance(a, b)
		back, same := Distance(b, a)
		if math.Abs(d-back) > 1e-9 || basis != same || d < 0 || d > 1 || math.IsNaN(d) {
			t.Fatalf("%v and %v: %g and %g on %g and %g", a, b, d, back, basis, same)
		}
		if d, _ := Distance(a, a); math.Abs(d) > 1e-6 {
			t.Fatalf("%v to itself: %g", a, d)
		}
	}
}

// Validity in simulation, whatever the class and however rare a word: P(p <= a) <= a
// within what 99 % of such simulations show.
func TestPValue_valid(t *testing.T) {
	for n, runs := range map[int]int{19: 3000, 40: 1000} {
		below := map[float64]int{}
		r := rand.New(rand.NewPCG(3, uint64(n)))
		for range runs {
			all := make([]backout.Signature, n)
			for i := range all {
				all[i] = draw(r, 12)
			}
			p := PValue(all, draw(r, 12))
			for _, a := range []float64{.05, .1, .2, .5} {
				if p <= a {
					below[a]++
				}
			}
		}
		for a, k := range below {
			if share, most := float64(k)/float64(runs), a+2.58*math.Sqrt(a*(1-a)/float64(runs)); share > most {
				t.Errorf("n = %d: P(p <= %g) is %.4f, more than %.4f", n, a, share, most)
			}
		}
		if below[.5] < runs/3 {
			t.Errorf("n = %d: p <= .5 in %d of %d only: it says nothing", n, below[.5], runs)
		}
	}
}

// family is incidents of one sort, with another sort's services for strange ones.
func family(r *rand.Rand, n int) []backout.Precedent {
	out := []backout.Precedent{}
	for i := range n {
		s := backout.Signature{
			Profile:  []backout.ProfileCell{cell(backout.SignalErrors, backout.ReachOrigin, .8+.05*r.NormFloat64()), cell(backout.SignalLatency, backout.ReachCallers, .3+.05*r.NormFloat64())},
			Services: []backout.ServiceID{"pay", "shop"}, Causes: map[backout.ComponentKind]float64{backout.KindDeployment: .9, backout.CauseNone: .1},
		}
		out = append(out, backout.Precedent{ID: backout.PrecedentID(fmt.Sprintf("INC-%d", i)), At: noon.Add(time.Duration(i) * time.Hour), Signature: s, Outcome: backout.PrecedentVerified, Label: backout.LabelChange,
			Cause: backout.KindDeployment, Did: "took pay back", Moved: []backout.PrecedentMove{{Kind: backout.KindDeployment, Service: "pay"}}})
	}
	return out
}

func TestLikeness_states(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	all := family(r, 40)
	strange := backout.Signature{
		Profile: []backout.ProfileCell{cell(backout.SignalSaturation, backout.ReachCallees, .9), cell(backout.SignalErrors, backout.ReachOrigin, -.4)}, Services: []backout.ServiceID{"mail"},
		Causes: map[backout.ComponentKind]float64{backout.KindDeployment: .6, backout.CauseNone: .4},
	}
	past := New(all...)
	if l := past.Likeness(strange, ""); l.Novelty != backout.NoveltyNovel || l.N != 40 || math.Abs(l.P-1.0/41) > 1e-9 || l.Class != backout.KindDeployment {
		t.Errorf("a strange one: %+v", l)
	}
	l := past.Likeness(all[7].Signature, "")
	if l.Novelty != backout.NoveltyFamiliar || l.Nearest[0].Precedent != "INC-7" || l.Nearest[0].Distance > 1e-6 || math.Abs(l.Nearest[0].Weight-1) > 1e-4 || l.Nearest[0].Did != "took pay back" {
		t.Errorf("one more of them: %+v", l)
	}
	if l := past.Likeness(all[7].Signature, "INC-7"); l.Nearest[0].Precedent == "INC-7" || l.Known != 39 {
		t.Errorf("compared with itself: %+v", l)
	}
	if l := New(all[:18]...).Likeness(strange, ""); l.Novelty != backout.NoveltyInsufficient || l.N != 18 || l.Needed != 19 || l.P != 0 {
		t.Errorf("18 of 19: %+v", l)
	}
	for i := range all {
		all[i].Simulated = true
	}
	if l := New(all...).Likeness(strange, ""); l.N != 0 || len(l.Nearest) != 0 {
		t.Errorf("rehearsals are compared with: %+v", l)
	}
}

// What people wrote down knows other parts: its p-values would tell how it was written.
func TestLikeness_importedAreNeighboursOnly(t *testing.T) {
	all := family(rand.New(rand.NewPCG(7, 8)), 30)
	query := all[0].Signature
	for i := range all {
		all[i].Source = "wiki"
	}
	l := New(all...).Likeness(query, "")
	if l.Novelty != backout.NoveltyInsufficient || l.N != 0 || l.Imported != 30 || len(l.Nearest) != 3 || l.Nearest[0].Source != "wiki" {
		t.Errorf("%+v", l)
	}
}

func TestPast_withReplacesAndEqualsNew(t *testing.T) {
	all := family(rand.New(rand.NewPCG(9, 10)), 25)
	past := New(all[:20]...).With(all[20:]...)
	changed := all[3]
	changed.Did = "took shop back"
	past = past.With(changed)
	if past.Len() != 25 || past.Likeness(all[3].Signature, "").Nearest[0].Did != "took shop back" {
		t.Errorf("%d, %+v", past.Len(), past.Likeness(all[3].Signature, "").Nearest)
	}
	all[3] = changed
	one, two := past.Likeness(all[9].Signature, ""), New(all...).Likeness(all[9].Signature, "")
	if diff := cmp.Diff(one, two, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Error(diff)
	}
}

// The scan must find what comparing with everything finds, although it stops early.
func TestNearest_findsWhatASlowScanFinds(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	all := []backout.Precedent{}
	for i := range 400 {
		all = append(all, backout.Precedent{ID: backout.PrecedentID(fmt.Sprint(i)), At: noon.Add(time.Duration(i) * time.Minute), Signature: draw(r, 10)})
	}
	past := New(all...)
	for range 50 {
		s := draw(r, 12)
		q := past.words.vector(s, false)
		idf := past.words.weights(&q)
		slow := []float64{}
		for i := range past.vectors {
			if d, b := compare(&q, &past.vectors[i], idf, math.Inf(1)); b >= basis {
				slow = append(slow, d)
			}
		}
		slices.Sort(slow)
		for i, n := range past.Nearest(s, "", 3) {
			if math.Abs(n.Distance-slow[i]) > 1e-12 {
				t.Fatalf("nearest %d at %g, a slow scan says %g", i, n.Distance, slow[i])
			}
		}
	}
}

func TestMartingale_goldenAndHonest(t *testing.T) {
	// The integral of k p^(k-1) over k in (0,1) is (1-p+p log p)/(p log² p).
	if got, want := Martingale([]float64{.05, .5}), (1-.05+.05*math.Log(.05))/(.05*math.Log(.05)*math.Log(.05))*(1-.5+.5*math.Log(.5))/(.5*math.Log(.5)*math.Log(.5)); math.Abs(got-want) > 1e-9 {
		t.Errorf("%g, want %g", got, want)
	}
	r := rand.New(rand.NewPCG(13, 14))
	const runs = 4000
	alarms := 0
	for range runs {
		ps, worst := []float64{}, 0.0
		for range 100 {
			ps = append(ps, r.Float64())
			worst = max(worst, Martingale(ps))
		}
		if worst >= backout.DriftAlarm {
			alarms++
		}
	}
	if most := .05 + 2.58*math.Sqrt(.05*.95/runs); float64(alarms)/runs > most {
		t.Errorf("false alarms of drift %.4f, at most %.4f", float64(alarms)/runs, most)
	}
	if Martingale([]float64{.04, .04, .04, .04, .04}) < backout.DriftAlarm {
		t.Error("five strange incidents in a row are no drift")
	}
}

func TestReuse_pseudoCounts(t *testing.T) {
	all := family(rand.New(rand.NewPCG(15, 16)), 5)
	all[4].Outcome, all[4].Signature = backout.PrecedentUnresolved, all[0].Signature
	pr := backout.Priors{Culprit: map[backout.ComponentKind]float64{backout.KindDeployment: 2}, Shipped: map[backout.ComponentKind]float64{backout.KindDeployment: 30, backout.KindFlag: 10}, Incidents: 3}
	got := New(all...).Reuse(pr, all[0].Signature, "")
	key := "deployment/pay"
	if r := got.Actions[key]; r.Tried <= 2 || r.Tried > 3 || r.Tried-r.Worked < .999 || r.Tried-r.Worked > 1.001 {
		t.Errorf("%s: %+v; want three near ones of which one failed", key, r)
	}
	added := got.Culprit[backout.KindDeployment] - 2
	if math.Abs(got.Incidents-3-added) > 1e-9 || math.Abs(got.Shipped[backout.KindFlag]-10-added*5) > 1e-9 || added > 3 {
		t.Errorf("%+v: the mix of what is shipped must stay", got)
	}
	if pr.Actions != nil || pr.Culprit[backout.KindDeployment] != 2 {
		t.Error("the priors given were altered")
	}
	far := backout.Signature{Services: []backout.ServiceID{"mail"}, Profile: []backout.ProfileCell{cell(backout.SignalSaturation, backout.ReachOrigin, 1)}}
	if r := New(all...).Reuse(pr, far, "").Actions[key]; r.Tried > .05 {
		t.Errorf("far ones count %+v", r)
	}
}

func TestPriors_importedDecay(t *testing.T) {
	told := func(age time.Duration, l backout.ReviewLabel) backout.Precedent {
		return backout.Precedent{ID: backout.PrecedentID(fmt.Sprint(l, age)), Source: "wiki", At: noon.Add(-age), Label: l}
	}
	past := New(told(0, backout.LabelNone), told(halfLife, backout.LabelNone), told(20*halfLife, backout.LabelNone), told(0, backout.LabelUnknown))
	once := past.Priors(backout.Priors{}, noon)
	if math.Abs(once.None-1.5) > 1e-5 || math.Abs(once.Incidents-1.5) > 1e-5 {
		t.Errorf("%+v", once)
	}
	if twice := past.With(told(0, backout.LabelNone)).Priors(backout.Priors{}, noon); twice.None != once.None {
		t.Errorf("imported twice: %g, once %g", twice.None, once.None)
	}
}

func TestSignature_ofAnIncident(t *testing.T) {
	id := backout.NewComponentID(backout.KindDeployment, "pay", "p", "eu")
	finding := func(s backout.ServiceID, after time.Duration) backout.Finding {
		return backout.Finding{ID: backout.SeriesID{Signal: "errors", Subject: backout.Subject{Service: s}}, Onset: noon.Add(after)}
	}
	levels := func(s backout.ServiceID, k backout.SignalKind, xs ...float64) backout.Residuals {
		return backout.Residuals{ID: backout.SeriesID{Signal: backout.SignalName(k), Subject: backout.Subject{Service: s}}, Kind: k, From: noon.Add(-time.Minute), Step: time.Minute, Levels: xs}
	}
	k := Sketch{
		From: noon,
		World: backout.World{
			Minute:  backout.Duration(time.Minute),
			Graph:   backout.Graph{Components: []backout.Component{{ID: id, Kind: backout.KindDeployment, Service: "pay"}}, Dependencies: []backout.Dependency{{From: "shop", To: "pay"}, {From: "pay", To: "bank"}}},
			Changes: []backout.Change{{ID: "c1", Component: id, Exposure: backout.Exposure{Stages: []backout.ExposureStage{{At: noon.Add(-4 * time.Minute), Share: 1}}}}},
		},
		Incident: backout.Incident{
			Findings:    []backout.Finding{finding("shop", 2*time.Minute), finding("pay", 0), finding("shop", time.Minute), {ID: backout.SeriesID{Signal: "alert:PayErrorBudget"}, Mode: backout.ModeAlert}},
			Attribution: &backout.Attribution{Onset: noon, PNone: .2, Suspects: []backout.Suspect{{Change: "c1", Component: id, P: .8}}},
		},
		Residuals: []backout.Residuals{levels("pay", backout.SignalErrors, 0, 50, 4, 4, 4), levels("shop", backout.SignalErrors, 0, 0, 1, math.NaN(), 1), levels("bank", backout.SignalLatency, 0, 0, 0, -4, -4), levels("mail", backout.SignalErrors, 9, 9, 9, 9, 9)},
	}
	age := 4.0
	want := backout.Signature{
		Services: []backout.ServiceID{"pay", "shop"}, Onsets: []backout.ServiceOnset{{Service: "pay"}, {Service: "shop", Lag: 1}},
		Profile: []backout.ProfileCell{cell(backout.SignalLatency, backout.ReachCallees, -math.Tanh(1)), cell(backout.SignalErrors, backout.ReachOrigin, math.Tanh(1)), cell(backout.SignalErrors, backout.ReachCallers, math.Tanh(.25))},
		Causes:  map[backout.ComponentKind]float64{backout.KindDeployment: .8, backout.CauseNone: .2}, Age: &age, Tokens: []string{"alert", "payerrorbudget"},
	}
	if diff := cmp.Diff(want, Signature(k), cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func BenchmarkNearest100k(b *testing.B) {
	r := rand.New(rand.NewPCG(17, 18))
	all := make([]backout.Precedent, 100_000)
	for i := range all {
		all[i] = backout.Precedent{ID: backout.PrecedentID(fmt.Sprint(i)), Signature: draw(r, 300)}
	}
	past, s := New(all...), draw(r, 300)
	b.ResetTimer()
	for range b.N {
		past.Nearest(s, "", 3)
	}
}

func BenchmarkLikeness100k(b *testing.B) {
	r := rand.New(rand.NewPCG(17, 18))
	all := make([]backout.Precedent, 100_000)
	for i := range all {
		all[i] = backout.Precedent{ID: backout.PrecedentID(fmt.Sprint(i)), Signature: draw(r, 300)}
	}
	past, s := New(all...), draw(r, 300)
	b.ResetTimer()
	for range b.N {
		past.Likeness(s, "")
	}
}
