package learn

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/backout-dev/backout"
)

var day0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const deploy, flag = backout.KindDeployment, backout.KindFlag

func minutes(m float64) backout.Duration { return backout.Duration(m * float64(time.Minute)) }

// lesson is an incident that a deployment of pay caused; a flag was innocent.
func lesson(at time.Time) Lesson {
	return Lesson{
		Shipped: []backout.Change{{ID: "pay=2", Kind: deploy}, {ID: "promo=on", Kind: flag}},
		Review: backout.Review{
			At: at, Label: backout.LabelChange, Culprits: []backout.ChangeID{"pay=2"},
			Actions:   []backout.ReviewAction{{Kind: deploy, Service: "pay", Worked: true}},
			Delays:    []backout.ReviewDelay{{Kind: deploy, Delay: minutes(3)}},
			Spread:    []backout.ReviewSpread{{Cause: "pay", Victim: "shop", Followed: true, Delay: minutes(2), Began: true}, {Cause: "pay", Victim: "mail", Began: true}, {Cause: "shop", Victim: "ads"}},
			EffectLag: minutes(2),
		},
	}
}

func TestUpdate_countsOneIncident(t *testing.T) {
	lag := math.Log(120)
	want := backout.Priors{
		Format: 1, At: day0, Incidents: 1,
		Delays:  map[backout.ComponentKind][]float64{deploy: {0, 0, 1, 0, 0, 0, 0}},
		Culprit: map[backout.ComponentKind]float64{deploy: 1},
		Shipped: map[backout.ComponentKind]float64{deploy: 1, flag: 1},
		Actions: map[string]backout.Rate{"deployment": {Worked: 1, Tried: 1}, "deployment/pay": {Worked: 1, Tried: 1}},
		Edges: map[string]backout.EdgePrior{
			"pay>shop": {Followed: 1, Delays: backout.Moments{N: 1, Sum: 2, Sq: 4}, Began: backout.Rate{Worked: 1, Tried: 1}},
			"pay>mail": {Stayed: 1, Began: backout.Rate{Tried: 1}},
			"shop>ads": {Stayed: 1},
		},
		EffectLags: backout.Moments{N: 1, Sum: lag, Sq: lag * lag},
	}
	if d := cmp.Diff(want, Update(backout.Priors{}, lesson(day0)), cmpopts.EquateApprox(0, 1e-12)); d != "" {
		t.Error(d)
	}
}

func TestUpdate_learnsNothing(t *testing.T) {
	cases := map[string]func(*backout.Review){
		"from a simulated incident": func(r *backout.Review) { r.Simulated = true },
		"from an unknown cause":     func(r *backout.Review) { r.Label = backout.LabelUnknown },
		"without a label":           func(r *backout.Review) { r.Label = "" },
	}
	before := Update(backout.Priors{}, lesson(day0))
	for name, edit := range cases {
		l := lesson(day0.Add(HalfLife))
		edit(&l.Review)
		if d := cmp.Diff(before, Update(before, l)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestUpdate_aDrillsChangesAreNoCandidates(t *testing.T) {
	l := lesson(day0)
	l.Shipped[0].Simulated, l.Shipped[1].Simulated = true, true
	if p := Update(backout.Priors{}, l); len(p.Shipped)+len(p.Culprit) != 0 {
		t.Errorf("learnt from a drill's changes: shipped %v, culprit %v", p.Shipped, p.Culprit)
	}
}

func TestUpdate_noneTeachesNothingAboutChanges(t *testing.T) {
	l := lesson(day0)
	l.Review.Label = backout.LabelNone
	p := Update(backout.Priors{}, l)
	if p.None != 1 || p.Incidents != 1 || p.Shipped[deploy] != 1 || p.Edges["pay>shop"].Followed != 1 {
		t.Errorf("an incident without culprit was not counted: %+v", p)
	}
	if len(p.Culprit)+len(p.Delays)+len(p.Actions) != 0 || p.EffectLags.N != 0 {
		t.Errorf("an incident without culprit taught about culprits: %+v", p)
	}
}

func TestUpdate_sharesTheBlame(t *testing.T) {
	l := lesson(day0)
	l.Review.Culprits = []backout.ChangeID{"pay=2", "promo=on"}
	l.Review.Delays = append(l.Review.Delays, backout.ReviewDelay{Kind: flag, Delay: minutes(50)})
	p := Update(backout.Priors{}, l)
	if p.Culprit[deploy] != .5 || p.Culprit[flag] != .5 || p.Delays[deploy][2] != .5 || p.Delays[flag][6] != .5 {
		t.Errorf("culprits %v, delays %v: want a half each", p.Culprit, p.Delays)
	}
}

func TestUpdate_binsOfDelays(t *testing.T) {
	for delay, bin := range map[float64]int{0: 0, .99: 0, 1: 1, 2: 2, 5: 3, 10: 4, 20: 5, 40: 6, 89.9: 6, 90: -1, -1: -1} {
		l := lesson(day0)
		l.Review.Delays[0].Delay = minutes(delay)
		counts := Update(backout.Priors{}, l).Delays[deploy]
		switch {
		case bin < 0 && len(counts) != 0:
			t.Errorf("a delay of %g minutes was counted: %v", delay, counts)
		case bin >= 0 && (len(counts) != Bins || counts[bin] != 1):
			t.Errorf("a delay of %g minutes: %v, want it in bin %d", delay, counts, bin)
		}
	}
}

func TestUpdate_halfIsForgottenAfterAHalfLife(t *testing.T) {
	first := Update(backout.Priors{}, lesson(day0))
	second := lesson(day0.Add(HalfLife))
	second.Review.Actions[0].Worked = false
	p := Update(first, second)
	want := backout.Rate{Worked: .5, Tried: 1.5}
	if p.Actions["deployment"] != want || p.Incidents != 1.5 || p.Delays[deploy][2] != 1.5 || p.Edges["pay>shop"].Delays.Sum != 3 || p.Edges["pay>mail"].Began.Tried != 1.5 {
		t.Errorf("after a half-life: %+v", p)
	}
	l := lesson(day0.Add(20 * HalfLife))
	l.Shipped, l.Review = nil, backout.Review{At: l.Review.At, Label: backout.LabelNone}
	if old := Update(first, l); len(old.Actions)+len(old.Edges)+len(old.Delays)+len(old.Shipped) != 0 {
		t.Errorf("ten years later something is still there: %+v", old)
	}
}

func TestUpdate_scalesModelMinutes(t *testing.T) {
	fast := lesson(day0)
	fast.Minute = time.Second
	fast.Review.EffectLag = backout.Duration(2 * time.Second)
	fast.Review.Delays[0].Delay = backout.Duration(3 * time.Second)
	fast.Review.Spread[0].Delay = backout.Duration(2 * time.Second)
	if d := cmp.Diff(Update(backout.Priors{}, lesson(day0)), Update(backout.Priors{}, fast), cmpopts.EquateApprox(0, 1e-12)); d != "" {
		t.Error("a world sixty times as fast taught something else:", d)
	}
}

// The order in which reviews arrive does not matter, the input stays as it was,
// and every count stays sensible.
func TestUpdate_properties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) Lesson {
			l := lesson(day0.Add(time.Duration(rapid.IntRange(0, 1000).Draw(t, name+" day")) * 24 * time.Hour))
			l.Review.Label = rapid.SampledFrom([]backout.ReviewLabel{backout.LabelChange, backout.LabelNone}).Draw(t, name+" label")
			l.Review.Actions[0].Worked = rapid.Bool().Draw(t, name+" worked")
			l.Review.Delays[0].Delay = minutes(rapid.Float64Range(-5, 120).Draw(t, name+" delay"))
			return l
		}
		a, b := draw("a"), draw("b")
		one := Update(backout.Priors{}, a)
		frozen, _ := json.Marshal(one)
		ab, ba := Update(one, b), Update(Update(backout.Priors{}, b), a)
		if d := cmp.Diff(ab, ba, cmpopts.EquateApprox(1e-9, 1e-2), cmpopts.EquateEmpty(), dropSmall()); d != "" {
			t.Fatal("the order of reviews matters:", d)
		}
		if now, _ := json.Marshal(one); string(now) != string(frozen) {
			t.Fatal("the priors given were altered")
		}
		for k, r := range ab.Actions {
			if r.Worked < 0 || r.Worked > r.Tried+1e-12 || r.Tried > 2 {
				t.Fatalf("%s: %v", k, r)
			}
		}
		for k, n := range ab.Culprit {
			if n > ab.Shipped[k]+1e-12 {
				t.Fatalf("more culprits than changes of kind %s", k)
			}
		}
	})
}

// dropSmall ignores entries that one order dropped as forgotten.
func dropSmall() cmp.Option {
	return cmpopts.IgnoreMapEntries(func(_ backout.ComponentKind, v float64) bool { return v < 2*forgotten })
}
